//! The reconciler: finds workflows past the deadline of their state and mends them.

use std::sync::Arc;
use std::time::Duration;

use patchbay_store::StoreError;
use patchbay_store::complete::{Complete, Completed, Verdict};
use patchbay_store::inspect::RequestData;
use patchbay_store::keys::BUCKETS;
use patchbay_store::reconcile::{Expire, Finding, Mend, Overdue};
use patchbay_store::transition::Cause;
use patchbay_vault::RecordKind;
use patchbay_workflow::{Actor, Blame, Failure, Workflow, WorkflowId};

use crate::event::News;
use crate::job::Job;
use crate::seal::open;
use crate::service::Service;

/// What one sweep found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Workflows looked at: overdue, or so they seemed.
    pub looked_at: u64,
    /// Those that merely wait their turn.
    pub waiting: u64,
    /// Those whose queue item was missing and was put back.
    pub requeued: u64,
    /// Those given up: executions used up, or webhooks never acknowledged.
    pub given_up: u64,
    /// Choices that expired.
    pub expired_choices: u64,
    /// Idempotency records that expired.
    pub forgotten_keys: u64,
}

/// The most workflows listed at once, and the most expiries removed in one transaction.
const PAGE: usize = 200;
/// When to look again at one that waits its turn.
const AGAIN: Duration = Duration::from_mins(7);

impl Service {
    /// Sweeps at the interval of the settings until [`Self::stop`]. Of all processes that do this on one
    /// store, one sweeps at a time; where it dies another takes over within two lease times, and sweeps at
    /// once.
    pub async fn run_reconciler(self: Arc<Self>) {
        let mut job = Job::new(&self, "reconcile");
        let mut due = self.parts.clock.now();
        while !self.is_stopping() {
            if !job.is_ours(&self).await {
                due = self.parts.clock.now();
            } else if due <= self.parts.clock.now() {
                due = self
                    .parts
                    .clock
                    .now()
                    .after(self.parts.settings.reconcile_every);
                match job.while_held(&self, self.reconcile_once()).await {
                    Some(Ok(sweep)) if sweep == Sweep::default() => {}
                    Some(Ok(sweep)) => tracing::info!(?sweep, "reconciled"),
                    Some(Err(error)) => tracing::error!(%error, "a sweep was cut short"),
                    None => tracing::warn!("a sweep was left to another process"),
                }
            }
            let pause = self.parts.clock.sleep(job.beat_every());
            self.unless_stopping(pause).await;
        }
        job.let_go(&self).await;
    }

    /// One sweep over everything that is overdue now.
    pub async fn reconcile_once(&self) -> Result<Sweep, StoreError> {
        let mut sweep = Sweep::default();
        for bucket in 0..BUCKETS {
            self.sweep_bucket(bucket, &mut sweep).await?;
        }
        loop {
            let operation = Expire {
                now: self.parts.clock.now(),
                limit: PAGE,
            };
            let seen = self.parts.store.run(&operation).await?;
            sweep.forgotten_keys += seen as u64;
            if seen < PAGE || self.is_stopping() {
                return Ok(sweep);
            }
        }
    }

    async fn sweep_bucket(&self, bucket: u16, sweep: &mut Sweep) -> Result<(), StoreError> {
        let now = self.parts.clock.now();
        // What cannot be mended now stays where it is, and holds up nothing behind it.
        let mut after = None;
        loop {
            let page = Overdue {
                bucket,
                after,
                now,
                limit: PAGE,
            };
            let found = self.parts.store.run(&page).await?;
            for (_, workflow) in &found {
                if self.is_stopping() {
                    return Ok(());
                }
                sweep.looked_at += 1;
                match self.mend(*workflow, sweep).await {
                    Err(StoreError::Corrupt(what)) => {
                        tracing::error!(%workflow, what, "cannot be read, and is passed over");
                    }
                    mended => mended?,
                }
            }
            after = found.last().copied();
            if found.len() < PAGE {
                return Ok(());
            }
        }
    }

    async fn mend(&self, workflow: WorkflowId, sweep: &mut Sweep) -> Result<(), StoreError> {
        let most_executions = 1 + self.most_executions(workflow).await?;
        let now = self.parts.clock.now();
        let operation = Mend {
            workflow,
            now,
            most_executions,
            again: AGAIN,
        };
        match self.parts.store.run(&operation).await? {
            Finding::Moved => {}
            Finding::Waiting => sweep.waiting += 1,
            Finding::Requeued => {
                tracing::warn!(%workflow, "its queue item was missing and was put back");
                sweep.requeued += 1;
            }
            Finding::Exhausted(workflow) => {
                let failure = Failure::new(Blame::Host, "executions-exhausted");
                sweep.given_up += u64::from(self.settle(workflow, Some(failure)).await?);
            }
            Finding::ChoiceExpired(workflow) => {
                sweep.expired_choices += u64::from(self.settle(workflow, None).await?);
            }
            Finding::Undelivered(workflow) => {
                tracing::warn!(workflow = %workflow.id, "its webhook was never acknowledged");
                sweep.given_up += 1;
            }
        }
        Ok(())
    }

    async fn most_executions(&self, workflow: WorkflowId) -> Result<u32, StoreError> {
        let found = self
            .parts
            .store
            .run(&patchbay_store::inspect::AnyWorkflow(workflow))
            .await?;
        let customer = found.and_then(|workflow| self.customer(&workflow.customer));
        Ok(customer.map_or(u32::MAX - 1, |customer| customer.settings.max_executions))
    }

    /// Ends a workflow that nobody works on: with a failure, or with no results.
    async fn settle(
        &self,
        workflow: Workflow,
        failure: Option<Failure>,
    ) -> Result<bool, StoreError> {
        let Some(customer) = self.known_customer(&workflow.customer).await else {
            return Ok(false);
        };
        let Some(sealed) = self.parts.store.run(&RequestData(workflow.id)).await? else {
            return Err(StoreError::Corrupt("request data"));
        };
        let content = open(
            &customer,
            RecordKind::Request,
            workflow.id.as_bytes(),
            &sealed,
        )
        .map_err(|_| StoreError::Corrupt("request data"))?;
        let ground = self.ground(&workflow, &[]).await?;
        let news = failure.as_ref().map_or(News::NoResults, News::Failed);
        let told = self
            .tell(
                &customer,
                &workflow,
                &content,
                Some(news),
                ground.last_event + 1,
            )
            .await;
        let now = self.parts.clock.now();
        let mut cause = Cause::new(
            now,
            Actor::Reconciler,
            if failure.is_some() {
                "given-up"
            } else {
                "choice-expired"
            },
        );
        cause.failure.clone_from(&failure);
        let complete = Complete {
            workflow: workflow.id,
            by: Err(workflow.status()),
            verdict: failure.map_or(Verdict::NoResults, Verdict::Fail),
            event: told.event,
            candidates: &[],
            ground,
            cause: cause.detail(self.detail(&customer, &workflow, &told.output)),
        };
        // Whatever is not done now is still overdue at the next sweep.
        Ok(matches!(
            self.parts.store.run(&complete).await?,
            Completed::Done(..)
        ))
    }
}
