//! A look at one row and what belongs to it, in one transaction. A look with snapshot reads finds
//! suspicions; the same look with serialisable reads confirms them, and mends what is derived.

use patchbay_workflow::{CustomerId, EventId, KeyedHash, Timestamp, WorkflowId};
use uuid::Uuid;

use super::report::{Class, Code, Ids};
use crate::codec::{self, Record};
use crate::database::{StoreError, Tx};
use crate::engine::{KeyRange, RangeOptions, Read, Row};
use crate::keys::parsed::{Key, subspace_of};
use crate::keys::{self, QueueKind};
use crate::queue;
use crate::records::{Instant, OutboxEvent, QueueItem, StoredWorkflow};

/// What stands under a key.
#[derive(Debug)]
pub(super) enum Slot<R> {
    /// Nothing.
    Missing,
    /// Something that cannot be decoded, which the walk reports when it comes there.
    Broken,
    /// A record.
    There(R),
}

/// One thing found by a look.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) code: Code,
    pub(super) ids: Ids,
    pub(super) mended: bool,
}

/// What a look may mend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mend {
    Nothing,
    /// What does not depend on other things that may be wrong.
    First,
    Everything,
}

pub(super) struct Look<'l, 't> {
    pub(super) tx: &'l mut Tx<'t>,
    pub(super) now: Timestamp,
    read: Read,
    mend: Mend,
    pub(super) found: Vec<Found>,
}

impl<'l, 't> Look<'l, 't> {
    /// A look that only suspects.
    pub(super) fn suspecting(tx: &'l mut Tx<'t>, now: Timestamp) -> Self {
        Self::new(tx, now, Read::Snapshot, Mend::Nothing)
    }

    /// A look that makes sure, and mends if it may.
    pub(super) fn confirming(tx: &'l mut Tx<'t>, now: Timestamp, mend: Mend) -> Self {
        Self::new(tx, now, Read::Serializable, mend)
    }

    fn new(tx: &'l mut Tx<'t>, now: Timestamp, read: Read, mend: Mend) -> Self {
        Self {
            tx,
            now,
            read,
            mend,
            found: Vec::new(),
        }
    }

    /// Reports a finding, and says whether the caller has to mend it now.
    pub(super) fn found(&mut self, code: Code, ids: Ids) -> bool {
        self.push(code, ids, self.mend != Mend::Nothing)
    }

    /// The same, for what can only be mended once nothing else is wrong.
    pub(super) fn found_before(&mut self, code: Code, ids: Ids) -> bool {
        self.push(code, ids, self.mend == Mend::Everything)
    }

    fn push(&mut self, code: Code, ids: Ids, mend: bool) -> bool {
        let mended = mend && code.class() == Class::Derived;
        self.found.push(Found { code, ids, mended });
        mended
    }

    pub(super) async fn exists(&mut self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.tx.get(key, self.read).await?.is_some())
    }

    pub(super) async fn record<R: Record>(&mut self, key: &[u8]) -> Result<Slot<R>, StoreError> {
        Ok(match self.tx.get(key, self.read).await? {
            None => Slot::Missing,
            Some(bytes) => codec::decode(&bytes).map_or(Slot::Broken, Slot::There),
        })
    }

    pub(super) async fn workflow(
        &mut self,
        id: WorkflowId,
    ) -> Result<Slot<StoredWorkflow>, StoreError> {
        self.record(&keys::workflow(id)).await
    }

    pub(super) async fn event(&mut self, id: EventId) -> Result<Slot<OutboxEvent>, StoreError> {
        self.record(&keys::outbox(id)).await
    }

    /// Reports that the owner of a row is not there.
    pub(super) async fn belongs_to(&mut self, id: WorkflowId, key: &Key) -> Result<(), StoreError> {
        if matches!(self.workflow(id).await?, Slot::Missing) {
            self.found(Code::WorkflowMissing, of(key).and("workflow", id));
        }
        Ok(())
    }

    /// Rows of a range that is not long.
    pub(super) async fn rows(
        &mut self,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Vec<Row>, StoreError> {
        let read = self.read;
        let options = RangeOptions {
            limit,
            reverse: false,
            read,
        };
        self.tx.get_range(range, options).await
    }

    pub(super) async fn first(&mut self, range: &KeyRange) -> Result<Option<Row>, StoreError> {
        self.tx.first(range, self.read).await
    }

    pub(super) async fn last(&mut self, range: &KeyRange) -> Result<Option<Row>, StoreError> {
        self.tx.last(range, self.read).await
    }

    /// Puts an item into the queue whatever its pointer looks like.
    pub(super) async fn enqueue(
        &mut self,
        kind: QueueKind,
        customer: &CustomerId,
        id: Uuid,
        item: &QueueItem,
    ) -> Result<(), StoreError> {
        let locator = keys::pointer_locator(kind, customer);
        if matches!(self.record::<Instant>(&locator).await?, Slot::Broken) {
            self.tx.clear(&locator);
        }
        queue::put(self.tx, kind, customer, id, self.now, item).await?;
        queue::note(self.tx, kind, id, Some(self.now)).await
    }
}

/// The ids of a key.
pub(super) fn of(key: &Key) -> Ids {
    let bytes = key.bytes();
    let ids = Ids::default().and("in", subspace_of(&bytes).unwrap_or_default());
    match key {
        Key::Request { workflow, .. }
        | Key::Candidates { workflow, .. }
        | Key::Workflow(workflow)
        | Key::Deadline { workflow, .. }
        | Key::Timeline { workflow, .. } => ids.and("workflow", workflow),
        Key::Idempotency { customer, hash } | Key::Expiry { customer, hash, .. } => {
            ids.and("customer", customer).and("key", hash)
        }
        Key::InFlight { customer, patient } | Key::Mapping { customer, patient } => {
            patient_ids(ids, customer, patient)
        }
        Key::Decision {
            customer,
            patient,
            internal,
        }
        | Key::LinkedTo {
            internal,
            customer,
            patient,
        } => patient_ids(ids, customer, patient).and("internal", internal),
        Key::CustomerStatus {
            customer,
            status,
            workflow,
            ..
        } => ids
            .and("customer", customer)
            .and("status", status)
            .and("workflow", workflow),
        Key::Counter { customer, list } => ids.and("customer", customer).and("list", list),
        Key::Outbox(event) | Key::Message { event, .. } => ids.and("event", event),
        Key::Attempt { event, number } => ids.and("event", event).and("attempt", number),
        Key::PatientEvent {
            customer,
            patient,
            number,
        } => patient_ids(ids, customer, patient).and("number", number),
        Key::Item {
            kind, customer, id, ..
        } => queue_ids(ids, *kind)
            .and("customer", customer)
            .and("id", id),
        Key::Pointer { kind, customer, .. } | Key::PointerLocator { kind, customer } => {
            queue_ids(ids, *kind).and("customer", customer)
        }
        Key::Wake { kind, shard } => queue_ids(ids, *kind).and("shard", shard),
        Key::Job(_) | Key::Installation | Key::Epoch => ids,
        Key::Stream { bucket, epoch, .. } => ids.and("bucket", bucket).and("epoch", epoch),
    }
}

fn patient_ids(ids: Ids, customer: &CustomerId, patient: &KeyedHash) -> Ids {
    ids.and("customer", customer).and("patient", patient)
}

fn queue_ids(ids: Ids, kind: QueueKind) -> Ids {
    ids.and(
        "queue",
        match kind {
            QueueKind::Work => "work",
            QueueKind::Delivery => "delivery",
        },
    )
}
