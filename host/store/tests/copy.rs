//! A copied store is the same store: wherever the copy was interrupted, and whatever either engine's
//! versions are.

#[allow(dead_code, reason = "shared with other tests")]
#[path = "workflows/bench.rs"]
mod bench;
#[allow(dead_code, reason = "shared with other tests")]
#[path = "check/busy.rs"]
mod busy;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use patchbay_ambient::{ManualClock, SeededEntropy};
use patchbay_store::check::{CheckOptions, check};
use patchbay_store::copy::{
    Copied, CopyError, CopyOptions, Side, StampEpoch, Standing, copy, standing,
};
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use patchbay_store::engine::{
    AtomicOp, Committed, Engine, EngineError, KeyRange, RangeOptions, Read, Row, SharedEngine,
    Transaction, Watch,
};
use patchbay_store::keys::stream;
use patchbay_store::{Database, Operation, StoreError, Tx};
use patchbay_workflow::{Deadlines, Timestamp};
use proptest::prelude::*;

use crate::busy::{busy, rows, write};

const PAGES: CopyOptions = CopyOptions {
    page_rows: 12,
    page_bytes: 3_000,
};

fn database(engine: SharedEngine) -> Database {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
    let entropy = Arc::new(SeededEntropy::new(11));
    Database::new(engine, clock, entropy, Deadlines::default())
}

fn empty() -> Database {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
    database(EmbeddedEngine::in_memory(EmbeddedOptions::new(clock)).unwrap())
}

async fn copied(from: &Database, to: &Database) -> Result<Copied, CopyError> {
    copy(from, to, PAGES, &()).await
}

/// An engine that breaks after some commits.
struct Breaking {
    inner: SharedEngine,
    left: Arc<AtomicI64>,
    /// Breaks once, after the commit was made: nobody knows.
    unknown: bool,
}

struct BreakingTransaction {
    inner: Box<dyn Transaction>,
    left: Arc<AtomicI64>,
    unknown: bool,
}

#[async_trait]
impl Engine for Breaking {
    async fn begin(&self) -> Result<Box<dyn Transaction>, EngineError> {
        Ok(Box::new(BreakingTransaction {
            inner: self.inner.begin().await?,
            left: Arc::clone(&self.left),
            unknown: self.unknown,
        }))
    }

    fn name(&self) -> &'static str {
        "breaking"
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl Transaction for BreakingTransaction {
    async fn get(&mut self, key: &[u8], read: Read) -> Result<Option<Bytes>, EngineError> {
        self.inner.get(key, read).await
    }

    async fn get_range(
        &mut self,
        range: &KeyRange,
        options: RangeOptions,
    ) -> Result<Vec<Row>, EngineError> {
        self.inner.get_range(range, options).await
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.inner.set(key, value);
    }

    fn clear(&mut self, key: &[u8]) {
        self.inner.clear(key);
    }

    fn clear_range(&mut self, range: &KeyRange) {
        self.inner.clear_range(range);
    }

    fn atomic(&mut self, key: &[u8], op: AtomicOp, operand: &[u8]) {
        self.inner.atomic(key, op, operand);
    }

    fn set_versionstamped(&mut self, prefix: &[u8], suffix: &[u8], value: &[u8]) {
        self.inner.set_versionstamped(prefix, suffix, value);
    }

    fn add_read_conflict(&mut self, range: &KeyRange) {
        self.inner.add_read_conflict(range);
    }

    fn add_write_conflict(&mut self, range: &KeyRange) {
        self.inner.add_write_conflict(range);
    }

    async fn watch(&mut self, key: &[u8]) -> Result<Watch, EngineError> {
        self.inner.watch(key).await
    }

    async fn commit(self: Box<Self>) -> Result<Committed, EngineError> {
        let left = self.left.fetch_sub(1, Ordering::SeqCst);
        match left {
            0 if self.unknown => {
                self.inner.commit().await?;
                Err(EngineError::MaybeCommitted)
            }
            ..=0 if !self.unknown => Err(EngineError::Unavailable("pulled out".to_owned())),
            _ => self.inner.commit().await,
        }
    }
}

fn breaking(db: &Database, left: i64, unknown: bool) -> Database {
    database(Arc::new(Breaking {
        inner: Arc::clone(db.engine()),
        left: Arc::new(AtomicI64::new(left)),
        unknown,
    }))
}

#[tokio::test]
async fn the_copy_is_the_store() {
    let bench = busy().await;
    let before = rows(&bench.db).await;
    let (second, third) = (empty(), empty());
    let first_copy = copied(&bench.db, &second).await.unwrap();
    assert_eq!(
        (first_copy.rows, first_copy.epoch),
        (before.len() as u64, 1)
    );
    assert_eq!(rows(&bench.db).await, before, "the source stays as it was");
    let mut same = rows(&second).await;
    assert!(same.remove(&stream::epoch()).is_some());
    assert_eq!(same, before);
    let report = check(&second, CheckOptions::default(), &()).await.unwrap();
    assert!(report.is_clean(), "{:#?}", report.findings);
    assert_eq!(standing(&bench.db).await.unwrap(), Standing::Left);
    assert_eq!(standing(&second).await.unwrap(), Standing::Home);

    assert_eq!(copied(&second, &third).await.unwrap().epoch, 2);
    let mut same = rows(&third).await;
    same.remove(&stream::epoch());
    assert_eq!(same, before);
}

/// Wherever either side breaks off, the next run goes on and ends with the same.
#[tokio::test]
async fn an_interrupted_copy_goes_on() {
    let bench = busy().await;
    let before = rows(&bench.db).await;
    for broken in [Side::Source, Side::Target] {
        let mut went_on = 0;
        for left in 0.. {
            let target = empty();
            let first = match broken {
                Side::Source => copied(&breaking(&bench.db, left, false), &target).await,
                Side::Target => copied(&bench.db, &breaking(&target, left, false)).await,
            };
            let Err(error) = first else {
                assert!(left > 20, "there are pages");
                break;
            };
            assert!(
                matches!(error, CopyError::Store { side, .. } if side == broken),
                "{error}"
            );
            let again = copied(&bench.db, &target).await.unwrap();
            went_on += u64::from(again.resumed_after > 0);
            assert_eq!(again.rows, before.len() as u64);
            let mut same = rows(&target).await;
            same.remove(&stream::epoch());
            assert_eq!(same, before, "after {left} commits");
            assert_eq!(standing(&target).await.unwrap(), Standing::Home);
        }
        assert!(went_on > 10, "{went_on}");
    }
}

#[tokio::test]
async fn a_commit_of_which_nobody_knows_is_made_once() {
    let bench = busy().await;
    let before = rows(&bench.db).await;
    for left in 0..60 {
        let target = empty();
        copied(&bench.db, &breaking(&target, left, true))
            .await
            .unwrap();
        let mut same = rows(&target).await;
        assert_eq!(same.remove(&stream::epoch()), Some(vec![1, 1]));
        assert_eq!(same, before, "after {left} commits");
    }
}

#[tokio::test]
async fn what_is_not_its_own_is_refused() {
    let (bench, other) = (busy().await, busy().await);
    let full = copied(&bench.db, &other.db).await;
    assert_eq!(full, Err(CopyError::TargetNotEmpty));

    let target = empty();
    copied(&bench.db, &breaking(&target, 9, false))
        .await
        .unwrap_err();
    assert_eq!(standing(&target).await.unwrap(), Standing::Incomplete);
    assert_eq!(standing(&bench.db).await.unwrap(), Standing::Source);
    assert_eq!(copied(&other.db, &target).await, Err(CopyError::OtherCopy));
    assert_eq!(
        copied(&target, &empty()).await,
        Err(CopyError::SourceIncomplete)
    );

    // The source was used between the two halves.
    let (first, _) = rows(&bench.db).await.pop_first().unwrap();
    write(&bench.db, vec![(first, Some(b"changed".to_vec()))]).await;
    let differ = CopyError::Differ {
        subspace: "#".to_owned(),
    };
    assert_eq!(copied(&bench.db, &target).await, Err(differ));
    assert_eq!(standing(&target).await.unwrap(), Standing::Incomplete);
}

/// Reads where stamped rows go.
struct Stamped;

#[async_trait]
impl Operation for Stamped {
    type Output = Vec<u8>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<u8>, StoreError> {
        Ok(stream::stamped_prefix(3, StampEpoch::current(tx).await?.0))
    }
}

async fn stamp(db: &Database, number: u64) {
    let prefix = db.run(&Stamped).await.unwrap();
    let mut tx = db.engine().begin().await.unwrap();
    for order in 0..2 {
        let value = (number * 2 + u64::from(order)).to_be_bytes();
        tx.set_versionstamped(&prefix, &stream::stamped_suffix(order), &value);
    }
    tx.commit().await.unwrap();
}

async fn numbers(db: &Database) -> Vec<u64> {
    let mut tx = db.engine().begin().await.unwrap();
    let all = RangeOptions {
        limit: usize::MAX,
        reverse: false,
        read: Read::Snapshot,
    };
    let rows = tx.get_range(&stream::stream(3), all).await.unwrap();
    rows.iter()
        .map(|(_, value)| u64::from_be_bytes(value[..].try_into().unwrap()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// What is committed later sorts later, over copies to engines whose versions are lower or higher.
    #[test]
    fn the_stream_keeps_its_order(
        engines in proptest::collection::vec((0..40_u64, 1..6_u64), 2..5),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async move {
            let mut next = 0;
            let mut home: Option<Database> = None;
            for (age, writes) in engines {
                let db = empty();
                // The engine has a past in which it committed other things.
                for _ in 0..age {
                    write(&db, vec![(b"other".to_vec(), Some(Vec::new()))]).await;
                }
                if let Some(former) = &home {
                    copied(former, &db).await.unwrap();
                }
                for _ in 0..writes {
                    stamp(&db, next).await;
                    next += 1;
                }
                let order: Vec<u64> = (0..next * 2).collect();
                assert_eq!(numbers(&db).await, order);
                let report = check(&db, CheckOptions::default(), &()).await.unwrap();
                assert!(report.is_clean(), "{:#?}", report.findings);
                home = Some(db);
            }
        });
    }
}
