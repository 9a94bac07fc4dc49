//! Events: their place in the patient's order, their message, their attempts, their queue item.

use patchbay_workflow::{CustomerId, EventId, KeyedHash};

use super::look::{Look, Slot, of};
use super::queue;
use super::report::{Code, Ids};
use crate::codec;
use crate::complete::delivery_item;
use crate::database::StoreError;
use crate::engine::KeyRange;
use crate::keys::parsed::Key;
use crate::keys::{self, QueueKind};
use crate::records::{EventState, OutboxEvent, PatientEvent};

/// More attempts than any schedule makes.
const MOST_ATTEMPTS: usize = 10_000;

/// More of a patient's events than wait for one another.
const MOST_PLACES: usize = 1_000;

/// Whether an event may be delivered yet.
pub(super) enum Turn {
    Now,
    Later,
    /// The former one's place cannot be read.
    Unknown,
}

pub(super) const fn is_pending(event: &OutboxEvent) -> bool {
    matches!(event.state, EventState::Pending { .. })
}

/// Whether all of the patient's former events are done with.
pub(super) async fn turn(look: &mut Look<'_, '_>, event: &OutboxEvent) -> Result<Turn, StoreError> {
    turn_at(look, &event.customer, &event.patient, event.number).await
}

/// The same, for a place in the patient's order. Places stay behind one that is still to be told, also those of
/// events that were parked.
async fn turn_at(
    look: &mut Look<'_, '_>,
    customer: &CustomerId,
    patient: &KeyedHash,
    number: u64,
) -> Result<Turn, StoreError> {
    let all = keys::patient_events(customer, patient);
    let end = keys::patient_event(customer, patient, number);
    let mut turn = Turn::Now;
    for (_, place) in look
        .rows(&KeyRange::new(all.begin, end), MOST_PLACES)
        .await?
    {
        let Ok(place) = codec::decode::<PatientEvent>(&place) else {
            turn = Turn::Unknown;
            continue;
        };
        // The place may be wrong: the event itself knows.
        match look.event(place.event).await? {
            Slot::There(former) if is_pending(&former) => return Ok(Turn::Later),
            Slot::Missing if !place.done => return Ok(Turn::Later),
            Slot::Broken => turn = Turn::Unknown,
            Slot::There(_) | Slot::Missing => {}
        }
    }
    Ok(turn)
}

/// `O`.
pub(super) async fn event(
    look: &mut Look<'_, '_>,
    id: EventId,
    value: &[u8],
) -> Result<(), StoreError> {
    let key = Key::Outbox(id);
    let Ok(event) = codec::decode::<OutboxEvent>(value) else {
        look.found(Code::RecordUnreadable, of(&key));
        return Ok(());
    };
    if event.id != id {
        look.found(Code::RecordMisplaced, of(&key));
        return Ok(());
    }
    let ids = of(&key)
        .and("customer", &event.customer)
        .and("workflow", event.workflow);
    match look.workflow(event.workflow).await? {
        Slot::Missing => {
            look.found(Code::WorkflowMissing, ids.clone());
        }
        Slot::Broken => {}
        Slot::There(mut owner) => {
            if !owner.events.contains(&id) && look.found(Code::WorkflowEventMissing, ids.clone()) {
                owner.events.push(id);
                // Ids are in the order in which they were made.
                owner.events.sort_unstable();
                look.tx.put(&keys::workflow(event.workflow), &owner)?;
            }
        }
    }
    place(look, &event, &ids).await?;
    attempts(look, &event, &ids).await?;
    if is_pending(&event) {
        let message = KeyRange::prefix(&keys::message(id));
        if look.first(&message).await?.is_none() {
            look.found(Code::MessageMissing, ids.clone());
        }
    }
    item(look, &event, ids).await
}

/// An event that is pending has its place; one that is done with has it while it is the last.
async fn place(look: &mut Look<'_, '_>, event: &OutboxEvent, ids: &Ids) -> Result<(), StoreError> {
    let ids = ids
        .clone()
        .and("patient", event.patient)
        .and("number", event.number);
    let key = keys::patient_event(&event.customer, &event.patient, event.number);
    match look.record::<PatientEvent>(&key).await? {
        Slot::There(place) if place.event != event.id => {
            look.found(Code::EventNumberTaken, ids);
            return Ok(());
        }
        Slot::There(_) | Slot::Broken => return Ok(()),
        Slot::Missing => {}
    }
    let done = !is_pending(event);
    if done {
        let all = keys::patient_events(&event.customer, &event.patient);
        let last = look.last(&all).await?;
        let last = last.and_then(|(key, _)| keys::parse_patient_event(&key));
        if last.is_some_and(|last| last > event.number) {
            return Ok(());
        }
    }
    if look.found(Code::PatientEventMissing, ids) {
        let event = event.id;
        look.tx.put(&key, &PatientEvent { event, done })?;
    }
    Ok(())
}

async fn attempts(
    look: &mut Look<'_, '_>,
    event: &OutboxEvent,
    ids: &Ids,
) -> Result<(), StoreError> {
    let rows = look.rows(&keys::attempts(event.id), MOST_ATTEMPTS).await?;
    let mut kept = 0_u32;
    let mut gap = false;
    for (key, _) in &rows {
        if let Some(Key::Attempt { number, .. }) = Key::parse(key) {
            gap |= number != kept + 1;
            kept = number;
        }
    }
    let counted = match event.state {
        EventState::Pending { attempts } => Some(attempts),
        _ => None,
    };
    if gap || counted.is_some_and(|counted| kept < counted) {
        look.found(Code::AttemptMissing, ids.clone());
    }
    if counted.is_some_and(|counted| kept > counted) {
        look.found(Code::AttemptSurplus, ids.clone());
    }
    Ok(())
}

async fn item(look: &mut Look<'_, '_>, event: &OutboxEvent, ids: Ids) -> Result<(), StoreError> {
    let (kind, id) = (QueueKind::Delivery, event.id.as_uuid());
    if queue::stands(look, kind, &event.customer, id, event.queued).await? {
        return Ok(());
    }
    let turn = if is_pending(event) {
        turn(look, event).await?
    } else {
        Turn::Later
    };
    match turn {
        Turn::Unknown => return Ok(()),
        Turn::Later => return queue::stale(look, kind, id, event.queued, &ids).await,
        Turn::Now => {}
    }
    let Slot::There(stored) = look.workflow(event.workflow).await? else {
        return Ok(());
    };
    // Before all places are right it may be another's turn.
    if look.found_before(Code::DeliveryItemMissing, ids) {
        let item = delivery_item(&stored.workflow, look.now);
        look.enqueue(kind, &event.customer, id, &item).await?;
    }
    Ok(())
}

/// `U`.
pub(super) async fn patient_event(
    look: &mut Look<'_, '_>,
    customer: &CustomerId,
    patient: &KeyedHash,
    number: u64,
    value: &[u8],
) -> Result<(), StoreError> {
    let key = Key::PatientEvent {
        customer: customer.clone(),
        patient: *patient,
        number,
    };
    let Ok(place) = codec::decode::<PatientEvent>(value) else {
        if look.found(Code::IndexUnreadable, of(&key)) {
            look.tx.clear(&key.bytes());
        }
        return Ok(());
    };
    let event = match look.event(place.event).await? {
        Slot::Broken => return Ok(()),
        Slot::Missing => {
            look.found(Code::EventMissing, of(&key).and("event", place.event));
            return Ok(());
        }
        Slot::There(event) => event,
    };
    let ids = of(&key).and("event", event.id);
    if (&event.customer, &event.patient, event.number) != (customer, patient, number) {
        look.found(Code::EventNumberTaken, ids);
        return Ok(());
    }
    let done = !is_pending(&event);
    if done != place.done {
        if look.found(Code::PatientEventDiffers, ids) {
            let event = event.id;
            look.tx.put(&key.bytes(), &PatientEvent { event, done })?;
        }
        return Ok(());
    }
    let next = keys::patient_event(customer, patient, number + 1);
    // Behind one that is still to be told it has to stay: so the next ones know.
    if done
        && look.exists(&next).await?
        && matches!(turn_at(look, customer, patient, number).await?, Turn::Now)
        && look.found(Code::PatientEventLeft, ids)
    {
        look.tx.clear(&key.bytes());
    }
    Ok(())
}

/// `A`, and the message's chunks.
pub(super) async fn of_event(
    look: &mut Look<'_, '_>,
    event: EventId,
    key: &Key,
) -> Result<(), StoreError> {
    if matches!(look.event(event).await?, Slot::Missing) {
        look.found(Code::EventMissing, of(key));
    }
    Ok(())
}
