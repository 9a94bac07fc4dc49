//! One line of a workflow's timeline.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::state::Status;
use crate::time::Timestamp;

/// Who caused a transition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Actor {
    /// The customer, through the API.
    Customer,
    /// A worker, processing or delivering.
    Worker,
    /// The reconciler.
    Reconciler,
    /// An operator, by the name of their credentials.
    Operator(String),
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer => f.write_str("customer"),
            Self::Worker => f.write_str("worker"),
            Self::Reconciler => f.write_str("reconciler"),
            Self::Operator(name) => write!(f, "operator {name}"),
        }
    }
}

/// What happened, when, and why. The guest's or the endpoint's own words are stored beside it,
/// encrypted; this part may be shown to anyone who may see the workflow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// The status before; none for the first entry.
    pub from: Option<Status>,
    /// The status after.
    pub to: Status,
    /// Who.
    pub actor: Actor,
    /// A stable code in kebab case for what was done, for example `accepted` or `leased`.
    pub reason: String,
    /// Set where something went wrong.
    pub failure: Option<Failure>,
}
