//! What an operator sees of workflows, and does to them.

use std::collections::HashSet;

use patchbay_registry::Customer;
use patchbay_store::StoreError;
use patchbay_store::inspect::{AnyWorkflow, History, List};
use patchbay_store::records::DeliveryAttempt;
use patchbay_store::retry::{Retried, Retry};
use patchbay_vault::RecordKind;
use patchbay_workflow::{
    Actor, CustomerId, EventId, Sensitive, Status, TimelineEntry, Timestamp, Workflow, WorkflowId,
};

use crate::intake::LinkError;
use crate::seal::open;
use crate::service::Service;

/// Which workflows to list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only this customer's.
    pub customer: Option<CustomerId>,
    /// Only those in this state.
    pub status: Option<Status>,
    /// Only those that changed before this one, which was the last of the former page.
    pub before: Option<(Timestamp, WorkflowId)>,
    /// The most.
    pub limit: usize,
}

/// One line of a timeline.
#[derive(Debug, Clone)]
pub struct TimelineRecord {
    /// What anyone may see who may see the workflow.
    pub entry: TimelineEntry,
    /// What guests wrote, where it was asked for.
    pub detail: Option<Sensitive<String>>,
}

/// One attempt to deliver an event.
#[derive(Debug, Clone)]
pub struct DeliveryRecord {
    /// Of which event.
    pub event: EventId,
    /// Its number, from 1.
    pub number: u32,
    /// The attempt.
    pub attempt: DeliveryAttempt,
}

/// A workflow with its past.
#[derive(Debug, Clone)]
pub struct WorkflowHistory {
    /// As it stands.
    pub workflow: Workflow,
    /// What happened, oldest first.
    pub timeline: Vec<TimelineRecord>,
    /// The attempts to tell of it.
    pub attempts: Vec<DeliveryRecord>,
}

/// Why an operator's request was refused.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// There is no such workflow.
    #[error("there is no such workflow")]
    NotFound,
    /// Only a workflow that failed in processing can be retried.
    #[error("the workflow is {0}; only one that failed in processing can be retried")]
    NotFailed(Status),
    /// Another request holds the patient.
    #[error("another request for this patient is in progress: workflow {0}")]
    InProgress(WorkflowId),
    /// The patient is linked already.
    #[error("the patient was linked meanwhile by workflow {0}")]
    AlreadyLinked(WorkflowId),
    /// The customer has to be set up first.
    #[error("{0}")]
    NotConfigured(&'static str),
    /// The store cannot be reached now.
    #[error("the service cannot answer now")]
    Unavailable,
}

impl From<StoreError> for OperateError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "an operator's request failed");
        Self::Unavailable
    }
}

impl Service {
    /// Workflows, newest change first.
    pub async fn list_workflows(&self, query: &ListQuery) -> Result<Vec<Workflow>, OperateError> {
        let snapshot = self.parts.registry.snapshot();
        let customers: Vec<CustomerId> = match &query.customer {
            Some(customer) => vec![customer.clone()],
            None => snapshot
                .customers()
                .map(|customer| customer.id.clone())
                .collect(),
        };
        let statuses = query
            .status
            .map_or_else(|| Status::ALL.to_vec(), |status| vec![status]);
        let mut workflows = Vec::new();
        for customer in &customers {
            for &status in &statuses {
                let (before, limit) = (query.before, query.limit);
                let list = List {
                    customer,
                    status,
                    before,
                    limit,
                };
                workflows.extend(self.parts.store.run(&list).await?);
            }
            // Only the newest are wanted: what is kept stays as small as one page.
            workflows.sort_by_key(|w: &Workflow| std::cmp::Reverse((w.updated_at, w.id)));
            // One that moved on between two statuses' reading was found in both: it stands as it was last.
            let mut listed = HashSet::new();
            workflows.retain(|workflow| listed.insert(workflow.id));
            workflows.truncate(query.limit);
        }
        Ok(workflows)
    }

    /// One workflow with its timeline; with what guests wrote if `detail` is asked for.
    pub async fn workflow_history(
        &self,
        id: WorkflowId,
        detail: bool,
    ) -> Result<WorkflowHistory, OperateError> {
        let workflow = self
            .parts
            .store
            .run(&AnyWorkflow(id))
            .await?
            .ok_or(OperateError::NotFound)?;
        let told = self.parts.store.run(&History(id)).await?;
        let customer = self.customer(&workflow.customer).filter(|_| detail);
        let timeline = told.timeline.into_iter().map(|stored| TimelineRecord {
            detail: customer
                .as_deref()
                .and_then(|customer| read_detail(customer, id, stored.detail.as_ref()?)),
            entry: stored.entry,
        });
        let attempts = told.attempts.into_iter();
        Ok(WorkflowHistory {
            timeline: timeline.collect(),
            attempts: attempts
                .map(|(event, number, attempt)| DeliveryRecord {
                    event,
                    number,
                    attempt,
                })
                .collect(),
            workflow,
        })
    }

    /// Processes a failed workflow again, on the plugins bound now.
    pub async fn retry_workflow(
        &self,
        id: WorkflowId,
        operator: &str,
    ) -> Result<Workflow, OperateError> {
        let workflow = self
            .parts
            .store
            .run(&AnyWorkflow(id))
            .await?
            .ok_or(OperateError::NotFound)?;
        let pins = self
            .current_pins(&workflow.customer)
            .map_err(|error| match error {
                LinkError::NotConfigured(what) => OperateError::NotConfigured(what),
                _ => OperateError::Unavailable,
            })?;
        let actor = Actor::Operator(operator.to_owned());
        let retry = Retry {
            workflow: id,
            pins,
            actor,
            now: self.parts.clock.now(),
        };
        match self.parts.store.run(&retry).await? {
            Retried::Queued(workflow) => Ok(workflow),
            Retried::Unknown => Err(OperateError::NotFound),
            Retried::NotFailed(workflow) => Err(OperateError::NotFailed(workflow.status())),
            Retried::InFlight(other) => Err(OperateError::InProgress(other)),
            Retried::AlreadyLinked(other) => Err(OperateError::AlreadyLinked(other)),
        }
    }

    /// Whether the store answers: for readiness.
    pub async fn store_answers(&self) -> bool {
        let nobody = WorkflowId::from_uuid(uuid::Uuid::nil());
        self.parts.store.run(&AnyWorkflow(nobody)).await.is_ok()
    }
}

fn read_detail(
    customer: &Customer,
    id: WorkflowId,
    sealed: &patchbay_vault::Sealed,
) -> Option<Sensitive<String>> {
    open(customer, RecordKind::GuestOutput, id.as_bytes(), sealed).ok()
}
