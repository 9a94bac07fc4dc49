//! The events that tell a customer what became of a request: their data, and their formatting.

use std::sync::Arc;

use patchbay_registry::Customer;
use patchbay_sandbox::{Call, FormatEvent, GuestOutput};
use patchbay_vault::{RecordKind, Sealed};
use patchbay_workflow::{
    Blame, Candidate, EventId, EventKind, Failure, PatientId, Role, Sensitive, Timestamp, Workflow,
};
use serde_json::{Value, json};
use url::Url;

use crate::seal::{MessageContent, seal};
use crate::service::Service;

/// What an event tells beside its workflow.
#[derive(Debug, Clone)]
pub(crate) enum News<'a> {
    /// The patient is this record.
    Linked(&'a Candidate),
    /// Nobody is.
    NoResults,
    /// Somebody has to choose among so many.
    Choice {
        candidates: usize,
        expires_at: Timestamp,
    },
    /// Given up.
    Failed(&'a Failure),
}

impl News<'_> {
    pub(crate) const fn kind(&self) -> EventKind {
        match self {
            Self::Linked(_) => EventKind::Linked,
            Self::NoResults => EventKind::NoResults,
            Self::Choice { .. } => EventKind::ChoiceRequired,
            Self::Failed(_) => EventKind::Failed,
        }
    }

    const fn outcome(&self) -> &'static str {
        match self {
            Self::Linked(_) => "linked",
            Self::NoResults => "no-results",
            Self::Choice { .. } | Self::Failed(_) => "none",
        }
    }
}

/// A formatted event, as it is stored and as it is sent.
pub(crate) struct Formatted {
    pub(crate) sealed: Sealed,
    pub(crate) content: MessageContent,
}

/// What a formatter did.
pub(crate) struct Formatting {
    pub(crate) result: Result<Formatted, Failure>,
    pub(crate) output: GuestOutput,
}

/// The event's data, as the book's reference of events describes it.
fn data(workflow: &Workflow, patient: &PatientId, number: u64, news: &News<'_>) -> Value {
    let mut data = json!({
        "workflow-id": workflow.id.to_string(),
        "request-id": workflow.request.to_string(),
        "request-type": workflow.request_type.as_str(),
        "patient-id": patient.expose(),
        "outcome": news.outcome(),
        "sequence": number,
        "link": Value::Null,
        "failure": Value::Null,
    });
    match news {
        News::Linked(candidate) => {
            data["link"] = json!({
                "internal-patient-id": candidate.internal_id.expose(),
                "score": candidate.score,
                "grade": candidate.grade,
                "evidence": candidate.evidence.iter().map(|field| json!({
                    "field": field.field,
                    "agreement": field.agreement,
                    "similarity": field.similarity,
                    "weight": field.weight,
                })).collect::<Vec<_>>(),
            });
        }
        News::NoResults => {}
        News::Choice {
            candidates,
            expires_at,
        } => {
            data["candidates"] = json!(candidates);
            data["expires-at"] = json!(expires_at.to_string());
        }
        News::Failed(failure) => {
            data["failure"] = json!({ "blame": failure.blame.as_str(), "code": failure.code });
        }
    }
    data
}

impl Service {
    /// Whether the customer has anywhere to be told.
    pub(crate) fn tells(customer: &Customer, endpoint: Option<&Url>) -> bool {
        endpoint.is_some() || customer.webhook.is_some()
    }

    /// Formats an event with the workflow's formatter.
    pub(crate) async fn format(
        &self,
        customer: &Customer,
        workflow: &Workflow,
        (patient, endpoint): (&PatientId, Option<&Url>),
        (id, number, at): (EventId, u64, Timestamp),
        news: &News<'_>,
    ) -> Formatting {
        let failed = |failure| Formatting {
            result: Err(failure),
            output: GuestOutput::default(),
        };
        let Some(digest) = workflow.pins.formatter else {
            return failed(Failure::new(Blame::Configuration, "formatter-not-bound"));
        };
        let reference = match self.plugin_ref(digest) {
            Ok(reference) => reference,
            Err(failure) => return failed(failure),
        };
        let plugin = match self.plugin(&reference).await {
            Ok(plugin) => plugin,
            Err(failure) => return failed(failure),
        };
        let config = customer
            .binding(Role::WebhookFormatter)
            .map_or_else(|| Arc::from("{}"), |binding| Arc::clone(&binding.config));
        let event = FormatEvent {
            id: id.to_string(),
            kind: news.kind().as_str().to_owned(),
            occurred_at: at.to_string(),
            data: Sensitive::new(data(workflow, patient, number, news).to_string()),
        };
        let call = Call {
            config,
            gateway: None,
        };
        let outcome = self.parts.sandbox.format(&plugin, call, event).await;
        let mut output = outcome.output;
        let result = match outcome.result {
            Ok(Ok(message)) => {
                let content = MessageContent {
                    endpoint: endpoint.cloned(),
                    content_type: message.content_type,
                    headers: message.headers,
                    body: message.body,
                };
                seal(
                    customer,
                    RecordKind::Event,
                    id.as_bytes(),
                    &content,
                    &*self.parts.entropy,
                )
                .map(|sealed| Formatted { sealed, content })
                .map_err(|_| Failure::new(Blame::Host, "event-not-sealed"))
            }
            Ok(Err(guest)) => {
                crate::verdict::add_message(&mut output, guest.message);
                Err(Failure::new(Blame::Plugin, guest.code).in_plugin(reference))
            }
            Err(error) => Err(error.to_failure(&reference)),
        };
        Formatting { result, output }
    }
}
