//! The queue, after Apple's QuiCK (Kalantzis et al., SIGMOD 2021): a zone of items per customer,
//! ordered by the time they vest, and one live pointer per zone, by which due zones are found without
//! looking at the others.
//!
//! The invariant: a zone that is not empty has its pointer at or before its first vesting time. Whoever
//! writes an item keeps it ([`put`]); whoever moves or retires a pointer reads the zone serialisably
//! ([`Tend`]), so that an item put at the same time makes one of the two try again.
//!
//! Where an item stands is noted in the record it belongs to (its workflow's or event's `queued`), which is
//! written in the same transactions anyway.

use async_trait::async_trait;
use patchbay_workflow::{CustomerId, EventId, LeaseToken, Timestamp, WorkflowId};
use uuid::Uuid;

use crate::database::{Operation, StoreError, Tx};
use crate::engine::Read;
use crate::keys::{self, QueueKind};
use crate::records::{Instant, OutboxEvent, QueueItem, StoredWorkflow};

/// An item somebody holds until it vests again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it asks for.
    pub kind: QueueKind,
    /// Whose zone it is in.
    pub customer: CustomerId,
    /// The workflow's or event's id.
    pub id: Uuid,
    /// When the lease ends.
    pub until: Timestamp,
    /// The fencing token.
    pub token: LeaseToken,
    /// The item.
    pub item: QueueItem,
}

/// What a zone has to say of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It is still ours.
    Yes,
    /// The item is gone, or somebody else's.
    No,
}

/// Puts an item into its zone and sees to the pointer. The caller notes its place.
pub async fn put(
    tx: &mut Tx<'_>,
    kind: QueueKind,
    customer: &CustomerId,
    id: Uuid,
    vests: Timestamp,
    item: &QueueItem,
) -> Result<(), StoreError> {
    tx.put(&keys::item(kind, customer, vests, id), item)?;
    lower_pointer(tx, kind, customer, vests).await
}

/// Sees to it that the zone's pointer is at or before `vests`.
pub(crate) async fn lower_pointer(
    tx: &mut Tx<'_>,
    kind: QueueKind,
    customer: &CustomerId,
    vests: Timestamp,
) -> Result<(), StoreError> {
    let locator = keys::pointer_locator(kind, customer);
    let current = tx.record::<Instant>(&locator, Read::Serializable).await?;
    if current.is_some_and(|Instant(tick)| tick <= vests) {
        return Ok(());
    }
    if let Some(Instant(tick)) = current {
        tx.clear(&keys::pointer(kind, tick, customer));
    }
    tx.set(&keys::pointer(kind, vests, customer), b"");
    tx.put(&locator, &Instant(vests))?;
    tx.add(&keys::wake(kind, keys::shard(customer)), 1);
    Ok(())
}

/// Notes where an item stands, in the record it belongs to.
pub(crate) async fn note(
    tx: &mut Tx<'_>,
    kind: QueueKind,
    id: Uuid,
    queued: Option<Timestamp>,
) -> Result<(), StoreError> {
    match kind {
        QueueKind::Work => {
            let key = keys::workflow(WorkflowId::from_uuid(id));
            let owner = tx.record::<StoredWorkflow>(&key, Read::Serializable);
            match owner.await? {
                Some(owner) => tx.put(&key, &StoredWorkflow { queued, ..owner }),
                None => Ok(()),
            }
        }
        QueueKind::Delivery => {
            let key = keys::outbox(EventId::from_uuid(id));
            let owner = tx.record::<OutboxEvent>(&key, Read::Serializable);
            match owner.await? {
                Some(owner) => tx.put(&key, &OutboxEvent { queued, ..owner }),
                None => Ok(()),
            }
        }
    }
}

/// Moves an item that vests at `from` to another time, with the new content. The caller notes its place.
pub async fn reschedule(
    tx: &mut Tx<'_>,
    kind: QueueKind,
    customer: &CustomerId,
    id: Uuid,
    (from, to): (Timestamp, Timestamp),
    item: &QueueItem,
) -> Result<(), StoreError> {
    tx.clear(&keys::item(kind, customer, from, id));
    tx.put(&keys::item(kind, customer, to, id), item)?;
    // Later than before: the pointer is early enough. Earlier: it may not be.
    if to < from {
        lower_pointer(tx, kind, customer, to).await
    } else {
        Ok(())
    }
}

/// Whether a lease still holds, by a serialisable read of the exact item.
pub async fn held(tx: &mut Tx<'_>, lease: &Lease) -> Result<Held, StoreError> {
    let key = keys::item(lease.kind, &lease.customer, lease.until, lease.id);
    let item = tx.record::<QueueItem>(&key, Read::Serializable).await?;
    Ok(match item {
        Some(item) if item.lease == Some(lease.token) => Held::Yes,
        _ => Held::No,
    })
}

/// Takes the item of a lease that holds out of the queue. The caller notes that it has no place.
pub fn finish(tx: &mut Tx<'_>, lease: &Lease) {
    let Lease {
        kind,
        customer,
        until,
        id,
        ..
    } = lease;
    tx.clear(&keys::item(*kind, customer, *until, *id));
}

/// Gives a lease back: its item vests at `at`. The caller notes its place.
pub async fn give_back(tx: &mut Tx<'_>, lease: &Lease, at: Timestamp) -> Result<(), StoreError> {
    let item = QueueItem {
        lease: None,
        ..lease.item.clone()
    };
    reschedule(
        tx,
        lease.kind,
        &lease.customer,
        lease.id,
        (lease.until, at),
        &item,
    )
    .await
}

/// Extends a lease; gives the lease with its new end, or none where it was lost.
#[derive(Debug)]
pub struct Extend<'a> {
    /// The lease as its holder knows it.
    pub lease: &'a Lease,
    /// Its new end.
    pub until: Timestamp,
}

#[async_trait]
impl Operation for Extend<'_> {
    type Output = Option<Lease>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Option<Lease>, StoreError> {
        let extended = Lease {
            until: self.until,
            ..self.lease.clone()
        };
        if tx.maybe_committed() && held(tx, &extended).await? == Held::Yes {
            return Ok(Some(extended));
        }
        if held(tx, self.lease).await? == Held::No {
            return Ok(None);
        }
        let Lease {
            kind,
            customer,
            id,
            until,
            item,
            ..
        } = self.lease;
        reschedule(tx, *kind, customer, *id, (*until, self.until), item).await?;
        note(tx, *kind, *id, Some(self.until)).await?;
        Ok(Some(extended))
    }
}

/// Gives a lease back untouched: its item vests at `at`.
#[derive(Debug)]
pub struct Return<'a> {
    /// The lease.
    pub lease: &'a Lease,
    /// When it may be leased again.
    pub at: Timestamp,
}

#[async_trait]
impl Operation for Return<'_> {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        match held(tx, self.lease).await? {
            Held::Yes => {
                give_back(tx, self.lease, self.at).await?;
                note(tx, self.lease.kind, self.lease.id, Some(self.at)).await
            }
            Held::No => Ok(()),
        }
    }
}

/// Moves the pointer of a zone in which nothing is due to its first vesting time, or retires it.
#[derive(Debug)]
pub struct Tend<'a> {
    /// Of which queue.
    pub kind: QueueKind,
    /// Whose zone.
    pub customer: &'a CustomerId,
}

#[async_trait]
impl Operation for Tend<'_> {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let locator = keys::pointer_locator(self.kind, self.customer);
        let Some(Instant(tick)) = tx.record::<Instant>(&locator, Read::Serializable).await? else {
            return Ok(());
        };
        let head = tx
            .first(&keys::zone(self.kind, self.customer), Read::Serializable)
            .await?;
        let head = head.and_then(|(key, _)| keys::parse_item(&key));
        match head {
            Some((vests, _)) if vests == tick => {}
            Some((vests, _)) => {
                tx.clear(&keys::pointer(self.kind, tick, self.customer));
                tx.set(&keys::pointer(self.kind, vests, self.customer), b"");
                tx.put(&locator, &Instant(vests))?;
            }
            None => {
                tx.clear(&keys::pointer(self.kind, tick, self.customer));
                tx.clear(&locator);
            }
        }
        Ok(())
    }
}
