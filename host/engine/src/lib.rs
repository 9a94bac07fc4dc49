//! Drives workflows: takes requests in, processes them, tells the customer, mends what is stuck.
//!
//! Owns the order of the steps and what a failure of each leads to. It brings together the store, the
//! registry, the sandbox and delivery; it knows nothing of serving HTTP, of keys in the store or of
//! wasmtime. Time, randomness and outgoing HTTP come in through `patchbay-ambient`.

#![deny(missing_docs)]

mod deliver;
mod details;
mod event;
mod gateway;
mod intake;
mod job;
mod known;
mod lease_keeper;
mod monitor;
mod operate;
mod plugins;
mod pool;
mod process;
mod reconciler;
mod seal;
mod service;
mod settings;
mod status;
mod verdict;
mod worker;

pub use details::{DetailsError, PatientDetails};
pub use intake::{FieldFault, LinkAnswer, LinkError, LinkRequest, MalformedRequest};
pub use monitor::{QueueDepth, QueueState};
pub use operate::{DeliveryRecord, ListQuery, OperateError, TimelineRecord, WorkflowHistory};
pub use plugins::{PushRefused, PushReport};
pub use reconciler::Sweep;
pub use service::{Parts, Service, StoreRefused};
pub use settings::Settings;
pub use status::StatusError;
