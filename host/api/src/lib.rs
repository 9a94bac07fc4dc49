//! The wire types of the customer and admin APIs, and a client of both.
//!
//! Owns how requests, answers and problems look as JSON: the server renders these types and the
//! command line reads them, so that neither can drift. Ids and states are the domain's own. It knows
//! nothing of storage, of plugins, or of how the server comes to its answers.
//!
//! Members are in kebab case. Secrets and patient data are [`Sensitive`], so that no value of this
//! crate can print them.

#![deny(missing_docs)]

pub mod admin;
pub mod client;
pub mod customer;
pub mod monitor;
pub mod problem;
pub mod workflows;

pub use client::{AdminClient, ClientError, CustomerClient, LinkAnswer, LinkCall, StatusAnswer};
pub use patchbay_workflow::{
    BackendId, CustomerId, InvalidId, RequestType, Role, Sensitive, Status, WorkflowId,
};
pub use problem::{FieldProblem, Problem};

/// A free JSON object.
pub type Object = serde_json::Map<String, serde_json::Value>;

/// An instant as RFC 3339 text in UTC with milliseconds: what the domain's `Timestamp` displays.
pub type Rfc3339 = String;

/// Where the admin API lives below the admin listener's address.
pub const ADMIN_BASE: &str = "admin/v1";
