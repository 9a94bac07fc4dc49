//! Strict serialisability, checked from a log: many transactions at once over few keys, then a replay one
//! by one in the order of their versionstamps, in which every serialisable read must give what it gave.
//!
//! Each writing transaction leaves a row under its versionstamp. So what an engine could not tell ("maybe
//! committed") is known in the end, and an acknowledged commit that is not there is found too.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use patchbay_store::engine::{Committed, EngineError, KeyRange, Read, Versionstamp};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use tokio::task::JoinSet;

use super::model::{Model, Op, Seen, op};
use super::{Outcome, Subject};

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub clients: u32,
    /// By each client.
    pub transactions: u32,
}

/// One transaction as its client saw it.
struct Entry {
    ops: Vec<(Op, Seen)>,
    writes: bool,
    outcome: Result<Committed, EngineError>,
    /// The newest version that anybody had been told of before this one began.
    told_before: u64,
}

pub async fn histories_are_strictly_serializable(subject: &Subject) -> Outcome {
    let size = Size {
        clients: 12,
        transactions: 120,
    };
    let met = check_history(subject, 0, size).await;
    // The test is worth something only if transactions did meet.
    assert!(met.conflicts > 20, "{met:?}");
    assert!(met.commits > 200, "{met:?}");
    Ok(())
}

/// What a history consisted of.
#[derive(Debug)]
pub struct Met {
    pub commits: usize,
    pub conflicts: usize,
}

/// Makes a history and checks it.
pub async fn check_history(subject: &Subject, seed: u32, size: Size) -> Met {
    let newest_told = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for client in 0..size.clients {
        let engine = subject.engine.clone();
        let data = subject.key("d/");
        let log = subject.key("log/");
        let newest_told = Arc::clone(&newest_told);
        let mut runner = seeded(seed, client);
        clients.spawn(async move {
            let mut entries = BTreeMap::new();
            for n in 0..size.transactions {
                let id = (client * size.transactions + n).to_be_bytes().to_vec();
                let mut wishes = wishes(&mut runner);
                // A third only reads.
                let writes = !n.is_multiple_of(3);
                if !writes {
                    wishes.retain(Op::is_serializable_read);
                    wishes.push(Op::Get(b"a".to_vec(), Read::Serializable));
                }
                let told_before = newest_told.load(Ordering::SeqCst);
                let mut ops = Vec::new();
                let attempt = async {
                    let mut tx = engine.begin().await?;
                    for op in wishes {
                        let found = op.run(&data, &mut *tx).await?;
                        ops.push((op, found));
                        tokio::task::yield_now().await;
                    }
                    if writes {
                        tx.set_versionstamped(&log, b"", &id);
                    }
                    tx.commit().await
                };
                let outcome = attempt.await;
                match &outcome {
                    Ok(committed) => {
                        newest_told.fetch_max(committed.version, Ordering::SeqCst);
                    }
                    Err(error) => assert!(error.is_retryable(), "{error}"),
                }
                let entry = Entry {
                    ops,
                    writes,
                    outcome,
                    told_before,
                };
                entries.insert(id, entry);
            }
            entries
        });
    }
    let mut entries = BTreeMap::new();
    while let Some(client) = clients.join_next().await {
        entries.extend(client.unwrap());
    }
    let order = committed_in_order(subject, &entries).await;
    replay(subject, &order).await;

    let outcomes = || entries.values().map(|entry| &entry.outcome);
    let conflict = Err(EngineError::Conflict);
    Met {
        commits: outcomes().filter(|outcome| outcome.is_ok()).count(),
        conflicts: outcomes().filter(|outcome| **outcome == conflict).count(),
    }
}

/// The transactions that took effect, in order: each with its version, and those that only read after
/// those that wrote the version they read.
async fn committed_in_order<'e>(
    subject: &Subject,
    entries: &'e BTreeMap<Vec<u8>, Entry>,
) -> Vec<&'e Entry> {
    let prefix = subject.key("log/");
    let log = KeyRange::prefix(&prefix);
    let mut order = Vec::new();
    let mut logged = 0;
    for (key, id) in subject.stored_rows(&log).await {
        let stamp = Versionstamp(key[prefix.len()..].try_into().unwrap());
        let entry = &entries[&id[..]];
        match &entry.outcome {
            Ok(committed) => {
                assert_eq!(committed.versionstamp, Some(stamp));
                logged += 1;
            }
            Err(error) => assert_eq!(*error, EngineError::MaybeCommitted),
        }
        let version = u64::from_be_bytes(stamp.0[..8].try_into().unwrap());
        assert!(version > entry.told_before, "it was ordered into the past");
        order.push(((version, Some(stamp)), entry));
    }
    for entry in entries.values() {
        let Ok(committed) = &entry.outcome else {
            continue;
        };
        if entry.writes {
            logged -= 1;
        } else {
            assert!(committed.version >= entry.told_before, "it read the past");
            order.push(((committed.version, None), entry));
        }
    }
    assert_eq!(logged, 0, "acknowledged commits that are not there");
    order.sort_by_key(|((version, stamp), _)| (*version, stamp.is_none(), *stamp));
    order.into_iter().map(|(_, entry)| entry).collect()
}

async fn replay(subject: &Subject, order: &[&Entry]) {
    let mut model = Model::new();
    for (at, entry) in order.iter().enumerate() {
        for (op, seen) in &entry.ops {
            let expected = op.apply(&mut model);
            if op.is_serializable_read() {
                assert_eq!(*seen, expected, "{op:?} of transaction {at}");
            }
        }
    }
    let prefix = subject.key("d/");
    let rows: Model = subject
        .stored_rows(&KeyRange::prefix(&prefix))
        .await
        .into_iter()
        .map(|(key, value)| (key[prefix.len()..].to_vec(), value.to_vec()))
        .collect();
    assert_eq!(rows, model);
}

fn seeded(seed: u32, client: u32) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..4].copy_from_slice(&client.to_le_bytes());
    bytes[4..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), rng)
}

fn wishes(runner: &mut TestRunner) -> Vec<Op> {
    let ops = proptest::collection::vec(op(), 1..7);
    ops.new_tree(runner).unwrap().current()
}
