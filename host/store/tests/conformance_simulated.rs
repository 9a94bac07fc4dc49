//! The suite that every engine passes, run with the simulated engine: as it is without faults, and again with
//! all faults that an engine's users have to bear.

mod suite;
mod world;

use std::sync::Arc;

use patchbay_ambient::ManualClock;
use patchbay_store::engine::simulated::{Faults, SimulatedEngine};
use patchbay_workflow::Timestamp;
use proptest::test_runner::TestRunner;

use suite::Subject;
use suite::model::compare_many;
use suite::serializability::{Size, check_history};

async fn simulated() -> Subject {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
    Subject {
        engine: SimulatedEngine::new(1, clock.clone(), Faults::none()),
        prefix: b"test/".to_vec(),
        tries: 1,
        clock: Some(clock),
        keep: Box::new(()),
    }
}

conformance!(simulated);

/// With a clock that moves by itself, which no case may rely on.
fn faulty(seed: u64, clock: Arc<ManualClock>) -> Subject {
    Subject {
        engine: SimulatedEngine::new(seed, clock, Faults::retryable()),
        prefix: b"test/".to_vec(),
        tries: 1000,
        clock: None,
        keep: Box::new(()),
    }
}

#[test]
fn faults_change_nothing_of_the_suite() {
    for (seed, (name, case)) in (0..).zip(suite::cases()) {
        // These take long, and have tests of their own below.
        if !name.starts_with("histories") && !name.starts_with("one_transaction") {
            world::live(|clock| case(faulty(seed, clock)));
        }
    }
}

#[test]
fn histories_with_faults_are_strictly_serializable() {
    let size = Size {
        clients: 6,
        transactions: 20,
    };
    let (mut commits, mut conflicts) = (0, 0);
    for seed in 0..60 {
        let subject = |clock| faulty(u64::from(seed), clock);
        let met = world::live(async |clock| check_history(&subject(clock), seed, size).await);
        commits += met.commits;
        conflicts += met.conflicts;
    }
    assert!(commits > 2000, "{commits} commits");
    assert!(conflicts > 500, "{conflicts} conflicts");
}

#[test]
fn transactions_with_faults_are_ordered_maps() {
    for seed in 0..8 {
        world::live(async |clock| {
            compare_many(&faulty(seed, clock), TestRunner::deterministic(), 32).await;
        });
    }
}
