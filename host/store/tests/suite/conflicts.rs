//! Which commits are refused.

use patchbay_store::engine::{EngineError, KeyRange, RangeOptions, Read, Transaction};

use super::{Outcome, Subject, conflicts, first, last, snapshot};

/// A transaction that has read something and will write something unrelated.
async fn reader(subject: &Subject) -> Result<Box<dyn Transaction>, EngineError> {
    let mut tx = subject.begin_now().await?;
    tx.set(&subject.key("unrelated"), b"");
    Ok(tx)
}

pub async fn blind_writes_never_conflict(subject: &Subject) -> Outcome {
    let mut one = subject.begin_now().await?;
    let mut two = subject.begin_now().await?;
    one.set(&subject.key("k"), b"one");
    two.set(&subject.key("k"), b"two");
    two.clear_range(&subject.range("a", "j"));
    one.commit().await?;
    two.commit().await?;
    assert_eq!(subject.stored("k").await.as_deref(), Some(&b"two"[..]));
    Ok(())
}

pub async fn a_changed_key_conflicts(subject: &Subject) -> Outcome {
    for missing in [false, true] {
        if !missing {
            subject.put("k", "old").await;
        }
        let mut tx = reader(subject).await?;
        tx.get(&subject.key("k"), Read::Serializable).await?;
        subject.put("k", "new").await;
        conflicts(tx).await?;

        let mut tx = reader(subject).await?;
        tx.get(&subject.key("k"), Read::Serializable).await?;
        subject.write(|tx| tx.clear(&subject.key("k"))).await;
        conflicts(tx).await?;
    }
    assert_eq!(subject.stored("unrelated").await, None);
    let mut tx = reader(subject).await?;
    tx.get(&subject.key("k"), Read::Serializable).await?;
    subject.put("k2", "new").await;
    tx.commit().await?;
    Ok(())
}

pub async fn a_phantom_conflicts(subject: &Subject) -> Outcome {
    let mut tx = reader(subject).await?;
    let range = subject.range("a", "m");
    assert!(tx.get_range(&range, first(9)).await?.is_empty());
    subject.put("g", "phantom").await;
    conflicts(tx).await?;

    let mut tx = reader(subject).await?;
    tx.get_range(&range, first(9)).await?;
    subject.put("m", "just outside").await;
    tx.commit().await?;
    Ok(())
}

pub async fn a_cleared_range_conflicts(subject: &Subject) -> Outcome {
    subject.put("g", "1").await;
    let mut by_key = reader(subject).await?;
    by_key.get(&subject.key("g"), Read::Serializable).await?;
    let mut by_range = reader(subject).await?;
    by_range
        .get_range(&subject.range("a", "g\0"), first(9))
        .await?;
    let mut beside = reader(subject).await?;
    beside.get_range(&subject.range("a", "g"), first(9)).await?;
    let cleared = subject.range("g", "k");
    subject.write(|tx| tx.clear_range(&cleared)).await;
    conflicts(by_key).await?;
    conflicts(by_range).await?;
    beside.commit().await?;
    Ok(())
}

pub async fn a_snapshot_read_does_not_conflict(subject: &Subject) -> Outcome {
    let mut tx = reader(subject).await?;
    tx.get(&subject.key("k"), Read::Snapshot).await?;
    tx.get_range(&subject.everything(), snapshot()).await?;
    subject.put("k", "new").await;
    tx.commit().await?;
    Ok(())
}

pub async fn a_serializable_read_beside_a_snapshot_read_conflicts(subject: &Subject) -> Outcome {
    let (key, range) = (subject.key("k"), subject.range("a", "m"));
    for serializable_first in [false, true] {
        let order = if serializable_first {
            [Read::Serializable, Read::Snapshot]
        } else {
            [Read::Snapshot, Read::Serializable]
        };
        let mut by_key = reader(subject).await?;
        let mut by_range = reader(subject).await?;
        for read in order {
            by_key.get(&key, read).await?;
            by_range
                .get_range(&range, RangeOptions { read, ..first(9) })
                .await?;
        }
        subject.put("k", "new").await;
        conflicts(by_key).await?;
        conflicts(by_range).await?;
    }
    Ok(())
}

/// A transaction's own rows fill a range up to its limit: what is stored behind them was not looked at,
/// what could have come before them was.
pub async fn own_rows_count_towards_the_limit(subject: &Subject) -> Outcome {
    let range = subject.range("a", "k");
    for (options, changed, was_looked_at) in [
        (first(1), "b", true),
        (first(1), "e", false),
        (last(1), "j", true),
        (last(1), "c", false),
    ] {
        subject.put("h", "stored").await;
        let mut tx = reader(subject).await?;
        tx.set(&subject.key("d"), b"own");
        if options.reverse {
            tx.clear_range(&subject.range("e", "i"));
        }
        let rows = subject.names(&mut *tx, &range, options).await?;
        assert_eq!(rows, ["d=own"]);
        subject.put(changed, "new").await;
        if was_looked_at {
            conflicts(tx).await?;
        } else {
            tx.commit().await?;
        }
        let everything = subject.everything();
        subject.write(|tx| tx.clear_range(&everything)).await;
    }
    Ok(())
}

pub async fn what_was_not_looked_at_does_not_conflict(subject: &Subject) -> Outcome {
    subject
        .write(|tx| {
            for name in ["b", "d", "f", "h"] {
                tx.set(&subject.key(name), b"");
            }
        })
        .await;
    // Two rows from either end; what lies between them and the other end was not looked at.
    for (options, unseen, seen) in [(first(2), "e", "c"), (last(2), "e", "g")] {
        let range = subject.range("a", "k");
        let mut lucky = reader(subject).await?;
        lucky.get_range(&range, options).await?;
        let mut unlucky = reader(subject).await?;
        unlucky.get_range(&range, options).await?;
        subject.put(unseen, "new").await;
        lucky.commit().await?;
        subject.put(seen, "new").await;
        conflicts(unlucky).await?;
        subject
            .write(|tx| {
                tx.clear(&subject.key(seen));
                tx.clear(&subject.key(unseen));
            })
            .await;
    }
    Ok(())
}

pub async fn own_writes_do_not_conflict(subject: &Subject) -> Outcome {
    let mut tx = reader(subject).await?;
    tx.set(&subject.key("k"), b"mine");
    tx.clear(&subject.key("l"));
    tx.clear_range(&subject.range("m", "n"));
    for name in ["k", "l", "m"] {
        tx.get(&subject.key(name), Read::Serializable).await?;
    }
    for name in ["k", "l", "m"] {
        subject.put(name, "theirs").await;
    }
    tx.commit().await?;
    assert_eq!(subject.stored("k").await.as_deref(), Some(&b"mine"[..]));
    assert_eq!(subject.stored("m").await, None);
    Ok(())
}

pub async fn conflicts_can_be_added(subject: &Subject) -> Outcome {
    let key = KeyRange::key(&subject.key("k"));
    let mut guarded = reader(subject).await?;
    guarded.add_read_conflict(&key);
    subject.put("k", "new").await;
    conflicts(guarded).await?;

    let mut guarded = reader(subject).await?;
    guarded.get(&subject.key("k"), Read::Serializable).await?;
    let mut outside = reader(subject).await?;
    outside.get(&subject.key("k\0"), Read::Serializable).await?;
    let touched = subject.write(|tx| tx.add_write_conflict(&key)).await;
    assert!(touched.versionstamp.is_some(), "it takes part in the order");
    conflicts(guarded).await?;
    outside.commit().await?;
    assert_eq!(subject.stored("k").await.as_deref(), Some(&b"new"[..]));
    Ok(())
}

pub async fn a_read_only_commit_never_conflicts(subject: &Subject) -> Outcome {
    let mut tx = subject.begin_now().await?;
    tx.get(&subject.key("k"), Read::Serializable).await?;
    tx.add_read_conflict(&subject.everything());
    let written = subject.put("k", "new").await;
    let read = tx.commit().await?;
    assert!(read.version < written.version);
    Ok(())
}
