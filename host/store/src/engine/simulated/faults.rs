//! Which faults happen how often, and how often they did.

use std::time::Duration;

use patchbay_ambient::{Entropy, SeededEntropy};

/// How often each fault happens, in a thousand chances. Whatever is zero never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults {
    /// A commit is refused as conflicting though nothing conflicted.
    pub conflict: u16,
    /// A read finds its transaction too old; that ends it.
    pub too_old_read: u16,
    /// A commit is refused as too old.
    pub too_old_commit: u16,
    /// A commit is refused because there is too much to do.
    pub busy_commit: u16,
    /// A commit happens, and its client is told that it may have.
    pub maybe_applied: u16,
    /// A commit does not happen, and its client is told that it may have.
    pub maybe_lost: u16,
    /// No transaction can be begun.
    pub unavailable_begin: u16,
    /// A read fails; its transaction may go on.
    pub unavailable_read: u16,
    /// A commit fails, and nothing was written.
    pub unavailable_commit: u16,
    /// A call waits: before and after a transaction's begin, before a read, on a commit's way to the store
    /// and on its answer's way back.
    pub latency: u16,
    /// The longest such wait, and the longest until a watch has its fault.
    pub longest: Duration,
    /// A watch fires for no reason.
    pub watch_stale: u16,
    /// A watch fires some time after the change.
    pub watch_late: u16,
    /// A watch ends with an error.
    pub watch_fails: u16,
}

impl Faults {
    /// No faults.
    pub fn none() -> Self {
        Self::default()
    }

    /// All faults after which an operation can simply be run again, and waits.
    pub fn retryable() -> Self {
        Self {
            conflict: 40,
            too_old_read: 5,
            too_old_commit: 20,
            busy_commit: 5,
            maybe_applied: 30,
            maybe_lost: 30,
            latency: 300,
            longest: Duration::from_millis(40),
            watch_stale: 100,
            watch_late: 200,
            ..Self::none()
        }
    }

    /// All faults.
    pub fn all() -> Self {
        Self {
            unavailable_begin: 10,
            unavailable_read: 3,
            unavailable_commit: 10,
            watch_fails: 50,
            ..Self::retryable()
        }
    }
}

/// What a simulated engine has done, and how often each fault was met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SimulatedStats {
    /// Transactions begun.
    pub begins: u64,
    /// Those that read in the past from their beginning.
    pub stale_begins: u64,
    /// Commits that happened, those without writes apart.
    pub commits: u64,
    /// Commits that share their version with the one before.
    pub shared_versions: u64,
    /// Commits refused because something read had changed.
    pub conflicts: u64,
    /// Transactions that were too old by the clock.
    pub too_old: u64,
    /// See [`Faults::conflict`].
    pub false_conflicts: u64,
    /// See [`Faults::too_old_read`].
    pub too_old_reads: u64,
    /// See [`Faults::too_old_commit`].
    pub too_old_commits: u64,
    /// See [`Faults::busy_commit`].
    pub busy_commits: u64,
    /// See [`Faults::maybe_applied`].
    pub maybe_applied: u64,
    /// See [`Faults::maybe_lost`].
    pub maybe_lost: u64,
    /// See [`Faults::unavailable_begin`].
    pub unavailable_begins: u64,
    /// See [`Faults::unavailable_read`].
    pub unavailable_reads: u64,
    /// See [`Faults::unavailable_commit`].
    pub unavailable_commits: u64,
    /// Waits, see [`Faults::latency`].
    pub waits: u64,
    /// See [`Faults::watch_stale`].
    pub watches_stale: u64,
    /// See [`Faults::watch_late`].
    pub watches_late: u64,
    /// See [`Faults::watch_fails`].
    pub watches_failed: u64,
    /// Crashes.
    pub crashes: u64,
    /// Commits under way that happened in a crash, or though their client went away.
    pub orphans_applied: u64,
    /// Those that did not.
    pub orphans_lost: u64,
    /// Calls refused in an outage.
    pub refused_away: u64,
}

/// Chance, the faults it brings, and their count.
pub(super) struct Dice {
    entropy: SeededEntropy,
    pub(super) faults: Faults,
    pub(super) stats: SimulatedStats,
}

/// What a watch will do besides what it is for.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    Fair,
    Stale(Duration),
    Late(Duration),
    Fails(Duration),
}

impl Dice {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        Self {
            entropy: SeededEntropy::new(seed),
            faults,
            stats: SimulatedStats::default(),
        }
    }

    /// A number in `0..bound`.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.entropy.below(bound)
    }

    /// One of two.
    pub(super) fn coin(&self) -> bool {
        self.below(2) == 0
    }

    /// Whether something happens that does so this often in a thousand; if so it is counted.
    pub(super) fn hits(
        &mut self,
        fault: fn(&Faults) -> u16,
        count: fn(&mut SimulatedStats) -> &mut u64,
    ) -> bool {
        let often = fault(&self.faults);
        let hit = often > 0 && self.below(1000) < u64::from(often);
        if hit {
            *count(&mut self.stats) += 1;
        }
        hit
    }

    /// How long to wait now, if at all.
    pub(super) fn latency(&mut self) -> Option<Duration> {
        self.hits(|f| f.latency, |s| &mut s.waits)
            .then(|| self.some_time())
    }

    /// What a new watch will do. It is counted when it does it.
    pub(super) fn fate(&mut self) -> Fate {
        let Faults {
            watch_stale,
            watch_late,
            watch_fails,
            ..
        } = self.faults;
        let (stale, late, fails) = (
            u64::from(watch_stale),
            u64::from(watch_late),
            u64::from(watch_fails),
        );
        if stale + late + fails == 0 {
            return Fate::Fair;
        }
        let roll = self.below(1000);
        if roll < stale {
            Fate::Stale(self.some_time())
        } else if roll < stale + late {
            Fate::Late(self.some_time())
        } else if roll < stale + late + fails {
            Fate::Fails(self.some_time())
        } else {
            Fate::Fair
        }
    }

    /// Whole milliseconds, which is what clocks tell.
    fn some_time(&self) -> Duration {
        let longest = u64::try_from(self.faults.longest.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.below(longest.saturating_add(1)))
    }
}
