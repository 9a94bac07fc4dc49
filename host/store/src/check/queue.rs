//! The queue: items and who knows of them, pointers and their locators, and that each item is wanted.

use patchbay_workflow::{CustomerId, EventId, Status, Timestamp, WorkflowId};
use uuid::Uuid;

use super::look::{Look, Slot, of};
use super::outbox::{Turn, is_pending, turn};
use super::report::{Code, Ids};
use crate::accept::work_item;
use crate::codec;
use crate::complete::delivery_item;
use crate::database::StoreError;
use crate::keys::parsed::Key;
use crate::keys::{self, QueueKind};
use crate::queue::{lower_pointer, note};
use crate::records::{Instant, QueueItem, StoredWorkflow};

/// Whether a workflow in this status is processed from the queue.
pub(super) const fn needs_work(status: Status) -> bool {
    matches!(
        status,
        Status::Received | Status::InProgress | Status::Requested
    )
}

/// Where an item is.
#[derive(Clone, Copy)]
struct Place<'k> {
    kind: QueueKind,
    customer: &'k CustomerId,
    vests: Timestamp,
    id: Uuid,
}

impl Place<'_> {
    fn key(&self) -> Vec<u8> {
        keys::item(self.kind, self.customer, self.vests, self.id)
    }

    /// Takes the item out; its owner, if that is meant, no longer knows of it.
    async fn remove(&self, look: &mut Look<'_, '_>) -> Result<(), StoreError> {
        look.tx.clear(&self.key());
        match noted(look, self.kind, self.id).await? {
            Some((customer, Some(vests))) if (&customer, vests) == (self.customer, self.vests) => {
                note(look.tx, self.kind, self.id, None).await
            }
            _ => Ok(()),
        }
    }
}

/// Whose queue the owner of an item is in, and under which vesting time its item stands as far as it knows;
/// none if there is no owner that can be read.
async fn noted(
    look: &mut Look<'_, '_>,
    kind: QueueKind,
    id: Uuid,
) -> Result<Option<(CustomerId, Option<Timestamp>)>, StoreError> {
    Ok(match kind {
        QueueKind::Work => match look.workflow(WorkflowId::from_uuid(id)).await? {
            Slot::There(owner) => Some((owner.workflow.customer, owner.queued)),
            Slot::Missing | Slot::Broken => None,
        },
        QueueKind::Delivery => match look.event(EventId::from_uuid(id)).await? {
            Slot::There(owner) => Some((owner.customer, owner.queued)),
            Slot::Missing | Slot::Broken => None,
        },
    })
}

/// Whether an item stands where its owner says.
pub(super) async fn stands(
    look: &mut Look<'_, '_>,
    kind: QueueKind,
    customer: &CustomerId,
    id: Uuid,
    queued: Option<Timestamp>,
) -> Result<bool, StoreError> {
    match queued {
        Some(vests) => look.exists(&keys::item(kind, customer, vests, id)).await,
        None => Ok(false),
    }
}

/// An owner that needs no item, and has none, does not say that it has one.
pub(super) async fn stale(
    look: &mut Look<'_, '_>,
    kind: QueueKind,
    id: Uuid,
    queued: Option<Timestamp>,
    ids: &Ids,
) -> Result<(), StoreError> {
    if queued.is_some() && look.found(Code::ItemPlaceStale, ids.clone()) {
        note(look.tx, kind, id, None).await?;
    }
    Ok(())
}

/// `Z`. With `head` it may be the first of its zone, and the zone's pointer is looked at.
pub(super) async fn item(
    look: &mut Look<'_, '_>,
    key: &Key,
    value: &[u8],
    head: bool,
) -> Result<(), StoreError> {
    let &Key::Item {
        kind,
        ref customer,
        vests,
        id,
    } = key
    else {
        return Ok(());
    };
    let place = Place {
        kind,
        customer,
        vests,
        id,
    };
    let ids = of(key);
    let Ok(item) = codec::decode::<QueueItem>(value) else {
        if look.found(Code::IndexUnreadable, ids) {
            place.remove(look).await?;
        }
        return Ok(());
    };
    if located(look, place, &ids).await? {
        match kind {
            QueueKind::Work => work(look, place, &item, ids).await?,
            QueueKind::Delivery => delivery(look, place, &item, ids).await?,
        }
    }
    if head {
        pointed(look, kind, customer).await?;
    }
    Ok(())
}

/// Whether the item is the one that its owner knows of, if it has an owner.
async fn located(look: &mut Look<'_, '_>, place: Place<'_>, ids: &Ids) -> Result<bool, StoreError> {
    let Some((customer, queued)) = noted(look, place.kind, place.id).await? else {
        return Ok(true);
    };
    if (&customer, queued) == (place.customer, Some(place.vests)) {
        return Ok(true);
    }
    if stands(look, place.kind, &customer, place.id, queued).await? {
        if look.found(Code::ItemDuplicate, ids.clone()) {
            look.tx.clear(&place.key());
        }
        return Ok(false);
    }
    // In another customer's queue it is stray.
    if customer == *place.customer && look.found(Code::ItemPlaceWrong, ids.clone()) {
        note(look.tx, place.kind, place.id, Some(place.vests)).await?;
    }
    Ok(true)
}

async fn work(
    look: &mut Look<'_, '_>,
    place: Place<'_>,
    item: &QueueItem,
    ids: Ids,
) -> Result<(), StoreError> {
    let stored = match look.workflow(WorkflowId::from_uuid(place.id)).await? {
        Slot::Broken => return Ok(()),
        Slot::Missing => None,
        Slot::There(stored) => Some(stored),
    };
    let wanted = stored.filter(|stored| {
        needs_work(stored.workflow.status()) && stored.workflow.customer == *place.customer
    });
    let Some(stored) = wanted else {
        if look.found(Code::WorkItemStray, ids) {
            place.remove(look).await?;
        }
        return Ok(());
    };
    let ours = item.lease.is_none() || item.lease == stored.last_lease;
    let right = QueueItem {
        lease: item.lease.filter(|_| ours),
        ..work_item(&stored.workflow, item.queued_at)
    };
    differs(look, place, item, &right, Code::WorkItemDiffers, ids)
}

async fn delivery(
    look: &mut Look<'_, '_>,
    place: Place<'_>,
    item: &QueueItem,
    ids: Ids,
) -> Result<(), StoreError> {
    let event = match look.event(EventId::from_uuid(place.id)).await? {
        Slot::Broken => return Ok(()),
        Slot::Missing => None,
        Slot::There(event) => Some(event),
    };
    let due = match event.filter(|event| event.customer == *place.customer && is_pending(event)) {
        Some(event) => match turn(look, &event).await? {
            Turn::Now => Some(event),
            Turn::Later => None,
            Turn::Unknown => return Ok(()),
        },
        None => None,
    };
    let Some(event) = due else {
        if look.found(Code::DeliveryItemStray, ids) {
            place.remove(look).await?;
        }
        return Ok(());
    };
    let Slot::There(StoredWorkflow { workflow, .. }) = look.workflow(event.workflow).await? else {
        return Ok(());
    };
    let right = QueueItem {
        lease: item.lease,
        ..delivery_item(&workflow, item.queued_at)
    };
    differs(look, place, item, &right, Code::DeliveryItemDiffers, ids)
}

fn differs(
    look: &mut Look<'_, '_>,
    place: Place<'_>,
    item: &QueueItem,
    right: &QueueItem,
    code: Code,
    ids: Ids,
) -> Result<(), StoreError> {
    if item != right && look.found(code, ids) {
        look.tx.put(&place.key(), right)?;
    }
    Ok(())
}

/// The zone's invariant: not empty → its pointer at or before its first vesting time.
async fn pointed(
    look: &mut Look<'_, '_>,
    kind: QueueKind,
    customer: &CustomerId,
) -> Result<(), StoreError> {
    let head = look.first(&keys::zone(kind, customer)).await?;
    let Some((vests, _)) = head.and_then(|(key, _)| keys::parse_item(&key)) else {
        return Ok(());
    };
    let locator = keys::pointer_locator(kind, customer);
    let slot = look.record::<Instant>(&locator).await?;
    if matches!(slot, Slot::There(Instant(tick)) if tick <= vests) {
        return Ok(());
    }
    let ids = of(&Key::PointerLocator {
        kind,
        customer: customer.clone(),
    });
    if look.found(Code::PointerLate, ids) {
        if matches!(slot, Slot::Broken) {
            look.tx.clear(&locator);
        }
        lower_pointer(look.tx, kind, customer, vests).await?;
    }
    Ok(())
}

/// `P`.
pub(super) async fn pointer(
    look: &mut Look<'_, '_>,
    kind: QueueKind,
    tick: Timestamp,
    customer: &CustomerId,
) -> Result<(), StoreError> {
    let locator = keys::pointer_locator(kind, customer);
    if let Slot::There(Instant(at)) = look.record(&locator).await?
        && at == tick
    {
        return Ok(());
    }
    let key = Key::Pointer {
        kind,
        tick,
        customer: customer.clone(),
    };
    // If the zone has no other pointer, it gets one where its first item stands.
    if look.found(Code::PointerStray, of(&key)) {
        look.tx.clear(&key.bytes());
    }
    Ok(())
}

/// `PL`.
pub(super) async fn pointer_locator(
    look: &mut Look<'_, '_>,
    kind: QueueKind,
    customer: &CustomerId,
    value: &[u8],
) -> Result<(), StoreError> {
    let key = Key::PointerLocator {
        kind,
        customer: customer.clone(),
    };
    let Ok(Instant(tick)) = codec::decode(value) else {
        if look.found(Code::IndexUnreadable, of(&key)) {
            look.tx.clear(&key.bytes());
        }
        return Ok(());
    };
    let pointer = keys::pointer(kind, tick, customer);
    if !look.exists(&pointer).await? && look.found(Code::PointerMissing, of(&key)) {
        look.tx.set(&pointer, b"");
        look.tx.add(&keys::wake(kind, keys::shard(customer)), 1);
    }
    Ok(())
}
