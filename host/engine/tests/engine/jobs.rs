//! Of all processes that could run a job one does; another takes over when it has died, and at once when it
//! has let go.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use patchbay_ambient::{Clock as _, ManualClock};
use patchbay_store::engine::Read;
use patchbay_store::job::JobLease;
use patchbay_store::{Operation, StoreError, Tx, keys};
use patchbay_workflow::Timestamp;
use tokio::task::JoinHandle;

use crate::fixture::{Fixture, START};

/// As the settings have it.
const LEASE: Duration = Duration::from_secs(30);
const BEAT: Duration = Duration::from_secs(10);

/// Who holds the reconciler's job.
struct Look;

#[async_trait]
impl Operation for Look {
    type Output = Option<JobLease>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<JobLease>, StoreError> {
        tx.record(&keys::job("reconcile"), Read::Snapshot).await
    }
}

/// Moves the clock a second at a time, `most` at the longest, until what is there fits; gives it.
async fn watch(
    fixture: &Fixture,
    most: Duration,
    fits: impl Fn(Option<JobLease>) -> bool,
) -> Option<JobLease> {
    let until = fixture.clock.now().after(most);
    loop {
        let found = fixture.run(&Look).await;
        if fits(found) {
            return found;
        }
        assert!(fixture.clock.now() < until, "still {found:?}");
        fixture.clock.sleep(Duration::from_secs(1)).await;
    }
}

/// A process that reconciles until it is stopped, or aborted as one that dies.
async fn process(fixture: &Fixture, name: &str) -> (Arc<patchbay_engine::Service>, JoinHandle<()>) {
    let service = fixture.service(name).await;
    let running = tokio::spawn(service.clone().run_reconciler());
    (service, running)
}

async fn hand_over(clock: Arc<ManualClock>) {
    let fixture = Fixture::new(clock.clone());
    let (_, first) = process(&fixture, "first").await;
    let held = watch(&fixture, LEASE, |found| found.is_some()).await;
    let holder = held.unwrap().holder;
    let (second_service, second) = process(&fixture, "second").await;

    // A holder that lives keeps it, however long the other waits.
    let kept: Timestamp = clock.now().after(20 * LEASE);
    let mut last = (held.unwrap().beats, clock.now());
    while clock.now() < kept {
        clock.sleep(Duration::from_secs(1)).await;
        let lease = fixture.run(&Look).await.unwrap();
        assert_eq!(lease.holder, holder);
        if lease.beats > last.0 {
            last = (lease.beats, clock.now());
        }
    }
    assert!(last.0 > 50, "{} beats in ten minutes", last.0);

    // One that has died loses it: not before a lease's length is over, and within two.
    first.abort();
    let taken = watch(&fixture, 2 * LEASE, |found| {
        found.is_some_and(|lease| lease.holder != holder)
    });
    let taken = taken.await.unwrap();
    let silence = clock.now().since(last.1);
    assert!(silence > LEASE, "taken over after {silence:?}");
    assert!(taken.beats > last.0, "the count goes on");

    // One that stops lets go: the next one need not wait for the end of the lease.
    let (_, third) = process(&fixture, "third").await;
    clock.sleep(BEAT).await;
    assert_eq!(fixture.run(&Look).await.unwrap().holder, taken.holder);
    second_service.stop().await;
    second.await.unwrap();
    let next = watch(&fixture, BEAT + Duration::from_secs(1), |found| {
        found.is_some_and(|lease| lease.holder != taken.holder)
    });
    assert_ne!(next.await.unwrap().holder, holder);
    third.abort();
}

#[test]
fn a_job_passes_on_when_its_holder_dies_and_at_once_when_it_lets_go() {
    // One thread, and a clock that moves on whenever nothing else can happen.
    let clock = Arc::new(ManualClock::at(START));
    let moved = clock.clone();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .on_thread_park(move || {
            moved.advance_to_next();
        })
        .build()
        .unwrap();
    runtime.block_on(hand_over(clock));
}
