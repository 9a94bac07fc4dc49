//! Delivery: what an attempt to tell the customer changes.

use async_trait::async_trait;
use patchbay_workflow::{Actor, Command, EventId, Failure, State, Timestamp, Workflow};

use crate::complete::delivery_item;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::Read;
use crate::keys::{self, QueueKind};
use crate::queue::{self, Held, Lease};
use crate::records::{DeliveryAttempt, EventState, OutboxEvent, PatientEvent};
use crate::transition::{self, Cause};

/// What an attempt came to.
#[derive(Debug, Clone)]
pub enum Told {
    /// Acknowledged.
    Delivered,
    /// To be tried again then.
    Again(Timestamp),
    /// Given up.
    Dead(Failure),
}

/// Stores an attempt and what follows from it.
#[derive(Debug)]
pub struct RecordAttempt<'a> {
    /// The lease of the event's item.
    pub lease: &'a Lease,
    /// The attempt.
    pub attempt: DeliveryAttempt,
    /// What it came to.
    pub told: Told,
    /// The time.
    pub now: Timestamp,
}

#[async_trait]
impl Operation for RecordAttempt<'_> {
    /// The workflow where its state changed; none also where the lease was lost.
    type Output = Option<Workflow>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        if queue::held(tx, self.lease).await? == Held::No {
            return Ok(None);
        }
        let key = keys::outbox(EventId::from_uuid(self.lease.id));
        let Some(mut event) = tx.record::<OutboxEvent>(&key, Read::Serializable).await? else {
            return Ok(None);
        };
        let attempts = match event.state {
            EventState::Pending { attempts } => attempts + 1,
            _ => 1,
        };
        tx.put(&keys::attempt(event.id, attempts), &self.attempt)?;
        event.state = match &self.told {
            Told::Again(at) => {
                event.state = EventState::Pending { attempts };
                event.queued = Some(*at);
                tx.put(&key, &event)?;
                queue::give_back(tx, self.lease, *at).await?;
                return Ok(None);
            }
            Told::Delivered => EventState::Delivered,
            Told::Dead(failure) => EventState::Dead(failure.clone()),
        };
        event.queued = None;
        tx.put(&key, &event)?;
        queue::finish(tx, self.lease);
        next_in_order(tx, &event, self.now).await?;
        if !event.completes {
            return Ok(None);
        }
        let Some(mut stored) = transition::load(tx, event.workflow, Read::Serializable).await?
        else {
            return Ok(None);
        };
        // Given up by the reconciler meanwhile: the outcome stands as it is.
        if !matches!(stored.workflow.state, State::Telling(_)) {
            return Ok(None);
        }
        let (command, cause) = match &self.told {
            Told::Dead(failure) => (
                Command::Fail(failure.clone()),
                Cause::new(self.now, Actor::Worker, "delivery-given-up").failed(failure.clone()),
            ),
            _ => (
                Command::Acknowledge,
                Cause::new(self.now, Actor::Worker, "acknowledged"),
            ),
        };
        transition::apply(tx, &mut stored, command, cause)?;
        Ok(Some(stored.workflow))
    }
}

/// The event is done with: lets the patient's next one go that is still to be told. The last place stays,
/// so that the next number is known.
async fn next_in_order(
    tx: &mut Tx<'_>,
    event: &OutboxEvent,
    now: Timestamp,
) -> Result<(), StoreError> {
    let OutboxEvent {
        customer, patient, ..
    } = event;
    let mut number = event.number;
    let mut last = PatientEvent {
        event: event.id,
        done: true,
    };
    let next = loop {
        let place = keys::patient_event(customer, patient, number);
        let next = keys::patient_event(customer, patient, number + 1);
        let Some(next) = tx.record::<PatientEvent>(&next, Read::Serializable).await? else {
            return tx.put(&place, &last);
        };
        tx.clear(&place);
        if !next.done {
            break next;
        }
        // It was parked while this one was still to be told.
        (number, last) = (number + 1, next);
    };
    let key = keys::outbox(next.event);
    let Some(mut event) = tx.record::<OutboxEvent>(&key, Read::Serializable).await? else {
        return Err(StoreError::Corrupt("event"));
    };
    event.queued = Some(now);
    tx.put(&key, &event)?;
    let Some(stored) = transition::load(tx, event.workflow, Read::Serializable).await? else {
        return Err(StoreError::Corrupt("workflow"));
    };
    let item = delivery_item(&stored.workflow, now);
    queue::put(
        tx,
        QueueKind::Delivery,
        customer,
        event.id.as_uuid(),
        now,
        &item,
    )
    .await
}
