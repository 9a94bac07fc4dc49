//! Reading any key of the layout: what it is about, for those who walk the whole store.

use foundationdb_tuple::Versionstamp;
use patchbay_workflow::{CustomerId, EventId, KeyedHash, Status, Timestamp, WorkflowId};
use uuid::Uuid;

use super::{BUCKETS, LISTS, PREFIX, QueueKind, SHARDS, Subspace};
use crate::engine::KeyRange;

/// Every key of the layout, whatever it is about. What a running copy or repair notes for itself
/// ([`super::upkeep`]) is not part of it.
pub fn everything() -> KeyRange {
    KeyRange::prefix(PREFIX)
}

/// All lists of customers' workflows by status.
pub fn customer_lists() -> KeyRange {
    Subspace::CustomerStatus.range(&())
}

/// The letters of the subspace that a key claims to be in; none if it is not of this layout.
pub fn subspace_of(key: &[u8]) -> Option<&str> {
    let rest = key.strip_prefix(PREFIX)?;
    let letters = rest.split(|byte| *byte == 0).next()?;
    let short = (1..=2).contains(&letters.len()) && letters.iter().all(u8::is_ascii_graphic);
    short.then(|| std::str::from_utf8(letters).ok()).flatten()
}

/// A key, taken apart. Buckets and shards are not in it: they follow from the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(
    missing_docs,
    reason = "the fields are the parts of the key, which the functions that make them describe"
)]
pub enum Key {
    /// `R` with a chunk's number.
    Request { workflow: WorkflowId, chunk: u16 },
    /// `W`.
    Workflow(WorkflowId),
    /// `I`.
    Idempotency {
        customer: CustomerId,
        hash: KeyedHash,
    },
    /// `F`.
    InFlight {
        customer: CustomerId,
        patient: KeyedHash,
    },
    /// `M`.
    Mapping {
        customer: CustomerId,
        patient: KeyedHash,
    },
    /// `G`.
    Decision {
        customer: CustomerId,
        patient: KeyedHash,
        internal: KeyedHash,
    },
    /// `J`.
    LinkedTo {
        internal: KeyedHash,
        customer: CustomerId,
        patient: KeyedHash,
    },
    /// `D` with a chunk's number.
    Candidates { workflow: WorkflowId, chunk: u16 },
    /// `CS`.
    CustomerStatus {
        customer: CustomerId,
        status: Status,
        updated: Timestamp,
        workflow: WorkflowId,
    },
    /// `S`.
    Deadline { at: Timestamp, workflow: WorkflowId },
    /// `#`.
    Counter { customer: CustomerId, list: u16 },
    /// `T`.
    Timeline { workflow: WorkflowId, sequence: u32 },
    /// `O`.
    Outbox(EventId),
    /// `O,…,"m"` with a chunk's number.
    Message { event: EventId, chunk: u16 },
    /// `A`.
    Attempt { event: EventId, number: u32 },
    /// `U`.
    PatientEvent {
        customer: CustomerId,
        patient: KeyedHash,
        number: u64,
    },
    /// `Z`.
    Item {
        kind: QueueKind,
        customer: CustomerId,
        vests: Timestamp,
        id: Uuid,
    },
    /// `P`.
    Pointer {
        kind: QueueKind,
        tick: Timestamp,
        customer: CustomerId,
    },
    /// `PL`.
    PointerLocator {
        kind: QueueKind,
        customer: CustomerId,
    },
    /// `N`.
    Wake { kind: QueueKind, shard: u16 },
    /// `E`.
    Expiry {
        hour: u64,
        customer: CustomerId,
        hash: KeyedHash,
    },
    /// `L`.
    Job(String),
    /// `IN`.
    Installation,
    /// `EP`.
    Epoch,
    /// `V`.
    Stream {
        bucket: u16,
        epoch: u64,
        stamp: [u8; 12],
    },
}

fn status(byte: u16) -> Option<Status> {
    Status::ALL
        .into_iter()
        .find(|status| u16::from(status.key_byte()) == byte)
}

fn kind(number: u16) -> Option<QueueKind> {
    [QueueKind::Work, QueueKind::Delivery]
        .into_iter()
        .find(|kind| *kind as u16 == number)
}

fn hash(uuid: Uuid) -> KeyedHash {
    KeyedHash::from_bytes(uuid.into_bytes())
}

fn customer(text: &str) -> Option<CustomerId> {
    text.parse().ok()
}

/// The key without the number of its chunk, and that number.
fn chunk(key: &[u8]) -> Option<(&[u8], u16)> {
    let (head, tail) = key.split_last_chunk::<2>()?;
    Some((head, u16::from_be_bytes(*tail)))
}

fn with_chunk(mut prefix: Vec<u8>, chunk: u16) -> Vec<u8> {
    prefix.extend_from_slice(&chunk.to_be_bytes());
    prefix
}

impl Key {
    /// Takes a key apart; none if the layout has no such key, be it only that its bucket is wrong.
    pub fn parse(key: &[u8]) -> Option<Self> {
        Self::read(key).filter(|parsed| parsed.bytes() == key)
    }

    fn read(key: &[u8]) -> Option<Self> {
        use Subspace as S;
        Some(match subspace_of(key)? {
            "R" => {
                let (head, chunk) = chunk(key)?;
                let (_, id): (u16, Uuid) = S::Request.parse(head)?;
                let workflow = WorkflowId::from_uuid(id);
                Self::Request { workflow, chunk }
            }
            "D" => {
                let (head, chunk) = chunk(key)?;
                let (_, id): (u16, Uuid) = S::Candidates.parse(head)?;
                let workflow = WorkflowId::from_uuid(id);
                Self::Candidates { workflow, chunk }
            }
            "W" => {
                let (_, id): (u16, Uuid) = S::Workflow.parse(key)?;
                Self::Workflow(WorkflowId::from_uuid(id))
            }
            "I" => {
                let (name, key): (String, Uuid) = S::Idempotency.parse(key)?;
                Self::Idempotency {
                    customer: customer(&name)?,
                    hash: hash(key),
                }
            }
            "F" => {
                let (name, patient): (String, Uuid) = S::InFlight.parse(key)?;
                Self::InFlight {
                    customer: customer(&name)?,
                    patient: hash(patient),
                }
            }
            "M" => {
                let (name, patient): (String, Uuid) = S::Mapping.parse(key)?;
                Self::Mapping {
                    customer: customer(&name)?,
                    patient: hash(patient),
                }
            }
            "G" => {
                let (name, patient, internal): (String, Uuid, Uuid) = S::Decision.parse(key)?;
                Self::Decision {
                    customer: customer(&name)?,
                    patient: hash(patient),
                    internal: hash(internal),
                }
            }
            "J" => {
                let (internal, name, patient): (Uuid, String, Uuid) = S::LinkedTo.parse(key)?;
                Self::LinkedTo {
                    internal: hash(internal),
                    customer: customer(&name)?,
                    patient: hash(patient),
                }
            }
            "T" => {
                let (_, id, sequence): (u16, Uuid, u32) = S::Timeline.parse(key)?;
                let workflow = WorkflowId::from_uuid(id);
                Self::Timeline { workflow, sequence }
            }
            "O" => {
                if let Some((_, id)) = S::Outbox.parse::<(u16, Uuid)>(key) {
                    Self::Outbox(EventId::from_uuid(id))
                } else {
                    let (head, chunk) = chunk(key)?;
                    let (_, id, _): (u16, Uuid, String) = S::Outbox.parse(head)?;
                    let event = EventId::from_uuid(id);
                    Self::Message { event, chunk }
                }
            }
            "A" => {
                let (_, id, number): (u16, Uuid, u32) = S::Attempt.parse(key)?;
                let event = EventId::from_uuid(id);
                Self::Attempt { event, number }
            }
            "U" => {
                let (name, patient, number): (String, Uuid, u64) = S::PatientEvents.parse(key)?;
                Self::PatientEvent {
                    customer: customer(&name)?,
                    patient: hash(patient),
                    number,
                }
            }
            "CS" | "S" | "#" | "E" | "L" | "IN" | "EP" | "V" => Self::read_index(key)?,
            _ => Self::read_queue(key)?,
        })
    }

    fn read_index(key: &[u8]) -> Option<Self> {
        use Subspace as S;
        Some(match subspace_of(key)? {
            "CS" => {
                let (name, byte, _, updated, id): (String, u16, u16, u64, Uuid) =
                    S::CustomerStatus.parse(key)?;
                Self::CustomerStatus {
                    customer: customer(&name)?,
                    status: status(byte)?,
                    updated: Timestamp::from_millis(updated),
                    workflow: WorkflowId::from_uuid(id),
                }
            }
            "S" => {
                let (_, at, id): (u16, u64, Uuid) = S::Deadline.parse(key)?;
                Self::Deadline {
                    at: Timestamp::from_millis(at),
                    workflow: WorkflowId::from_uuid(id),
                }
            }
            "#" => {
                let (name, list): (String, u16) = S::Counter.parse(key)?;
                Self::Counter {
                    customer: customer(&name)?,
                    list: (list < LISTS).then_some(list)?,
                }
            }
            "E" => {
                let (hour, _, name, key): (u64, u16, String, Uuid) = S::Expiry.parse(key)?;
                Self::Expiry {
                    hour,
                    customer: customer(&name)?,
                    hash: hash(key),
                }
            }
            "L" => {
                let (name,): (String,) = S::Job.parse(key)?;
                Self::Job(name)
            }
            "IN" => {
                S::Installation.parse::<()>(key)?;
                Self::Installation
            }
            "EP" => {
                S::Epoch.parse::<()>(key)?;
                Self::Epoch
            }
            _ => {
                let (bucket, epoch, stamp): (u16, u64, Versionstamp) = S::Stream.parse(key)?;
                Self::Stream {
                    bucket: (bucket < BUCKETS).then_some(bucket)?,
                    epoch,
                    stamp: *stamp.as_bytes(),
                }
            }
        })
    }

    fn read_queue(key: &[u8]) -> Option<Self> {
        use Subspace as S;
        Some(match subspace_of(key)? {
            "Z" => {
                let (number, name, vests, id): (u16, String, u64, Uuid) = S::Item.parse(key)?;
                Self::Item {
                    kind: kind(number)?,
                    customer: customer(&name)?,
                    vests: Timestamp::from_millis(vests),
                    id,
                }
            }
            "P" => {
                let (number, _, tick, name): (u16, u16, u64, String) = S::Pointer.parse(key)?;
                Self::Pointer {
                    kind: kind(number)?,
                    tick: Timestamp::from_millis(tick),
                    customer: customer(&name)?,
                }
            }
            "PL" => {
                let (number, name): (u16, String) = S::PointerLocator.parse(key)?;
                Self::PointerLocator {
                    kind: kind(number)?,
                    customer: customer(&name)?,
                }
            }
            "N" => {
                let (number, shard): (u16, u16) = S::Wake.parse(key)?;
                Self::Wake {
                    kind: kind(number)?,
                    shard: (shard < SHARDS).then_some(shard)?,
                }
            }
            _ => return None,
        })
    }

    /// The key.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Request { workflow, chunk } => with_chunk(super::request(*workflow), *chunk),
            Self::Candidates { workflow, chunk } => {
                with_chunk(super::candidates(*workflow), *chunk)
            }
            Self::Message { event, chunk } => with_chunk(super::message(*event), *chunk),
            Self::Workflow(id) => super::workflow(*id),
            Self::Idempotency { customer, hash } => super::idempotency(customer, hash),
            Self::InFlight { customer, patient } => super::in_flight(customer, patient),
            Self::Mapping { customer, patient } => super::mapping(customer, patient),
            Self::Decision {
                customer,
                patient,
                internal,
            } => super::decision(customer, patient, internal),
            Self::LinkedTo {
                internal,
                customer,
                patient,
            } => super::linked_to(internal, customer, patient),
            Self::CustomerStatus {
                customer,
                status,
                updated,
                workflow,
            } => super::customer_status(customer, *status, *updated, *workflow),
            Self::Deadline { at, workflow } => super::deadline(*at, *workflow),
            Self::Counter { customer, list } => super::counter(customer, *list),
            Self::Timeline { workflow, sequence } => super::timeline(*workflow, *sequence),
            Self::Outbox(id) => super::outbox(*id),
            Self::Attempt { event, number } => super::attempt(*event, *number),
            Self::PatientEvent {
                customer,
                patient,
                number,
            } => super::patient_event(customer, patient, *number),
            Self::Item {
                kind,
                customer,
                vests,
                id,
            } => super::item(*kind, customer, *vests, *id),
            Self::Pointer {
                kind,
                tick,
                customer,
            } => super::pointer(*kind, *tick, customer),
            Self::PointerLocator { kind, customer } => super::pointer_locator(*kind, customer),
            Self::Wake { kind, shard } => super::wake(*kind, *shard),
            Self::Expiry {
                hour,
                customer,
                hash,
            } => super::expiry(
                Timestamp::from_millis(hour.saturating_mul(3_600_000)),
                customer,
                hash,
            ),
            Self::Job(name) => super::job(name),
            Self::Installation => super::installation(),
            Self::Epoch => super::stream::epoch(),
            Self::Stream {
                bucket,
                epoch,
                stamp,
            } => {
                let mut key = super::stream::stamped_prefix(*bucket, *epoch);
                key.extend_from_slice(stamp);
                key
            }
        }
    }
}
