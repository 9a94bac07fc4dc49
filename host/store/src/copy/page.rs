//! Reading a long range page by page, each in a transaction of its own, in bounded memory.

use async_trait::async_trait;

use crate::database::{Database, Operation, StoreError, Tx};
use crate::engine::{KeyRange, RangeOptions, Read, Row};

/// The bounds of a page.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PageSize {
    pub(crate) rows: usize,
    pub(crate) bytes: usize,
}

/// The pages of a range.
pub(crate) struct Pages<'d> {
    db: &'d Database,
    rest: KeyRange,
    size: PageSize,
    /// How many rows to ask for next: adapts to how long the last ones were.
    limit: usize,
}

impl<'d> Pages<'d> {
    pub(crate) fn new(db: &'d Database, range: KeyRange, size: PageSize) -> Self {
        Self {
            db,
            rest: range,
            size,
            limit: size.rows.clamp(1, 64),
        }
    }

    /// The next page; an empty one is the end.
    pub(crate) async fn next(&mut self) -> Result<Vec<Row>, StoreError> {
        let asked = self.limit;
        let mut rows = self.db.run(&ReadRows(&self.rest, asked)).await?;
        let mut bytes = 0;
        let fitting = rows.iter().take_while(|(key, value)| {
            bytes += key.len() + value.len();
            bytes <= self.size.bytes
        });
        let kept = fitting.count().max(1);
        if kept < rows.len() {
            rows.truncate(kept);
            self.limit = kept;
        } else if rows.len() == asked {
            self.limit = (asked * 2).min(self.size.rows).max(1);
        }
        if let Some((last, _)) = rows.last() {
            self.rest.begin = KeyRange::key(last).end;
        }
        Ok(rows)
    }
}

/// The first rows of a range.
struct ReadRows<'a>(&'a KeyRange, usize);

#[async_trait]
impl Operation for ReadRows<'_> {
    type Output = Vec<Row>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Row>, StoreError> {
        let options = RangeOptions {
            limit: self.1,
            reverse: false,
            read: Read::Snapshot,
        };
        tx.get_range(self.0, options).await
    }
}
