//! What every engine must do, as cases that take any engine.
//!
//! An engine's test file brings a function that makes a [`Subject`] and calls [`conformance!`] with it, which
//! makes a test of each case. Where an engine can be set up only once per process, one test goes through
//! [`cases`] instead, and gives each a subject of its own.
//!
//! A case relies on what `engine.rs` promises, and no more. What an engine may do at any time (a retryable
//! error without a reason, a watch that fires for none) makes a case start again under another prefix, at
//! most [`Subject::tries`] times; so an engine that does so always fails it. Nothing outside of the prefix
//! is looked at, and nothing is taken to be known of versions but their order. Cases that need to move time are
//! skipped where the subject has no clock of its own.
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
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use patchbay_ambient::ManualClock;
use patchbay_store::engine::{
    Committed, EngineError, KeyRange, RangeOptions, Read, Row, SharedEngine, Transaction, Watch,
};

/// An engine to be tested, and the part of its key space that is the test's own.
pub struct Subject {
    pub engine: SharedEngine,
    /// Where all keys of the test begin. Nothing is stored there yet.
    pub prefix: Vec<u8>,
    /// How often a case may be tried. One for an engine that gives no error without a reason.
    pub tries: u32,
    /// The clock the engine measures age with, if the test may move it.
    pub clock: Option<Arc<ManualClock>>,
    /// What must live as long as the engine: a directory, a cluster.
    #[allow(dead_code, reason = "it is there to be dropped last")]
    pub keep: Box<dyn Any + Send + Sync>,
}

/// Why a case did not come to its end.
#[derive(Debug)]
pub enum Stopped {
    /// By an error that an engine may give; if it is not retryable, the case has failed.
    Engine(EngineError),
    /// By a watch that fired for no reason.
    FalseWatch,
}

impl From<EngineError> for Stopped {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

/// What a case gives. What must not be panics.
pub type Outcome = Result<(), Stopped>;

/// A case to be run on a subject. The future stays on its thread.
#[allow(dead_code, reason = "not every engine needs the list")]
pub type Case = fn(Subject) -> Pin<Box<dyn Future<Output = ()>>>;

/// Runs a case, again where it was stopped.
pub async fn run(mut subject: Subject, case: impl AsyncFn(&Subject) -> Outcome) {
    let own = subject.prefix.clone();
    let mut stops = Vec::new();
    while stops.len() < subject.tries as usize {
        subject.prefix = [&own[..], stops.len().to_string().as_bytes(), b"/"].concat();
        match case(&subject).await {
            Ok(()) => return,
            Err(Stopped::Engine(error)) if !error.is_retryable() => panic!("{error}"),
            Err(stopped) => stops.push(stopped),
        }
    }
    panic!("stopped each time: {stops:?}");
}

/// Makes a test of every case, each on a subject of its own. `$fresh` is an async function that makes one.
#[macro_export]
macro_rules! conformance {
    ($fresh:path) => {
        $crate::with_cases!(conformance, $fresh);
    };
    (@cases $fresh:path, $($module:ident: $($case:ident),+;)+) => {
        $($(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::suite::run($fresh().await, $crate::suite::$module::$case).await;
            }
        )+)+
    };
}

/// Hands all cases to a macro.
#[macro_export]
macro_rules! with_cases {
    ($then:ident, $with:path) => {
        $crate::$then! { @cases $with,
            reads: own_writes_are_read, uncommitted_is_not_visible, a_snapshot_stands_still,
                ranges_run_both_ways, ranges_merge_own_writes, cleared_ranges_are_leapt_over;
            writes: atomics_add_and_max, atomics_need_no_read, versionstamps_grow_and_differ,
                a_versionstamped_key_conflicts_with_its_readers, commits_give_growing_versions;
            conflicts: blind_writes_never_conflict, a_changed_key_conflicts,
                a_phantom_conflicts, a_cleared_range_conflicts, a_snapshot_read_does_not_conflict,
                a_serializable_read_beside_a_snapshot_read_conflicts,
                what_was_not_looked_at_does_not_conflict, own_rows_count_towards_the_limit,
                own_writes_do_not_conflict, conflicts_can_be_added, a_read_only_commit_never_conflicts;
            limits: sizes_at_the_limit_are_taken, larger_ones_are_refused,
                reserved_keys_are_refused;
            ages: old_transactions_are_refused, blind_writes_do_not_age;
            watches: a_watch_fires_on_a_change, a_watch_ignores_other_keys,
                no_change_is_lost_before_registration, a_watch_of_an_undone_transaction_fails,
                closing_ends_watches_and_calls;
            serializability: histories_are_strictly_serializable;
            model: one_transaction_is_an_ordered_map;
        }
    };
}

/// Lists the cases.
#[macro_export]
macro_rules! case_list {
    (@cases $as:path, $($module:ident: $($case:ident),+;)+) => {
        vec![$($((
            stringify!($case),
            (|subject| Box::pin(run(subject, $module::$case))) as $as,
        )),+),+]
    };
}

/// All cases by name, to be run one after the other by whoever cannot make a test of each.
#[allow(dead_code, reason = "not every engine needs the list")]
pub fn cases() -> Vec<(&'static str, Case)> {
    crate::with_cases!(case_list, Case)
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
    pub async fn begin(&self) -> Result<Box<dyn Transaction>, EngineError> {
        self.engine.begin().await
    }

    /// A new transaction whose read version is fixed, also with engines that fix it at the first read.
    pub async fn begin_now(&self) -> Result<Box<dyn Transaction>, EngineError> {
        let mut tx = self.begin().await?;
        tx.get(&self.key("\x7f-unused"), Read::Snapshot).await?;
        Ok(tx)
    }

    /// Commits blind writes, again if the engine asks for that. They must be harmless to repeat.
    pub async fn write(&self, writes: impl Fn(&mut dyn Transaction)) -> Committed {
        let attempt = async || {
            let mut tx = self.begin().await?;
            writes(&mut *tx);
            tx.commit().await
        };
        insist(attempt).await
    }

    /// Sets one key.
    pub async fn put(&self, name: &str, value: &str) -> Committed {
        let key = self.key(name);
        self.write(|tx| tx.set(&key, value.as_bytes())).await
    }

    /// What is stored under one key.
    pub async fn stored(&self, name: impl AsRef<[u8]>) -> Option<Bytes> {
        let key = self.key(name);
        insist(async || self.begin().await?.get(&key, Read::Snapshot).await).await
    }

    /// What is stored in a range.
    pub async fn stored_rows(&self, range: &KeyRange) -> Vec<Row> {
        insist(async || self.begin().await?.get_range(range, snapshot()).await).await
    }

    /// The rows of a transaction as `name=value`, without the prefix.
    pub async fn names(
        &self,
        tx: &mut dyn Transaction,
        range: &KeyRange,
        options: RangeOptions,
    ) -> Result<Vec<String>, EngineError> {
        let rows = tx.get_range(range, options).await?;
        let rows = rows.iter().map(|(key, value)| {
            let name = String::from_utf8_lossy(&key[self.prefix.len()..]);
            format!("{name}={}", String::from_utf8_lossy(value))
        });
        Ok(rows.collect())
    }
}

/// What a transaction gives that may be run again, as often as the engine asks for that.
pub async fn insist<T>(attempt: impl AsyncFn() -> Result<T, EngineError>) -> T {
    for _ in 0..1000 {
        match attempt().await {
            Ok(done) => return done,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    }
    panic!("the engine asks to run it again for ever");
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

/// Sees that a commit is refused because something it read has changed.
pub async fn conflicts(tx: Box<dyn Transaction>) -> Outcome {
    match tx.commit().await.expect_err("the commit must be refused") {
        EngineError::Conflict => Ok(()),
        error => Err(error.into()),
    }
}

/// Why a commit that must not succeed is refused, where running it again does not help.
pub async fn refused(tx: Box<dyn Transaction>) -> Result<EngineError, Stopped> {
    let error = tx.commit().await.expect_err("the commit must be refused");
    if error.is_retryable() {
        return Err(error.into());
    }
    Ok(error)
}

/// Sees that a watch has not fired.
pub fn quiet(watch: &mut Watch) -> Outcome {
    match watch.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(())) => Err(Stopped::FalseWatch),
        Poll::Ready(Err(error)) => Err(error.into()),
        Poll::Pending => Ok(()),
    }
}

/// A future's output, which must come soon.
pub async fn soon<F: Future>(future: F) -> F::Output {
    let patience = std::time::Duration::from_secs(30);
    tokio::time::timeout(patience, pin!(future))
        .await
        .expect("it must end soon")
}
