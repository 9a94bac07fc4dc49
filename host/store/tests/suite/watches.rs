//! Watches.

use patchbay_store::engine::{AtomicOp, EngineError, Read};

use super::{Outcome, Stopped, Subject, conflicts, quiet, soon};

pub async fn a_watch_fires_on_a_change(subject: &Subject) -> Outcome {
    subject.put("short", "1").await;
    let long = "1".repeat(50_000);
    subject.put("long", &long).await;
    for name in ["short", "long", "missing"] {
        let key = subject.key(name);
        let mut reader = subject.begin().await?;
        let mut by_reader = reader.watch(&key).await?;
        reader.commit().await?;
        let mut writer = subject.begin().await?;
        writer.set(&subject.key("unrelated"), b"");
        let mut by_writer = writer.watch(&key).await?;
        writer.commit().await?;

        quiet(&mut by_reader)?;
        quiet(&mut by_writer)?;
        subject.put(name, "2").await;
        soon(by_reader).await?;
        soon(by_writer).await?;

        let mut reader = subject.begin().await?;
        let watch = reader.watch(&key).await?;
        reader.commit().await?;
        subject
            .write(|tx| tx.atomic(&key, AtomicOp::Add, b"1"))
            .await;
        soon(watch).await?;

        let mut reader = subject.begin().await?;
        let watch = reader.watch(&key).await?;
        reader.commit().await?;
        let everything = subject.everything();
        subject.write(|tx| tx.clear_range(&everything)).await;
        soon(watch).await?;
    }
    Ok(())
}

pub async fn a_watch_ignores_other_keys(subject: &Subject) -> Outcome {
    subject.put("k", "1").await;
    let mut tx = subject.begin().await?;
    tx.set(&subject.key("k"), b"2");
    // What the transaction writes itself is what it saw.
    let mut watch = tx.watch(&subject.key("k")).await?;
    tx.commit().await?;
    subject.put("k\0", "other").await;
    subject.put("j", "other").await;
    subject.put("k", "2").await;
    quiet(&mut watch)?;
    subject.put("k", "3").await;
    soon(watch).await?;
    Ok(())
}

pub async fn no_change_is_lost_before_registration(subject: &Subject) -> Outcome {
    let mut tx = subject.begin_now().await?;
    let watch = tx.watch(&subject.key("k")).await?;
    subject.put("k", "between read and commit").await;
    tx.commit().await?;
    soon(watch).await?;

    // The same as a race: each waits for the number that the other writes.
    for round in 0..100u32 {
        let number = round.to_string();
        let waiting = async {
            loop {
                let mut tx = subject.begin().await?;
                let key = subject.key("race");
                let seen = tx.get(&key, Read::Snapshot).await?;
                if seen.as_deref() == Some(number.as_bytes()) {
                    return Ok::<(), Stopped>(());
                }
                let watch = tx.watch(&key).await?;
                tx.commit().await?;
                soon(watch).await?;
            }
        };
        let (waited, _) = tokio::join!(waiting, subject.put("race", &number));
        waited?;
    }
    Ok(())
}

pub async fn a_watch_of_an_undone_transaction_fails(subject: &Subject) -> Outcome {
    let mut tx = subject.begin().await?;
    let dropped = tx.watch(&subject.key("k")).await?;
    drop(tx);
    assert!(soon(dropped).await.is_err());

    let mut tx = subject.begin_now().await?;
    tx.get(&subject.key("k"), Read::Serializable).await?;
    tx.set(&subject.key("l"), b"");
    let refused = tx.watch(&subject.key("m")).await?;
    subject.put("k", "new").await;
    conflicts(tx).await?;
    assert!(soon(refused).await.is_err());
    Ok(())
}

pub async fn closing_ends_watches_and_calls(subject: &Subject) -> Outcome {
    let mut tx = subject.begin().await?;
    let watch = tx.watch(&subject.key("k")).await?;
    tx.commit().await?;
    let mut reader = subject.begin_now().await?;
    let mut writer = subject.begin_now().await?;
    writer.set(&subject.key("k"), b"");

    subject.engine.close().await;
    let unavailable = |error| matches!(error, EngineError::Unavailable(_));
    assert!(unavailable(soon(watch).await.unwrap_err()));
    assert!(unavailable(writer.commit().await.unwrap_err()));
    let read = reader.get(&subject.key("k"), Read::Snapshot).await;
    assert!(unavailable(read.unwrap_err()));
    assert!(unavailable(subject.engine.begin().await.err().unwrap()));
    subject.engine.close().await;
    Ok(())
}
