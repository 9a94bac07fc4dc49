//! A world of its own for one run: one thread, and a clock that moves on by itself whenever nothing else
//! can happen. What runs in it is the same each time.

use std::future::Future;
use std::sync::Arc;

use patchbay_ambient::ManualClock;
use patchbay_workflow::Timestamp;

/// Runs what `life` makes of the world's clock.
pub(crate) fn live<F: Future>(life: impl FnOnce(Arc<ManualClock>) -> F) -> F::Output {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
    let moved = Arc::clone(&clock);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .on_thread_park(move || {
            moved.advance_to_next();
        })
        .build()
        .unwrap();
    let life = life(clock);
    runtime.block_on(life)
}
