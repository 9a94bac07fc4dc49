//! What every engine must do, as cases that take any engine.
//!
//! An engine's test file brings a function that makes a [`Subject`] and calls [`conformance!`] with it.
//! Cases that need to move time are skipped where the subject has no clock of its own.
#![allow(
    unreachable_pub,
    reason = "shared by the test files of several engines, each its own crate"
)]

pub mod ages;
pub mod conflicts;
pub mod limits;
pub mod model;
pub mod reads;
pub mod serializability;
pub mod watches;
pub mod writes;

use std::any::Any;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use patchbay_ambient::ManualClock;
use patchbay_store::engine::{
    Committed, EngineError, KeyRange, RangeOptions, Read, SharedEngine, Transaction, Watch,
};

/// An engine to be tested, and the part of its key space that is the test's own.
pub struct Subject {
    pub engine: SharedEngine,
    /// Where all keys of the test begin. Nothing is stored there yet.
    pub prefix: Vec<u8>,
    /// The clock the engine measures age with, if the test may move it.
    pub clock: Option<Arc<ManualClock>>,
    /// What must live as long as the engine: a directory, a cluster.
    #[allow(dead_code, reason = "it is there to be dropped last")]
    pub keep: Box<dyn Any + Send + Sync>,
}

/// Runs every case, each on a subject of its own. `$fresh` is an async function that makes one.
#[macro_export]
macro_rules! conformance {
    ($fresh:path) => {
        $crate::conformance!(@cases $fresh,
            reads: own_writes_are_read, uncommitted_is_not_visible, a_snapshot_stands_still,
                ranges_run_both_ways, ranges_merge_own_writes, cleared_ranges_are_leapt_over;
            writes: atomics_add_and_max, atomics_need_no_read, versionstamps_grow_and_differ,
                a_versionstamped_key_conflicts_with_its_readers, commits_give_growing_versions;
            conflicts: blind_writes_never_conflict, a_changed_key_conflicts,
                a_phantom_conflicts, a_cleared_range_conflicts, a_snapshot_read_does_not_conflict,
                what_was_not_looked_at_does_not_conflict, own_writes_do_not_conflict,
                conflicts_can_be_added, a_read_only_commit_never_conflicts;
            limits: sizes_at_the_limit_are_taken, larger_ones_are_refused,
                reserved_keys_are_refused;
            ages: old_transactions_are_refused, blind_writes_do_not_age;
            watches: a_watch_fires_on_a_change, a_watch_ignores_other_keys,
                no_change_is_lost_before_registration, a_watch_of_an_undone_transaction_fails,
                closing_ends_watches_and_calls;
            serializability: histories_are_strictly_serializable;
            model: one_transaction_is_an_ordered_map;
        );
    };
    (@cases $fresh:path, $($module:ident: $($case:ident),+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::suite::$module::$case($fresh().await).await;
            }
        )+)+
    };
}

impl Subject {
    /// A key of this test.
    pub fn key(&self, name: impl AsRef<[u8]>) -> Vec<u8> {
        [&self.prefix[..], name.as_ref()].concat()
    }

    /// The keys from one name to before another.
    pub fn range(&self, begin: impl AsRef<[u8]>, end: impl AsRef<[u8]>) -> KeyRange {
        KeyRange::new(self.key(begin), self.key(end))
    }

    /// All keys of this test.
    pub fn everything(&self) -> KeyRange {
        KeyRange::prefix(&self.prefix)
    }

    /// A new transaction.
    pub async fn begin(&self) -> Box<dyn Transaction> {
        self.engine.begin().await.unwrap()
    }

    /// A new transaction whose read version is fixed, also with engines that fix it at the first read.
    pub async fn begin_now(&self) -> Box<dyn Transaction> {
        let mut tx = self.begin().await;
        tx.get(&self.key("\x7f-unused"), Read::Snapshot)
            .await
            .unwrap();
        tx
    }

    /// Commits blind writes, again if the engine asks for that. They must be harmless to repeat.
    pub async fn write(&self, writes: impl Fn(&mut dyn Transaction)) -> Committed {
        loop {
            let mut tx = self.begin().await;
            writes(&mut *tx);
            match tx.commit().await {
                Ok(committed) => return committed,
                Err(error) => assert!(error.is_retryable(), "{error}"),
            }
        }
    }

    /// Sets one key.
    pub async fn put(&self, name: &str, value: &str) -> Committed {
        let key = self.key(name);
        self.write(|tx| tx.set(&key, value.as_bytes())).await
    }

    /// What is stored under one key.
    pub async fn stored(&self, name: impl AsRef<[u8]>) -> Option<Bytes> {
        let mut tx = self.begin().await;
        tx.get(&self.key(name), Read::Snapshot).await.unwrap()
    }

    /// The rows of a transaction as `name=value`, without the prefix.
    pub async fn names(
        &self,
        tx: &mut dyn Transaction,
        range: &KeyRange,
        options: RangeOptions,
    ) -> Vec<String> {
        let rows = tx.get_range(range, options).await.unwrap();
        rows.iter()
            .map(|(key, value)| {
                let name = String::from_utf8_lossy(&key[self.prefix.len()..]);
                format!("{name}={}", String::from_utf8_lossy(value))
            })
            .collect()
    }
}

/// Serialisable rows from the start.
pub fn first(limit: usize) -> RangeOptions {
    RangeOptions {
        limit,
        reverse: false,
        read: Read::Serializable,
    }
}

/// Serialisable rows from the end.
pub fn last(limit: usize) -> RangeOptions {
    RangeOptions {
        reverse: true,
        ..first(limit)
    }
}

/// All rows, without taking part in conflict detection.
pub fn snapshot() -> RangeOptions {
    RangeOptions {
        read: Read::Snapshot,
        ..first(usize::MAX)
    }
}

/// The error of a commit that must not succeed.
pub async fn refused(tx: Box<dyn Transaction>) -> EngineError {
    tx.commit().await.expect_err("the commit must be refused")
}

/// A watch's output if it is there already.
pub fn ready(watch: &mut Watch) -> Option<Result<(), EngineError>> {
    match watch.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// A future's output, which must come soon.
pub async fn soon<F: Future>(future: F) -> F::Output {
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, pin!(future))
        .await
        .expect("it must end soon")
}
