//! Webhook formatter `format-standard`: an event as JSON.
//!
//! ```json
//! {"type": "link.linked", "timestamp": "2026-01-31T12:00:00.000Z", "data": {"workflow-id": "…", …}}
//! ```
//!
//! The shape is the one that Standard Webhooks 1.0.0 recommends; `data` is the event's own. The
//! crate owns that envelope; it knows nothing of delivery or signing.
//!
//! # Configuration
//!
//! | member | meaning |
//! | --- | --- |
//! | `include` | the members of `data` to send, for example `["workflow-id", "outcome"]`; all by default |
//! | `omit-evidence` | `true`: the link goes without its `evidence`, which tells how the patient's fields compared; `false` by default |
//!
//! An unknown member, here or in `include`, is an error.
//!
//! # Failures
//!
//! `config-invalid` (permanent): the configuration is not as above; the message says where.
#![deny(missing_docs)]

use patchbay_plugin::{Event, Failure, Host, Message, WebhookFormatter};
use serde::Deserialize;
use serde_json::{Value, json};

/// What may be configured; the crate's documentation explains each member.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    include: Option<Vec<Member>>,
    omit_evidence: bool,
}

/// A member of an event's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Member {
    WorkflowId,
    RequestId,
    RequestType,
    PatientId,
    Outcome,
    Sequence,
    Link,
    Candidates,
    ExpiresAt,
    Failure,
}

impl Member {
    const fn as_str(self) -> &'static str {
        match self {
            Self::WorkflowId => "workflow-id",
            Self::RequestId => "request-id",
            Self::RequestType => "request-type",
            Self::PatientId => "patient-id",
            Self::Outcome => "outcome",
            Self::Sequence => "sequence",
            Self::Link => "link",
            Self::Candidates => "candidates",
            Self::ExpiresAt => "expires-at",
            Self::Failure => "failure",
        }
    }
}

/// Formats one event.
pub fn format(event: Event, config: &Config) -> Message {
    let mut data = event.data;
    if let (Value::Object(members), Some(include)) = (&mut data, &config.include) {
        members.retain(|name, _| include.iter().any(|member| member.as_str() == name));
    }
    if config.omit_evidence
        && let Some(Value::Object(link)) = data.get_mut("link")
    {
        link.remove("evidence");
    }
    Message::json(&json!({
        "type": event.kind.as_str(),
        "timestamp": event.occurred_at,
        "data": data,
    }))
}

/// The plugin.
#[derive(Debug)]
pub struct Standard;

impl WebhookFormatter for Standard {
    fn format(event: Event, host: &Host) -> Result<Message, Failure> {
        let config: Config = host.config()?;
        Ok(format(event, &config))
    }
}

patchbay_plugin::export_webhook_formatter!(Standard);
