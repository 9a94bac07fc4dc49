//! Atomic operations, versionstamps and versions.

use bytes::Bytes;
use patchbay_store::engine::{AtomicOp, EngineError, KeyRange, Read};
use tokio::task::JoinSet;

use super::{Outcome, Subject, conflicts, first, snapshot};

/// A name, the operation, the value before, the operand, the value after.
type Case = (
    &'static str,
    AtomicOp,
    Option<&'static [u8]>,
    &'static [u8],
    &'static [u8],
);

pub async fn atomics_add_and_max(subject: &Subject) -> Outcome {
    use AtomicOp::{Add, Max};
    let cases: [Case; 13] = [
        ("missing", Add, None, &[5, 0], &[5, 0]),
        ("carries", Add, Some(&[255, 1]), &[1, 0], &[0, 2]),
        ("wraps", Add, Some(&[255, 255]), &[2, 0], &[1, 0]),
        (
            "wraps twice",
            Add,
            Some(&[255, 255, 9]),
            &[255; 3],
            &[254, 255, 9],
        ),
        ("shorter", Add, Some(&[255]), &[1, 0], &[0, 1]),
        ("longer", Add, Some(&[1, 2, 3]), &[1], &[2]),
        ("empty", Add, Some(&[]), &[7], &[7]),
        ("missing max", Max, None, &[0, 0], &[0, 0]),
        ("greater", Max, Some(&[0, 2]), &[255, 1], &[0, 2]),
        ("less", Max, Some(&[255, 1]), &[0, 2], &[0, 2]),
        ("shorter max", Max, Some(&[9]), &[1, 0], &[9, 0]),
        ("empty max", Max, Some(&[]), &[0, 7], &[0, 7]),
        ("longer max", Max, Some(&[1, 9]), &[2], &[2]),
    ];
    for (name, op, existing, operand, expected) in cases {
        let key = subject.key(name);
        if let Some(existing) = existing {
            subject.write(|tx| tx.set(&key, existing)).await;
        }
        let mut tx = subject.begin().await?;
        tx.atomic(&key, op, operand);
        let own = tx.get(&key, Read::Snapshot).await?;
        assert_eq!(own.as_deref(), Some(expected), "{name}, before the commit");
        tx.commit().await?;
        let stored = subject.stored(name).await;
        assert_eq!(stored.as_deref(), Some(expected), "{name}, stored");
    }
    Ok(())
}

pub async fn atomics_need_no_read(subject: &Subject) -> Outcome {
    let key = subject.key("counter");
    let mut one = subject.begin_now().await?;
    let mut two = subject.begin_now().await?;
    for tx in [&mut one, &mut two] {
        tx.atomic(&key, AtomicOp::Add, &3u64.to_le_bytes());
        tx.atomic(&key, AtomicOp::Add, &4u64.to_le_bytes());
    }
    one.commit().await?;
    two.commit().await?;
    let sum = subject.stored("counter").await;
    assert_eq!(sum.as_deref(), Some(&14u64.to_le_bytes()[..]));

    // One that has read the sum depends on it.
    let mut reader = subject.begin_now().await?;
    reader.atomic(&key, AtomicOp::Add, &1u64.to_le_bytes());
    reader.get(&key, Read::Serializable).await?;
    subject
        .write(|tx| tx.atomic(&key, AtomicOp::Add, &1u64.to_le_bytes()))
        .await;
    conflicts(reader).await?;
    Ok(())
}

pub async fn versionstamps_grow_and_differ(subject: &Subject) -> Outcome {
    let prefix = subject.key("log/");
    let mut expected = Vec::new();
    let mut last_round = None;
    for round in 0..5u8 {
        // Together, so that an engine that groups commits has to tell them apart.
        let mut commits = JoinSet::new();
        for n in 0..8u8 {
            let (engine, prefix) = (subject.engine.clone(), prefix.clone());
            commits.spawn(async move {
                let mut tx = engine.begin().await?;
                tx.set_versionstamped(&prefix, b"/tail", &[round, n]);
                // All of one transaction have the same.
                tx.set_versionstamped(&prefix, b"/tail too", &[round, n]);
                let committed = tx.commit().await?;
                let stamp = committed.versionstamp.expect("it wrote");
                assert_eq!(stamp.0[..8], committed.version.to_be_bytes());
                Ok((stamp, vec![round, n]))
            });
        }
        let stamped: Result<Vec<_>, EngineError> = commits.join_all().await.into_iter().collect();
        let mut stamped = stamped?;
        stamped.sort();
        assert!(stamped.first().map(|(stamp, _)| *stamp) > last_round);
        last_round = stamped.last().map(|(stamp, _)| *stamp);
        for (stamp, value) in stamped {
            for suffix in [&b"/tail"[..], b"/tail too"] {
                let key = [&prefix[..], &stamp.0, suffix].concat();
                expected.push((Bytes::from(key), Bytes::from(value.clone())));
            }
        }
    }
    let log = KeyRange::prefix(&prefix);
    assert_eq!(subject.stored_rows(&log).await, expected);
    Ok(())
}

pub async fn a_versionstamped_key_conflicts_with_its_readers(subject: &Subject) -> Outcome {
    let log = KeyRange::prefix(&subject.key("log/"));
    subject.put("log/", "before all stamps").await;
    let mut reader = subject.begin_now().await?;
    let mut writer = subject.begin_now().await?;
    writer.set_versionstamped(&subject.key("log/"), b"", b"entry");
    // Not visible before the commit: absent or, as with FoundationDB, an error.
    if let Ok(rows) = writer.get_range(&log, snapshot()).await {
        assert_eq!(rows.len(), 1, "{rows:?}");
    }
    let mut writer = subject.begin_now().await?;
    writer.set_versionstamped(&subject.key("log/"), b"", b"entry");
    assert_eq!(reader.get_range(&log, first(9)).await?.len(), 1);
    reader.set(&subject.key("empty"), b"yes");
    writer.commit().await?;
    conflicts(reader).await?;
    assert_eq!(subject.stored_rows(&log).await.len(), 2);
    Ok(())
}

pub async fn commits_give_growing_versions(subject: &Subject) -> Outcome {
    let mut before = subject.put("k", "0").await.version;
    for round in 1..10 {
        let read = subject.begin_now().await?.commit().await?;
        assert_eq!(read.versionstamp, None);
        assert!(read.version >= before, "what was acknowledged is read");
        let version = subject.put("k", &round.to_string()).await.version;
        assert!(version > before);
        before = version;
    }
    Ok(())
}
