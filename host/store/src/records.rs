//! The records as they are stored. Whatever could say something about a patient is [`Sealed`]; the
//! rest may be shown to anyone who may see the workflow.

use patchbay_vault::Sealed;
use patchbay_workflow::{
    CustomerId, EventId, EventKind, Failure, KeyedHash, LeaseToken, PluginRef, RequestType,
    TimelineEntry, Timestamp, Workflow, WorkflowId,
};
use serde::{Deserialize, Serialize};

use crate::codec::Record;

/// `W`: a workflow, and what the store has to know beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredWorkflow {
    /// The domain's record.
    pub workflow: Workflow,
    /// The token of its last lease: tells a worker whose commit is in doubt that it was done.
    pub last_lease: Option<LeaseToken>,
    /// The number of the next entry of its timeline.
    pub next_entry: u32,
    /// Under which time it stands in the overdue index: at or before its deadline, or when it is to be looked
    /// at again. None once it has ended.
    pub due: Option<Timestamp>,
    /// Under which vesting time its queue item stands; none while it has none.
    pub queued: Option<Timestamp>,
    /// The events that tell of it, oldest first.
    pub events: Vec<EventId>,
}

impl Record for StoredWorkflow {
    const NAME: &'static str = "workflow";
}

/// `I`: what an idempotency key stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    /// Keyed hash of the request's method, path and body.
    pub fingerprint: KeyedHash,
    /// What it led to.
    pub workflow: WorkflowId,
    /// From when on the key is free again.
    pub expires_at: Timestamp,
}

impl Record for IdempotencyRecord {
    const NAME: &'static str = "idempotency record";
}

/// Whether a mapping holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MappingStatus {
    /// It does.
    Linked,
    /// It was undone.
    DeLinked,
}

/// `M`: what became of a patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// Whether it holds.
    pub status: MappingStatus,
    /// The internal record, hashed.
    pub internal: KeyedHash,
    /// Who made it.
    pub workflow: WorkflowId,
    /// The adapter that found it.
    pub adapter: PluginRef,
    /// Which backend it belongs to.
    pub backend: patchbay_workflow::BackendId,
    /// When.
    pub at: Timestamp,
    /// Patient id, internal id, score and evidence.
    pub sealed: Sealed,
}

impl Record for Mapping {
    const NAME: &'static str = "mapping";
}

/// `G`: what was decided of one pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairDecision {
    /// Linked, or never to be linked by itself.
    pub positive: bool,
    /// Who decided.
    pub workflow: WorkflowId,
    /// When.
    pub at: Timestamp,
}

impl Record for PairDecision {
    const NAME: &'static str = "decision";
}

/// `T`: one line of a timeline, with the words of a guest or an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEntry {
    /// What anyone may see who may see the workflow.
    pub entry: TimelineEntry,
    /// What was said; patient data may be in it.
    pub detail: Option<Sealed>,
}

impl Record for StoredEntry {
    const NAME: &'static str = "timeline entry";
}

/// Where an event stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventState {
    /// To be delivered, after so many attempts.
    Pending {
        /// The attempts made.
        attempts: u32,
    },
    /// The endpoint acknowledged it.
    Delivered,
    /// Given up.
    Dead(Failure),
    /// Not formatted: its formatter failed.
    Parked(Failure),
}

/// `O`: an event to be delivered. Its formatted message stands beside it, in chunks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxEvent {
    /// The `webhook-id`.
    pub id: EventId,
    /// Whose.
    pub customer: CustomerId,
    /// The patient it is about: its events are delivered in order.
    pub patient: KeyedHash,
    /// The workflow it tells of.
    pub workflow: WorkflowId,
    /// What it tells.
    pub kind: EventKind,
    /// Its number among the patient's events, from 1.
    pub number: u64,
    /// When it happened.
    pub created_at: Timestamp,
    /// Whether its acknowledgement completes the workflow.
    pub completes: bool,
    /// Where it stands.
    pub state: EventState,
    /// Under which vesting time its queue item stands; none while it has none.
    pub queued: Option<Timestamp>,
}

impl Record for OutboxEvent {
    const NAME: &'static str = "event";
}

/// `A`: one attempt to deliver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryAttempt {
    /// When it began.
    pub at: Timestamp,
    /// The endpoint's status; none if there was no answer.
    pub status: Option<u16>,
    /// A stable code of what went wrong.
    pub error: Option<String>,
    /// How long it took, in milliseconds.
    pub latency_ms: u64,
    /// The first 16 kB of the answer.
    pub answer: Option<Sealed>,
}

impl Record for DeliveryAttempt {
    const NAME: &'static str = "delivery attempt";
}

/// `U`: whether a numbered event still has to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientEvent {
    /// Which.
    pub event: EventId,
    /// It was acknowledged, given up or parked: the next may go.
    pub done: bool,
}

impl Record for PatientEvent {
    const NAME: &'static str = "patient event";
}

/// `Z`: a queue item. Its customer, vesting time and id are in its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueItem {
    /// Who holds it; none while it waits.
    pub lease: Option<LeaseToken>,
    /// When it was first put into the queue.
    pub queued_at: Timestamp,
    /// The request it belongs to.
    pub workflow: WorkflowId,
    /// The request's own id.
    pub request: patchbay_workflow::RequestId,
    /// The patient, hashed.
    pub patient: KeyedHash,
    /// What was asked for.
    pub request_type: RequestType,
}

impl Record for QueueItem {
    const NAME: &'static str = "queue item";
}

/// `PL` and other keys that hold one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instant(pub Timestamp);

impl Record for Instant {
    const NAME: &'static str = "instant";
}

/// `F`: which workflow holds a patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder(pub WorkflowId);

impl Record for Holder {
    const NAME: &'static str = "in-flight marker";
}
