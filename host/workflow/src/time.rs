//! Instants and the deadlines of states.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An instant of the wall clock: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The latest instant that can be named; used for "never".
    pub const MAX: Self = Self(u64::MAX);

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The instant `duration` later, or [`Self::MAX`].
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)),
        )
    }

    /// How long after `earlier` this is; zero if it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 with milliseconds, in UTC.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        match jiff::Timestamp::from_millisecond(millis) {
            Ok(instant) => write!(f, "{instant:.3}"),
            Err(_) => f.write_str("never"),
        }
    }
}

/// How long a workflow may stay in a state before the reconciler looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// For `RECEIVED`.
    pub received: Duration,
    /// For `IN_PROGRESS`.
    pub in_progress: Duration,
    /// For `REQUESTED`.
    pub requested: Duration,
    /// For the states that wait for the webhook's acknowledgement: the whole delivery schedule.
    pub delivery: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let seven_minutes = Duration::from_mins(7);
        Self {
            received: seven_minutes,
            in_progress: seven_minutes,
            requested: seven_minutes,
            delivery: Duration::from_hours(4 * 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_rfc_3339() {
        assert_eq!(
            Timestamp::from_millis(0).to_string(),
            "1970-01-01T00:00:00.000Z"
        );
        assert_eq!(
            Timestamp::from_millis(1_763_813_837_042).to_string(),
            "2025-11-22T12:17:17.042Z"
        );
        assert_eq!(Timestamp::MAX.to_string(), "never");
    }
}
