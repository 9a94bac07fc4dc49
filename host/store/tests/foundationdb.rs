//! The suite that every engine passes, run with a real FoundationDB cluster, and what that engine promises
//! beyond it.
//!
//! The cluster is the one whose cluster file `PATCHBAY_TEST_FDB` names; without it one line says so. One
//! test runs all cases: a process can start FoundationDB's client once, and the cases of the suite close
//! their engines.
#![cfg(feature = "fdb")]

mod suite;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use patchbay_ambient::{OsEntropy, SharedClock, SystemClock};
use patchbay_store::engine::fdb::{FdbEngine, FdbOptions};
use patchbay_store::engine::{Engine, EngineError, KeyRange, Read};

use suite::{Subject, cases};

fn clock() -> SharedClock {
    Arc::new(SystemClock::new())
}

fn cluster() -> Option<PathBuf> {
    let file = std::env::var_os("PATCHBAY_TEST_FDB").map(PathBuf::from);
    if file.is_none() {
        println!("PATCHBAY_TEST_FDB names no cluster file: FoundationDB is not tested");
    }
    file
}

fn open(file: &std::path::Path, name: &str) -> (Arc<FdbEngine>, FdbOptions) {
    let options = FdbOptions::new(clock()).in_namespace(name);
    (FdbEngine::open(file, &options).unwrap(), options)
}

fn unique() -> String {
    use patchbay_ambient::Entropy as _;
    format!("test-{:016x}", OsEntropy::new().next_u64())
}

#[test]
fn foundationdb_passes_the_suite() {
    let Some(file) = cluster() else { return };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let name = unique();
    for (case, run) in cases() {
        println!("{case}");
        // Without a namespace: the longest keys are to fit.
        let engine = FdbEngine::open(&file, &FdbOptions::new(clock())).unwrap();
        let subject = Subject {
            engine: engine.clone(),
            prefix: format!("{name}/{case}/").into_bytes(),
            tries: 5,
            clock: None,
            keep: Box::new(()),
        };
        runtime.block_on(run(subject));
    }
    let engine = FdbEngine::open(&file, &FdbOptions::new(clock())).unwrap();
    runtime.block_on(async {
        let mut tx = engine.begin().await.unwrap();
        tx.clear_range(&KeyRange::prefix(name.as_bytes()));
        tx.commit().await.unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_do_not_see_each_other() {
    let Some(file) = cluster() else { return };
    let (one, _) = open(&file, &unique());
    let (other, _) = open(&file, &unique());
    let mut tx = one.begin().await.unwrap();
    tx.set(b"k", b"one");
    tx.set_versionstamped(b"v/", b"/end", b"stamped");
    let committed = tx.commit().await.unwrap();
    let everything = KeyRange::prefix(b"");
    let mut tx = other.begin().await.unwrap();
    let rows = tx.get_range(&everything, suite::first(10)).await.unwrap();
    assert!(rows.is_empty());
    tx.clear_range(&everything);
    tx.commit().await.unwrap();

    let mut tx = one.begin().await.unwrap();
    let rows = tx.get_range(&everything, suite::first(10)).await.unwrap();
    let stamp = committed.versionstamp.unwrap().0;
    let stamped = [&b"v/"[..], &stamp, b"/end"].concat();
    let keys: Vec<_> = rows.iter().map(|(key, _)| key.to_vec()).collect();
    assert_eq!(keys, [b"k".to_vec(), stamped]);
    tx.clear_range(&everything);
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_sees_what_this_process_committed() {
    let Some(file) = cluster() else { return };
    let (engine, _) = open(&file, &unique());
    for round in 0..50_u32 {
        let mut tx = engine.begin().await.unwrap();
        tx.set(b"k", &round.to_be_bytes());
        tx.commit().await.unwrap();
        let mut look = engine.begin_recent().await.unwrap();
        let seen = look.get(b"k", Read::Snapshot).await.unwrap();
        assert_eq!(seen.as_deref(), Some(&round.to_be_bytes()[..]));
    }
    let mut tx = engine.begin().await.unwrap();
    tx.clear(b"k");
    tx.commit().await.unwrap();
}

/// A cluster file that leads nowhere: nothing hangs, and every class of call says the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_is_away_is_said_to_be_and_in_time() {
    if cluster().is_none() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fdb.cluster");
    // The discard port, where nobody listens.
    std::fs::write(&file, "nobody:nothing@127.0.0.1:9\n").unwrap();
    let options = FdbOptions {
        timeout: Duration::from_secs(2),
        away_timeout: Duration::from_millis(200),
        ..FdbOptions::new(clock())
    };
    let engine = FdbEngine::open(&file, &options).unwrap();
    let away = |error: EngineError| matches!(error, EngineError::Unavailable(_));
    let mut tx = engine.begin().await.unwrap();
    assert!(away(
        suite::soon(tx.get(b"k", Read::Snapshot)).await.unwrap_err()
    ));
    assert!(away(
        suite::soon(engine.begin_recent()).await.err().unwrap()
    ));
    let mut tx = engine.begin().await.unwrap();
    tx.set(b"k", b"");
    // It was never sent, which the client does not tell from an answer that was lost.
    let error = suite::soon(tx.commit()).await.unwrap_err();
    assert!(
        away(error.clone()) || error == EngineError::MaybeCommitted,
        "{error}"
    );
    suite::soon(engine.close()).await;
}

#[test]
fn a_cluster_file_that_is_none_is_refused_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fdb.cluster");
    let refused = |content: Option<&str>| {
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        match FdbEngine::open(&file, &FdbOptions::new(clock())) {
            Err(EngineError::Unavailable(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    assert!(refused(None).contains("cannot be read"));
    for content in [
        "",
        "# only a comment\n",
        "nonsense",
        "a:b@",
        "a@127.0.0.1:4500",
    ] {
        assert!(refused(Some(content)).contains("no FoundationDB cluster file"));
    }
}
