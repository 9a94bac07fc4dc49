//! The rules that the first-party validators share.
//!
//! A library beside the components rather than one of them: whatever links a component's crate
//! would export that component's role a second time. It owns what a well-formed request is; it
//! knows nothing of roles. The documentation of `validator-standard` lists rules and codes.
#![deny(missing_docs)]

pub mod config;
pub mod fields;
mod members;
mod rules;

pub use config::Config;
pub use members::Fault;

use patchbay_plugin::FieldErrors;
use serde_json::Value;

/// Checks and normalises a request in place, and notes every fault.
///
/// `now` is the host's clock in milliseconds since 1970-01-01T00:00:00Z. `/patient/id` and members
/// unknown to the rules are never changed.
pub fn check(request: &mut Value, config: &Config, now: u64, errors: &mut FieldErrors) {
    rules::check(request, config, now, errors);
}
