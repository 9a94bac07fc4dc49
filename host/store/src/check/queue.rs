//! The queue: items and their locators, pointers and theirs, and that each item is wanted.

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
use crate::queue::lower_pointer;
use crate::records::{Instant, ItemLocator, QueueItem, StoredWorkflow};

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

    /// Takes the item out, and its locator where that means it.
    async fn remove(&self, look: &mut Look<'_, '_>) -> Result<(), StoreError> {
        look.tx.clear(&self.key());
        let locator = keys::item_locator(self.kind, self.id);
        if let Slot::There(ItemLocator { customer, vests }) = look.record(&locator).await?
            && (&customer, vests) == (self.customer, self.vests)
        {
            look.tx.clear(&locator);
        }
        Ok(())
    }
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

/// Whether the item is the one that its locator means.
async fn located(look: &mut Look<'_, '_>, place: Place<'_>, ids: &Ids) -> Result<bool, StoreError> {
    let key = keys::item_locator(place.kind, place.id);
    if let Slot::There(ItemLocator { customer, vests }) = look.record(&key).await? {
        if (&customer, vests) == (place.customer, place.vests) {
            return Ok(true);
        }
        let other = keys::item(place.kind, &customer, vests, place.id);
        if look.exists(&other).await? {
            if look.found(Code::ItemDuplicate, ids.clone()) {
                look.tx.clear(&place.key());
            }
            return Ok(false);
        }
    }
    if look.found(Code::ItemLocatorMissing, ids.clone()) {
        let locator = ItemLocator {
            customer: place.customer.clone(),
            vests: place.vests,
        };
        look.tx.put(&key, &locator)?;
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

/// `ZI`.
pub(super) async fn locator(
    look: &mut Look<'_, '_>,
    (kind, id): (QueueKind, Uuid),
    value: &[u8],
) -> Result<(), StoreError> {
    let key = Key::ItemLocator { kind, id };
    let Ok(ItemLocator { customer, vests }) = codec::decode(value) else {
        if look.found(Code::IndexUnreadable, of(&key)) {
            look.tx.clear(&key.bytes());
        }
        return Ok(());
    };
    if !look.exists(&keys::item(kind, &customer, vests, id)).await?
        && look.found(Code::ItemLocatorStale, of(&key))
    {
        look.tx.clear(&key.bytes());
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
