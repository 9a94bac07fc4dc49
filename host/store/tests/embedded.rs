//! The bounds of the embedded engine: what it holds in memory is limited, and given back.

use std::sync::Arc;

use patchbay_ambient::{ManualClock, SystemClock};
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use patchbay_store::engine::limits::VALUE_BYTES;
use patchbay_store::engine::{Engine, EngineError, KeyRange, Read};
use patchbay_workflow::Timestamp;
use tokio::task::JoinSet;

fn options() -> EmbeddedOptions {
    EmbeddedOptions::new(Arc::new(ManualClock::at(Timestamp::from_millis(1))))
}

#[tokio::test]
async fn what_the_window_has_forgotten_makes_readers_too_old() {
    let engine = EmbeddedEngine::in_memory(EmbeddedOptions {
        window_bytes: 10_000,
        ..options()
    })
    .unwrap();
    let mut key_reader = engine.begin().await.unwrap();
    key_reader.get(b"k", Read::Serializable).await.unwrap();
    let mut range_reader = engine.begin().await.unwrap();
    range_reader.add_read_conflict(&KeyRange::prefix(b"k"));
    let mut blind = engine.begin().await.unwrap();
    for n in 0..100u32 {
        let mut tx = engine.begin().await.unwrap();
        tx.set(&[&b"other"[..], &n.to_be_bytes()].concat(), b"");
        tx.clear_range(&KeyRange::prefix(b"none"));
        tx.commit().await.unwrap();
    }
    for tx in [&mut key_reader, &mut range_reader, &mut blind] {
        tx.set(b"l", b"");
    }
    assert_eq!(key_reader.commit().await, Err(EngineError::TooOld));
    assert_eq!(range_reader.commit().await, Err(EngineError::TooOld));
    blind.commit().await.unwrap();
    assert_eq!(engine.stats().too_old, 2);
}

#[tokio::test]
async fn watches_are_bounded_and_given_back() {
    let engine = EmbeddedEngine::in_memory(EmbeddedOptions {
        watches: 2,
        ..options()
    })
    .unwrap();
    let mut tx = engine.begin().await.unwrap();
    let one = tx.watch(b"k").await.unwrap();
    let two = tx.watch(b"k").await.unwrap();
    let refused = tx.watch(b"k").await.err().unwrap();
    assert!(matches!(refused, EngineError::Unavailable(_)), "{refused}");
    // One before it is registered, one after.
    drop(one);
    tx.commit().await.unwrap();
    assert_eq!(engine.stats().watches, 1);
    drop(two);
    assert_eq!(engine.stats().watches, 0);
    let mut tx = engine.begin().await.unwrap();
    tx.set(b"k", b"1");
    tx.commit().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_beyond_the_room_wait_for_it() {
    let engine = EmbeddedEngine::in_memory(EmbeddedOptions {
        // Raised to one transaction of the largest size.
        pending_bytes: 1,
        ..EmbeddedOptions::new(Arc::new(SystemClock::new()))
    })
    .unwrap();
    let mut writers = JoinSet::new();
    for writer in 0..12u8 {
        let engine = Arc::clone(&engine);
        writers.spawn(async move {
            let mut tx = engine.begin().await.unwrap();
            for n in 0..60u8 {
                tx.set(&[writer, n], &vec![n; VALUE_BYTES]);
            }
            tx.commit().await.unwrap();
        });
    }
    writers.join_all().await;
    // Two of them never fit at once.
    assert_eq!(engine.stats().groups, 12);
}

#[tokio::test]
async fn closing_carries_out_what_is_under_way() {
    let engine = EmbeddedEngine::in_memory(options()).unwrap();
    let mut commits = Vec::new();
    for n in 0..50u8 {
        let mut tx = engine.begin().await.unwrap();
        tx.set(&[n], b"");
        commits.push(Box::pin(tx.commit()));
    }
    // On its first poll each commit is handed over; what follows is the engine's part.
    for commit in &mut commits {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let _ = commit.as_mut().poll(&mut context);
    }
    engine.close().await;
    assert_eq!(engine.stats().commits, 50);
}
