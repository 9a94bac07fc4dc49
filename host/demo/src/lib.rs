//! The demonstration: a sample internal system, customers with their webhook endpoint, and a run of
//! requests whose truth is known.
//!
//! Owns everything that stands around the service in `patchbay demo`. It sees the service as the world
//! does, through its APIs and its webhooks, and knows nothing of its insides: no other crate of the
//! host but the wire types. Nobody in its data exists.

#![deny(missing_docs)]

mod children;
pub mod driver;
pub mod internal;
pub mod noise;
pub mod people;
pub mod progress;
pub mod report;
mod show;
pub mod sink;
mod stopwatch;

pub use children::ChildError;
pub use internal::{BackendArgs, BackendError, run_backend};
pub use show::{DemoArgs, DemoError, run};

/// The seed of a demonstration that is given none.
pub const DEFAULT_SEED: u64 = 20_260_101;
