//! The simulated engine: in memory, on a seed, with faults.
//!
//! It does everything that an engine may do to its users, and does the same again for the same seed: used
//! from one thread with a [`ManualClock`](patchbay_ambient::ManualClock), a run repeats to the byte. It has
//! no threads; time comes from the clock alone, and chance from its own seed alone.
//!
//! *Commits* arrive, are decided, and are answered, with waits between where [`Faults::latency`] says so. What
//! was decided is kept, whatever happens then: memory is its disk. *Versions* follow the clock, a million a
//! second, as FoundationDB's do. Commits between which nobody began share one, in the order of their stamps,
//! now and then.
//!
//! *Crash* ([`SimulatedEngine::crash`]) ends every transaction and watch. Each commit under way gives "maybe
//! committed", and the seed decides whether it happened. *Outage* ([`SimulatedEngine::set_away`]) makes all
//! calls fail with "unavailable"; only a commit that was decided but not answered gives "maybe committed".
//!
//! Owns the rows and their versions, the faults, and what is counted of them.

mod commit;
mod faults;
mod rows;
mod state;
mod transaction;
mod versions;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use patchbay_ambient::SharedClock;

pub use self::faults::{Faults, SimulatedStats};
use self::state::{Mode, State};
use self::transaction::SimulatedTransaction;
use super::limits::RECENT;
use super::{Engine, EngineError, Transaction};

/// The simulated engine.
pub struct SimulatedEngine {
    shared: Arc<Shared>,
}

/// What the engine, its transactions and its watches share.
struct Shared {
    clock: SharedClock,
    state: Mutex<State>,
}

impl Shared {
    /// Waits as long as chance says, if it says so.
    async fn delay(&self) {
        let wait = self.state.lock().dice.latency();
        if let Some(wait) = wait {
            self.clock.sleep(wait).await;
        }
    }
}

impl SimulatedEngine {
    /// An empty store whose whole behaviour follows from `seed` and from what is asked of it when.
    pub fn new(seed: u64, clock: SharedClock, faults: Faults) -> Arc<Self> {
        let state = State::new(seed, faults);
        Arc::new(Self {
            shared: Arc::new(Shared {
                clock,
                state: Mutex::new(state),
            }),
        })
    }

    /// How often each fault happens, from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.state.lock().dice.faults = faults;
    }

    /// How often each fault was met.
    pub fn stats(&self) -> SimulatedStats {
        self.shared.state.lock().dice.stats
    }

    /// Whether nothing reaches the store, from now on.
    pub fn set_away(&self, away: bool) {
        self.shared.state.lock().away = away;
    }

    /// Ends every transaction and watch. Until [`Self::recover`] all calls give
    /// [`EngineError::Unavailable`]; transactions begun before it are then [`EngineError::TooOld`].
    pub fn crash(&self) {
        let now = self.shared.clock.monotonic();
        let watches = self.shared.state.lock().crash(now);
        if let Some(watches) = watches {
            watches.end(&EngineError::Unavailable(
                "the simulated store has crashed".into(),
            ));
        }
    }

    /// Starts again after a crash, on all that was decided before it.
    pub fn recover(&self) {
        let now = self.shared.clock.monotonic();
        self.shared.state.lock().recover(now);
    }

    async fn begin_at(&self, stale: Duration) -> Result<Box<dyn Transaction>, EngineError> {
        self.shared.delay().await;
        let transaction = SimulatedTransaction::begin(&self.shared, stale)?;
        self.shared.delay().await;
        Ok(Box::new(transaction))
    }
}

#[async_trait]
impl Engine for SimulatedEngine {
    async fn begin(&self) -> Result<Box<dyn Transaction>, EngineError> {
        self.begin_at(Duration::ZERO).await
    }

    async fn begin_recent(&self) -> Result<Box<dyn Transaction>, EngineError> {
        let most = u64::try_from(RECENT.as_millis()).unwrap_or(0);
        let by = self.shared.state.lock().dice.below(most + 1);
        self.begin_at(Duration::from_millis(by)).await
    }

    fn name(&self) -> &'static str {
        "simulated"
    }

    async fn close(&self) {
        let under_way = {
            let mut state = self.shared.state.lock();
            state.mode = Mode::Closed;
            state.under_way()
        };
        for ticket in under_way {
            commit::decide(&self.shared, ticket);
        }
        let watches = Arc::clone(&self.shared.state.lock().watches);
        watches.end(&state::closed());
    }
}

impl fmt::Debug for SimulatedEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedEngine")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
