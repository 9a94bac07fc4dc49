//! The notes of a copy, and the transactions that read and write them.

use async_trait::async_trait;
use patchbay_workflow::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StampEpoch;
use crate::codec::Record;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::{KeyRange, RangeOptions, Read, Row};
use crate::keys::{parsed, stream, upkeep};

/// In the source: the copy that it was last the source of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopiedFrom {
    pub(super) copy: Uuid,
    pub(super) began_at: Timestamp,
    pub(super) done: bool,
}

impl Record for CopiedFrom {
    const NAME: &'static str = "note of a copy";
}

/// In the target: how far the copy is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopiedTo {
    pub(super) copy: Uuid,
    /// Every row before this key is there.
    pub(super) next: Vec<u8>,
    pub(super) rows: u64,
    pub(super) bytes: u64,
}

impl Record for CopiedTo {
    const NAME: &'static str = "note of a copy";
}

pub(super) struct FoundNotes {
    pub(super) from: Option<CopiedFrom>,
    pub(super) to: Option<CopiedTo>,
    pub(super) is_filled: bool,
}

/// Reads the notes of a store, and whether anything else is in it.
pub(super) struct Notes;

#[async_trait]
impl Operation for Notes {
    type Output = FoundNotes;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<FoundNotes, StoreError> {
        let read = Read::Serializable;
        let first = tx.first(&parsed::everything(), read).await?;
        Ok(FoundNotes {
            from: tx.record(&upkeep::copied_from(), read).await?,
            to: tx.record(&upkeep::copied_to(), read).await?,
            is_filled: first.is_some(),
        })
    }
}

pub(super) struct NoteSource(pub(super) CopiedFrom);

#[async_trait]
impl Operation for NoteSource {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.put(&upkeep::copied_from(), &self.0)
    }
}

/// Notes a copy in a target that is still empty.
pub(super) struct FirstNote<'a>(pub(super) &'a CopiedTo);

#[async_trait]
impl Operation for FirstNote<'_> {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        let FoundNotes { to, is_filled, .. } = Notes.run(tx).await?;
        // It may be there already after a commit whose end was not known.
        if is_filled || to.is_some_and(|to| to != *self.0) {
            return Ok(false);
        }
        tx.put(&upkeep::copied_to(), self.0)?;
        Ok(true)
    }
}

/// Writes a page and notes it, once.
pub(super) struct WritePage<'a> {
    pub(super) before: &'a CopiedTo,
    pub(super) after: &'a CopiedTo,
    pub(super) rows: &'a [Row],
}

#[async_trait]
impl Operation for WritePage<'_> {
    /// Whether this copy is the one that writes.
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        let key = upkeep::copied_to();
        let found = tx.record::<CopiedTo>(&key, Read::Serializable).await?;
        if found.as_ref() == Some(self.after) {
            return Ok(true);
        }
        if found.as_ref() != Some(self.before) {
            return Ok(false);
        }
        for (key, value) in self.rows {
            tx.set(key, value);
        }
        tx.put(&key, self.after)?;
        Ok(true)
    }
}

/// Begins the new epoch and takes the note away: from here on the target is a store of its own.
pub(super) struct Finish<'a> {
    pub(super) at: &'a CopiedTo,
    pub(super) epoch: StampEpoch,
}

#[async_trait]
impl Operation for Finish<'_> {
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        let key = upkeep::copied_to();
        let found = tx.record::<CopiedTo>(&key, Read::Serializable).await?;
        if found.as_ref() != Some(self.at) {
            let done = tx.maybe_committed() && found.is_none();
            return Ok(done);
        }
        tx.put(&stream::epoch(), &self.epoch)?;
        tx.clear(&key);
        Ok(true)
    }
}

pub(super) struct CurrentEpoch;

#[async_trait]
impl Operation for CurrentEpoch {
    type Output = StampEpoch;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<StampEpoch, StoreError> {
        StampEpoch::current(tx).await
    }
}

pub(super) struct ReadRange {
    pub(super) range: KeyRange,
    pub(super) limit: usize,
}

#[async_trait]
impl Operation for ReadRange {
    type Output = Vec<Row>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>, StoreError> {
        let options = RangeOptions {
            limit: self.limit,
            reverse: false,
            read: Read::Snapshot,
        };
        tx.get_range(&self.range, options).await
    }
}
