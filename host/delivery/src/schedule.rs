//! When a webhook is tried again.

use std::time::Duration;

use patchbay_ambient::Entropy;

const SECOND: u64 = 1;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// The longest that an endpoint's `Retry-After` is waited for.
pub const RETRY_AFTER_CAP: Duration = Duration::from_secs(24 * HOUR);

/// A schedule that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchedule {
    /// More than [`RetrySchedule::MAX_RETRIES`].
    #[error("a retry schedule has at most {} delays", RetrySchedule::MAX_RETRIES)]
    TooMany,
    /// A delay is longer than a week.
    #[error("a delay between two attempts is at most a week")]
    TooLong,
}

/// The delays between attempts, each spread by ±10 % so that endpoints which failed together are not
/// asked again together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule(Vec<Duration>);

impl RetrySchedule {
    /// The most delays a schedule may have.
    pub const MAX_RETRIES: usize = 64;

    /// A schedule with these delays, in the order of the attempts.
    pub fn new(delays: Vec<Duration>) -> Result<Self, InvalidSchedule> {
        if delays.len() > Self::MAX_RETRIES {
            return Err(InvalidSchedule::TooMany);
        }
        if delays.iter().any(|delay| delay.as_secs() > 7 * 24 * HOUR) {
            return Err(InvalidSchedule::TooLong);
        }
        Ok(Self(delays))
    }

    /// How long to wait after `attempt` attempts were made, the last of which failed; none once the
    /// schedule is used up. The first attempt of all is due at once.
    ///
    /// An endpoint's `retry_after` can only lengthen the wait, up to [`RETRY_AFTER_CAP`].
    pub fn next(
        &self,
        attempt: u32,
        retry_after: Option<Duration>,
        entropy: &dyn Entropy,
    ) -> Option<Duration> {
        let Some(failed_before) = attempt.checked_sub(1) else {
            return Some(Duration::ZERO);
        };
        let delay = self.0.get(usize::try_from(failed_before).ok()?)?;
        let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_CAP);
        Some(jittered(*delay, entropy).max(asked))
    }

    /// The sum of all delays: from the first attempt to the last, give or take the jitter, where no
    /// endpoint asks for more time.
    pub fn total(&self) -> Duration {
        self.0.iter().sum()
    }

    /// How many attempts there are, the first included.
    pub fn attempts(&self) -> u32 {
        1 + u32::try_from(self.0.len()).unwrap_or(u32::MAX - 1)
    }
}

impl Default for RetrySchedule {
    /// The schedule that Standard Webhooks recommends: nine delays over three days.
    fn default() -> Self {
        let seconds = [
            5 * SECOND,
            5 * MINUTE,
            30 * MINUTE,
            2 * HOUR,
            5 * HOUR,
            10 * HOUR,
            14 * HOUR,
            20 * HOUR,
            24 * HOUR,
        ];
        Self(seconds.map(Duration::from_secs).to_vec())
    }
}

/// Between nine and eleven tenths of `delay`, in milliseconds.
fn jittered(delay: Duration, entropy: &dyn Entropy) -> Duration {
    let millis = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
    let spread = millis / 5;
    Duration::from_millis(millis - millis / 10 + entropy.below(spread + 1))
}
