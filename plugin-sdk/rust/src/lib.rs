//! Write Patchbay plugins in Rust: the roles, their bindings, and the matching library.
//!
//! A plugin is one WebAssembly component that plays one or more *roles*. Each role is a trait here, and
//! each has a macro that exports it; a component exports exactly the roles whose macros it calls.
//!
//! ```
//! use patchbay_plugin::testing::MockHost;
//! use patchbay_plugin::{Date, FieldError, FieldErrors, Host, Validator};
//! use serde_json::{Value, json};
//!
//! struct BornAlready;
//!
//! impl Validator for BornAlready {
//!     fn validate(request: Value, host: &Host) -> Result<Value, Vec<FieldError>> {
//!         let mut errors = FieldErrors::new();
//!         let dob = request["patient"]["dob"].as_str().unwrap_or_default();
//!         let dob = Date::parse_date_or_date_time(dob);
//!         if let Some(dob) = errors.check("/patient/dob", "date-invalid", dob)
//!             && dob > host.today()
//!         {
//!             errors.add("/patient/dob", "date-in-future", "A birth date cannot lie in the future.");
//!         }
//!         errors.finish(request)
//!     }
//! }
//!
//! patchbay_plugin::export_validator!(BornAlready);
//!
//! // A plugin is tested natively, against a host that the test controls.
//! let host = MockHost::new().today("2026-01-01");
//! let request = json!({"patient": {"id": "p-1", "dob": "2026-01-02"}});
//! let faults = BornAlready::validate(request, &host).unwrap_err();
//! assert_eq!(faults[0].code, "date-in-future");
//! ```
//!
//! Build the crate as a `cdylib` for `wasm32-wasip2`; the result is the component to push:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]
//! ```
//!
//! Every call runs on a fresh instance: statics do not survive it. This crate knows the contract
//! (`wit/1.0.0`) and nothing of how the host keeps it.
#![deny(missing_docs)]

mod backend;
#[doc(hidden)]
pub mod bindings;
pub mod contact;
mod date;
mod fields;
#[doc(hidden)]
pub mod guest;
mod host;
pub mod matching;
mod role;
pub mod testing;
mod types;

pub use backend::{Backend, BackendError, Method, Request, Response, path_segment};
pub use date::{Date, DateError};
pub use fields::{FieldError, FieldErrors, pointer};
pub use host::{ConfigError, Host, Level};
pub use role::{PatientDetails, SearchAdapter, SearchAsync, Validator, WebhookFormatter};
pub use types::{
    Agreement, Candidate, Candidates, Event, EventKind, Failure, FieldEvidence, Grade, Message,
    Outcome, Query,
};
