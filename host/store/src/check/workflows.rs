//! A workflow and what has to be there because of it: request data, indexes, timeline, hold on the
//! patient, candidates, queue item, event.

use patchbay_workflow::transition::TABLE;
use patchbay_workflow::{Outcome, Settled, State, Status, TimelineEntry, Workflow, WorkflowId};

use super::look::{Look, Slot, of};
use super::queue::{self, needs_work};
use super::report::{Code, Ids};
use crate::accept::work_item;
use crate::codec;
use crate::database::StoreError;
use crate::engine::{KeyRange, Row};
use crate::keys::parsed::Key;
use crate::keys::{self, QueueKind};
use crate::records::{EventState, Holder, Mapping, StoredEntry, StoredWorkflow};

/// The most rows read at once of one workflow's timeline.
const PAGE: usize = 500;

pub(super) async fn workflow(
    look: &mut Look<'_, '_>,
    id: WorkflowId,
    value: &[u8],
) -> Result<(), StoreError> {
    let ids = of(&Key::Workflow(id));
    let Ok(mut stored) = codec::decode::<StoredWorkflow>(value) else {
        look.found(Code::RecordUnreadable, ids);
        return Ok(());
    };
    if stored.workflow.id != id {
        look.found(Code::RecordMisplaced, ids);
        return Ok(());
    }
    let ids = ids
        .and("customer", &stored.workflow.customer)
        .and("status", stored.workflow.status());
    request(look, &stored, &ids).await?;
    indexes(look, &mut stored, &ids).await?;
    timeline(look, &stored, &ids).await?;
    hold(look, &stored.workflow, &ids).await?;
    candidates(look, &stored.workflow, &ids).await?;
    item(look, &stored, &ids).await?;
    events(look, &stored, &ids).await?;
    let outcome = stored.workflow.outcome();
    let mapping = keys::mapping(&stored.workflow.customer, &stored.workflow.patient);
    if outcome == Outcome::Settled(Settled::Linked)
        && matches!(look.record::<Mapping>(&mapping).await?, Slot::Missing)
    {
        look.found(
            Code::MappingMissing,
            ids.and("patient", stored.workflow.patient),
        );
    }
    Ok(())
}

/// Whether a workflow's request data was put away. Nothing does that yet.
const fn is_archived(_: &StoredWorkflow) -> bool {
    false
}

async fn request(
    look: &mut Look<'_, '_>,
    stored: &StoredWorkflow,
    ids: &Ids,
) -> Result<(), StoreError> {
    let range = KeyRange::prefix(&keys::request(stored.workflow.id));
    if look.first(&range).await?.is_none() && !is_archived(stored) {
        look.found(Code::RequestMissing, ids.clone());
    }
    Ok(())
}

async fn indexes(
    look: &mut Look<'_, '_>,
    stored: &mut StoredWorkflow,
    ids: &Ids,
) -> Result<(), StoreError> {
    let workflow = stored.workflow.clone();
    let (id, status) = (workflow.id, workflow.status());
    let listed = keys::customer_status(&workflow.customer, status, workflow.updated_at, id);
    if !look.exists(&listed).await? && look.found(Code::CustomerIndexMissing, ids.clone()) {
        look.tx.set(&listed, b"");
    }
    if stored.due.is_some() == status.is_end() {
        if look.found(Code::DeadlineWrong, ids.clone()) {
            if let Some(at) = stored.due {
                look.tx.clear(&keys::deadline(at, id));
            }
            stored.due = workflow.deadline(look.tx.deadlines());
            if let Some(at) = stored.due {
                look.tx.set(&keys::deadline(at, id), b"");
            }
            look.tx.put(&keys::workflow(id), stored)?;
        }
    } else if let Some(at) = stored.due {
        let entry = keys::deadline(at, id);
        if !look.exists(&entry).await? && look.found(Code::DeadlineMissing, ids.clone()) {
            look.tx.set(&entry, b"");
        }
    }
    Ok(())
}

/// What has been seen of a timeline so far.
struct Walked {
    next: u32,
    status: Option<Status>,
}

async fn timeline(
    look: &mut Look<'_, '_>,
    stored: &StoredWorkflow,
    ids: &Ids,
) -> Result<(), StoreError> {
    let mut rest = keys::timeline_range(stored.workflow.id);
    let mut walked = Walked {
        next: 0,
        status: None,
    };
    // One entry missing makes those after it seem wrong too: the first thing found is enough.
    let wrong = loop {
        let rows = look.rows(&rest, PAGE).await?;
        if let Some(code) = rows
            .iter()
            .find_map(|row| step(&mut walked, row, stored.next_entry))
        {
            break Some(code);
        }
        match rows.last() {
            Some((last, _)) if rows.len() == PAGE => rest.begin = KeyRange::key(last).end,
            _ => break None,
        }
    };
    let wrong = wrong.or_else(|| {
        if walked.next < stored.next_entry {
            Some(Code::TimelineEntryMissing)
        } else if walked.status != Some(stored.workflow.status()) {
            Some(Code::TimelineContradicts)
        } else {
            None
        }
    });
    if let Some(code) = wrong {
        look.found(code, ids.clone().and("entry", walked.next));
    }
    Ok(())
}

fn step(walked: &mut Walked, (key, value): &Row, entries: u32) -> Option<Code> {
    let Some(Key::Timeline { sequence, .. }) = Key::parse(key) else {
        return Some(Code::KeyUnknown);
    };
    if sequence != walked.next {
        return Some(Code::TimelineEntryMissing);
    }
    if sequence >= entries {
        return Some(Code::TimelineEntrySurplus);
    }
    let Ok(StoredEntry {
        entry: TimelineEntry { from, to, .. },
        ..
    }) = codec::decode(value)
    else {
        return Some(Code::RecordUnreadable);
    };
    let possible = match from {
        None => to == Status::Received,
        // An entry may note something that changes no status.
        Some(from) => from == to || TABLE.contains(&(from, to)),
    };
    if from != walked.status || !possible {
        return Some(Code::TimelineContradicts);
    }
    walked.next += 1;
    walked.status = Some(to);
    None
}

async fn hold(look: &mut Look<'_, '_>, workflow: &Workflow, ids: &Ids) -> Result<(), StoreError> {
    if !workflow.status().is_in_flight() {
        return Ok(());
    }
    let key = keys::in_flight(&workflow.customer, &workflow.patient);
    let ids = ids.clone().and("patient", workflow.patient);
    match look.record::<Holder>(&key).await? {
        Slot::There(Holder(holder)) if holder == workflow.id => return Ok(()),
        Slot::There(Holder(other)) => {
            if let Slot::There(stored) = look.workflow(other).await?
                && holds(&stored.workflow, workflow)
            {
                look.found(Code::InFlightTwice, ids.and("other", other));
                return Ok(());
            }
        }
        Slot::Missing | Slot::Broken => {}
    }
    if look.found(Code::InFlightMissing, ids) {
        look.tx.put(&key, &Holder(workflow.id))?;
    }
    Ok(())
}

fn holds(other: &Workflow, workflow: &Workflow) -> bool {
    other.status().is_in_flight()
        && (&other.customer, other.patient) == (&workflow.customer, workflow.patient)
}

async fn candidates(
    look: &mut Look<'_, '_>,
    workflow: &Workflow,
    ids: &Ids,
) -> Result<(), StoreError> {
    let range = KeyRange::prefix(&keys::candidates(workflow.id));
    if workflow.status() == Status::Ambiguous && look.first(&range).await?.is_none() {
        look.found(Code::CandidatesMissing, ids.clone());
    }
    Ok(())
}

async fn item(
    look: &mut Look<'_, '_>,
    stored: &StoredWorkflow,
    ids: &Ids,
) -> Result<(), StoreError> {
    let workflow = &stored.workflow;
    let (kind, id) = (QueueKind::Work, workflow.id.as_uuid());
    if queue::stands(look, kind, &workflow.customer, id, stored.queued).await? {
        return Ok(());
    }
    if !needs_work(workflow.status()) {
        return queue::stale(look, kind, id, stored.queued, ids).await;
    }
    // It may stand elsewhere, which is mended where it stands.
    if look.found_before(Code::WorkItemMissing, ids.clone()) {
        let item = work_item(workflow, look.now);
        look.enqueue(kind, &workflow.customer, id, &item).await?;
    }
    Ok(())
}

/// The events that tell of a workflow: each is there and is the workflow's, and one that it waits for is
/// still to be delivered.
async fn events(
    look: &mut Look<'_, '_>,
    stored: &StoredWorkflow,
    ids: &Ids,
) -> Result<(), StoreError> {
    let id = stored.workflow.id;
    let mut told = !matches!(stored.workflow.state, State::Telling(_));
    for listed in &stored.events {
        match look.event(*listed).await? {
            Slot::There(event) if event.workflow != id => {
                if look.found(Code::WorkflowEventStale, ids.clone().and("event", listed)) {
                    let key = keys::workflow(id);
                    if let Slot::There(mut stored) = look.record::<StoredWorkflow>(&key).await? {
                        stored.events.retain(|event| event != listed);
                        look.tx.put(&key, &stored)?;
                    }
                }
            }
            Slot::There(event) => {
                told |= event.completes && matches!(event.state, EventState::Pending { .. });
            }
            Slot::Broken => told = true,
            Slot::Missing => {
                look.found(Code::EventMissing, ids.clone().and("event", listed));
            }
        }
    }
    if !told {
        look.found(Code::TellingWithoutEvent, ids.clone());
    }
    Ok(())
}
