//! The domain, pure: what a link request is, the states it passes through, and the rules between them.
//!
//! Owns ids, states, transitions, link policies, events and time types. It knows nothing of storage,
//! HTTP, WebAssembly or tokio, and does no I/O: every function here is a function of its arguments.

#![deny(missing_docs)]

pub mod decision;
pub mod event;
pub mod failure;
pub mod id;
pub mod role;
pub mod sensitive;
pub mod state;
pub mod time;
pub mod timeline;
pub mod transition;

pub use decision::{
    Agreement, Candidate, Decision, FieldEvidence, Grade, LinkPolicy, OnAmbiguity, SearchAnswer,
};
pub use event::EventKind;
pub use failure::{Blame, Failure, PluginRef};
pub use id::{
    BackendId, CustomerId, EventId, InvalidId, KeyedHash, LeaseToken, PluginDigest, RequestId,
    WorkflowId,
};
pub use role::Role;
pub use sensitive::{InternalId, InvalidPatientId, PatientId, Sensitive};
pub use state::{Failed, Outcome, Pins, RequestType, Requested, Settled, State, Status, Workflow};
pub use time::{Deadlines, Timestamp};
pub use timeline::{Actor, TimelineEntry};
pub use transition::{Command, IllegalTransition};
