//! The limits that every engine shares.

use patchbay_store::engine::limits::{KEY_BYTES, TRANSACTION_BYTES, VALUE_BYTES};
use patchbay_store::engine::{AtomicOp, EngineError, KeyRange, Read, Transaction};

use super::{Outcome, Subject, refused};

/// Writes that a commit must refuse.
type Wish<'a> = &'a dyn Fn(&mut dyn Transaction);

pub async fn sizes_at_the_limit_are_taken(subject: &Subject) -> Outcome {
    let key = longest_key(subject);
    let value = vec![7; VALUE_BYTES];
    subject.write(|tx| tx.set(&key, &value)).await;
    let stored = subject.stored(&key[subject.prefix.len()..]).await;
    assert_eq!(stored.as_deref(), Some(&value[..]));

    let most = TRANSACTION_BYTES * 95 / 100 / VALUE_BYTES;
    subject
        .write(|tx| {
            for n in 0..most {
                tx.set(&subject.key(n.to_be_bytes()), &value);
            }
        })
        .await;
    Ok(())
}

pub async fn larger_ones_are_refused(subject: &Subject) -> Outcome {
    let key = subject.key("k");
    let long_key = [longest_key(subject), vec![b'x']].concat();
    let long_value = vec![7; VALUE_BYTES + 1];
    let value = vec![7; VALUE_BYTES];
    let cases: [(&str, Wish<'_>); 6] = [
        ("key", &|tx| tx.set(&long_key, b"")),
        ("value", &|tx| tx.set(&key, &long_value)),
        ("operand", &|tx| tx.atomic(&key, AtomicOp::Max, &long_value)),
        ("stamped key", &|tx| {
            tx.set_versionstamped(&long_key[..KEY_BYTES - 9], b"", b"");
        }),
        ("many values", &|tx| {
            for n in 0..=TRANSACTION_BYTES / VALUE_BYTES {
                tx.set(&subject.key(n.to_be_bytes()), &value);
            }
        }),
        ("many conflicts", &|tx| {
            tx.set(&key, b"");
            for n in 0..=TRANSACTION_BYTES / KEY_BYTES {
                let end = [&long_key[..KEY_BYTES - 8], &n.to_be_bytes()[..]].concat();
                tx.add_read_conflict(&KeyRange::new(key.clone(), end));
            }
        }),
    ];
    for (what, wish) in cases {
        let mut tx = subject.begin().await?;
        tx.set(&subject.key("other"), b"must not be written");
        wish(&mut *tx);
        let error = refused(tx).await?;
        let EngineError::TooLarge { size, limit, .. } = error else {
            panic!("{what}: {error:?}");
        };
        assert!(size > limit, "{what}");
    }
    assert_eq!(subject.stored("other").await, None);
    Ok(())
}

pub async fn reserved_keys_are_refused(subject: &Subject) -> Outcome {
    let cases: [Wish<'_>; 3] = [
        &|tx| tx.set(b"\xff", b""),
        &|tx| tx.clear_range(&KeyRange::new(subject.key("a"), &b"\xff\x00"[..])),
        &|tx| tx.set_versionstamped(b"\xff", b"", b""),
    ];
    for wish in cases {
        let mut tx = subject.begin().await?;
        wish(&mut *tx);
        assert_eq!(refused(tx).await?, EngineError::ReservedKey);
    }
    let mut tx = subject.begin().await?;
    let read = tx.get(b"\xff", Read::Snapshot).await;
    assert_eq!(read, Err(EngineError::ReservedKey));
    Ok(())
}

fn longest_key(subject: &Subject) -> Vec<u8> {
    let mut key = subject.key("");
    key.resize(KEY_BYTES, b'k');
    key
}
