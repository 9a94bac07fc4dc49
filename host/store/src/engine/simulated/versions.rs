//! Versions, which follow the clock.

use std::time::Duration;

use crate::engine::{Versionstamp, limits};

/// How far a crash moves the versions on, as a recovery of FoundationDB does.
const RECOVERY: u64 = 100_000_000;

/// Hands out versions. None that somebody reads at is given to a commit afterwards.
pub(super) struct Versions {
    newest: u64,
    /// The version at the clock's zero.
    base: u64,
    /// Nobody may read before this one.
    oldest: u64,
    /// The next order within the newest version, as long as nobody reads at it.
    shareable: Option<u16>,
}

impl Versions {
    pub(super) fn new(base: u64) -> Self {
        Self {
            newest: base,
            base,
            oldest: base,
            shareable: None,
        }
    }

    /// The version of the clock's time `at`.
    fn by_clock(&self, at: Duration) -> u64 {
        let micros = u64::try_from(at.as_micros()).unwrap_or(u64::MAX);
        self.base.saturating_add(micros)
    }

    /// A version to read at that is as old as it was `stale` before `now`.
    pub(super) fn read_version(&mut self, now: Duration, stale: Duration) -> u64 {
        if stale.is_zero() {
            self.newest = self.newest.max(self.by_clock(now));
        }
        let then = self.by_clock(now.saturating_sub(stale)).max(self.oldest);
        let version = if stale.is_zero() {
            self.newest
        } else {
            then.min(self.newest)
        };
        if version == self.newest {
            self.shareable = None;
        }
        version
    }

    /// A version for a commit: the one before, where that is `shared` and nobody has begun since, or a
    /// new one.
    pub(super) fn commit_version(&mut self, now: Duration, shared: bool) -> (u64, Versionstamp) {
        let order = match self.shareable {
            Some(order) if shared => {
                self.shareable = order.checked_add(1);
                order
            }
            _ => {
                self.newest = (self.newest + 1).max(self.by_clock(now));
                self.shareable = Some(1);
                0
            }
        };
        (self.newest, Versionstamp::new(self.newest, order))
    }

    /// Nothing from before is read or committed any more.
    pub(super) fn recover(&mut self, now: Duration) {
        let next = self.newest.max(self.by_clock(now)) + RECOVERY;
        self.base += next - self.by_clock(now);
        self.newest = next;
        self.oldest = next;
        self.shareable = None;
    }

    /// Before this one nobody reads any more.
    pub(super) fn forgotten(&self, now: Duration) -> u64 {
        let oldest = limits::TRANSACTION_AGE + limits::RECENT + Duration::from_millis(1);
        now.checked_sub(oldest)
            .map_or(0, |then| self.by_clock(then).min(self.newest))
    }
}
