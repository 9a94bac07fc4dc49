//! What a workflow is at one moment.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::id::{
    BackendId, CustomerId, KeyedHash, LeaseToken, PluginDigest, RequestId, WorkflowId,
};
use crate::time::{Deadlines, Timestamp};

/// What the customer asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RequestType {
    /// Link the patient to an internal record.
    #[serde(rename = "LINK")]
    Link,
    /// Undo the link.
    #[serde(rename = "DE-LINK")]
    DeLink,
}

impl RequestType {
    /// The name used in APIs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Link => "LINK",
            Self::DeLink => "DE-LINK",
        }
    }
}

/// The name of a state, without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Accepted, waiting for a worker.
    Received,
    /// A worker has it.
    InProgress,
    /// The backend took the search and will answer later.
    Requested,
    /// Several records fit; a choice is awaited.
    Ambiguous,
    /// Linked; the webhook is not acknowledged yet.
    Linked,
    /// Nobody found; the webhook is not acknowledged yet.
    NoResults,
    /// De-linked; the webhook is not acknowledged yet.
    DeLinked,
    /// Ended, and the customer knows.
    Completed,
    /// Given up.
    Failed,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 9] = [
        Self::Received,
        Self::InProgress,
        Self::Requested,
        Self::Ambiguous,
        Self::Linked,
        Self::NoResults,
        Self::DeLinked,
        Self::Completed,
        Self::Failed,
    ];

    /// The name used in APIs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "RECEIVED",
            Self::InProgress => "IN_PROGRESS",
            Self::Requested => "REQUESTED",
            Self::Ambiguous => "AMBIGUOUS",
            Self::Linked => "LINKED",
            Self::NoResults => "NO_RESULTS",
            Self::DeLinked => "DE_LINKED",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }

    /// Whether nothing more will happen by itself.
    pub const fn is_end(self) -> bool {
        matches!(self, Self::Completed | Self::Failed)
    }

    /// Whether the request still holds the patient: from acceptance until the outcome is known.
    pub const fn is_in_flight(self) -> bool {
        matches!(
            self,
            Self::Received | Self::InProgress | Self::Requested | Self::Ambiguous
        )
    }

    /// One byte for keys; part of the stored format.
    pub const fn key_byte(self) -> u8 {
        match self {
            Self::Received => 1,
            Self::InProgress => 2,
            Self::Requested => 3,
            Self::Ambiguous => 4,
            Self::Linked => 5,
            Self::NoResults => 6,
            Self::DeLinked => 7,
            Self::Completed => 8,
            Self::Failed => 9,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Status {
    type Err = crate::id::InvalidId;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or(crate::id::InvalidId {
                kind: "status",
                rule: "must be RECEIVED, IN_PROGRESS, REQUESTED, AMBIGUOUS, LINKED, NO_RESULTS, \
                   DE_LINKED, COMPLETED or FAILED",
            })
    }
}

/// An outcome that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Settled {
    /// The patient is linked.
    Linked,
    /// Nobody fits.
    NoResults,
    /// The link was undone.
    DeLinked,
}

/// How a workflow ended, as far as that is known: kept apart from its status, so that `COMPLETED`
/// and `FAILED` still say what became of the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Not known, or given up before it was.
    None,
    /// Known, and it stands.
    Settled(Settled),
}

impl Outcome {
    /// The name used in APIs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Settled(Settled::Linked) => "linked",
            Self::Settled(Settled::NoResults) => "no-results",
            Self::Settled(Settled::DeLinked) => "de-linked",
        }
    }
}

/// A search that a backend answers later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requested {
    /// Who was asked.
    pub backend: BackendId,
    /// Keyed hash of the search id; the id itself is kept encrypted.
    pub search: KeyedHash,
}

/// What was given up: the processing, or only the telling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failed {
    /// No outcome is known.
    Processing(Failure),
    /// The outcome stands; its webhook was never acknowledged.
    Delivery(Settled, Failure),
}

/// A state with the data that only it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// Accepted, waiting for a worker.
    Received,
    /// Leased under this token.
    InProgress(LeaseToken),
    /// The backend will answer later.
    Requested(Requested),
    /// A choice is awaited until this instant.
    Ambiguous {
        /// When the choice expires; the workflow then ends with no results.
        expires_at: Timestamp,
    },
    /// The outcome is known and its webhook is due.
    Telling(Settled),
    /// Told.
    Completed(Settled),
    /// Given up.
    Failed(Failed),
}

/// The plugin versions a workflow started with. It stays on them until it ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pins {
    /// The validator that accepted it.
    pub validator: Option<PluginDigest>,
    /// The backends to ask, in order, with their adapters.
    pub backends: Vec<(BackendId, PluginDigest)>,
    /// The formatter of its webhook.
    pub formatter: Option<PluginDigest>,
}

/// A workflow record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// Its id.
    pub id: WorkflowId,
    /// The request that started it.
    pub request: RequestId,
    /// What was asked for.
    pub request_type: RequestType,
    /// Whose it is.
    pub customer: CustomerId,
    /// The patient, hashed.
    pub patient: KeyedHash,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// Grows by one with every change; the `ETag` of the status.
    pub revision: u64,
    /// How many times its processing was begun.
    pub executions: u32,
    /// The plugins it uses.
    pub pins: Pins,
    /// Where it stands.
    pub state: State,
}

impl Workflow {
    /// A workflow as it is accepted.
    pub fn accepted(
        id: WorkflowId,
        request: RequestId,
        request_type: RequestType,
        customer: CustomerId,
        patient: KeyedHash,
        pins: Pins,
        now: Timestamp,
    ) -> Self {
        Self {
            id,
            request,
            request_type,
            customer,
            patient,
            created_at: now,
            updated_at: now,
            revision: 1,
            executions: 0,
            pins,
            state: State::Received,
        }
    }

    /// The name of its state.
    pub const fn status(&self) -> Status {
        match &self.state {
            State::Received => Status::Received,
            State::InProgress(_) => Status::InProgress,
            State::Requested(_) => Status::Requested,
            State::Ambiguous { .. } => Status::Ambiguous,
            State::Telling(Settled::Linked) => Status::Linked,
            State::Telling(Settled::NoResults) => Status::NoResults,
            State::Telling(Settled::DeLinked) => Status::DeLinked,
            State::Completed(_) => Status::Completed,
            State::Failed(_) => Status::Failed,
        }
    }

    /// What is known of its end.
    pub const fn outcome(&self) -> Outcome {
        match &self.state {
            State::Telling(outcome)
            | State::Completed(outcome)
            | State::Failed(Failed::Delivery(outcome, _)) => Outcome::Settled(*outcome),
            _ => Outcome::None,
        }
    }

    /// The failure that ended it, if one did.
    pub const fn failure(&self) -> Option<&Failure> {
        match &self.state {
            State::Failed(Failed::Processing(failure) | Failed::Delivery(_, failure)) => {
                Some(failure)
            }
            _ => None,
        }
    }

    /// When the reconciler has to look at it if nothing happens before; none in an end state.
    pub fn deadline(&self, deadlines: &Deadlines) -> Option<Timestamp> {
        match &self.state {
            State::Received => Some(self.updated_at.after(deadlines.received)),
            State::InProgress(_) => Some(self.updated_at.after(deadlines.in_progress)),
            State::Requested(_) => Some(self.updated_at.after(deadlines.requested)),
            State::Ambiguous { expires_at } => Some(*expires_at),
            State::Telling(_) => Some(self.updated_at.after(deadlines.delivery)),
            State::Completed(_) | State::Failed(_) => None,
        }
    }
}
