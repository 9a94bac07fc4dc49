//! The events a customer can receive.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::state::Settled;

/// What a webhook tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// The patient is linked.
    Linked,
    /// Nobody was found, or nobody was chosen in time.
    NoResults,
    /// The request was given up; nothing changed.
    Failed,
    /// Several records fit; somebody has to choose.
    ChoiceRequired,
    /// The link was undone.
    DeLinked,
}

impl EventKind {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Linked => "link.linked",
            Self::NoResults => "link.no-results",
            Self::Failed => "link.failed",
            Self::ChoiceRequired => "link.choice-required",
            Self::DeLinked => "link.de-linked",
        }
    }
}

impl From<Settled> for EventKind {
    fn from(outcome: Settled) -> Self {
        match outcome {
            Settled::Linked => Self::Linked,
            Settled::NoResults => Self::NoResults,
            Settled::DeLinked => Self::DeLinked,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
