//! How the store and the queue are doing: for operators, and for what adds and removes workers.

use std::time::Duration;

use patchbay_store::keys::QueueKind;
use patchbay_store::monitor::{OldestDue, StatusTotals};
use patchbay_store::{StoreError, StoreStats};
use patchbay_workflow::Status;

use crate::operate::OperateError;
use crate::service::Service;

/// What waits in one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueDepth {
    /// Workflows that wait for their turn, or for another attempt.
    pub waiting: u64,
    /// Workflows that a worker has begun with.
    pub begun: u64,
    /// For how long the one that has been due the longest is due: how far the workers are behind.
    pub oldest_due: Duration,
}

/// What waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueueState {
    /// To be processed.
    pub work: QueueDepth,
    /// To be delivered.
    pub delivery: QueueDepth,
}

impl Service {
    /// The engine's name, and what the transactions of this process came to.
    pub fn store_stats(&self) -> (&'static str, StoreStats) {
        let store = &self.parts.store;
        (store.engine().name(), store.stats())
    }

    /// What waits, of all customers.
    pub async fn queue_state(&self) -> Result<QueueState, OperateError> {
        let totals = self.status_totals().await?;
        let total = |statuses: &[Status]| statuses.iter().map(|s| totals[*s as usize]).sum();
        Ok(QueueState {
            work: QueueDepth {
                waiting: total(&[Status::Received]),
                begun: total(&[Status::InProgress, Status::Requested]),
                oldest_due: self.oldest_due(QueueKind::Work).await?,
            },
            delivery: QueueDepth {
                waiting: total(&[Status::Linked, Status::NoResults, Status::DeLinked]),
                begun: 0,
                oldest_due: self.oldest_due(QueueKind::Delivery).await?,
            },
        })
    }

    async fn oldest_due(&self, kind: QueueKind) -> Result<Duration, StoreError> {
        let now = self.parts.clock.now();
        let oldest = self.parts.store.look(&OldestDue(kind)).await?;
        Ok(oldest.map_or(Duration::ZERO, |due| now.since(due)))
    }

    async fn status_totals(&self) -> Result<Vec<u64>, StoreError> {
        let mut totals = vec![0; Status::ALL.len()];
        let mut after = None;
        loop {
            let page = self.parts.store.look(&StatusTotals { after }).await?;
            for (status, count) in page.counts {
                totals[status as usize] += count;
            }
            after = page.last;
            if after.is_none() {
                return Ok(totals);
            }
        }
    }
}
