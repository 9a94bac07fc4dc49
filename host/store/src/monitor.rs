//! How much waits, and for how long: read from the counters and from the heads of the queue, never by
//! walking what waits.

use async_trait::async_trait;
use bytes::Bytes;
use patchbay_workflow::{Status, Timestamp};

use crate::counter;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::{RangeOptions, Read};
use crate::keys::{self, QueueKind, SHARDS};

/// Since when the item that has been due the longest is due, or may be: a zone's pointer can be early. None
/// if nothing waits.
#[derive(Debug)]
pub struct OldestDue(pub QueueKind);

#[async_trait]
impl Operation for OldestDue {
    type Output = Option<Timestamp>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Timestamp>, StoreError> {
        let mut oldest = None;
        for shard in 0..SHARDS {
            let first = tx
                .first(&keys::pointers(self.0, shard), Read::Snapshot)
                .await?;
            let tick = first.and_then(|(key, _)| keys::parse_pointer(&key));
            if let Some((tick, _)) = tick {
                oldest = Some(oldest.map_or(tick, |oldest: Timestamp| oldest.min(tick)));
            }
        }
        Ok(oldest)
    }
}

/// How many workflows are in each status, of a page of customers.
#[derive(Debug)]
pub struct StatusTotals {
    /// Where the former page ended.
    pub after: Option<Bytes>,
}

/// Rows of one page: far below what one transaction may read.
const PAGE: usize = 5_000;

/// A page of [`StatusTotals`].
#[derive(Debug, Default)]
pub struct TotalsPage {
    /// Counts; a status may occur many times.
    pub counts: Vec<(Status, u64)>,
    /// Where it ended, if there may be more.
    pub last: Option<Bytes>,
}

#[async_trait]
impl Operation for StatusTotals {
    type Output = TotalsPage;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<TotalsPage, StoreError> {
        let options = RangeOptions {
            limit: PAGE,
            reverse: false,
            read: Read::Snapshot,
        };
        let range = keys::counters(self.after.as_deref());
        let rows = tx.get_range(&range, options).await?;
        let counts = rows
            .iter()
            .filter_map(|(_, value)| counter::read(Some(value)));
        Ok(TotalsPage {
            counts: counts.flatten().collect(),
            last: (rows.len() == PAGE)
                .then(|| rows.last().map(|(key, _)| key.clone()))
                .flatten(),
        })
    }
}
