//! What a transaction sees.

use patchbay_store::engine::{AtomicOp, Read};

use super::{Outcome, Subject, first, last, snapshot};

pub async fn own_writes_are_read(subject: &Subject) -> Outcome {
    subject.put("kept", "1").await;
    subject.put("gone", "1").await;
    let mut tx = subject.begin().await?;
    for read in [Read::Serializable, Read::Snapshot] {
        tx.set(&subject.key("new"), b"2");
        tx.set(&subject.key("empty"), b"");
        tx.clear(&subject.key("gone"));
        let mut seen = Vec::new();
        for name in ["kept", "gone", "new", "empty", "missing"] {
            seen.push(tx.get(&subject.key(name), read).await?);
        }
        let seen: Vec<_> = seen.iter().map(Option::as_deref).collect();
        assert_eq!(seen, [Some(&b"1"[..]), None, Some(b"2"), Some(b""), None]);
    }
    tx.clear_range(&subject.range("a", "z"));
    tx.set(&subject.key("kept"), b"3");
    assert_eq!(
        subject
            .names(&mut *tx, &subject.everything(), first(9))
            .await?,
        ["kept=3"]
    );
    tx.commit().await?;
    assert_eq!(subject.stored("kept").await.as_deref(), Some(&b"3"[..]));
    assert_eq!(subject.stored("new").await, None);
    Ok(())
}

pub async fn uncommitted_is_not_visible(subject: &Subject) -> Outcome {
    let mut writer = subject.begin().await?;
    writer.set(&subject.key("k"), b"1");
    assert_eq!(subject.stored("k").await, None);
    drop(writer);
    assert_eq!(subject.stored("k").await, None);
    Ok(())
}

pub async fn a_snapshot_stands_still(subject: &Subject) -> Outcome {
    subject.put("k", "old").await;
    let mut tx = subject.begin_now().await?;
    subject.put("k", "new").await;
    subject.put("l", "new").await;
    let read = Read::Snapshot;
    let seen = tx.get(&subject.key("k"), read).await?;
    assert_eq!(seen.as_deref(), Some(&b"old"[..]));
    assert_eq!(
        subject
            .names(&mut *tx, &subject.everything(), snapshot())
            .await?,
        ["k=old"]
    );
    // Whoever begins after the acknowledgement sees what was acknowledged.
    assert_eq!(subject.stored("k").await.as_deref(), Some(&b"new"[..]));
    Ok(())
}

pub async fn ranges_run_both_ways(subject: &Subject) -> Outcome {
    let names = ["a", "b", "b\0", "b\u{7f}", "c", "d"];
    subject
        .write(|tx| {
            for name in names {
                tx.set(&subject.key(name), b"");
            }
        })
        .await;
    let mut tx = subject.begin().await?;
    let range = subject.range("b", "d");
    let expected = ["b=", "b\0=", "b\u{7f}=", "c="];
    for limit in 0..6 {
        let shown = limit.min(expected.len());
        let forward = subject.names(&mut *tx, &range, first(limit)).await?;
        assert_eq!(forward, expected[..shown]);
        let mut backward = subject.names(&mut *tx, &range, last(limit)).await?;
        backward.reverse();
        assert_eq!(backward, expected[expected.len() - shown..]);
    }
    let empty = subject.range("c", "c");
    assert!(subject.names(&mut *tx, &empty, first(9)).await?.is_empty());
    Ok(())
}

pub async fn ranges_merge_own_writes(subject: &Subject) -> Outcome {
    subject
        .write(|tx| {
            for name in ["a", "c", "e", "g"] {
                tx.set(&subject.key(name), b"s");
            }
        })
        .await;
    let mut tx = subject.begin().await?;
    tx.set(&subject.key("b"), b"o");
    tx.clear(&subject.key("c"));
    tx.set(&subject.key("e"), b"o");
    tx.atomic(&subject.key("f"), AtomicOp::Add, b"n");
    tx.set(&subject.key("h"), b"o");
    let expected = ["a=s", "b=o", "e=o", "f=n", "g=s", "h=o"];
    for limit in 1..8 {
        let shown = limit.min(expected.len());
        let range = subject.everything();
        let forward = subject.names(&mut *tx, &range, first(limit)).await?;
        assert_eq!(forward, expected[..shown]);
        let mut backward = subject.names(&mut *tx, &range, last(limit)).await?;
        backward.reverse();
        assert_eq!(backward, expected[expected.len() - shown..]);
    }
    Ok(())
}

pub async fn cleared_ranges_are_leapt_over(subject: &Subject) -> Outcome {
    subject
        .write(|tx| {
            for byte in b'a'..=b'z' {
                tx.set(&subject.key([byte]), b"");
            }
        })
        .await;
    let mut tx = subject.begin().await?;
    tx.clear_range(&subject.range("b", "h"));
    tx.clear_range(&subject.range("f", "m"));
    tx.clear_range(&subject.range("n", "z"));
    tx.set(&subject.key("p"), b"own");
    let expected = ["a=", "m=", "p=own", "z="];
    let range = subject.everything();
    assert_eq!(subject.names(&mut *tx, &range, first(99)).await?, expected);
    let mut backward = subject.names(&mut *tx, &range, last(99)).await?;
    backward.reverse();
    assert_eq!(backward, expected);
    tx.commit().await?;
    let mut tx = subject.begin().await?;
    assert_eq!(subject.names(&mut *tx, &range, first(99)).await?, expected);
    Ok(())
}
