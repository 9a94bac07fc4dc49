//! What goes into the roles and comes out of them: the records of `wit/1.0.0` as plain Rust, with JSON
//! documents already parsed.

use serde::Serialize;
use serde_json::Value;

use crate::{BackendError, ConfigError};

/// Why a call could not be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// A stable code in kebab case, for example `backend-unavailable`.
    pub code: String,
    /// For the operator: kept encrypted in the workflow's timeline, never logged.
    pub message: String,
}

impl Failure {
    /// A failure that may pass: the host tries again later.
    pub fn retryable(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            retryable: true,
            code: code.into(),
            message: message.into(),
        }
    }

    /// A failure that the same call will meet again: the workflow fails.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            retryable: false,
            code: code.into(),
            message: message.into(),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Failure {}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::permanent("config-invalid", error.to_string())
    }
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        let message = error.to_string();
        match error {
            BackendError::Denied(_) => Self::permanent("backend-denied", message),
            BackendError::Timeout => Self::retryable("backend-timeout", message),
            BackendError::Unavailable(_) => Self::retryable("backend-unavailable", message),
            BackendError::TooLarge(_) => Self::permanent("backend-answer-too-large", message),
        }
    }
}

/// One search to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The normalised request body; the patient is its member `patient`.
    pub request: Value,
    /// Unique to this attempt; give it to the backend as its idempotency key.
    pub attempt_id: String,
    /// Where an asynchronous backend may deliver its answer, if it accepts a URL per search.
    pub callback_url: Option<String>,
}

/// What a search gives.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The search was answered.
    Answered(Candidates),
    /// The backend took the search and will answer under this id.
    Pending(String),
}

/// The answer to a search.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Candidates {
    /// Best first. Empty: the search found nobody.
    pub found: Vec<Candidate>,
    /// The backend had more results than were looked at. Such a search never yields a unique match.
    pub truncated: bool,
}

/// One record of the internal system that may be the patient's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The id of the record in the internal system.
    pub internal_id: String,
    /// From 0 to 1.
    pub score: f64,
    /// The score in words.
    pub grade: Grade,
    /// Why, field by field.
    pub evidence: Vec<FieldEvidence>,
}

/// How sure the adapter is that the candidate is the patient (FHIR's value set match-grade); ordered
/// from the least sure to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grade {
    /// It is somebody else.
    CertainlyNot,
    /// It may be the patient.
    Possible,
    /// It most likely is the patient.
    Probable,
    /// It is the patient.
    Certain,
}

/// What one field said for or against a candidate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FieldEvidence {
    /// The field's name in the request, for example `dob` or `contact.phone`.
    pub field: String,
    /// How the two values compare.
    pub agreement: Agreement,
    /// From 0 (nothing in common) to 1 (equal).
    pub similarity: f64,
    /// What the field contributed to the score; may be negative.
    pub weight: f64,
}

/// How one field of the patient compares with the candidate's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// The same after normalisation.
    Equal,
    /// Alike.
    Similar,
    /// Not alike.
    Different,
    /// One side has no value.
    Missing,
}

/// Something that happened to a workflow and that the customer is told.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The event's id; the `webhook-id` header carries it.
    pub id: String,
    /// What happened.
    pub kind: EventKind,
    /// When, in RFC 3339.
    pub occurred_at: String,
    /// The event's data: see the book's reference of events.
    pub data: Value,
}

/// What an event tells.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// `link.linked`: the patient is linked.
    Linked,
    /// `link.no-results`: nobody was found.
    NoResults,
    /// `link.failed`: the request could not be processed.
    Failed,
    /// `link.choice-required`: somebody has to choose among candidates.
    ChoiceRequired,
    /// `link.de-linked`: the link was undone.
    DeLinked,
    /// A kind that a later host may send.
    Other(String),
}

impl EventKind {
    /// The kind as it is written in the contract, for example `link.linked`.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Linked => "link.linked",
            Self::NoResults => "link.no-results",
            Self::Failed => "link.failed",
            Self::ChoiceRequired => "link.choice-required",
            Self::DeLinked => "link.de-linked",
            Self::Other(kind) => kind,
        }
    }
}

impl From<&str> for EventKind {
    fn from(kind: &str) -> Self {
        [
            Self::Linked,
            Self::NoResults,
            Self::Failed,
            Self::ChoiceRequired,
            Self::DeLinked,
        ]
        .into_iter()
        .find(|known| known.as_str() == kind)
        .unwrap_or_else(|| Self::Other(kind.to_owned()))
    }
}

impl std::fmt::Display for EventKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A webhook's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The body's media type.
    pub content_type: String,
    /// Additional headers; never `webhook-*`, `host`, `content-length` or hop-by-hop ones.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Message {
    /// A message of type `application/json` without additional headers.
    pub fn json(body: &Value) -> Self {
        Self {
            content_type: "application/json".to_owned(),
            headers: Vec::new(),
            body: body.to_string().into_bytes(),
        }
    }
}
