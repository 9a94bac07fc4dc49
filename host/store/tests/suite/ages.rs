//! Transactions that live too long. Needs a clock that the test may move.

use std::time::Duration;

use patchbay_store::engine::limits::TRANSACTION_AGE;
use patchbay_store::engine::{EngineError, Read};

use super::{Outcome, Subject, first};

pub async fn old_transactions_are_refused(subject: &Subject) -> Outcome {
    let Some(clock) = &subject.clock else {
        return Ok(());
    };
    let key = subject.key("k");
    let mut tx = subject.begin_now().await?;
    tx.get(&key, Read::Serializable).await?;
    tx.set(&key, b"1");
    clock.advance(TRANSACTION_AGE);
    assert!(tx.get(&key, Read::Serializable).await.is_ok());
    tx.commit().await?;

    let mut tx = subject.begin_now().await?;
    tx.get(&key, Read::Serializable).await?;
    clock.advance(TRANSACTION_AGE + Duration::from_millis(1));
    let too_old = Err(EngineError::TooOld);
    assert_eq!(tx.get(&key, Read::Snapshot).await, too_old);
    let rows = tx.get_range(&subject.everything(), first(1)).await;
    assert_eq!(rows, Err(EngineError::TooOld));
    tx.set(&key, b"2");
    assert_eq!(tx.commit().await, Err(EngineError::TooOld));
    assert_eq!(subject.stored("k").await.as_deref(), Some(&b"1"[..]));
    Ok(())
}

pub async fn blind_writes_do_not_age(subject: &Subject) -> Outcome {
    let Some(clock) = &subject.clock else {
        return Ok(());
    };
    let mut writer = subject.begin().await?;
    writer.set(&subject.key("k"), b"1");
    let mut reader = subject.begin_now().await?;
    reader.get(&subject.key("k"), Read::Serializable).await?;
    clock.advance(2 * TRANSACTION_AGE);
    writer.commit().await?;
    reader.commit().await?;
    Ok(())
}
