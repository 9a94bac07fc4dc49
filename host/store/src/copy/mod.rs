//! `patchbay store copy`: moves a whole store from one engine to another.
//!
//! Every row under the layout's prefix is copied as it is, page by page, and then all of it is read again on
//! both sides and compared. How far it is stands in the target, written in the same transaction as each
//! page, so that a copy that was interrupted goes on where it was; the note disappears when the copy is
//! complete. The source keeps a note of the copy too, by which an interrupted one is known again.
//!
//! Nothing may use either store meanwhile. A source that changes is noticed when it is compared. What is
//! leased in the source stays leased in the target until it vests, as after a crash.
//!
//! Versionstamps of two engines do not compare, so the target begins a new *epoch* of them
//! ([`crate::keys::stream`]).
//!
//! Owns the copying and its notes. It knows keys as bytes alone.

mod notes;
pub(crate) mod page;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::notes::{
    CopiedFrom, CopiedTo, CurrentEpoch, Finish, FirstNote, NoteSource, Notes, ReadRange, WritePage,
};
use self::page::{PageSize, Pages};
use crate::check::Progress;
use crate::codec::Record;
use crate::database::{Database, StoreError, Tx};
use crate::engine::{KeyRange, Read, Row};
use crate::keys::{parsed, stream};

/// `EP`: what stands before the versionstamps written now. None is the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StampEpoch(pub u64);

impl Record for StampEpoch {
    const NAME: &'static str = "epoch of versionstamps";
}

impl StampEpoch {
    /// The epoch in which this transaction writes versionstamps. It changes only where nothing runs, so
    /// the read takes part in no conflict.
    pub async fn current(tx: &mut Tx<'_>) -> Result<Self, StoreError> {
        let found = tx.record(&stream::epoch(), Read::Snapshot).await?;
        Ok(found.unwrap_or_default())
    }
}

/// Which of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that is read.
    Source,
    /// The one that is written.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Why a copy is not complete. It goes on where it was when it is started again, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// A store could not do what was asked.
    #[error("the {side}: {error}")]
    Store {
        /// Which.
        side: Side,
        /// Why.
        error: StoreError,
    },
    /// The target has data that no interrupted copy brought.
    #[error("the target is not empty")]
    TargetNotEmpty,
    /// The target has a part of another store.
    #[error("the target holds an interrupted copy of another store; empty it")]
    OtherCopy,
    /// The source is itself not complete.
    #[error("the source is the target of an interrupted copy: it is not complete")]
    SourceIncomplete,
    /// Another copy writes into the same target.
    #[error("another copy into this target is running")]
    Overtaken,
    /// What was read again is not the same on both sides.
    #[error(
        "the two stores differ in subspace {subspace}: one of them was used during the copy; \
         empty the target and start again"
    )]
    Differ {
        /// The letters of the subspace of the first row that differs.
        subspace: String,
    },
}

/// How a copy runs.
#[derive(Debug, Clone, Copy)]
pub struct CopyOptions {
    /// The most rows of a page.
    pub page_rows: usize,
    /// The most bytes of a page.
    pub page_bytes: usize,
}

impl Default for CopyOptions {
    fn default() -> Self {
        Self {
            page_rows: 8_192,
            page_bytes: 1 << 20,
        }
    }
}

/// What a copy came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Copied {
    /// Rows in both stores.
    pub rows: u64,
    /// Their keys and values, in bytes.
    pub bytes: u64,
    /// Rows that an interrupted copy had brought before.
    pub resumed_after: u64,
    /// The target's epoch of versionstamps.
    pub epoch: u64,
}

/// What a store is to a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Home,
    /// The source of one that is under way or was interrupted.
    Source,
    /// The source of one that is complete: its data lives elsewhere.
    Left,
    /// The target of one that is not complete.
    Incomplete,
}

/// Says what a store is to a copy.
pub async fn standing(db: &Database) -> Result<Standing, StoreError> {
    let notes = db.run(&Notes).await?;
    Ok(match (notes.from, notes.to) {
        (_, Some(_)) => Standing::Incomplete,
        (Some(from), None) if from.done => Standing::Left,
        (Some(_), None) => Standing::Source,
        (None, None) => Standing::Home,
    })
}

/// Copies everything from one store to another; see the module.
pub async fn copy(
    source: &Database,
    target: &Database,
    options: CopyOptions,
    progress: &dyn Progress,
) -> Result<Copied, CopyError> {
    let (mut from, mut at) = begin(source, target).await?;
    let resumed_after = at.rows;
    let size = PageSize {
        rows: options.page_rows,
        bytes: options.page_bytes,
    };

    let rest = KeyRange::new(at.next.clone(), parsed::everything().end);
    let mut pages = Pages::new(source, rest, size);
    let mut page = pages.next().await.map_err(side(Side::Source))?;
    while let Some((last, _)) = page.last() {
        let after = CopiedTo {
            next: KeyRange::key(last).end.to_vec(),
            rows: at.rows + page.len() as u64,
            bytes: at.bytes + size_of(&page),
            ..at
        };
        let write = WritePage {
            before: &at,
            after: &after,
            rows: &page,
        };
        // While one page is written the next is read.
        let (written, next) = tokio::join!(target.run(&write), pages.next());
        if !written.map_err(side(Side::Target))? {
            return Err(CopyError::Overtaken);
        }
        page = next.map_err(side(Side::Source))?;
        progress.rows("copy", after.rows);
        at = after;
    }

    let (rows, bytes) = compare(source, target, size, progress).await?;
    let epoch = source.run(&CurrentEpoch).await;
    let epoch = StampEpoch(epoch.map_err(side(Side::Source))?.0 + 1);
    // The source first: if the copy ends between the two, it is still known to be one.
    from.done = true;
    let note = source.run(&NoteSource(from)).await;
    note.map_err(side(Side::Source))?;
    let finish = Finish { at: &at, epoch };
    if !target.run(&finish).await.map_err(side(Side::Target))? {
        return Err(CopyError::Overtaken);
    }
    Ok(Copied {
        rows,
        bytes,
        resumed_after,
        epoch: epoch.0,
    })
}

fn side(side: Side) -> impl FnOnce(StoreError) -> CopyError {
    move |error| CopyError::Store { side, error }
}

fn size_of(rows: &[Row]) -> u64 {
    let bytes = rows.iter().map(|(key, value)| key.len() + value.len());
    bytes.sum::<usize>() as u64
}

/// Sees whether the two stores can be copied, and notes the copy in both.
async fn begin(source: &Database, target: &Database) -> Result<(CopiedFrom, CopiedTo), CopyError> {
    let in_source = source.run(&Notes).await.map_err(side(Side::Source))?;
    if in_source.to.is_some() {
        return Err(CopyError::SourceIncomplete);
    }
    let in_target = target.run(&Notes).await.map_err(side(Side::Target))?;
    if let Some(at) = in_target.to {
        let from = in_source.from.filter(|from| from.copy == at.copy);
        return Ok((from.ok_or(CopyError::OtherCopy)?, at));
    }
    if in_target.is_filled {
        return Err(CopyError::TargetNotEmpty);
    }
    let began_at = source.clock().now();
    let from = CopiedFrom {
        copy: source.entropy().uuid_v7(began_at),
        began_at,
        done: false,
    };
    let note = source.run(&NoteSource(from)).await;
    note.map_err(side(Side::Source))?;
    let at = CopiedTo {
        copy: from.copy,
        next: parsed::everything().begin.to_vec(),
        rows: 0,
        bytes: 0,
    };
    let first = target.run(&FirstNote(&at)).await;
    if !first.map_err(side(Side::Target))? {
        return Err(CopyError::TargetNotEmpty);
    }
    Ok((from, at))
}

/// Reads both sides and compares them row by row; gives the number of rows and bytes.
async fn compare(
    source: &Database,
    target: &Database,
    size: PageSize,
    progress: &dyn Progress,
) -> Result<(u64, u64), CopyError> {
    let mut rest = parsed::everything();
    let mut pages = Pages::new(source, rest.clone(), size);
    let (mut rows, mut bytes) = (0, 0);
    loop {
        let expected = pages.next().await.map_err(side(Side::Source))?;
        let end = expected.last().map(|(last, _)| KeyRange::key(last).end);
        let upto = end.clone().unwrap_or_else(|| rest.end.clone());
        let range = KeyRange::new(rest.begin.clone(), upto);
        let limit = expected.len() + 1;
        let found = target.run(&ReadRange { range, limit }).await;
        let found = found.map_err(side(Side::Target))?;
        if found != expected {
            return Err(differ(&expected, &found));
        }
        rows += expected.len() as u64;
        bytes += size_of(&expected);
        progress.rows("compare", rows);
        match end {
            Some(end) => rest.begin = end,
            None => return Ok((rows, bytes)),
        }
    }
}

fn differ(expected: &[Row], found: &[Row]) -> CopyError {
    let same = expected.iter().zip(found).take_while(|(a, b)| a == b);
    let at = same.count();
    let row = match (expected.get(at), found.get(at)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let subspace = row.and_then(|(key, _)| parsed::subspace_of(key));
    CopyError::Differ {
        subspace: subspace.unwrap_or("?").to_owned(),
    }
}
