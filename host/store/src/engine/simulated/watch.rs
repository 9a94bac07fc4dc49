//! Watches with a fate of their own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::Shared;
use super::faults::{Fate, SimulatedStats};
use super::state::unavailable;
use crate::engine::{EngineError, Watch};

/// `watch`, which besides does what its fate is, but nothing before it was registered.
pub(super) fn simulated(
    shared: &Arc<Shared>,
    watch: Watch,
    registration: oneshot::Receiver<()>,
    fate: Fate,
) -> Watch {
    let shared = Arc::clone(shared);
    match fate {
        Fate::Fair => watch,
        Fate::Late(by) => Box::pin(async move {
            let fired = watch.await;
            if fired.is_ok() {
                shared.clock.sleep(by).await;
                shared.count(|stats| &mut stats.watches_late);
            }
            fired
        }),
        Fate::Stale(after) => Box::pin(async move {
            tokio::select! {
                biased;
                fired = watch => fired,
                () = shared.registered_for(registration, after) => {
                    shared.count(|stats| &mut stats.watches_stale);
                    Ok(())
                }
            }
        }),
        Fate::Fails(after) => Box::pin(async move {
            tokio::select! {
                biased;
                fired = watch => fired,
                () = shared.registered_for(registration, after) => {
                    shared.count(|stats| &mut stats.watches_failed);
                    Err::<(), EngineError>(unavailable("it lost the watch"))
                }
            }
        }),
    }
}

impl Shared {
    /// Ends so long after the registration; never if there is none.
    async fn registered_for(&self, registration: oneshot::Receiver<()>, time: Duration) {
        if registration.await.is_err() {
            std::future::pending::<()>().await;
        }
        self.clock.sleep(time).await;
    }

    fn count(&self, count: fn(&mut SimulatedStats) -> &mut u64) {
        *count(&mut self.state.lock().dice.stats) += 1;
    }
}
