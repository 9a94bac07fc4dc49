//! What the simulated store is at any time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::commit::{Request, UnderWay};
use super::faults::{Dice, Faults};
use super::rows::Rows;
use super::versions::Versions;
use crate::engine::watches::Watches;
use crate::engine::window::Window;
use crate::engine::{EngineError, limits};

/// Memory for the keys written lately, in bytes.
const WINDOW_BYTES: usize = 64 << 20;

/// How many watches may exist.
const WATCHES: usize = 10_000;

/// The greatest version a new store may begin at: nobody may rely on small ones.
const FIRST_VERSION: u64 = 1 << 40;

pub(super) struct State {
    pub(super) dice: Dice,
    pub(super) mode: Mode,
    pub(super) away: bool,
    /// How often it has crashed. Transactions of another epoch are no longer known.
    pub(super) epoch: u64,
    pub(super) rows: Rows,
    pub(super) versions: Versions,
    pub(super) window: Window,
    pub(super) watches: Arc<Watches>,
    /// Commits that were not answered yet.
    pub(super) commits: BTreeMap<u64, UnderWay>,
    next_ticket: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Running,
    Crashed,
    Closed,
}

impl State {
    pub(super) fn new(seed: u64, faults: Faults) -> Self {
        let dice = Dice::new(seed, faults);
        let first = 1 + dice.below(FIRST_VERSION);
        Self {
            dice,
            mode: Mode::Running,
            away: false,
            epoch: 0,
            rows: Rows::default(),
            versions: Versions::new(first),
            window: window(0),
            watches: Watches::new(WATCHES),
            commits: BTreeMap::new(),
            next_ticket: 0,
        }
    }

    /// Whether a call can reach the store.
    pub(super) fn check(&mut self) -> Result<(), EngineError> {
        match self.mode {
            Mode::Closed => return Err(closed()),
            Mode::Crashed => {
                return Err(unavailable("it has crashed"));
            }
            Mode::Running => {}
        }
        if self.away {
            self.dice.stats.refused_away += 1;
            return Err(unavailable("it is away"));
        }
        Ok(())
    }

    /// Whether a call of a transaction that began in `epoch` can reach the store.
    pub(super) fn check_epoch(&mut self, epoch: u64) -> Result<(), EngineError> {
        self.check()?;
        if self.epoch != epoch {
            return Err(EngineError::TooOld);
        }
        Ok(())
    }

    /// Takes a commit in.
    pub(super) fn take_in(&mut self, request: Request) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.commits.insert(ticket, UnderWay::Arriving(request));
        ticket
    }

    /// The commits that were not answered yet, in the order of their coming.
    pub(super) fn under_way(&self) -> Vec<u64> {
        self.commits.keys().copied().collect()
    }

    /// Ends everything. Gives the watches, to be ended too.
    pub(super) fn crash(&mut self, now: Duration) -> Option<Arc<Watches>> {
        if self.mode != Mode::Running {
            return None;
        }
        for ticket in self.under_way() {
            // A refusal that gets lost on its way leaves its client as unsure as a lost success.
            if let Some(UnderWay::Arriving(request)) = self.commits.remove(&ticket) {
                self.orphan(&request, now);
            }
            let unknown = UnderWay::Decided(Err(EngineError::MaybeCommitted));
            self.commits.insert(ticket, unknown);
        }
        self.mode = Mode::Crashed;
        self.epoch += 1;
        self.dice.stats.crashes += 1;
        Some(std::mem::replace(&mut self.watches, Watches::new(WATCHES)))
    }

    pub(super) fn recover(&mut self, now: Duration) {
        if self.mode != Mode::Crashed {
            return;
        }
        self.mode = Mode::Running;
        self.versions.recover(now);
        let version = self.versions.read_version(now, Duration::ZERO);
        self.window = window(version);
        self.rows.forget(version);
    }
}

fn window(version: u64) -> Window {
    Window::new(version, limits::TRANSACTION_AGE, WINDOW_BYTES)
}

pub(super) fn unavailable(why: &str) -> EngineError {
    EngineError::Unavailable(format!("the simulated store: {why}"))
}

pub(super) fn closed() -> EngineError {
    unavailable("it is closed")
}
