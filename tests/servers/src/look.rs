//! Waiting for another process, which can only be done by looking.

use std::time::{Duration, Instant};

const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// Looks until there is something to see, and gives it and how long that took; nothing once `limit`
/// has passed.
#[allow(
    clippy::disallowed_methods,
    reason = "other processes are waited for, by looking at them"
)]
pub async fn look_for<T>(
    limit: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Option<(T, Duration)> {
    let began = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return Some((seen, began.elapsed()));
        }
        if began.elapsed() >= limit {
            return None;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}
