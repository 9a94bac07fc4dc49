//! What can be seen of workflows.

use std::fmt;

use patchbay_workflow::{
    Actor, Blame, CustomerId, EventId, Failure, Outcome as DomainOutcome, PluginRef, RequestId,
    RequestType, Sensitive, Settled, Status, TimelineEntry, Workflow, WorkflowId,
};
use serde::{Deserialize, Serialize};

use crate::Rfc3339;

/// How a workflow ended, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Not known, or given up before it was.
    None,
    /// The patient is linked.
    Linked,
    /// Nobody fits.
    NoResults,
    /// The link was undone.
    DeLinked,
}

impl From<DomainOutcome> for Outcome {
    fn from(outcome: DomainOutcome) -> Self {
        match outcome {
            DomainOutcome::None => Self::None,
            DomainOutcome::Settled(Settled::Linked) => Self::Linked,
            DomainOutcome::Settled(Settled::NoResults) => Self::NoResults,
            DomainOutcome::Settled(Settled::DeLinked) => Self::DeLinked,
        }
    }
}

impl Outcome {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Linked => "linked",
            Self::NoResults => "no-results",
            Self::DeLinked => "de-linked",
        }
    }
}

/// Why something failed, and whose fault it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FailureView {
    /// Who has to act.
    pub blame: Blame,
    /// A stable code in kebab case.
    pub code: String,
    /// The plugin, where one was running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginRef>,
}

impl From<&Failure> for FailureView {
    fn from(failure: &Failure) -> Self {
        Self {
            blame: failure.blame,
            code: failure.code.clone(),
            plugin: failure.plugin.clone(),
        }
    }
}

/// One workflow, as a list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorkflowSummary {
    /// Its id.
    pub workflow_id: WorkflowId,
    /// Whose it is.
    pub customer_id: CustomerId,
    /// The request that started it.
    pub request_id: RequestId,
    /// What was asked for.
    pub request_type: RequestType,
    /// Where it stands.
    pub status: Status,
    /// How it ended.
    pub outcome: Outcome,
    /// When it was accepted.
    pub created_at: Rfc3339,
    /// When it last changed.
    pub updated_at: Rfc3339,
    /// How often its processing was begun.
    pub executions: u32,
    /// What ended it, where something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView>,
}

impl From<&Workflow> for WorkflowSummary {
    fn from(workflow: &Workflow) -> Self {
        Self {
            workflow_id: workflow.id,
            customer_id: workflow.customer.clone(),
            request_id: workflow.request,
            request_type: workflow.request_type,
            status: workflow.status(),
            outcome: workflow.outcome().into(),
            created_at: workflow.created_at.to_string(),
            updated_at: workflow.updated_at.to_string(),
            executions: workflow.executions,
            failure: workflow.failure().map(FailureView::from),
        }
    }
}

/// The query of `GET workflows`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct WorkflowQuery {
    /// Only this customer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerId>,
    /// Only those in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// At most so many; the server has a limit of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// Where the previous page ended: its `next`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// 200 of `GET workflows`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorkflowPage {
    /// The page.
    pub workflows: Vec<WorkflowSummary>,
    /// The cursor of the next page; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// 200 of `GET workflows/{id}` and of `POST workflows/{id}/retry`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct WorkflowDetail {
    /// The workflow.
    #[serde(flatten)]
    pub summary: WorkflowSummary,
    /// What happened, oldest first.
    #[serde(default)]
    pub timeline: Vec<TimelineLine>,
    /// The attempts to tell the customer, oldest first.
    #[serde(default)]
    pub attempts: Vec<AttemptLine>,
}

/// Who caused a transition. A type of its own: the domain's is part of the stored format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ActorView {
    /// The customer, through the API.
    Customer,
    /// A worker, processing or delivering.
    Worker,
    /// The reconciler.
    Reconciler,
    /// An operator.
    Operator {
        /// The name of their credentials.
        name: String,
    },
}

impl From<&Actor> for ActorView {
    fn from(actor: &Actor) -> Self {
        match actor {
            Actor::Customer => Self::Customer,
            Actor::Worker => Self::Worker,
            Actor::Reconciler => Self::Reconciler,
            Actor::Operator(name) => Self::Operator { name: name.clone() },
        }
    }
}

impl fmt::Display for ActorView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer => f.write_str("customer"),
            Self::Worker => f.write_str("worker"),
            Self::Reconciler => f.write_str("reconciler"),
            Self::Operator { name } => write!(f, "operator {name}"),
        }
    }
}

/// One transition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct TimelineLine {
    /// When.
    pub at: Rfc3339,
    /// The state before; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Status>,
    /// The state after.
    pub to: Status,
    /// Who.
    pub actor: ActorView,
    /// A stable code for what was done.
    pub reason: String,
    /// What went wrong, where something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView>,
    /// What the guest, the backend or the endpoint said. It may name the patient: only with
    /// `?detail=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<Sensitive<String>>,
}

impl From<&TimelineEntry> for TimelineLine {
    fn from(entry: &TimelineEntry) -> Self {
        Self {
            at: entry.at.to_string(),
            from: entry.from,
            to: entry.to,
            actor: ActorView::from(&entry.actor),
            reason: entry.reason.clone(),
            failure: entry.failure.as_ref().map(FailureView::from),
            detail: None,
        }
    }
}

/// One attempt to deliver a webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct AttemptLine {
    /// The event: the `webhook-id` of the attempt.
    pub event_id: EventId,
    /// When.
    pub at: Rfc3339,
    /// The status of the endpoint's answer, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
}
