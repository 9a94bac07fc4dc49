//! Watches.

use patchbay_store::engine::{EngineError, Read};

use super::{Subject, ready, soon};

pub async fn a_watch_fires_on_a_change(subject: Subject) {
    subject.put("short", "1").await;
    let long = "1".repeat(50_000);
    subject.put("long", &long).await;
    for name in ["short", "long", "missing"] {
        let key = subject.key(name);
        let mut reader = subject.begin().await;
        let mut by_reader = reader.watch(&key).await.unwrap();
        reader.commit().await.unwrap();
        let mut writer = subject.begin().await;
        writer.set(&subject.key("unrelated"), b"");
        let mut by_writer = writer.watch(&key).await.unwrap();
        writer.commit().await.unwrap();

        assert_eq!(ready(&mut by_reader), None);
        assert_eq!(ready(&mut by_writer), None);
        subject.put(name, "2").await;
        soon(by_reader).await.unwrap();
        soon(by_writer).await.unwrap();

        let mut reader = subject.begin().await;
        let watch = reader.watch(&key).await.unwrap();
        reader.commit().await.unwrap();
        let everything = subject.everything();
        subject.write(|tx| tx.clear_range(&everything)).await;
        soon(watch).await.unwrap();
    }
}

pub async fn a_watch_ignores_other_keys(subject: Subject) {
    subject.put("k", "1").await;
    let mut tx = subject.begin().await;
    tx.set(&subject.key("k"), b"2");
    // What the transaction writes itself is what it saw.
    let mut watch = tx.watch(&subject.key("k")).await.unwrap();
    tx.commit().await.unwrap();
    subject.put("k\0", "other").await;
    subject.put("j", "other").await;
    subject.put("k", "2").await;
    assert_eq!(ready(&mut watch), None);
    subject.put("k", "3").await;
    soon(watch).await.unwrap();
}

pub async fn no_change_is_lost_before_registration(subject: Subject) {
    let mut tx = subject.begin_now().await;
    let watch = tx.watch(&subject.key("k")).await.unwrap();
    subject.put("k", "between read and commit").await;
    tx.commit().await.unwrap();
    soon(watch).await.unwrap();

    // The same as a race: each waits for the number that the other writes.
    for round in 0..100u32 {
        let number = round.to_string();
        let waiting = async {
            loop {
                let mut tx = subject.begin().await;
                let key = subject.key("race");
                let seen = tx.get(&key, Read::Snapshot).await.unwrap();
                if seen.as_deref() == Some(number.as_bytes()) {
                    return;
                }
                let watch = tx.watch(&key).await.unwrap();
                tx.commit().await.unwrap();
                soon(watch).await.unwrap();
            }
        };
        tokio::join!(waiting, subject.put("race", &number));
    }
}

pub async fn a_watch_of_an_undone_transaction_fails(subject: Subject) {
    let mut tx = subject.begin().await;
    let dropped = tx.watch(&subject.key("k")).await.unwrap();
    drop(tx);
    assert!(soon(dropped).await.is_err());

    let mut tx = subject.begin_now().await;
    tx.get(&subject.key("k"), Read::Serializable).await.unwrap();
    tx.set(&subject.key("l"), b"");
    let refused = tx.watch(&subject.key("m")).await.unwrap();
    subject.put("k", "new").await;
    assert_eq!(tx.commit().await, Err(EngineError::Conflict));
    assert!(soon(refused).await.is_err());
}

pub async fn closing_ends_watches_and_calls(subject: Subject) {
    let mut tx = subject.begin().await;
    let watch = tx.watch(&subject.key("k")).await.unwrap();
    tx.commit().await.unwrap();
    let mut reader = subject.begin_now().await;
    let mut writer = subject.begin_now().await;
    writer.set(&subject.key("k"), b"");

    subject.engine.close().await;
    let unavailable = |error| matches!(error, EngineError::Unavailable(_));
    assert!(unavailable(soon(watch).await.unwrap_err()));
    assert!(unavailable(writer.commit().await.unwrap_err()));
    let read = reader.get(&subject.key("k"), Read::Snapshot).await;
    assert!(unavailable(read.unwrap_err()));
    assert!(unavailable(subject.engine.begin().await.err().unwrap()));
    subject.engine.close().await;
}
