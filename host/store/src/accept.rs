//! Acceptance: a request becomes a workflow, or is told what it already became.

use async_trait::async_trait;
use patchbay_vault::Sealed;
use patchbay_workflow::{Actor, CustomerId, KeyedHash, Timestamp, Workflow, WorkflowId};

use crate::codec;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::Read;
use crate::keys::{self, QueueKind};
use crate::queue;
use crate::records::{Holder, IdempotencyRecord, Mapping, MappingStatus, QueueItem};
use crate::transition::{self, Cause};

/// The idempotency key of a request, hashed, with what it is compared by.
#[derive(Debug, Clone, Copy)]
pub struct Idempotency {
    /// Hash of the key.
    pub key: KeyedHash,
    /// Hash of method, path and body.
    pub fingerprint: KeyedHash,
    /// From when on the key is free again.
    pub expires_at: Timestamp,
}

/// What an idempotency key says of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Nothing: it is new.
    Never,
    /// It is a repetition; this is the workflow as it now stands.
    Before(Box<Workflow>),
    /// The key stands for another request.
    OtherRequest(WorkflowId),
}

/// Looks an idempotency key up, before anything costly is done.
#[derive(Debug)]
pub struct LookUp<'a> {
    /// Whose key.
    pub customer: &'a CustomerId,
    /// The key.
    pub idempotency: Idempotency,
    /// The time.
    pub now: Timestamp,
}

#[async_trait]
impl Operation for LookUp<'_> {
    type Output = Seen;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Seen, StoreError> {
        seen(tx, self.customer, &self.idempotency, self.now).await
    }
}

async fn seen(
    tx: &mut Tx<'_>,
    customer: &CustomerId,
    idempotency: &Idempotency,
    now: Timestamp,
) -> Result<Seen, StoreError> {
    let key = keys::idempotency(customer, &idempotency.key);
    let Some(record) = tx
        .record::<IdempotencyRecord>(&key, Read::Serializable)
        .await?
    else {
        return Ok(Seen::Never);
    };
    if record.expires_at <= now {
        return Ok(Seen::Never);
    }
    if record.fingerprint != idempotency.fingerprint {
        return Ok(Seen::OtherRequest(record.workflow));
    }
    let stored = transition::load(tx, record.workflow, Read::Serializable).await?;
    stored
        .map(|s| Seen::Before(Box::new(s.workflow)))
        .ok_or(StoreError::Corrupt("workflow"))
}

/// Accepts a request: workflow, request data, idempotency record and queue item in one transaction.
#[derive(Debug)]
pub struct Accept {
    /// The workflow, in `RECEIVED`.
    pub workflow: Workflow,
    /// The request's key.
    pub idempotency: Idempotency,
    /// The validated request.
    pub request: Sealed,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accepted {
    /// It is durable and queued.
    New(Workflow),
    /// The same request was accepted before.
    Replay(Workflow),
    /// The key stands for another request.
    KeyReused(WorkflowId),
    /// Another request holds the patient.
    InFlight(WorkflowId),
    /// The patient is linked already, by this workflow.
    AlreadyLinked(WorkflowId),
}

#[async_trait]
impl Operation for Accept {
    type Output = Accepted;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Accepted, StoreError> {
        let Workflow {
            id,
            customer,
            patient,
            created_at: now,
            ..
        } = &self.workflow;
        match seen(tx, customer, &self.idempotency, *now).await? {
            // An earlier attempt whose end was not known did commit.
            Seen::Before(workflow) if workflow.id == *id => return Ok(Accepted::New(*workflow)),
            Seen::Before(workflow) => return Ok(Accepted::Replay(*workflow)),
            Seen::OtherRequest(workflow) => return Ok(Accepted::KeyReused(workflow)),
            Seen::Never => {}
        }
        let holder = keys::in_flight(customer, patient);
        if let Some(Holder(other)) = tx.record::<Holder>(&holder, Read::Serializable).await? {
            return Ok(Accepted::InFlight(other));
        }
        let mapping = keys::mapping(customer, patient);
        if let Some(mapping) = tx.record::<Mapping>(&mapping, Read::Serializable).await?
            && mapping.status == MappingStatus::Linked
        {
            return Ok(Accepted::AlreadyLinked(mapping.workflow));
        }

        tx.put(
            &keys::idempotency(customer, &self.idempotency.key),
            &IdempotencyRecord {
                fingerprint: self.idempotency.fingerprint,
                workflow: *id,
                expires_at: self.idempotency.expires_at,
            },
        )?;
        tx.set(
            &keys::expiry(self.idempotency.expires_at, customer, &self.idempotency.key),
            b"",
        );
        codec::set_chunks(tx, &keys::request(*id), self.request.as_bytes());
        let cause = Cause::new(*now, Actor::Customer, "accepted");
        let item = work_item(&self.workflow, *now);
        queue::put(tx, QueueKind::Work, customer, id.as_uuid(), *now, &item).await?;
        transition::create(tx, self.workflow.clone(), *now, cause)?;
        Ok(Accepted::New(self.workflow.clone()))
    }
}

/// The queue item of a workflow that is to be processed.
pub(crate) fn work_item(workflow: &Workflow, now: Timestamp) -> QueueItem {
    QueueItem {
        lease: None,
        queued_at: now,
        workflow: workflow.id,
        request: workflow.request,
        patient: workflow.patient,
        request_type: workflow.request_type,
    }
}
