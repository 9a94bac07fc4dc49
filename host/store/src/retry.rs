//! An operator's retry of a workflow whose processing failed.

use async_trait::async_trait;
use patchbay_workflow::{Actor, Command, Outcome, Pins, Status, Timestamp, Workflow, WorkflowId};

use crate::accept::work_item;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::Read;
use crate::keys::{self, QueueKind};
use crate::queue;
use crate::records::{Holder, Mapping, MappingStatus};
use crate::transition::{self, Cause};

/// Processes a failed workflow again, from its start and on the plugins bound now.
#[derive(Debug)]
pub struct Retry {
    /// Which.
    pub workflow: WorkflowId,
    /// The plugins bound now.
    pub pins: Pins,
    /// Who asks for it.
    pub actor: Actor,
    /// The time.
    pub now: Timestamp,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// It is in the queue again.
    Queued(Workflow),
    /// There is no such workflow.
    Unknown,
    /// It did not fail in processing.
    NotFailed(Workflow),
    /// Another request holds the patient.
    InFlight(WorkflowId),
    /// The patient is linked already, by this workflow.
    AlreadyLinked(WorkflowId),
}

#[async_trait]
impl Operation for Retry {
    type Output = Retried;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Retried, StoreError> {
        let loaded = transition::load(tx, self.workflow, Read::Serializable).await?;
        let Some(mut stored) = loaded else {
            return Ok(Retried::Unknown);
        };
        let Workflow {
            customer, patient, ..
        } = stored.workflow.clone();
        // An earlier attempt whose end was not known did commit.
        if tx.maybe_committed()
            && stored.workflow.status() == Status::Received
            && stored.queued == Some(self.now)
            && stored.workflow.updated_at == self.now
        {
            return Ok(Retried::Queued(stored.workflow));
        }
        if stored.workflow.status() != Status::Failed || stored.workflow.outcome() != Outcome::None
        {
            return Ok(Retried::NotFailed(stored.workflow));
        }
        let holder = keys::in_flight(&customer, &patient);
        if let Some(Holder(other)) = tx.record::<Holder>(&holder, Read::Serializable).await? {
            return Ok(Retried::InFlight(other));
        }
        let mapping = keys::mapping(&customer, &patient);
        if let Some(mapping) = tx.record::<Mapping>(&mapping, Read::Serializable).await?
            && mapping.status == MappingStatus::Linked
        {
            return Ok(Retried::AlreadyLinked(mapping.workflow));
        }
        stored.workflow.pins = self.pins.clone();
        let cause = Cause::new(self.now, self.actor.clone(), "retried");
        stored.queued = Some(self.now);
        transition::apply(tx, &mut stored, Command::Retry, cause)?;
        let item = work_item(&stored.workflow, self.now);
        let id = self.workflow.as_uuid();
        queue::put(tx, QueueKind::Work, &customer, id, self.now, &item).await?;
        Ok(Retried::Queued(stored.workflow))
    }
}
