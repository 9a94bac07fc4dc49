//! Scheduled jobs: of all processes that could run one, one does.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use patchbay_store::StoreError;
use patchbay_store::job::{Held, Hold, JobLease, LetGo};
use uuid::Uuid;

use crate::service::Service;

/// This process's part in a job; see [`patchbay_store::job`].
pub(crate) struct Job {
    name: &'static str,
    holder: Uuid,
    lease: Duration,
    /// The holder's last sign of life that was seen here, and when, by the monotonic clock.
    seen: Option<(JobLease, Duration)>,
    held: bool,
}

impl Job {
    /// A job that nobody is known to hold.
    pub(crate) fn new(service: &Service, name: &'static str) -> Self {
        Self {
            name,
            holder: service
                .parts
                .entropy
                .workflow_id(service.parts.clock.now())
                .as_uuid(),
            lease: service.parts.settings.lease,
            seen: None,
            held: false,
        }
    }

    /// How often its holder gives a sign of life, and the others look for one.
    pub(crate) fn beat_every(&self) -> Duration {
        self.lease / 3
    }

    /// Gives a sign of life, or looks for the holder's; whether the job is this process's.
    async fn beat(&mut self, service: &Service) -> Result<bool, StoreError> {
        let now = service.parts.clock.monotonic();
        let stale = self
            .seen
            .filter(|(_, since)| now.saturating_sub(*since) > self.lease)
            .map(|(lease, _)| lease);
        let operation = Hold {
            job: self.name,
            holder: self.holder,
            stale,
        };
        let held = match service.parts.store.run(&operation).await? {
            Held::Ours => {
                self.seen = None;
                true
            }
            Held::Others(lease) => {
                if self.seen.is_none_or(|(seen, _)| seen != lease) {
                    self.seen = Some((lease, now));
                }
                false
            }
        };
        if held != self.held {
            tracing::info!(job = self.name, held, "a scheduled job changed hands");
            self.held = held;
        }
        Ok(held)
    }

    /// Whether the job is this process's. A store that is away is no reason to think so.
    pub(crate) async fn is_ours(&mut self, service: &Service) -> bool {
        match self.beat(service).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(job = self.name, %error, "it cannot be seen whose job it is");
                false
            }
        }
    }

    /// Does `work` for as long as the job is this process's; abandons it when it is not, which every
    /// transaction of it has to bear.
    pub(crate) async fn while_held<T>(
        &mut self,
        service: &Service,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Some(done),
                () = service.parts.clock.sleep(self.beat_every()) => {}
            }
            let mut beating = pin!(self.is_ours(service));
            let held = tokio::select! {
                done = &mut work => return Some(done),
                held = &mut beating => held,
            };
            if !held {
                return None;
            }
        }
    }

    /// Lets it go, so that another need not wait for this process's lease to end.
    pub(crate) async fn let_go(&self, service: &Service) {
        if !self.held {
            return;
        }
        let operation = LetGo {
            job: self.name,
            holder: self.holder,
        };
        if let Err(error) = service.parts.store.run(&operation).await {
            tracing::warn!(job = self.name, %error, "a job could not be let go");
        }
    }
}
