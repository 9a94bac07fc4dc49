//! A read version that many transactions may use for a moment, so that looking at something does not cost
//! the cluster's proxies a request each.

use std::time::Duration;

use parking_lot::Mutex;

use crate::engine::limits::RECENT;

/// The newest version this process knows of, and when it was certainly the newest.
#[derive(Debug, Default)]
pub(super) struct RecentVersion(Mutex<Option<(i64, Duration)>>);

impl RecentVersion {
    /// Takes note of a version that was asked for, or committed at, not before `asked`.
    pub(super) fn learn(&self, version: i64, asked: Duration) {
        let mut known = self.0.lock();
        if known.is_none_or(|(newest, _)| newest <= version) {
            *known = Some((version, asked));
        }
    }

    /// A version that was the newest at most [`RECENT`] ago.
    pub(super) fn get(&self, now: Duration) -> Option<i64> {
        let known = *self.0.lock();
        known
            .filter(|(_, asked)| now.saturating_sub(*asked) <= RECENT)
            .map(|(version, _)| version)
    }
}
