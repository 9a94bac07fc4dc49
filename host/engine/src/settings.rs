//! What an installation can set of the engine.

use std::time::Duration;

use patchbay_delivery::{GateLimits, RetrySchedule};

/// Bounds and schedules. The defaults suit one small machine.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The most workflows processed at once by this process.
    pub workers: usize,
    /// The most workflows of one customer processed at once by this process.
    pub workers_per_customer: usize,
    /// The most webhooks under way at once from this process.
    pub deliveries: usize,
    /// The most webhooks of one customer under way at once from this process.
    pub deliveries_per_customer: usize,
    /// The most items leased in one transaction.
    pub batch: usize,
    /// How long a lease lasts; it is extended at a third of that.
    pub lease: Duration,
    /// The first wait after a retryable failure of processing; it doubles with every execution.
    pub first_backoff: Duration,
    /// The longest such wait.
    pub longest_backoff: Duration,
    /// When webhooks are tried again.
    pub schedule: RetrySchedule,
    /// How long an endpoint may take for its whole answer.
    pub webhook_timeout: Duration,
    /// What one endpoint may take.
    pub gate: GateLimits,
    /// How often the reconciler looks.
    pub reconcile_every: Duration,
    /// How long a stopping process waits for its work before it leaves the rest to lease expiry.
    pub drain: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            workers: 64,
            workers_per_customer: 32,
            deliveries: 128,
            deliveries_per_customer: 32,
            batch: 32,
            lease: Duration::from_secs(30),
            first_backoff: Duration::from_secs(2),
            longest_backoff: Duration::from_mins(10),
            schedule: RetrySchedule::default(),
            webhook_timeout: Duration::from_secs(15),
            gate: GateLimits::default(),
            reconcile_every: Duration::from_mins(5),
            drain: Duration::from_secs(20),
        }
    }
}
