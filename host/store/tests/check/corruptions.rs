//! One way to break each invariant, by raw writes.

use patchbay_store::check::Code;
use patchbay_store::codec::{self, Record};
use patchbay_store::counter::change;
use patchbay_store::keys::parsed::Key;
use patchbay_store::keys::{self, QueueKind};
use patchbay_store::records::{
    EventState, Holder, IdempotencyRecord, Mapping, OutboxEvent, PairDecision, PatientEvent,
    QueueItem, StoredWorkflow,
};
use patchbay_workflow::{CustomerId, EventId, KeyedHash, State, Status, Timestamp, WorkflowId};
use uuid::Uuid;

use crate::busy::Rows;

pub(crate) type Writes = Vec<(Vec<u8>, Option<Vec<u8>>)>;

fn put<R: Record>(key: Vec<u8>, record: &R) -> (Vec<u8>, Option<Vec<u8>>) {
    (key, Some(codec::encode(record).unwrap()))
}

fn set(key: Vec<u8>, value: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    (key, Some(value.to_vec()))
}

fn gone(key: impl Into<Vec<u8>>) -> (Vec<u8>, Option<Vec<u8>>) {
    (key.into(), None)
}

/// The first row whose key is as asked for.
fn key(rows: &Rows, wanted: impl Fn(&Key) -> bool) -> (Key, Vec<u8>) {
    rows.iter()
        .filter_map(|(key, value)| Some((Key::parse(key)?, value.clone())))
        .find(|(key, _)| wanted(key))
        .expect("there is one")
}

/// The first record of a kind of rows that is as asked for.
fn record<R: Record>(
    rows: &Rows,
    kind: impl Fn(&Key) -> bool,
    wanted: impl Fn(&R) -> bool,
) -> (Key, R) {
    rows.iter()
        .filter_map(|(key, value)| Some((Key::parse(key).filter(&kind)?, value)))
        .filter_map(|(key, value)| Some((key, codec::decode::<R>(value).ok()?)))
        .find(|(_, record)| wanted(record))
        .expect("there is one")
}

fn workflow(rows: &Rows, status: Status) -> StoredWorkflow {
    let kind = |key: &Key| matches!(key, Key::Workflow(_));
    record(rows, kind, |stored: &StoredWorkflow| {
        stored.workflow.status() == status
    })
    .1
}

fn event(rows: &Rows, wanted: impl Fn(&OutboxEvent) -> bool) -> OutboxEvent {
    record(rows, |key| matches!(key, Key::Outbox(_)), wanted).1
}

fn pending(event: &OutboxEvent) -> bool {
    matches!(event.state, EventState::Pending { .. })
}

fn place_of(event: &OutboxEvent) -> Vec<u8> {
    keys::patient_event(&event.customer, &event.patient, event.number)
}

fn mapping(rows: &Rows) -> (Vec<u8>, Mapping) {
    let (key, mapping) = record(rows, |key| matches!(key, Key::Mapping { .. }), |_| true);
    (key.bytes(), mapping)
}

fn pair(rows: &Rows) -> (Vec<u8>, PairDecision) {
    let (key, decision) = record(rows, |key| matches!(key, Key::Decision { .. }), |_| true);
    (key.bytes(), decision)
}

fn item(rows: &Rows, wanted: QueueKind) -> (CustomerId, Timestamp, Uuid, QueueItem) {
    let kind = |key: &Key| matches!(key, Key::Item { kind, .. } if *kind == wanted);
    match record(rows, kind, |_| true) {
        (
            Key::Item {
                customer,
                vests,
                id,
                ..
            },
            item,
        ) => (customer, vests, id, item),
        _ => unreachable!(),
    }
}

const LATER: Timestamp = Timestamp::from_millis(1_900_000_000_000);

fn unqueued(rows: &Rows, kind: QueueKind) -> Writes {
    let (customer, vests, id, _) = item(rows, kind);
    vec![gone(keys::item(kind, &customer, vests, id))]
}

fn pointer(rows: &Rows) -> (QueueKind, Timestamp, CustomerId) {
    match key(rows, |key| {
        matches!(
            key,
            Key::Pointer {
                kind: QueueKind::Work,
                ..
            }
        )
    }) {
        (
            Key::Pointer {
                kind,
                tick,
                customer,
            },
            _,
        ) => (kind, tick, customer),
        _ => unreachable!(),
    }
}

const OTHER: KeyedHash = KeyedHash::from_bytes([0xee; 16]);
const NOBODY: Uuid = Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0007);

/// What breaks the invariant that this code stands for. Other codes may be found too.
pub(crate) fn corruption(code: Code, rows: &Rows) -> Writes {
    match code {
        Code::KeyUnknown
        | Code::RecordUnreadable
        | Code::IndexUnreadable
        | Code::RecordMisplaced
        | Code::WorkflowMissing
        | Code::EventMissing
        | Code::ChunkMissing
        | Code::RequestMissing
        | Code::CandidatesMissing
        | Code::CandidatesLeft => of_records(code, rows),
        Code::CustomerIndexMissing
        | Code::CustomerIndexStale
        | Code::DeadlineWrong
        | Code::DeadlineMissing
        | Code::DeadlineStale
        | Code::CounterWrong
        | Code::TimelineEntryMissing
        | Code::TimelineEntrySurplus
        | Code::TimelineContradicts
        | Code::InFlightMissing
        | Code::InFlightStale
        | Code::InFlightTwice => of_workflows(code, rows),
        Code::WorkItemMissing
        | Code::WorkItemStray
        | Code::WorkItemDiffers
        | Code::DeliveryItemMissing
        | Code::DeliveryItemStray
        | Code::DeliveryItemDiffers
        | Code::ItemDuplicate
        | Code::ItemPlaceWrong
        | Code::ItemPlaceStale
        | Code::PointerLate
        | Code::PointerMissing
        | Code::PointerStray => of_queue(code, rows),
        Code::MappingMissing
        | Code::MappingContradicts
        | Code::LinkedIndexMissing
        | Code::LinkedIndexStale
        | Code::DecisionMissing
        | Code::DecisionContradicts
        | Code::DecisionWithoutMapping
        | Code::IdempotencyContradicts
        | Code::ExpiryMissing
        | Code::ExpiryStale => of_patients(code, rows),
        _ => of_events(code, rows),
    }
}

fn of_records(code: Code, rows: &Rows) -> Writes {
    let completed = workflow(rows, Status::Completed);
    let id = completed.workflow.id;
    match code {
        Code::KeyUnknown => vec![set(b"pb\x02QQ\x00who".to_vec(), b"")],
        Code::RecordUnreadable => vec![set(keys::workflow(id), b"\x63")],
        Code::IndexUnreadable => {
            let (found, _) = key(rows, |key| matches!(key, Key::InFlight { .. }));
            vec![set(found.bytes(), b"")]
        }
        Code::RecordMisplaced => {
            let other = keys::workflow(WorkflowId::from_uuid(NOBODY));
            vec![put(other, &completed)]
        }
        Code::WorkflowMissing => vec![gone(keys::workflow(id))],
        Code::EventMissing => vec![gone(keys::outbox(event(rows, |e| !pending(e)).id))],
        Code::ChunkMissing => vec![set(
            Key::Request {
                workflow: id,
                chunk: 2,
            }
            .bytes(),
            b"rest",
        )],
        Code::RequestMissing => {
            let (found, _) = key(rows, |key| matches!(key, Key::Request { .. }));
            vec![gone(found.bytes())]
        }
        Code::CandidatesMissing => {
            let (found, _) = key(rows, |key| matches!(key, Key::Candidates { .. }));
            vec![gone(found.bytes())]
        }
        Code::CandidatesLeft => vec![set(
            Key::Candidates {
                workflow: id,
                chunk: 0,
            }
            .bytes(),
            b"sealed",
        )],
        other => unreachable!("{other}"),
    }
}

fn of_workflows(code: Code, rows: &Rows) -> Writes {
    let mut received = workflow(rows, Status::Received);
    let due = received.due.unwrap();
    let of = received.workflow.clone();
    let (id, customer) = (of.id, &of.customer);
    let counter = keys::counter(customer, keys::list(id));
    let mut completed = workflow(rows, Status::Completed);
    let last = keys::timeline(completed.workflow.id, completed.next_entry - 1);
    match code {
        Code::CustomerIndexMissing => {
            vec![gone(keys::customer_status(
                customer,
                of.status(),
                of.updated_at,
                id,
            ))]
        }
        Code::CustomerIndexStale => {
            let failed = Status::Failed;
            let entry = keys::customer_status(customer, failed, of.updated_at, id);
            vec![set(entry, b"")]
        }
        Code::DeadlineWrong => {
            received.due = None;
            vec![put(keys::workflow(id), &received)]
        }
        Code::DeadlineMissing => vec![gone(keys::deadline(due, id))],
        Code::DeadlineStale => {
            let later = due.after(std::time::Duration::from_secs(1));
            vec![set(keys::deadline(later, id), b"")]
        }
        Code::CounterWrong => vec![set(counter, &change(&[(Status::Completed, 77)]))],
        Code::TimelineEntryMissing => vec![gone(keys::timeline(completed.workflow.id, 0))],
        Code::TimelineEntrySurplus => {
            let next = keys::timeline(completed.workflow.id, completed.next_entry);
            vec![set(next, &rows[&last])]
        }
        Code::TimelineContradicts => {
            let first = &rows[&keys::timeline(completed.workflow.id, 0)];
            vec![set(last, first)]
        }
        Code::InFlightMissing => vec![gone(keys::in_flight(customer, &of.patient))],
        Code::InFlightStale => {
            let holder = keys::in_flight(customer, &OTHER);
            vec![put(holder, &Holder(completed.workflow.id))]
        }
        Code::InFlightTwice => {
            completed.workflow.state = State::Received;
            completed.workflow.customer = customer.clone();
            completed.workflow.patient = of.patient;
            vec![put(keys::workflow(completed.workflow.id), &completed)]
        }
        other => unreachable!("{other}"),
    }
}

fn of_queue(code: Code, rows: &Rows) -> Writes {
    use QueueKind::{Delivery, Work};

    let (customer, vests, id, work) = item(rows, Work);
    let (told_customer, told_vests, told_id, telling) = item(rows, Delivery);
    let differs = |item: &QueueItem| QueueItem {
        patient: OTHER,
        ..item.clone()
    };
    match code {
        Code::WorkItemMissing => unqueued(rows, Work),
        Code::WorkItemStray => {
            let done = workflow(rows, Status::Completed).workflow;
            let stray = keys::item(Work, &done.customer, LATER, done.id.as_uuid());
            vec![put(stray, &work)]
        }
        Code::WorkItemDiffers => {
            let key = keys::item(Work, &customer, vests, id);
            vec![put(key, &differs(&work))]
        }
        Code::DeliveryItemMissing => unqueued(rows, Delivery),
        Code::DeliveryItemStray => {
            let done = event(rows, |event| !pending(event));
            let stray = keys::item(Delivery, &done.customer, LATER, done.id.as_uuid());
            vec![put(stray, &telling)]
        }
        Code::DeliveryItemDiffers => {
            let key = keys::item(Delivery, &told_customer, told_vests, told_id);
            vec![put(key, &differs(&telling))]
        }
        Code::ItemDuplicate => {
            let later = vests.after(std::time::Duration::from_secs(9));
            vec![put(keys::item(Work, &customer, later, id), &work)]
        }
        Code::ItemPlaceWrong => {
            let id = WorkflowId::from_uuid(id);
            let is_owner = |key: &Key| *key == Key::Workflow(id);
            let (key, mut owner) = record::<StoredWorkflow>(rows, is_owner, |_| true);
            owner.queued = None;
            vec![put(key.bytes(), &owner)]
        }
        Code::ItemPlaceStale => {
            let mut done = workflow(rows, Status::Completed);
            done.queued = Some(vests);
            vec![put(keys::workflow(done.workflow.id), &done)]
        }
        Code::PointerLate => {
            let (kind, tick, customer) = pointer(rows);
            vec![
                gone(keys::pointer(kind, tick, &customer)),
                gone(keys::pointer_locator(kind, &customer)),
            ]
        }
        Code::PointerMissing => {
            let (kind, tick, customer) = pointer(rows);
            vec![gone(keys::pointer(kind, tick, &customer))]
        }
        Code::PointerStray => {
            let (kind, tick, customer) = pointer(rows);
            let later = tick.after(std::time::Duration::from_secs(9));
            vec![set(keys::pointer(kind, later, &customer), b"")]
        }
        other => unreachable!("{other}"),
    }
}

fn of_patients(code: Code, rows: &Rows) -> Writes {
    let (mapped, mut mapping) = mapping(rows);
    let (pair, mut decision) = pair(rows);
    let Some(Key::Mapping { customer, patient }) = Key::parse(&mapped) else {
        unreachable!()
    };
    let is_record = |key: &Key| matches!(key, Key::Idempotency { customer, .. } if customer.as_str() == "north");
    let (known, mut seen) = record::<IdempotencyRecord>(rows, is_record, |_| true);
    let of_pair = keys::decision(&customer, &patient, &mapping.internal);
    match code {
        Code::MappingMissing => vec![gone(mapped)],
        Code::MappingContradicts => {
            mapping.workflow = workflow(rows, Status::Received).workflow.id;
            vec![put(mapped, &mapping)]
        }
        Code::LinkedIndexMissing => {
            vec![gone(keys::linked_to(
                &mapping.internal,
                &customer,
                &patient,
            ))]
        }
        Code::LinkedIndexStale => {
            vec![set(keys::linked_to(&OTHER, &customer, &patient), b"")]
        }
        Code::DecisionMissing => vec![gone(of_pair)],
        Code::DecisionContradicts => {
            decision.positive = false;
            vec![put(pair, &decision)]
        }
        Code::DecisionWithoutMapping => {
            vec![put(keys::decision(&customer, &patient, &OTHER), &decision)]
        }
        Code::IdempotencyContradicts => {
            let kind = |key: &Key| matches!(key, Key::Workflow(_));
            let other = record(rows, kind, |stored: &StoredWorkflow| {
                stored.workflow.customer.as_str() == "south"
            });
            seen.workflow = other.1.workflow.id;
            vec![put(known.bytes(), &seen)]
        }
        Code::ExpiryMissing => {
            let (found, _) = key(rows, |key| matches!(key, Key::Expiry { .. }));
            vec![gone(found.bytes())]
        }
        Code::ExpiryStale => vec![gone(known.bytes())],
        other => unreachable!("{other}"),
    }
}

fn of_events(code: Code, rows: &Rows) -> Writes {
    let retried = event(
        rows,
        |event| matches!(event.state, EventState::Pending { attempts } if attempts > 0),
    );
    let EventState::Pending { attempts } = retried.state else {
        unreachable!()
    };
    let is_owner = |key: &Key| *key == Key::Workflow(retried.workflow);
    let (owner, mut telling) = record::<StoredWorkflow>(rows, is_owner, |_| true);
    let place = |event: EventId, done| PatientEvent { event, done };
    match code {
        Code::WorkflowEventMissing => {
            telling.events.retain(|event| *event != retried.id);
            vec![put(owner.bytes(), &telling)]
        }
        Code::WorkflowEventStale => {
            let mut other = workflow(rows, Status::Received);
            other.events.push(retried.id);
            vec![put(keys::workflow(other.workflow.id), &other)]
        }
        Code::PatientEventMissing => vec![gone(place_of(&retried))],
        Code::PatientEventDiffers => {
            vec![put(place_of(&retried), &place(retried.id, true))]
        }
        Code::PatientEventLeft => {
            let former = event(rows, |event| {
                event.patient == retried.patient && event.number + 1 == retried.number
            });
            vec![put(place_of(&former), &place(former.id, true))]
        }
        Code::EventNumberTaken => {
            let other = event(rows, |event| event.patient != retried.patient);
            vec![put(place_of(&retried), &place(other.id, false))]
        }
        Code::MessageMissing => {
            let of = retried.id;
            let (found, _) = key(
                rows,
                |key| matches!(key, Key::Message { event, .. } if *event == of),
            );
            vec![gone(found.bytes())]
        }
        Code::TellingWithoutEvent => {
            let mut telling = event(rows, |event| pending(event) && event.completes);
            telling.completes = false;
            vec![put(keys::outbox(telling.id), &telling)]
        }
        Code::AttemptMissing => vec![gone(keys::attempt(retried.id, attempts))],
        Code::AttemptSurplus => {
            let kept = &rows[&keys::attempt(retried.id, attempts)];
            vec![set(keys::attempt(retried.id, attempts + 1), kept)]
        }
        other => unreachable!("{other}"),
    }
}
