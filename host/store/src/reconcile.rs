//! Reconciliation: finding what is past the deadline of its state, and mending what can be mended
//! without running a plugin.

use std::time::Duration;

use async_trait::async_trait;
use patchbay_workflow::{Actor, Blame, Command, Failure, Status, Timestamp, Workflow, WorkflowId};

use crate::accept::work_item;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::{RangeOptions, Read};
use crate::keys::{self, QueueKind};
use crate::queue;
use crate::records::{IdempotencyRecord, StoredWorkflow};
use crate::transition::{self, Cause};

/// Lists what may be overdue in one bucket, the longest overdue first.
#[derive(Debug)]
pub struct Overdue {
    /// In which bucket, below [`keys::BUCKETS`].
    pub bucket: u16,
    /// Where the former page ended.
    pub after: Option<(Timestamp, WorkflowId)>,
    /// The time.
    pub now: Timestamp,
    /// The most.
    pub limit: usize,
}

#[async_trait]
impl Operation for Overdue {
    /// Under which time each stands.
    type Output = Vec<(Timestamp, WorkflowId)>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        let range = keys::overdue(self.bucket, self.after, self.now);
        let options = RangeOptions {
            limit: self.limit,
            reverse: false,
            read: Read::Snapshot,
        };
        let rows = tx.get_range(&range, options).await?;
        Ok(rows
            .iter()
            .filter_map(|(key, _)| keys::parse_deadline(key))
            .collect())
    }
}

/// What was found of one workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It moved on, and has time yet.
    Moved,
    /// It waits its turn in the queue, or a worker has it: nothing to mend.
    Waiting,
    /// Its queue item was missing: it was put back.
    Requeued,
    /// It used up its executions.
    Exhausted(Workflow),
    /// Its choice has expired: somebody has to settle it.
    ChoiceExpired(Workflow),
    /// Its webhook was not acknowledged within the whole schedule, and no delivery is waiting.
    Undelivered(Workflow),
}

/// Looks at one overdue workflow, and mends it if that needs no plugin.
#[derive(Debug)]
pub struct Mend {
    /// Which.
    pub workflow: WorkflowId,
    /// The time.
    pub now: Timestamp,
    /// After how many executions to give up.
    pub most_executions: u32,
    /// When to look again at one that waits.
    pub again: Duration,
}

#[async_trait]
impl Operation for Mend {
    type Output = Finding;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Finding, StoreError> {
        let loaded = transition::load(tx, self.workflow, Read::Serializable).await?;
        let Some(mut stored) = loaded else {
            return Ok(Finding::Moved);
        };
        if stored.due.is_none_or(|due| due > self.now) {
            return Ok(Finding::Moved);
        }
        // Its entry may be that of a status it has left.
        let deadline = stored.workflow.deadline(tx.deadlines());
        if deadline.is_some_and(|deadline| deadline > self.now) {
            transition::postpone(tx, &mut stored, deadline)?;
            return Ok(Finding::Moved);
        }
        let id = self.workflow.as_uuid();
        match stored.workflow.status() {
            Status::Completed | Status::Failed => Ok(Finding::Moved),
            Status::Ambiguous => Ok(Finding::ChoiceExpired(stored.workflow)),
            Status::Linked | Status::NoResults | Status::DeLinked => {
                let failure = Failure::new(Blame::CustomerEndpoint, "endpoint-unreachable");
                let cause = Cause::new(self.now, Actor::Reconciler, "delivery-overdue");
                let cause = cause.failed(failure.clone());
                transition::apply(tx, &mut stored, Command::Fail(failure), cause)?;
                Ok(Finding::Undelivered(stored.workflow))
            }
            Status::Received | Status::InProgress | Status::Requested => {
                let again = Some(self.now.after(self.again));
                if is_queued(tx, &stored).await? {
                    transition::postpone(tx, &mut stored, again)?;
                    return Ok(Finding::Waiting);
                }
                if stored.workflow.executions >= self.most_executions {
                    return Ok(Finding::Exhausted(stored.workflow));
                }
                let item = work_item(&stored.workflow, self.now);
                let customer = stored.workflow.customer.clone();
                queue::put(tx, QueueKind::Work, &customer, id, self.now, &item).await?;
                stored.queued = Some(self.now);
                let cause = Cause::new(self.now, Actor::Reconciler, "put-back");
                transition::note(tx, &mut stored, cause)?;
                transition::postpone(tx, &mut stored, again)?;
                Ok(Finding::Requeued)
            }
        }
    }
}

/// Whether a workflow's queue item is where it is noted to be.
async fn is_queued(tx: &mut Tx<'_>, stored: &StoredWorkflow) -> Result<bool, StoreError> {
    let Some(vests) = stored.queued else {
        return Ok(false);
    };
    let Workflow { id, customer, .. } = &stored.workflow;
    let key = keys::item(QueueKind::Work, customer, vests, id.as_uuid());
    Ok(tx.get(&key, Read::Serializable).await?.is_some())
}

/// Removes idempotency records that have expired.
#[derive(Debug)]
pub struct Expire {
    /// The time.
    pub now: Timestamp,
    /// The most records.
    pub limit: usize,
}

#[async_trait]
impl Operation for Expire {
    /// How many index entries were looked at; fewer than the limit means that none are left.
    type Output = usize;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<usize, StoreError> {
        let options = RangeOptions {
            limit: self.limit,
            reverse: false,
            read: Read::Snapshot,
        };
        let rows = tx.get_range(&keys::expired(self.now), options).await?;
        for (entry, _) in &rows {
            if let Some((customer, hash)) = keys::parse_expiry(entry) {
                let key = keys::idempotency(&customer, &hash);
                let record = tx
                    .record::<IdempotencyRecord>(&key, Read::Serializable)
                    .await?;
                // The key may have been used again since, with a later expiry.
                if record.is_some_and(|record| record.expires_at <= self.now) {
                    tx.clear(&key);
                }
            }
            tx.clear(entry);
        }
        Ok(rows.len())
    }
}
