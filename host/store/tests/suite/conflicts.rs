//! Which commits are refused.

use patchbay_store::engine::{EngineError, KeyRange, Read, Transaction};

use super::{Subject, first, last, refused, snapshot};

/// A transaction that has read something and will write something unrelated.
async fn reader(subject: &Subject) -> Box<dyn Transaction> {
    let mut tx = subject.begin_now().await;
    tx.set(&subject.key("unrelated"), b"");
    tx
}

pub async fn blind_writes_never_conflict(subject: Subject) {
    let mut one = subject.begin_now().await;
    let mut two = subject.begin_now().await;
    one.set(&subject.key("k"), b"one");
    two.set(&subject.key("k"), b"two");
    two.clear_range(&subject.range("a", "j"));
    one.commit().await.unwrap();
    two.commit().await.unwrap();
    assert_eq!(subject.stored("k").await.as_deref(), Some(&b"two"[..]));
}

pub async fn a_changed_key_conflicts(subject: Subject) {
    for missing in [false, true] {
        if !missing {
            subject.put("k", "old").await;
        }
        let mut tx = reader(&subject).await;
        tx.get(&subject.key("k"), Read::Serializable).await.unwrap();
        subject.put("k", "new").await;
        assert_eq!(refused(tx).await, EngineError::Conflict);

        let mut tx = reader(&subject).await;
        tx.get(&subject.key("k"), Read::Serializable).await.unwrap();
        subject.write(|tx| tx.clear(&subject.key("k"))).await;
        assert_eq!(refused(tx).await, EngineError::Conflict);
    }
    assert_eq!(subject.stored("unrelated").await, None);
    let mut tx = reader(&subject).await;
    tx.get(&subject.key("k"), Read::Serializable).await.unwrap();
    subject.put("k2", "new").await;
    tx.commit().await.unwrap();
}

pub async fn a_phantom_conflicts(subject: Subject) {
    let mut tx = reader(&subject).await;
    let range = subject.range("a", "m");
    assert!(tx.get_range(&range, first(9)).await.unwrap().is_empty());
    subject.put("g", "phantom").await;
    assert_eq!(refused(tx).await, EngineError::Conflict);

    let mut tx = reader(&subject).await;
    tx.get_range(&range, first(9)).await.unwrap();
    subject.put("m", "just outside").await;
    tx.commit().await.unwrap();
}

pub async fn a_cleared_range_conflicts(subject: Subject) {
    subject.put("g", "1").await;
    let mut by_key = reader(&subject).await;
    by_key
        .get(&subject.key("g"), Read::Serializable)
        .await
        .unwrap();
    let mut by_range = reader(&subject).await;
    by_range
        .get_range(&subject.range("a", "g\0"), first(9))
        .await
        .unwrap();
    let mut beside = reader(&subject).await;
    beside
        .get_range(&subject.range("a", "g"), first(9))
        .await
        .unwrap();
    let cleared = subject.range("g", "k");
    subject.write(|tx| tx.clear_range(&cleared)).await;
    assert_eq!(refused(by_key).await, EngineError::Conflict);
    assert_eq!(refused(by_range).await, EngineError::Conflict);
    beside.commit().await.unwrap();
}

pub async fn a_snapshot_read_does_not_conflict(subject: Subject) {
    let mut tx = reader(&subject).await;
    tx.get(&subject.key("k"), Read::Snapshot).await.unwrap();
    tx.get_range(&subject.everything(), snapshot())
        .await
        .unwrap();
    subject.put("k", "new").await;
    tx.commit().await.unwrap();
}

pub async fn what_was_not_looked_at_does_not_conflict(subject: Subject) {
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
        let mut lucky = reader(&subject).await;
        lucky.get_range(&range, options).await.unwrap();
        let mut unlucky = reader(&subject).await;
        unlucky.get_range(&range, options).await.unwrap();
        subject.put(unseen, "new").await;
        lucky.commit().await.unwrap();
        subject.put(seen, "new").await;
        assert_eq!(refused(unlucky).await, EngineError::Conflict);
        subject
            .write(|tx| {
                tx.clear(&subject.key(seen));
                tx.clear(&subject.key(unseen));
            })
            .await;
    }
}

pub async fn own_writes_do_not_conflict(subject: Subject) {
    let mut tx = reader(&subject).await;
    tx.set(&subject.key("k"), b"mine");
    tx.clear(&subject.key("l"));
    tx.clear_range(&subject.range("m", "n"));
    for name in ["k", "l", "m"] {
        tx.get(&subject.key(name), Read::Serializable)
            .await
            .unwrap();
    }
    for name in ["k", "l", "m"] {
        subject.put(name, "theirs").await;
    }
    tx.commit().await.unwrap();
    assert_eq!(subject.stored("k").await.as_deref(), Some(&b"mine"[..]));
    assert_eq!(subject.stored("m").await, None);
}

pub async fn conflicts_can_be_added(subject: Subject) {
    let key = KeyRange::key(&subject.key("k"));
    let mut guarded = reader(&subject).await;
    guarded.add_read_conflict(&key);
    subject.put("k", "new").await;
    assert_eq!(refused(guarded).await, EngineError::Conflict);

    let mut guarded = reader(&subject).await;
    guarded
        .get(&subject.key("k"), Read::Serializable)
        .await
        .unwrap();
    let mut outside = reader(&subject).await;
    outside
        .get(&subject.key("k\0"), Read::Serializable)
        .await
        .unwrap();
    let touched = subject.write(|tx| tx.add_write_conflict(&key)).await;
    assert!(touched.versionstamp.is_some(), "it takes part in the order");
    assert_eq!(refused(guarded).await, EngineError::Conflict);
    outside.commit().await.unwrap();
    assert_eq!(subject.stored("k").await.as_deref(), Some(&b"new"[..]));
}

pub async fn a_read_only_commit_never_conflicts(subject: Subject) {
    let mut tx = subject.begin_now().await;
    tx.get(&subject.key("k"), Read::Serializable).await.unwrap();
    tx.add_read_conflict(&subject.everything());
    let written = subject.put("k", "new").await;
    let read = tx.commit().await.unwrap();
    assert!(read.version < written.version);
}
