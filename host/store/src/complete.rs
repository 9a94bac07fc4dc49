//! Completion: what a worker found becomes the workflow's new state, the mapping, the decisions and
//! the event to be told, in one transaction that checks that the lease still holds.

use std::time::Duration;

use async_trait::async_trait;
use patchbay_vault::Sealed;
use patchbay_workflow::{
    Actor, BackendId, Command, CustomerId, EventId, EventKind, Failure, KeyedHash, LeaseToken,
    PluginRef, Settled, Status, Timestamp, Workflow, WorkflowId,
};

use crate::codec;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::{RangeOptions, Read};
use crate::keys::{self, QueueKind};
use crate::queue::{self, Held, Lease};
use crate::records::{
    EventState, Mapping, MappingStatus, OutboxEvent, PairDecision, PatientEvent, QueueItem,
    StoredWorkflow,
};
use crate::transition::{self, Cause};

/// What the store knows of a patient that a decision depends on. Read before deciding and formatting;
/// checked again in the completing transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ground {
    /// The number of the patient's last event; zero if there was none.
    pub last_event: u64,
    /// For each candidate asked about: whether the pair was undone before.
    pub refused: Vec<bool>,
}

/// Reads the [`Ground`] for these candidates.
#[derive(Debug)]
pub struct ReadGround<'a> {
    /// Whose patient.
    pub customer: &'a CustomerId,
    /// The patient.
    pub patient: KeyedHash,
    /// The candidates.
    pub candidates: &'a [KeyedHash],
}

#[async_trait]
impl Operation for ReadGround<'_> {
    type Output = Ground;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Ground, StoreError> {
        ground(tx, self.customer, &self.patient, self.candidates).await
    }
}

async fn ground(
    tx: &mut Tx<'_>,
    customer: &CustomerId,
    patient: &KeyedHash,
    candidates: &[KeyedHash],
) -> Result<Ground, StoreError> {
    let last = tx
        .last(&keys::patient_events(customer, patient), Read::Serializable)
        .await?;
    let last_event = last
        .and_then(|(key, _)| keys::parse_patient_event(&key))
        .unwrap_or(0);
    let mut refused = Vec::with_capacity(candidates.len());
    for candidate in candidates {
        let key = keys::decision(customer, patient, candidate);
        let decision = tx.record::<PairDecision>(&key, Read::Serializable).await?;
        refused.push(decision.is_some_and(|decision| !decision.positive));
    }
    Ok(Ground {
        last_event,
        refused,
    })
}

/// A mapping to be made.
#[derive(Debug, Clone)]
pub struct NewMapping {
    /// The internal record, hashed.
    pub internal: KeyedHash,
    /// Where it was found.
    pub backend: BackendId,
    /// By which adapter.
    pub adapter: PluginRef,
    /// Ids, score and evidence.
    pub sealed: Sealed,
}

/// What the worker makes of its work.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// The patient is this record.
    Link(NewMapping),
    /// Nobody is.
    NoResults,
    /// Somebody has to choose.
    Ask {
        /// The candidates.
        candidates: Sealed,
        /// When the choice expires.
        expires_at: Timestamp,
    },
    /// Give up.
    Fail(Failure),
}

/// The event that tells of it.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The `webhook-id`.
    pub id: EventId,
    /// What it tells.
    pub kind: EventKind,
    /// The formatted message with its endpoint, or why there is none.
    pub message: Result<Sealed, Failure>,
    /// Take the delivery at once under this token, for so long: the caller delivers it itself.
    pub deliver_now: Option<(LeaseToken, Duration)>,
}

/// Completes a workflow's processing.
#[derive(Debug)]
pub struct Complete<'a> {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The worker's lease; none where the reconciler completes a workflow nobody works on, which is
    /// then expected to be in this status.
    pub by: Result<&'a Lease, Status>,
    /// What was found.
    pub verdict: Verdict,
    /// What is to be told; none where the customer has no endpoint or the verdict tells nothing.
    pub event: Option<NewEvent>,
    /// The candidates that the verdict depends on.
    pub candidates: &'a [KeyedHash],
    /// What was known when it was decided.
    pub ground: Ground,
    /// When, who, why.
    pub cause: Cause,
}

/// What became of it.
#[derive(Debug)]
pub enum Completed {
    /// It is done; the caller holds the delivery if it asked for it and its turn has come.
    Done(Workflow, Option<Lease>),
    /// Somebody else completed it, or it was this very operation's earlier attempt.
    Already(Workflow),
    /// The lease was lost: discard the work.
    Lost,
    /// The ground has changed: decide again.
    Changed,
    /// The patient was linked by another workflow meanwhile.
    Contradiction(WorkflowId),
}

#[async_trait]
impl Operation for Complete<'_> {
    type Output = Completed;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Completed, StoreError> {
        let Some(mut stored) = transition::load(tx, self.workflow, Read::Serializable).await?
        else {
            return Ok(Completed::Lost);
        };
        match self.by {
            Ok(lease) => {
                if queue::held(tx, lease).await? == Held::No {
                    let done = !stored.workflow.status().is_in_flight()
                        || stored.workflow.status() == Status::Ambiguous;
                    let ours = stored.last_lease == Some(lease.token);
                    return if done && ours {
                        self.done_before(tx, stored.workflow).await
                    } else {
                        Ok(Completed::Lost)
                    };
                }
            }
            Err(expected) if stored.workflow.status() != expected => {
                return Ok(Completed::Already(stored.workflow));
            }
            Err(_) => {}
        }
        let Workflow {
            customer, patient, ..
        } = stored.workflow.clone();
        if ground(tx, &customer, &patient, self.candidates).await? != self.ground {
            return Ok(Completed::Changed);
        }

        // Nothing is written before all is known that could forbid it: whatever this returns is committed.
        if matches!(self.verdict, Verdict::Link(_))
            && let Some(other) = self.contradiction(tx, &customer, &patient).await?
        {
            return Ok(Completed::Contradiction(other));
        }
        match (self.by, stored.queued.take()) {
            (Ok(lease), _) => queue::finish(tx, lease),
            // Put back meanwhile: nobody needs to work on it any more.
            (Err(_), Some(vests)) => {
                let id = self.workflow.as_uuid();
                tx.clear(&keys::item(QueueKind::Work, &customer, vests, id));
            }
            (Err(_), None) => {}
        }
        stored.events.extend(self.event.as_ref().map(|new| new.id));
        // Once it is settled nobody chooses any more.
        if stored.workflow.status() == Status::Ambiguous {
            codec::clear_chunks(tx, &keys::candidates(self.workflow));
        }
        let command = match &self.verdict {
            Verdict::Link(mapping) => {
                self.link(tx, &customer, &patient, mapping)?;
                Command::Settle(Settled::Linked)
            }
            Verdict::NoResults => Command::Settle(Settled::NoResults),
            Verdict::Ask {
                candidates,
                expires_at,
            } => {
                codec::clear_chunks(tx, &keys::candidates(self.workflow));
                codec::set_chunks(tx, &keys::candidates(self.workflow), candidates.as_bytes());
                Command::Await {
                    choice_until: *expires_at,
                }
            }
            Verdict::Fail(failure) => Command::Fail(failure.clone()),
        };
        transition::apply(tx, &mut stored, command, self.cause.clone())?;
        let delivery = self.tell(tx, &mut stored).await?;
        Ok(Completed::Done(stored.workflow, delivery))
    }
}

impl Complete<'_> {
    /// The workflow that linked this patient, if another did.
    async fn contradiction(
        &self,
        tx: &mut Tx<'_>,
        customer: &CustomerId,
        patient: &KeyedHash,
    ) -> Result<Option<WorkflowId>, StoreError> {
        let key = keys::mapping(customer, patient);
        let mapping = tx.record::<Mapping>(&key, Read::Serializable).await?;
        Ok(mapping
            .filter(|mapping| mapping.status == MappingStatus::Linked)
            .map(|mapping| mapping.workflow))
    }

    fn link(
        &self,
        tx: &mut Tx<'_>,
        customer: &CustomerId,
        patient: &KeyedHash,
        new: &NewMapping,
    ) -> Result<(), StoreError> {
        let at = self.cause.at;
        let mapping = Mapping {
            status: MappingStatus::Linked,
            internal: new.internal,
            workflow: self.workflow,
            adapter: new.adapter.clone(),
            backend: new.backend.clone(),
            at,
            sealed: new.sealed.clone(),
        };
        tx.put(&keys::mapping(customer, patient), &mapping)?;
        tx.put(
            &keys::decision(customer, patient, &new.internal),
            &PairDecision {
                positive: true,
                workflow: self.workflow,
                at,
            },
        )?;
        tx.set(&keys::linked_to(&new.internal, customer, patient), b"");
        Ok(())
    }

    /// Puts the event into the outbox, in the patient's order.
    async fn tell(
        &self,
        tx: &mut Tx<'_>,
        stored: &mut StoredWorkflow,
    ) -> Result<Option<Lease>, StoreError> {
        let at = self.cause.at;
        let completes = matches!(
            stored.workflow.status(),
            Status::Linked | Status::NoResults | Status::DeLinked
        );
        let Some(new) = &self.event else {
            if completes {
                let cause = Cause::new(at, Actor::Worker, "nothing-to-tell");
                transition::apply(tx, stored, Command::Acknowledge, cause)?;
            }
            return Ok(None);
        };
        let Workflow {
            customer, patient, ..
        } = stored.workflow.clone();
        let number = self.ground.last_event + 1;
        let former_done = self.close_former(tx, &customer, &patient).await?;
        let mut event = OutboxEvent {
            id: new.id,
            customer: customer.clone(),
            patient,
            workflow: self.workflow,
            kind: new.kind,
            number,
            created_at: at,
            completes,
            state: match &new.message {
                Ok(_) => EventState::Pending { attempts: 0 },
                Err(failure) => EventState::Parked(failure.clone()),
            },
            queued: None,
        };
        let place = PatientEvent {
            event: new.id,
            done: new.message.is_err(),
        };
        tx.put(&keys::patient_event(&customer, &patient, number), &place)?;
        let message = match &new.message {
            Ok(message) => message,
            Err(failure) => {
                tx.put(&keys::outbox(new.id), &event)?;
                if completes {
                    let cause = Cause::new(at, Actor::Worker, "delivery-parked");
                    let cause = cause.failed(failure.clone());
                    transition::apply(tx, stored, Command::Fail(failure.clone()), cause)?;
                }
                return Ok(None);
            }
        };
        codec::set_chunks(tx, &keys::message(new.id), message.as_bytes());
        if !former_done {
            tx.put(&keys::outbox(new.id), &event)?;
            return Ok(None);
        }
        let id = new.id.as_uuid();
        let lease = self.delivery(&stored.workflow);
        let (vests, item) = match &lease {
            Some(lease) => (lease.until, lease.item.clone()),
            None => (at, delivery_item(&stored.workflow, at)),
        };
        event.queued = Some(vests);
        tx.put(&keys::outbox(new.id), &event)?;
        queue::put(tx, QueueKind::Delivery, &customer, id, vests, &item).await?;
        Ok(lease)
    }

    /// The caller's lease of the event's delivery, where it asked for it.
    fn delivery(&self, workflow: &Workflow) -> Option<Lease> {
        let (new, at) = (self.event.as_ref()?, self.cause.at);
        let (token, length) = new.deliver_now?;
        Some(Lease {
            kind: QueueKind::Delivery,
            customer: workflow.customer.clone(),
            id: new.id.as_uuid(),
            until: at.after(length),
            token,
            item: QueueItem {
                lease: Some(token),
                ..delivery_item(workflow, at)
            },
        })
    }

    /// An attempt of this operation whose commit nobody knew of did complete the workflow; or another operation
    /// under the same lease did.
    async fn done_before(
        &self,
        tx: &mut Tx<'_>,
        workflow: Workflow,
    ) -> Result<Completed, StoreError> {
        let delivery = self.delivery(&workflow);
        Ok(match delivery {
            Some(lease) if queue::held(tx, &lease).await? == Held::Yes => {
                Completed::Done(workflow, Some(lease))
            }
            _ => Completed::Already(workflow),
        })
    }

    /// Whether all former events of the patient are done with; if so, the last of them no longer needs its
    /// place. One that was parked may stand behind one that is still to be told.
    async fn close_former(
        &self,
        tx: &mut Tx<'_>,
        customer: &CustomerId,
        patient: &KeyedHash,
    ) -> Result<bool, StoreError> {
        let options = RangeOptions {
            limit: MOST_WAITING,
            reverse: false,
            read: Read::Serializable,
        };
        let places = keys::patient_events(customer, patient);
        let rows = tx.get_range(&places, options).await?;
        for (_, former) in &rows {
            if !codec::decode::<PatientEvent>(former)?.done {
                return Ok(false);
            }
        }
        for (key, _) in &rows {
            tx.clear(key);
        }
        Ok(true)
    }
}

/// Places of a patient's events looked at: all of them, unless so many were parked behind one that is still
/// to be told, and then that one is among the first.
const MOST_WAITING: usize = 100;

/// The queue item of an event that is to be delivered.
pub(crate) fn delivery_item(workflow: &Workflow, now: Timestamp) -> QueueItem {
    crate::accept::work_item(workflow, now)
}

/// Gives a leased workflow back to the queue.
#[derive(Debug)]
pub struct HandBack<'a> {
    /// The lease.
    pub lease: &'a Lease,
    /// When it may be tried again.
    pub at: Timestamp,
    /// Whether the execution counts: it does after a retryable failure, not after a shutdown.
    pub counts: bool,
    /// Why.
    pub cause: Cause,
}

#[async_trait]
impl Operation for HandBack<'_> {
    /// Whether the lease still held.
    type Output = bool;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<bool, StoreError> {
        if queue::held(tx, self.lease).await? == Held::No {
            return Ok(false);
        }
        let id = self.lease.item.workflow;
        let Some(mut stored) = transition::load(tx, id, Read::Serializable).await? else {
            return Ok(false);
        };
        stored.queued = Some(self.at);
        if self.counts {
            transition::note(tx, &mut stored, self.cause.clone())?;
        } else {
            transition::apply(tx, &mut stored, Command::HandBack, self.cause.clone())?;
        }
        queue::give_back(tx, self.lease, self.at).await?;
        Ok(true)
    }
}
