//! A commit's way: it arrives, it is decided, it is answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::Shared;
use super::state::{State, unavailable};
use crate::engine::pending::Pending;
use crate::engine::watches::Watches;
use crate::engine::window::Verdict;
use crate::engine::{Committed, EngineError, KeyRange, limits};

/// How often in a thousand a commit shares the version of the one before, where it can.
const SHARED: u64 = 300;

/// A commit as it was asked for.
pub(super) struct Request {
    pub(super) read_version: u64,
    /// When that version was the newest.
    pub(super) began: Duration,
    pub(super) pending: Pending,
}

/// A commit that was not answered yet.
pub(super) enum UnderWay {
    Arriving(Request),
    Decided(Result<Committed, EngineError>),
}

/// What a commit changed, for the watches there are.
pub(super) struct Written {
    keys: Vec<Bytes>,
    ranges: Vec<KeyRange>,
    watches: Arc<Watches>,
}

impl Written {
    /// Fires the watches. Not under the state's lock: they read the new values.
    fn tell(self, shared: &Shared) {
        // Reading the values cannot fail here.
        let _ = self.watches.written(&self.keys, &self.ranges, |key| {
            Ok(shared.state.lock().rows.newest(key))
        });
    }
}

/// Carries a commit from its asking to its answer.
pub(super) async fn commit(
    shared: &Arc<Shared>,
    request: Request,
) -> Result<Committed, EngineError> {
    let ticket = Ticket {
        number: shared.state.lock().take_in(request),
        shared: Arc::clone(shared),
    };
    shared.delay().await;
    decide(shared, ticket.number);
    shared.delay().await;
    ticket.answer()
}

/// Decides on a commit that has arrived, unless that is done.
pub(super) fn decide(shared: &Shared, ticket: u64) {
    let now = shared.clock.monotonic();
    let mut state = shared.state.lock();
    let request = match state.commits.remove(&ticket) {
        Some(UnderWay::Arriving(request)) => request,
        Some(decided) => {
            state.commits.insert(ticket, decided);
            return;
        }
        None => return,
    };
    let (outcome, written) = state.judge(&request, now);
    state.commits.insert(ticket, UnderWay::Decided(outcome));
    drop(state);
    if let Some(written) = written {
        written.tell(shared);
    }
}

/// The right to an answer. Whoever drops it without asking does not learn what becomes of the commit.
struct Ticket {
    number: u64,
    shared: Arc<Shared>,
}

impl Ticket {
    fn answer(self) -> Result<Committed, EngineError> {
        let mut state = self.shared.state.lock();
        match state.commits.remove(&self.number) {
            Some(UnderWay::Decided(Ok(_))) if state.away => Err(EngineError::MaybeCommitted),
            Some(UnderWay::Decided(outcome)) => outcome,
            // It has been decided, and nobody else takes it out.
            Some(UnderWay::Arriving(_)) | None => Err(EngineError::MaybeCommitted),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let now = self.shared.clock.monotonic();
        let mut state = self.shared.state.lock();
        if let Some(UnderWay::Arriving(request)) = state.commits.remove(&self.number) {
            let written = state.orphan(&request, now);
            drop(state);
            if let Some(written) = written {
                written.tell(&self.shared);
            }
        }
    }
}

impl State {
    /// Decides on a commit.
    fn judge(
        &mut self,
        request: &Request,
        now: Duration,
    ) -> (Result<Committed, EngineError>, Option<Written>) {
        if self.away {
            self.dice.stats.refused_away += 1;
            return (Err(unavailable("it is away")), None);
        }
        if let Err(error) = self.refuse(request, now) {
            return (Err(error), None);
        }
        if self.dice.hits(|f| f.maybe_lost, |s| &mut s.maybe_lost) {
            return (Err(EngineError::MaybeCommitted), None);
        }
        let (committed, written) = self.apply(request, now);
        let unsure = self
            .dice
            .hits(|f| f.maybe_applied, |s| &mut s.maybe_applied);
        let outcome = if unsure {
            Err(EngineError::MaybeCommitted)
        } else {
            Ok(committed)
        };
        (outcome, Some(written))
    }

    /// Why a commit cannot happen, or does not.
    fn refuse(&mut self, request: &Request, now: Duration) -> Result<(), EngineError> {
        self.may_happen(request, now).inspect_err(|error| {
            let stats = &mut self.dice.stats;
            match error {
                EngineError::Conflict => stats.conflicts += 1,
                _ => stats.too_old += 1,
            }
        })?;
        let dice = &mut self.dice;
        if dice.hits(|f| f.unavailable_commit, |s| &mut s.unavailable_commits) {
            return Err(unavailable("it did not take the commit"));
        }
        if dice.hits(|f| f.too_old_commit, |s| &mut s.too_old_commits) {
            return Err(EngineError::TooOld);
        }
        if dice.hits(|f| f.busy_commit, |s| &mut s.busy_commits) {
            return Err(EngineError::Busy("the simulated store has too much to do"));
        }
        if dice.hits(|f| f.conflict, |s| &mut s.false_conflicts) {
            return Err(EngineError::Conflict);
        }
        Ok(())
    }

    /// Whether what was read still stands.
    fn may_happen(&self, request: &Request, now: Duration) -> Result<(), EngineError> {
        let reads = &request.pending.reads;
        // Blind writes depend on nothing.
        if !reads.is_empty() && now.saturating_sub(request.began) > limits::TRANSACTION_AGE {
            return Err(EngineError::TooOld);
        }
        match self.window.check(request.read_version, reads) {
            Verdict::Fine => Ok(()),
            Verdict::Conflict(_) => Err(EngineError::Conflict),
            Verdict::TooOld => Err(EngineError::TooOld),
        }
    }

    /// Makes a commit happen.
    fn apply(&mut self, request: &Request, now: Duration) -> (Committed, Written) {
        let shared = self.dice.below(1000) < SHARED;
        let (version, stamp) = self.versions.commit_version(now, shared);
        let pending = &request.pending;
        self.rows.apply(pending, stamp, version);
        let (mut keys, mut ranges) = (Vec::new(), Vec::new());
        pending.written(stamp, &mut keys, &mut ranges);
        self.window
            .add(version, keys.iter().cloned(), ranges.iter().cloned());
        self.window.readable(now);
        self.rows.forget(self.versions.forgotten(now));
        self.dice.stats.commits += 1;
        self.dice.stats.shared_versions += u64::from(!stamp.0.ends_with(&[0, 0]));
        let committed = Committed {
            version,
            versionstamp: Some(stamp),
        };
        let written = Written {
            keys,
            ranges,
            watches: Arc::clone(&self.watches),
        };
        (committed, written)
    }

    /// Decides on a commit whose client will not learn of it.
    pub(super) fn orphan(&mut self, request: &Request, now: Duration) -> Option<Written> {
        let happens = self.dice.coin() && !self.away && self.may_happen(request, now).is_ok();
        if !happens {
            self.dice.stats.orphans_lost += 1;
            return None;
        }
        self.dice.stats.orphans_applied += 1;
        let (_, written) = self.apply(request, now);
        Some(written)
    }
}
