//! Measuring from the outside. The demonstration is another program than the service, with a clock of
//! its own: its figures are what a customer would measure.

use std::time::Instant;

/// This instant.
#[allow(
    clippy::disallowed_methods,
    reason = "the demonstration measures the service from outside and is never simulated"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits before the service is asked again.
#[allow(
    clippy::disallowed_methods,
    reason = "the demonstration measures the service from outside and is never simulated"
)]
pub(crate) async fn pause(duration: std::time::Duration) {
    tokio::time::sleep(duration).await;
}
