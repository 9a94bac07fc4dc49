//! `patchbay store check`: whether all records, indexes, counters, pointers and the queue agree.
//!
//! The whole key space is walked in pages. Each row is looked at with what has to be there because of it,
//! in one transaction, so that a store in use raises no false alarm. What seems wrong is looked at again in
//! a serialisable transaction of its own, which reports it and, in a repair, mends it: what is *derived*
//! from records is made again from them; a record that is *lost* is only reported. No transaction is
//! large or long, and memory does not grow with the store.
//!
//! Owns what belongs together in the store, one file per part. It never opens what is sealed.

mod counters;
mod idempotency;
mod indexes;
mod look;
mod mappings;
mod outbox;
mod queue;
mod report;
mod workflows;

use std::fmt::Write as _;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::try_join_all;
use patchbay_workflow::Timestamp;

pub use self::report::{Class, Code, Finding, Ids, Progress, Report, Severity};

use self::counters::Repairing;
use self::look::{Found, Look, Mend, of};
use crate::codec;
use crate::copy::page::{PageSize, Pages};
use crate::counter;
use crate::database::{Database, Operation, StoreError, Tx};
use crate::engine::Read;
use crate::keys::{self, parsed, parsed::Key};

/// How a check runs.
#[derive(Debug, Clone, Copy)]
pub struct CheckOptions {
    /// Mend what is derived.
    pub repair: bool,
    /// The most findings that are listed; all are counted.
    pub listed: usize,
    /// The most rows of a page.
    pub page_rows: usize,
    /// How many entries of a list are counted in one transaction.
    pub counted_at_once: usize,
}

impl Default for CheckOptions {
    fn default() -> Self {
        Self {
            repair: false,
            listed: 1_000,
            page_rows: 512,
            counted_at_once: 10_000,
        }
    }
}

/// The most bytes of a page.
const PAGE_BYTES: usize = 1 << 20;

/// How many rows are looked at in one transaction: the next ones have one of their own, at the same time.
const ROWS_AT_ONCE: usize = 32;

/// After so many walks that each mended something, a repair stops: something else breaks it again.
const MOST_WALKS: u32 = 5;

/// Why a check ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The store could not do what was asked.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another repair of this store began after this one, and goes on alone.
    #[error("another repair of this store has begun")]
    Overtaken,
}

/// Checks a store; see the module.
pub async fn check(
    db: &Database,
    options: CheckOptions,
    progress: &dyn Progress,
) -> Result<Report, CheckError> {
    let mut check = Check {
        db,
        options,
        progress,
        report: Report::default(),
        repairing: None,
        mended: 0,
    };
    if options.repair {
        let repairing = Repairing {
            run: db.entropy().next_u64(),
            corrections: 0,
        };
        db.run(&Begin(repairing)).await?;
        check.repairing = Some(repairing);
    }
    loop {
        check.walk().await?;
        let waits = options.repair
            && [Code::WorkItemMissing, Code::DeliveryItemMissing]
                .iter()
                .any(|code| check.report.found.contains_key(code));
        let goes_on = check.mended > 0 || (waits && check.report.walks == 1);
        if !goes_on || check.report.walks >= MOST_WALKS {
            break;
        }
    }
    if let Some(repairing) = check.repairing {
        db.run(&End(repairing)).await?;
    }
    Ok(check.report)
}

struct Check<'c> {
    db: &'c Database,
    options: CheckOptions,
    progress: &'c dyn Progress,
    report: Report,
    /// In a repair: the note that says that it may write.
    repairing: Option<Repairing>,
    /// How much this walk has mended.
    mended: u64,
}

impl Check<'_> {
    /// Walks the store once. What is mended may show more to mend, so a repair walks again; what is left
    /// wrong is what the last walk found.
    async fn walk(&mut self) -> Result<(), CheckError> {
        self.mended = 0;
        self.report = Report {
            repaired: std::mem::take(&mut self.report.repaired),
            walks: self.report.walks + 1,
            ..Report::default()
        };
        let size = PageSize {
            rows: self.options.page_rows,
            bytes: PAGE_BYTES,
        };
        let mut pages = Pages::new(self.db, parsed::everything(), size);
        let mut done = 0_u64;
        let mut former = None;
        loop {
            let rows = pages.next().await?;
            let Some((last, _)) = rows.last() else {
                break;
            };
            let what = parsed::subspace_of(last).unwrap_or("?").to_owned();
            let mut keys = Vec::with_capacity(rows.len());
            for (key, _) in rows {
                let what = parsed::subspace_of(&key).unwrap_or("?");
                *self.report.rows.entry(what.to_owned()).or_default() += 1;
                let group = Group::of(&key);
                let again = group.is_some() && group == former;
                former = group;
                keys.push((key, again));
            }
            done += keys.len() as u64;
            self.page(&keys).await?;
            self.progress.rows(&what, done);
        }
        self.counters().await
    }

    /// Looks at the rows of a page, and again at those that seem wrong.
    async fn page(&mut self, keys: &[(Bytes, bool)]) -> Result<(), CheckError> {
        let now = self.db.clock().now();
        let looks: Vec<_> = keys
            .chunks(ROWS_AT_ONCE)
            .map(|keys| Suspect { keys, now })
            .collect();
        let suspects = try_join_all(looks.iter().map(|look| self.db.run(look))).await?;
        for key in suspects.into_iter().flatten() {
            let confirm = Confirm {
                key: &key,
                now,
                repairing: self.repairing,
                mend: match self.repairing {
                    None => Mend::Nothing,
                    Some(_) if self.report.walks == 1 => Mend::First,
                    Some(_) => Mend::Everything,
                },
            };
            let found = self.db.run(&confirm).await?;
            for Found { code, ids, mended } in found.ok_or(CheckError::Overtaken)? {
                self.note(Finding::new(code, ids), mended);
            }
        }
        Ok(())
    }

    fn note(&mut self, finding: Finding, mended: bool) {
        if mended {
            self.mended += 1;
            *self.report.repaired.entry(finding.code).or_default() += 1;
            return;
        }
        *self.report.found.entry(finding.code).or_default() += 1;
        if self.report.findings.len() < self.options.listed {
            self.report.findings.push(finding);
        }
    }
}

/// Rows that follow each other and belong to the same thing: what is asked of the thing is asked once.
#[derive(PartialEq, Eq)]
struct Group(Vec<u8>);

impl Group {
    fn of(key: &[u8]) -> Option<Self> {
        Some(Self(match Key::parse(key)? {
            Key::Request { workflow, .. } => keys::request(workflow),
            Key::Candidates { workflow, .. } => keys::candidates(workflow),
            Key::Timeline { workflow, .. } => keys::timeline_range(workflow).begin.to_vec(),
            Key::Message { event, .. } => keys::message(event),
            Key::Attempt { event, .. } => keys::attempts(event).begin.to_vec(),
            Key::Item { kind, customer, .. } => keys::zone(kind, &customer).begin.to_vec(),
            _ => return None,
        }))
    }
}

/// Which of these rows seem wrong.
struct Suspect<'a> {
    keys: &'a [(Bytes, bool)],
    now: Timestamp,
}

#[async_trait]
impl Operation for Suspect<'_> {
    type Output = Vec<Bytes>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Bytes>, StoreError> {
        let mut suspects = Vec::new();
        for (key, again) in self.keys {
            let Some(value) = tx.get(key, Read::Snapshot).await? else {
                continue;
            };
            let mut look = Look::suspecting(tx, self.now);
            examine(&mut look, key, &value, *again).await?;
            if !look.found.is_empty() {
                suspects.push(key.clone());
            }
        }
        Ok(suspects)
    }
}

/// Makes sure that a row is wrong, and mends what can be.
struct Confirm<'a> {
    key: &'a Bytes,
    now: Timestamp,
    repairing: Option<Repairing>,
    mend: Mend,
}

#[async_trait]
impl Operation for Confirm<'_> {
    /// What was found; none if another repair has begun.
    type Output = Option<Vec<Found>>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        if self.repairing.is_some() {
            let note = keys::upkeep::repairing();
            if tx.record(&note, Read::Serializable).await? != self.repairing {
                return Ok(None);
            }
        }
        let Some(value) = tx.get(self.key, Read::Serializable).await? else {
            return Ok(Some(Vec::new()));
        };
        let mut look = Look::confirming(tx, self.now, self.mend);
        examine(&mut look, self.key, &value, false).await?;
        Ok(Some(look.found))
    }
}

/// Looks at one row. With `again` the row before it belonged to the same thing.
async fn examine(
    look: &mut Look<'_, '_>,
    bytes: &[u8],
    value: &[u8],
    again: bool,
) -> Result<(), StoreError> {
    let Some(key) = Key::parse(bytes) else {
        let ids = Ids::default().and("in", parsed::subspace_of(bytes).unwrap_or("?"));
        let mut start = String::new();
        for byte in bytes.iter().take(24) {
            // Writing into a text cannot fail.
            let _ = write!(start, "{byte:02x}");
        }
        look.found(
            Code::KeyUnknown,
            ids.and("begins", start).and("bytes", bytes.len()),
        );
        return Ok(());
    };
    match &key {
        Key::Workflow(id) => workflows::workflow(look, *id, value).await,
        Key::Request { workflow, chunk } => {
            indexes::chunk(look, &keys::request(*workflow), *chunk, &key).await?;
            owner(look, *workflow, &key, again).await
        }
        Key::Timeline { workflow, .. } => owner(look, *workflow, &key, again).await,
        Key::Candidates { workflow, chunk } => {
            indexes::chunk(look, &keys::candidates(*workflow), *chunk, &key).await?;
            if again {
                return Ok(());
            }
            indexes::candidates(look, *workflow, &key).await
        }
        Key::CustomerStatus { .. } => indexes::customer_status(look, &key).await,
        Key::Deadline { .. } => indexes::deadline(look, &key).await,
        Key::InFlight { customer, patient } => {
            indexes::in_flight(look, customer, patient, value).await
        }
        Key::Counter { .. } => {
            indexes::number(look, value, counter::LENGTH, &key);
            Ok(())
        }
        Key::Wake { .. } => {
            indexes::number(look, value, size_of::<i64>(), &key);
            Ok(())
        }
        Key::Idempotency { customer, hash } => {
            idempotency::record(look, customer, hash, value).await
        }
        Key::Expiry { .. } => idempotency::expiry(look, &key).await,
        Key::Mapping { customer, patient } => {
            mappings::mapping(look, customer, patient, value).await
        }
        Key::Decision { .. } => mappings::decision(look, &key, value).await,
        Key::LinkedTo { .. } => mappings::linked_to(look, &key).await,
        Key::Item { .. } => queue::item(look, &key, value, !again).await,
        Key::Pointer {
            kind,
            tick,
            customer,
        } => queue::pointer(look, *kind, *tick, customer).await,
        Key::PointerLocator { kind, customer } => {
            queue::pointer_locator(look, *kind, customer, value).await
        }
        Key::Outbox(id) => outbox::event(look, *id, value).await,
        Key::PatientEvent {
            customer,
            patient,
            number,
        } => outbox::patient_event(look, customer, patient, *number, value).await,
        Key::Attempt { event, .. } => {
            readable::<crate::records::DeliveryAttempt>(look, value, &key);
            if again {
                return Ok(());
            }
            outbox::of_event(look, *event, &key).await
        }
        Key::Message { event, chunk } => {
            indexes::chunk(look, &keys::message(*event), *chunk, &key).await?;
            if again {
                return Ok(());
            }
            outbox::of_event(look, *event, &key).await
        }
        Key::Epoch => {
            readable::<crate::copy::StampEpoch>(look, value, &key);
            Ok(())
        }
        Key::Job(_) => {
            readable::<crate::job::JobLease>(look, value, &key);
            Ok(())
        }
        Key::Installation => {
            readable::<crate::installation::Installation>(look, value, &key);
            Ok(())
        }
        Key::Stream { .. } => Ok(()),
    }
}

async fn owner(
    look: &mut Look<'_, '_>,
    workflow: patchbay_workflow::WorkflowId,
    key: &Key,
    again: bool,
) -> Result<(), StoreError> {
    if again {
        return Ok(());
    }
    look.belongs_to(workflow, key).await
}

fn readable<R: codec::Record>(look: &mut Look<'_, '_>, value: &[u8], key: &Key) {
    if codec::decode::<R>(value).is_err() {
        look.found(Code::RecordUnreadable, of(key));
    }
}

/// Takes the right to mend.
struct Begin(Repairing);

#[async_trait]
impl Operation for Begin {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.put(&keys::upkeep::repairing(), &self.0)
    }
}

/// Gives it back.
struct End(Repairing);

#[async_trait]
impl Operation for End {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let note = keys::upkeep::repairing();
        if tx.record(&note, Read::Serializable).await? == Some(self.0) {
            tx.clear(&note);
        }
        Ok(())
    }
}
