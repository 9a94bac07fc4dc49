//! What a plugin can do for a customer.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::InvalidId;

/// A role of the plugin contract; each is one exported interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Checks and normalises a request before it is accepted.
    Validator,
    /// Searches the internal system.
    SearchAdapter,
    /// Completes a search that the backend answers later.
    SearchAsync,
    /// Fetches the details of a linked patient.
    PatientDetails,
    /// Turns an event into the body of a webhook.
    WebhookFormatter,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [
        Self::Validator,
        Self::SearchAdapter,
        Self::SearchAsync,
        Self::PatientDetails,
        Self::WebhookFormatter,
    ];

    /// The name of the interface in `patchbay:plugin`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Validator => "validator",
            Self::SearchAdapter => "search-adapter",
            Self::SearchAsync => "search-async",
            Self::PatientDetails => "patient-details",
            Self::WebhookFormatter => "webhook-formatter",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(InvalidId {
                kind: "role",
                rule: "must be validator, search-adapter, search-async, patient-details or \
                   webhook-formatter",
            })
    }
}
