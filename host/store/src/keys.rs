//! The key layout: every key of the store is made and read here, and nowhere else.
//!
//! A key is a prefix with the layout's generation, a subspace of one or two letters, and a
//! FoundationDB tuple (<https://github.com/apple/foundationdb/blob/main/design/tuple.md>). Ids are made
//! outside the retry loop, so that an attempt repeated after an unknown commit writes the same keys.
//! Whatever grows at its tail has a hash byte `b` before it, so that no server gets all the writes.

use foundationdb_tuple::{TuplePack, TupleUnpack, pack_into, unpack};
use patchbay_workflow::{CustomerId, EventId, KeyedHash, Status, Timestamp, WorkflowId};
use uuid::Uuid;

use crate::engine::KeyRange;

pub mod parsed;
pub mod stream;
pub mod upkeep;

/// The prefix of this installation's keys with the generation of their layout.
const PREFIX: &[u8] = b"pb\x02";

/// Everything of other layouts' generations.
pub fn other_layouts() -> [KeyRange; 2] {
    let this = KeyRange::prefix(PREFIX);
    [
        KeyRange::new(&b"pb\x01"[..], this.begin),
        KeyRange::new(this.end, &b"pc"[..]),
    ]
}

/// Into how many ranges that grow at their tail are divided.
pub const BUCKETS: u16 = 16;

/// Into how many ranges what one customer's every request writes is divided: lists and counters.
pub const LISTS: u16 = 4;

/// Into how many ranges the queue's pointers are divided.
pub const SHARDS: u16 = 4;

/// The subspaces: what a key is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subspace {
    /// Request data, in chunks.
    Request,
    /// Workflow records.
    Workflow,
    /// Idempotency records.
    Idempotency,
    /// The request in flight of a patient.
    InFlight,
    /// Mappings.
    Mapping,
    /// Decisions on pairs.
    Decision,
    /// Who is linked to an internal record.
    LinkedTo,
    /// Candidates of an ambiguous search, in chunks.
    Candidates,
    /// A customer's workflows by status.
    CustomerStatus,
    /// What is overdue.
    Deadline,
    /// How many workflows a customer has in each status.
    Counter,
    /// Timelines.
    Timeline,
    /// Events to be delivered, and their messages in chunks.
    Outbox,
    /// Delivery attempts.
    Attempt,
    /// A patient's events in order.
    PatientEvents,
    /// Queue items.
    Item,
    /// The live pointer of a customer's zone.
    Pointer,
    /// Where a customer's pointer is.
    PointerLocator,
    /// Counters that workers watch.
    Wake,
    /// What expires in an hour.
    Expiry,
    /// Leases of scheduled jobs.
    Job,
    /// Whose store this is.
    Installation,
    /// The epoch of versionstamps.
    Epoch,
    /// Rows in the order of their commits.
    Stream,
}

impl Subspace {
    const fn letters(self) -> &'static [u8] {
        match self {
            Self::Request => b"R",
            Self::Workflow => b"W",
            Self::Idempotency => b"I",
            Self::InFlight => b"F",
            Self::Mapping => b"M",
            Self::Decision => b"G",
            Self::LinkedTo => b"J",
            Self::Candidates => b"D",
            Self::CustomerStatus => b"CS",
            Self::Deadline => b"S",
            Self::Counter => b"#",
            Self::Timeline => b"T",
            Self::Outbox => b"O",
            Self::Attempt => b"A",
            Self::PatientEvents => b"U",
            Self::Item => b"Z",
            Self::Pointer => b"P",
            Self::PointerLocator => b"PL",
            Self::Wake => b"N",
            Self::Expiry => b"E",
            Self::Job => b"L",
            Self::Installation => b"IN",
            Self::Epoch => b"EP",
            Self::Stream => b"V",
        }
    }

    /// The key of `tuple`. A zero byte ends the letters, so that `P` is not a prefix of `PL`.
    fn key(self, tuple: &impl TuplePack) -> Vec<u8> {
        let mut key = Vec::with_capacity(64);
        key.extend_from_slice(PREFIX);
        key.extend_from_slice(self.letters());
        key.push(0);
        pack_into(tuple, &mut key);
        key
    }

    /// Every key that begins with `tuple`.
    fn range(self, tuple: &impl TuplePack) -> KeyRange {
        KeyRange::prefix(&self.key(tuple))
    }

    /// The tuple of a key; none if it is not this subspace's or not of this shape.
    fn parse<'k, T: TupleUnpack<'k>>(self, key: &'k [u8]) -> Option<T> {
        let rest = key
            .strip_prefix(PREFIX)?
            .strip_prefix(self.letters())?
            .strip_prefix(&[0])?;
        unpack(rest).ok()
    }
}

/// What a queue item asks for. Part of the stored format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum QueueKind {
    /// Process a workflow; the item's id is the workflow's.
    Work = 1,
    /// Deliver an event; the item's id is the event's.
    Delivery = 2,
}

/// The bucket of an id: from its random tail, as the head of a UUIDv7 is the time.
pub fn bucket(id: Uuid) -> u16 {
    u16::from(id.as_bytes()[15]) % BUCKETS
}

/// Which of its customer's lists a workflow is in, and which counter counts it.
pub fn list(id: WorkflowId) -> u16 {
    u16::from(id.as_uuid().as_bytes()[15]) % LISTS
}

/// The shard of a customer's pointers (FNV-1a; only its spread matters, and that it never changes).
pub fn shard(customer: &CustomerId) -> u16 {
    let hash = customer
        .as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    u16::try_from(hash % u64::from(SHARDS)).unwrap_or(0)
}

fn hashed(hash: &KeyedHash) -> Uuid {
    Uuid::from_bytes(*hash.as_bytes())
}

/// `W,b,wf`.
pub fn workflow(id: WorkflowId) -> Vec<u8> {
    Subspace::Workflow.key(&(bucket(id.as_uuid()), id.as_uuid()))
}

/// `R,b,wf` before its chunks.
pub fn request(id: WorkflowId) -> Vec<u8> {
    Subspace::Request.key(&(bucket(id.as_uuid()), id.as_uuid()))
}

/// `D,b,wf` before its chunks.
pub fn candidates(id: WorkflowId) -> Vec<u8> {
    Subspace::Candidates.key(&(bucket(id.as_uuid()), id.as_uuid()))
}

/// `I,cust,H(idem-key)`.
pub fn idempotency(customer: &CustomerId, key: &KeyedHash) -> Vec<u8> {
    Subspace::Idempotency.key(&(customer.as_str(), hashed(key)))
}

/// `F,cust,H(patient)`.
pub fn in_flight(customer: &CustomerId, patient: &KeyedHash) -> Vec<u8> {
    Subspace::InFlight.key(&(customer.as_str(), hashed(patient)))
}

/// `M,cust,H(patient)`.
pub fn mapping(customer: &CustomerId, patient: &KeyedHash) -> Vec<u8> {
    Subspace::Mapping.key(&(customer.as_str(), hashed(patient)))
}

/// `G,cust,H(patient),H(internal)`.
pub fn decision(customer: &CustomerId, patient: &KeyedHash, internal: &KeyedHash) -> Vec<u8> {
    Subspace::Decision.key(&(customer.as_str(), hashed(patient), hashed(internal)))
}

/// `J,H(internal),cust,H(patient)`.
pub fn linked_to(internal: &KeyedHash, customer: &CustomerId, patient: &KeyedHash) -> Vec<u8> {
    Subspace::LinkedTo.key(&(hashed(internal), customer.as_str(), hashed(patient)))
}

/// `CS,cust,status,l,updated,wf`.
pub fn customer_status(
    customer: &CustomerId,
    status: Status,
    updated: Timestamp,
    id: WorkflowId,
) -> Vec<u8> {
    list_entry(customer, status, list(id), (updated, id))
}

fn list_entry(
    customer: &CustomerId,
    status: Status,
    list: u16,
    (updated, id): (Timestamp, WorkflowId),
) -> Vec<u8> {
    Subspace::CustomerStatus.key(&(
        customer.as_str(),
        u16::from(status.key_byte()),
        list,
        updated.as_millis(),
        id.as_uuid(),
    ))
}

/// One list of a customer's workflows in one status, oldest change first.
pub fn customer_list(customer: &CustomerId, status: Status, list: u16) -> KeyRange {
    let status = u16::from(status.key_byte());
    Subspace::CustomerStatus.range(&(customer.as_str(), status, list))
}

/// What of a list changed before this; of what changed at the same time, the smaller ids.
pub fn customer_list_before(
    customer: &CustomerId,
    status: Status,
    list: u16,
    before: (Timestamp, WorkflowId),
) -> KeyRange {
    let begin = customer_list(customer, status, list).begin;
    KeyRange::new(begin, list_entry(customer, status, list, before))
}

/// When the workflow of a `CS` key last changed, and its id.
pub fn parse_customer_status(key: &[u8]) -> Option<(Timestamp, WorkflowId)> {
    let (_, _, _, updated, id): (String, u16, u16, u64, Uuid) =
        Subspace::CustomerStatus.parse(key)?;
    Some((Timestamp::from_millis(updated), WorkflowId::from_uuid(id)))
}

/// `S,b,deadline,wf`.
pub fn deadline(at: Timestamp, id: WorkflowId) -> Vec<u8> {
    Subspace::Deadline.key(&(bucket(id.as_uuid()), at.as_millis(), id.as_uuid()))
}

/// What of one bucket may be overdue at `now`, or what of that comes after an entry.
pub fn overdue(bucket: u16, after: Option<(Timestamp, WorkflowId)>, now: Timestamp) -> KeyRange {
    let begin = match after {
        Some((at, id)) => KeyRange::key(&deadline(at, id)).end,
        None => Subspace::Deadline.range(&(bucket,)).begin,
    };
    let end = Subspace::Deadline.key(&(bucket, now.as_millis() + 1));
    KeyRange::new(begin, end)
}

/// The time and the workflow of an `S` key.
pub fn parse_deadline(key: &[u8]) -> Option<(Timestamp, WorkflowId)> {
    let (_, at, id): (u16, u64, Uuid) = Subspace::Deadline.parse(key)?;
    Some((Timestamp::from_millis(at), WorkflowId::from_uuid(id)))
}

/// `#,cust,l`.
pub fn counter(customer: &CustomerId, list: u16) -> Vec<u8> {
    Subspace::Counter.key(&(customer.as_str(), list))
}

/// All counters, or those after one.
pub fn counters(after: Option<&[u8]>) -> KeyRange {
    let all = Subspace::Counter.range(&());
    match after {
        Some(after) => KeyRange::new(KeyRange::key(after).end, all.end),
        None => all,
    }
}

/// `T,b,wf,seq`.
pub fn timeline(id: WorkflowId, sequence: u32) -> Vec<u8> {
    Subspace::Timeline.key(&(bucket(id.as_uuid()), id.as_uuid(), sequence))
}

/// A workflow's whole timeline.
pub fn timeline_range(id: WorkflowId) -> KeyRange {
    Subspace::Timeline.range(&(bucket(id.as_uuid()), id.as_uuid()))
}

/// `O,b,event`.
pub fn outbox(id: EventId) -> Vec<u8> {
    Subspace::Outbox.key(&(bucket(id.as_uuid()), id.as_uuid()))
}

/// `O,b,event,"m"` before the chunks of its message.
pub fn message(id: EventId) -> Vec<u8> {
    Subspace::Outbox.key(&(bucket(id.as_uuid()), id.as_uuid(), "m"))
}

/// `A,b,event,attempt`.
pub fn attempt(id: EventId, attempt: u32) -> Vec<u8> {
    Subspace::Attempt.key(&(bucket(id.as_uuid()), id.as_uuid(), attempt))
}

/// All attempts to deliver an event.
pub fn attempts(id: EventId) -> KeyRange {
    Subspace::Attempt.range(&(bucket(id.as_uuid()), id.as_uuid()))
}

/// `U,cust,H(patient),n`.
pub fn patient_event(customer: &CustomerId, patient: &KeyedHash, number: u64) -> Vec<u8> {
    Subspace::PatientEvents.key(&(customer.as_str(), hashed(patient), number))
}

/// All numbered events of a patient.
pub fn patient_events(customer: &CustomerId, patient: &KeyedHash) -> KeyRange {
    Subspace::PatientEvents.range(&(customer.as_str(), hashed(patient)))
}

/// The number of a `U` key.
pub fn parse_patient_event(key: &[u8]) -> Option<u64> {
    let (_, _, number): (String, Uuid, u64) = Subspace::PatientEvents.parse(key)?;
    Some(number)
}

/// `Z,kind,cust,vest,id`.
pub fn item(kind: QueueKind, customer: &CustomerId, vests: Timestamp, id: Uuid) -> Vec<u8> {
    Subspace::Item.key(&(kind as u16, customer.as_str(), vests.as_millis(), id))
}

/// A customer's zone.
pub fn zone(kind: QueueKind, customer: &CustomerId) -> KeyRange {
    Subspace::Item.range(&(kind as u16, customer.as_str()))
}

/// The items of a zone that have vested at `now`.
pub fn zone_due(kind: QueueKind, customer: &CustomerId, now: Timestamp) -> KeyRange {
    let end = Subspace::Item.key(&(kind as u16, customer.as_str(), now.as_millis() + 1));
    KeyRange::new(zone(kind, customer).begin, end)
}

/// The vesting time and id of a `Z` key.
pub fn parse_item(key: &[u8]) -> Option<(Timestamp, Uuid)> {
    let (_, _, vests, id): (u16, String, u64, Uuid) = Subspace::Item.parse(key)?;
    Some((Timestamp::from_millis(vests), id))
}

/// `P,kind,shard,tick,cust`.
pub fn pointer(kind: QueueKind, tick: Timestamp, customer: &CustomerId) -> Vec<u8> {
    Subspace::Pointer.key(&(
        kind as u16,
        shard(customer),
        tick.as_millis(),
        customer.as_str(),
    ))
}

/// All pointers of one kind and shard, earliest first.
pub fn pointers(kind: QueueKind, shard: u16) -> KeyRange {
    Subspace::Pointer.range(&(kind as u16, shard))
}

/// The tick and customer of a `P` key.
pub fn parse_pointer(key: &[u8]) -> Option<(Timestamp, CustomerId)> {
    let (_, _, tick, customer): (u16, u16, u64, String) = Subspace::Pointer.parse(key)?;
    Some((Timestamp::from_millis(tick), customer.parse().ok()?))
}

/// `PL,kind,cust`.
pub fn pointer_locator(kind: QueueKind, customer: &CustomerId) -> Vec<u8> {
    Subspace::PointerLocator.key(&(kind as u16, customer.as_str()))
}

/// `N,kind,shard`.
pub fn wake(kind: QueueKind, shard: u16) -> Vec<u8> {
    Subspace::Wake.key(&(kind as u16, shard))
}

/// `E,hour,b,cust,H(idem-key)`: an idempotency record that expires in that hour since the epoch.
pub fn expiry(at: Timestamp, customer: &CustomerId, key: &KeyedHash) -> Vec<u8> {
    let b = u16::from(key.as_bytes()[15]) % BUCKETS;
    Subspace::Expiry.key(&(hour(at), b, customer.as_str(), hashed(key)))
}

/// Every expiry before the hour of `now`.
pub fn expired(now: Timestamp) -> KeyRange {
    KeyRange::new(
        Subspace::Expiry.key(&()),
        Subspace::Expiry.key(&(hour(now),)),
    )
}

/// The idempotency record of an `E` key.
pub fn parse_expiry(key: &[u8]) -> Option<(CustomerId, KeyedHash)> {
    let (_, _, customer, hash): (u64, u16, String, Uuid) = Subspace::Expiry.parse(key)?;
    Some((
        customer.parse().ok()?,
        KeyedHash::from_bytes(hash.into_bytes()),
    ))
}

/// `L,name`: who holds a scheduled job.
pub fn job(name: &str) -> Vec<u8> {
    Subspace::Job.key(&(name,))
}

/// `IN`: whose store this is.
pub fn installation() -> Vec<u8> {
    Subspace::Installation.key(&())
}

const fn hour(at: Timestamp) -> u64 {
    at.as_millis() / 3_600_000
}
