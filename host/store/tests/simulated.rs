//! The simulated engine itself: it repeats, each of its faults does what it says, and nothing that was
//! acknowledged is lost.

mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use patchbay_ambient::{Clock, Entropy, ManualClock, SeededEntropy};
use patchbay_store::engine::simulated::{Faults, SimulatedEngine, SimulatedStats};
use patchbay_store::engine::{
    AtomicOp, Engine, EngineError, KeyRange, RangeOptions, Read, Row, Transaction,
};
use patchbay_store::{Database, Operation, StoreError, Tx};
use patchbay_workflow::Deadlines;
use tokio::task::JoinSet;

/// What is stored under a key.
async fn stored(engine: &SimulatedEngine, key: &[u8]) -> Option<Vec<u8>> {
    let mut tx = engine.begin().await.unwrap();
    let value = tx.get(key, Read::Snapshot).await.unwrap();
    value.map(|value| value.to_vec())
}

async fn all(tx: &mut dyn Transaction) -> Result<Vec<Row>, EngineError> {
    let options = RangeOptions {
        limit: usize::MAX,
        reverse: false,
        read: Read::Serializable,
    };
    tx.get_range(&KeyRange::prefix(b""), options).await
}

async fn put(engine: &SimulatedEngine, key: &[u8], value: &[u8]) -> Result<u64, EngineError> {
    let mut tx = engine.begin().await?;
    tx.set(key, value);
    Ok(tx.commit().await?.version)
}

/// A run of several tasks that meet each other, crashes, outages and all faults, told step by step.
fn told(seed: u64) -> String {
    world::live(async |clock| {
        let engine = SimulatedEngine::new(seed, clock.clone(), Faults::all());
        let tale = Arc::new(Mutex::new(String::new()));
        let mut tasks = JoinSet::new();
        for task in 0..6u64 {
            let (engine, clock, tale) = (engine.clone(), clock.clone(), tale.clone());
            tasks.spawn(async move {
                let chance = SeededEntropy::new(task);
                for round in 0..30u64 {
                    let outcome = something(&engine, &clock, &chance).await;
                    let at = clock.now();
                    writeln!(tale.lock(), "{at} {task}/{round}: {outcome:?}").unwrap();
                }
            });
        }
        let (chaos, chaos_clock) = (engine.clone(), clock.clone());
        tasks.spawn(async move {
            for _ in 0..3 {
                chaos_clock.sleep(Duration::from_millis(300)).await;
                chaos.crash();
                chaos_clock.sleep(Duration::from_millis(20)).await;
                chaos.recover();
                chaos_clock.sleep(Duration::from_millis(300)).await;
                chaos.set_away(true);
                chaos_clock.sleep(Duration::from_millis(20)).await;
                chaos.set_away(false);
            }
        });
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        engine.set_faults(Faults::none());
        let rows = all(&mut *engine.begin().await.unwrap()).await.unwrap();
        let tale = tale.lock();
        format!("{tale}{rows:?}\n{:?}", engine.stats())
    })
}

/// A transaction over few keys, and a wait for a change.
async fn something(
    engine: &SimulatedEngine,
    clock: &ManualClock,
    chance: &SeededEntropy,
) -> Result<(u64, usize, bool), EngineError> {
    let mut tx = if chance.below(3) == 0 {
        engine.begin_recent().await?
    } else {
        engine.begin().await?
    };
    let mut seen = 0;
    for _ in 0..chance.below(4) {
        let key = [u8::try_from(chance.below(8)).unwrap()];
        match chance.below(6) {
            0 | 1 => {
                let value = tx.get(&key, Read::Serializable).await?;
                seen += value.map_or(0, |value| value.len());
            }
            2 => seen += all(&mut *tx).await?.len(),
            3 => tx.set(&key, &chance.next_u64().to_be_bytes()),
            4 => tx.atomic(&key, AtomicOp::Add, &[1, 0, 0]),
            _ => tx.clear_range(&KeyRange::new(vec![1], key.to_vec())),
        }
    }
    tx.set_versionstamped(b"log", b"", b"");
    let watch = tx.watch(&[0]).await?;
    let version = tx.commit().await?.version;
    let fired = tokio::select! {
        biased;
        fired = watch => fired.is_ok(),
        () = clock.sleep(Duration::from_millis(20)) => false,
    };
    Ok((version, seen, fired))
}

#[test]
fn a_seed_gives_the_same_run_again_and_another_seed_another() {
    let tales: Vec<String> = (0..4).map(told).collect();
    for (seed, tale) in (0..).zip(&tales) {
        assert_eq!(*tale, told(seed));
        assert!(tale.lines().count() > 180);
        for other in &tales {
            assert!(std::ptr::eq(tale, other) || tale != other);
        }
    }
}

/// A fault, how to make it certain, and its count.
type Fault = (
    &'static str,
    fn(&mut Faults) -> &mut u16,
    fn(&SimulatedStats) -> u64,
);

const FAULTS: [Fault; 9] = [
    ("conflict", |f| &mut f.conflict, |s| s.false_conflicts),
    ("old read", |f| &mut f.too_old_read, |s| s.too_old_reads),
    (
        "old commit",
        |f| &mut f.too_old_commit,
        |s| s.too_old_commits,
    ),
    ("busy", |f| &mut f.busy_commit, |s| s.busy_commits),
    ("applied", |f| &mut f.maybe_applied, |s| s.maybe_applied),
    ("lost", |f| &mut f.maybe_lost, |s| s.maybe_lost),
    (
        "no begin",
        |f| &mut f.unavailable_begin,
        |s| s.unavailable_begins,
    ),
    (
        "no read",
        |f| &mut f.unavailable_read,
        |s| s.unavailable_reads,
    ),
    (
        "no commit",
        |f| &mut f.unavailable_commit,
        |s| s.unavailable_commits,
    ),
];

#[test]
fn each_fault_does_what_it_says() {
    for (name, fault, count) in FAULTS {
        world::live(async |clock| {
            let engine = SimulatedEngine::new(1, clock, Faults::none());
            let mut faults = Faults::none();
            *fault(&mut faults) = 1000;
            engine.set_faults(faults);
            let attempt = async {
                let mut tx = engine.begin().await?;
                tx.set(b"k", b"v");
                let read = tx.get(b"other", Read::Serializable).await;
                // What made a transaction too old stays with it; being unavailable passes.
                engine.set_faults(Faults::none());
                if name == "no read" {
                    read.clone()?;
                }
                engine.set_faults(faults);
                tx.commit().await
            };
            let outcome = attempt.await.expect_err(name);
            engine.set_faults(Faults::none());
            let is_stored = stored(&engine, b"k").await.is_some();
            assert_eq!(is_stored, name == "applied", "{name}");
            assert_eq!(count(&engine.stats()), 1, "{name}");
            let expected = match name {
                "conflict" => outcome == EngineError::Conflict,
                "old read" | "old commit" => outcome == EngineError::TooOld,
                "busy" => matches!(outcome, EngineError::Busy(_)),
                "applied" | "lost" => outcome == EngineError::MaybeCommitted,
                _ => matches!(outcome, EngineError::Unavailable(_)),
            };
            assert!(expected, "{name}: {outcome}");
        });
    }
}

#[test]
fn watches_have_their_faults_after_their_transaction_has_committed() {
    let longest = Duration::from_millis(40);
    for seed in 0..20 {
        world::live(async |clock| {
            let engine = SimulatedEngine::new(seed, clock.clone(), Faults::none());
            let watch = async |faults| {
                engine.set_faults(Faults { longest, ..faults });
                let mut tx = engine.begin().await.unwrap();
                let watch = tx.watch(b"k").await.unwrap();
                (tx, watch)
            };
            let stale = Faults {
                watch_stale: 1000,
                ..Faults::none()
            };
            let (tx, mut fired) = watch(stale).await;
            tokio::select! {
                biased;
                _ = &mut fired => panic!("before its transaction committed"),
                () = clock.sleep(2 * longest) => {}
            }
            let (committed_at, _) = (clock.now(), tx.commit().await.unwrap());
            fired.await.unwrap();
            assert!(clock.now().since(committed_at) <= longest);

            let (tx, undone) = watch(stale).await;
            drop(tx);
            assert!(undone.await.is_err());

            let fails = Faults {
                watch_fails: 1000,
                ..Faults::none()
            };
            let (tx, failed) = watch(fails).await;
            tx.commit().await.unwrap();
            assert!(matches!(failed.await, Err(EngineError::Unavailable(_))));

            let late = Faults {
                watch_late: 1000,
                ..Faults::none()
            };
            let (tx, fired) = watch(late).await;
            tx.commit().await.unwrap();
            clock.sleep(Duration::from_secs(1)).await;
            let changed_at = clock.now();
            put(&engine, b"k", b"new").await.unwrap();
            fired.await.unwrap();
            assert!(clock.now().since(changed_at) <= longest);
            let stats = engine.stats();
            let met = (
                stats.watches_stale,
                stats.watches_failed,
                stats.watches_late,
            );
            assert_eq!(met, (1, 1, 1));
        });
    }
}

#[test]
fn a_crash_keeps_what_was_acknowledged() {
    let (mut applied, mut lost) = (0, 0);
    for seed in 0..200 {
        let stats = world::live(async |clock| {
            let faults = Faults {
                latency: 500,
                longest: Duration::from_millis(20),
                maybe_applied: 20,
                maybe_lost: 20,
                ..Faults::none()
            };
            let engine = SimulatedEngine::new(seed, clock.clone(), faults);
            let mut old = engine.begin().await.unwrap();
            let watch = old.watch(b"w").await.unwrap();
            old.commit().await.unwrap();
            let mut old = engine.begin().await.unwrap();
            old.set(b"old", b"");

            let mut writers = JoinSet::new();
            for writer in 0..8u8 {
                let engine = engine.clone();
                writers.spawn(async move {
                    let mut told = Vec::new();
                    for n in 0..20u8 {
                        told.push(([writer, n], put(&engine, &[writer, n], b"").await));
                    }
                    told
                });
            }
            let (crash_at, down_for) = (seed % 97, seed % 13);
            clock.sleep(Duration::from_millis(crash_at)).await;
            engine.crash();
            assert!(matches!(watch.await, Err(EngineError::Unavailable(_))));
            let refused = old.get(b"old", Read::Snapshot).await;
            assert!(matches!(refused, Err(EngineError::Unavailable(_))));
            assert!(engine.begin().await.is_err());
            clock.sleep(Duration::from_millis(down_for)).await;
            engine.recover();
            assert_eq!(old.commit().await, Err(EngineError::TooOld));

            let told: BTreeMap<_, _> = writers.join_all().await.into_iter().flatten().collect();
            engine.set_faults(Faults::none());
            for (key, outcome) in &told {
                let is_stored = stored(&engine, key).await.is_some();
                match outcome {
                    Ok(_) => assert!(is_stored, "seed {seed}: an acknowledged commit is gone"),
                    Err(EngineError::MaybeCommitted) => {}
                    Err(_) => assert!(!is_stored, "seed {seed}: a refused commit is there"),
                }
            }
            assert_eq!(stored(&engine, b"old").await, None);
            let newest = told.values().flatten().max().copied();
            assert!(put(&engine, b"k", b"").await.ok() > newest);
            engine.stats()
        });
        assert_eq!(stats.crashes, 1);
        applied += stats.orphans_applied;
        lost += stats.orphans_lost;
    }
    assert!(applied > 100 && lost > 100, "{applied} and {lost}");
}

#[test]
fn in_an_outage_nothing_is_written_and_afterwards_all_goes_on() {
    world::live(async |clock| {
        let engine = SimulatedEngine::new(1, clock.clone(), Faults::none());
        let mut tx = engine.begin().await.unwrap();
        let watch = tx.watch(b"k").await.unwrap();
        tx.commit().await.unwrap();
        let mut reader = engine.begin().await.unwrap();
        let mut writer = engine.begin().await.unwrap();
        writer.set(b"k", b"refused");
        engine.set_away(true);
        let is_away =
            |error: Option<EngineError>| matches!(error, Some(EngineError::Unavailable(_)));
        assert!(is_away(engine.begin().await.err()));
        assert!(is_away(reader.get(b"k", Read::Snapshot).await.err()));
        assert!(is_away(writer.commit().await.err()));
        assert_eq!(engine.stats().refused_away, 3);
        engine.set_away(false);
        assert_eq!(reader.get(b"k", Read::Snapshot).await, Ok(None));
        put(&engine, b"k", b"new").await.unwrap();
        watch.await.unwrap();
    });
}

#[test]
fn a_commit_whose_client_goes_away_happens_or_does_not() {
    let (mut applied, mut lost) = (0, 0);
    for seed in 0..40 {
        let stats = world::live(async |clock| {
            let slow = Faults {
                latency: 1000,
                longest: Duration::from_secs(1),
                ..Faults::none()
            };
            let engine = SimulatedEngine::new(seed, clock, Faults::none());
            let mut tx = engine.begin().await.unwrap();
            tx.set(b"k", b"");
            engine.set_faults(slow);
            let mut commit = tx.commit();
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            let polled = commit.as_mut().poll(&mut context);
            engine.set_faults(Faults::none());
            if polled.is_pending() {
                drop(commit);
            }
            let stats = engine.stats();
            let is_stored = stored(&engine, b"k").await.is_some();
            assert_eq!(is_stored, stats.commits == 1);
            stats
        });
        applied += stats.orphans_applied;
        lost += stats.orphans_lost;
    }
    assert!(applied > 5 && lost > 5, "{applied} and {lost}");
}

#[test]
fn a_stale_transaction_reads_one_moment_of_the_last_tenth_of_a_second() {
    let mut behind = 0;
    for seed in 0..50 {
        world::live(async |clock| {
            let engine = SimulatedEngine::new(seed, clock.clone(), Faults::none());
            put(&engine, b"a", &[0]).await.unwrap();
            put(&engine, b"b", &[0]).await.unwrap();
            for n in 1..100u8 {
                clock.sleep(Duration::from_millis(5)).await;
                let mut tx = engine.begin().await.unwrap();
                tx.set(b"a", &[n]);
                tx.set(b"b", &[n]);
                tx.commit().await.unwrap();
            }
            let mut tx = engine.begin_recent().await.unwrap();
            let seen = tx.get(b"a", Read::Serializable).await.unwrap().unwrap();
            clock.sleep(Duration::from_secs(2)).await;
            assert_eq!(tx.get(b"b", Read::Snapshot).await.unwrap().unwrap(), seen);
            assert!(seen[0] >= 99 - 20, "{seen:?} is older than 100 ms");
            tx.set(b"c", b"");
            let is_newest = seen[0] == 99;
            assert_eq!(tx.commit().await.is_ok(), is_newest, "{seen:?}");
            behind += u32::from(!is_newest);
        });
    }
    assert!(behind > 20, "{behind}");
}

/// Meets a fault in each of its first attempts, and keeps what it is told of those before.
struct Tried {
    engine: Arc<SimulatedEngine>,
    faults: Vec<Faults>,
    told: Mutex<Vec<bool>>,
}

#[async_trait::async_trait]
impl Operation for Tried {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let attempt = {
            let mut told = self.told.lock();
            told.push(tx.maybe_committed());
            told.len() - 1
        };
        let faults = self.faults.get(attempt).copied();
        self.engine.set_faults(faults.unwrap_or(Faults::none()));
        tx.set(b"k", b"");
        Ok(())
    }
}

#[test]
fn an_operation_stays_told_that_it_may_have_been_committed() {
    let conflict = Faults {
        conflict: 1000,
        ..Faults::none()
    };
    let maybe = Faults {
        maybe_lost: 1000,
        ..Faults::none()
    };
    let too_old = Faults {
        too_old_commit: 1000,
        ..Faults::none()
    };
    world::live(async |clock| {
        let engine = SimulatedEngine::new(1, clock.clone(), Faults::none());
        let operation = Tried {
            engine: engine.clone(),
            faults: vec![conflict, maybe, conflict, too_old],
            told: Mutex::default(),
        };
        let entropy = Arc::new(SeededEntropy::new(1));
        let database = Database::new(engine, clock, entropy, Deadlines::default());
        database.run(&operation).await.unwrap();
        assert_eq!(*operation.told.lock(), [false, false, true, true, true]);
    });
}
