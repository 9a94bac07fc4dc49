//! The time of a run. The test is a program of its own beside the service: it has no simulated clock.

use std::time::{Duration, Instant};

/// Time since the run began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

#[allow(clippy::disallowed_methods, reason = "the stopwatch of a test")]
impl Clock {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Duration {
        self.0.elapsed()
    }

    /// Waits until that time: the pace of the load, and how long a client waits before it asks again.
    pub(crate) async fn until(self, time: Duration) {
        tokio::time::sleep_until((self.0 + time).into()).await;
    }

    pub(crate) async fn pause(self, length: Duration) {
        self.until(self.now() + length).await;
    }
}
