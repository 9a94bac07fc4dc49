//! Counters, compared and set right while the store is in use.
//!
//! Every transaction that moves a workflow changes the list (`CS`) and the counter (`#`) alike, so the
//! *difference* of a counter and its list stays the same whatever happens meanwhile. It is therefore
//! enough to know it exactly at one moment; adding its opposite, blindly, is right at any later one.
//!
//! Where the list fits into one transaction, that moment is its read version. A longer one is read page
//! by page; the moment is the transaction that reads the last page together with the counter. The pages
//! before it count only if a second reading, after that moment, finds the same entries in them. So they
//! were the same at that moment, because no entry ever comes back: its key has the time of the change.
//! The long lists are those of workflows that have ended, which change only at their tail.

use std::hash::{DefaultHasher, Hasher};

use async_trait::async_trait;
use patchbay_workflow::{CustomerId, Status};
use serde::{Deserialize, Serialize};

use super::look::of;
use super::report::{Code, Finding};
use super::{Check, CheckError};
use crate::codec::Record;
use crate::counter;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::{KeyRange, RangeOptions, Read, Row};
use crate::keys;
use crate::keys::parsed::{self, Key};

/// How often a counter that cannot be compared is tried.
const TRIES: usize = 3;

/// Who may mend, and what it has done that must not be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Repairing {
    pub(super) run: u64,
    pub(super) corrections: u64,
}

impl Record for Repairing {
    const NAME: &'static str = "note of a repair";
}

impl Check<'_> {
    /// Compares all counters of all customers.
    pub(super) async fn counters(&mut self) -> Result<(), CheckError> {
        let mut rest = parsed::customer_lists();
        while let Some((key, _)) = self.db.run(&FirstRow(&rest)).await? {
            rest.begin = KeyRange::key(&key).end;
            if let Some(Key::CustomerStatus {
                customer,
                status,
                workflow,
                ..
            }) = Key::parse(&key)
            {
                let list = keys::list(workflow);
                self.counter(&customer, status, list).await?;
                rest.begin = keys::customer_list(&customer, status, list).end;
            }
        }
        let mut rest = keys::counters(None);
        while let Some((key, value)) = self.db.run(&FirstRow(&rest)).await? {
            rest.begin = KeyRange::key(&key).end;
            let (Some(Key::Counter { customer, list }), Some(counts)) =
                (Key::parse(&key), counter::read(Some(&value)))
            else {
                continue;
            };
            for (status, count) in counts {
                let entries = keys::customer_list(&customer, status, list);
                if count != 0 && self.db.run(&FirstRow(&entries)).await?.is_none() {
                    self.counter(&customer, status, list).await?;
                }
            }
        }
        Ok(())
    }

    async fn counter(
        &mut self,
        customer: &CustomerId,
        status: Status,
        list: u16,
    ) -> Result<(), CheckError> {
        let Some(difference) = self.difference(customer, status, list).await? else {
            let pair = (customer.to_string(), status.as_str());
            self.report.unsettled.push(pair);
            return Ok(());
        };
        if difference == 0 {
            return Ok(());
        }
        let counter = Key::Counter {
            customer: customer.clone(),
            list,
        };
        let ids = of(&counter).and("status", status);
        let finding = Finding::new(Code::CounterWrong, ids.and("difference", difference));
        if let Some(repairing) = &mut self.repairing {
            let correct = Correct {
                key: &counter.bytes(),
                status,
                by: difference.wrapping_neg(),
                repairing: *repairing,
            };
            if !self.db.run(&correct).await? {
                return Err(CheckError::Overtaken);
            }
            repairing.corrections += 1;
        }
        self.note(finding, self.repairing.is_some());
        Ok(())
    }

    /// The counter minus the length of its list, at one moment; none if the list does not keep still.
    async fn difference(
        &self,
        customer: &CustomerId,
        status: Status,
        list: u16,
    ) -> Result<Option<i64>, StoreError> {
        let counter = keys::counter(customer, list);
        let list = keys::customer_list(customer, status, list);
        for _ in 0..TRIES {
            let mut before = Tally::new(list.clone());
            let tail = loop {
                let tally = CountPage {
                    rest: &before.rest,
                    counter: Some((&counter, status)),
                    limit: self.options.counted_at_once,
                };
                let page = self.db.run(&tally).await?;
                if page.keys.len() < self.options.counted_at_once {
                    break page;
                }
                before.add(&page);
            };
            let mut after =
                Tally::new(KeyRange::new(list.begin.clone(), before.rest.begin.clone()));
            while !after.rest.is_empty() {
                let tally = CountPage {
                    rest: &after.rest,
                    counter: None,
                    limit: self.options.counted_at_once,
                };
                let page = self.db.run(&tally).await?;
                if page.keys.is_empty() {
                    break;
                }
                after.add(&page);
            }
            if after.same(&before) {
                let listed = before.count + tail.keys.len() as u64;
                return Ok(Some(tail.counter.wrapping_sub(listed).cast_signed()));
            }
        }
        Ok(None)
    }
}

/// What has been counted of a list.
struct Tally {
    rest: KeyRange,
    count: u64,
    hash: DefaultHasher,
}

impl Tally {
    fn new(rest: KeyRange) -> Self {
        Self {
            rest,
            count: 0,
            hash: DefaultHasher::new(),
        }
    }

    fn add(&mut self, page: &Page) {
        for key in &page.keys {
            self.hash.write(key);
        }
        self.count += page.keys.len() as u64;
        if let Some(last) = page.keys.last() {
            self.rest.begin = KeyRange::key(last).end;
        }
    }

    fn same(&self, other: &Self) -> bool {
        (self.count, self.hash.finish()) == (other.count, other.hash.finish())
    }
}

struct Page {
    keys: Vec<bytes::Bytes>,
    counter: u64,
}

/// Reads a page of a list, and its counter at the same moment.
struct CountPage<'a> {
    rest: &'a KeyRange,
    counter: Option<(&'a [u8], Status)>,
    limit: usize,
}

#[async_trait]
impl Operation for CountPage<'_> {
    type Output = Page;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Page, StoreError> {
        let options = RangeOptions {
            limit: self.limit,
            reverse: false,
            read: Read::Snapshot,
        };
        let rows = tx.get_range(self.rest, options).await?;
        let counter = match self.counter {
            Some((key, status)) => {
                let value = tx.get(key, Read::Snapshot).await?;
                let counts = counter::read(value.as_deref()).into_iter().flatten();
                counts
                    .filter(|(of, _)| *of == status)
                    .fold(0, |_, (_, count)| count)
            }
            None => 0,
        };
        Ok(Page {
            keys: rows.into_iter().map(|(key, _)| key).collect(),
            counter,
        })
    }
}

struct FirstRow<'a>(&'a KeyRange);

#[async_trait]
impl Operation for FirstRow<'_> {
    type Output = Option<Row>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        tx.first(self.0, Read::Snapshot).await
    }
}

/// Adds to a counter, once: that it was done is noted with it, as an addition does not show.
struct Correct<'a> {
    key: &'a [u8],
    status: Status,
    by: i64,
    repairing: Repairing,
}

#[async_trait]
impl Operation for Correct<'_> {
    /// Whether this repair is still the one that may write.
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        let note = keys::upkeep::repairing();
        let done = Repairing {
            corrections: self.repairing.corrections + 1,
            ..self.repairing
        };
        let found = tx.record::<Repairing>(&note, Read::Serializable).await?;
        if found == Some(done) {
            return Ok(true);
        }
        if found != Some(self.repairing) {
            return Ok(false);
        }
        tx.count(self.key, &[(self.status, self.by)]);
        tx.put(&note, &done)?;
        Ok(true)
    }
}
