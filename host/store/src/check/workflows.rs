//! A workflow and what has to be there because of it: request data, indexes, timeline, hold on the
//! patient, candidates, queue item, event.

use patchbay_workflow::transition::TABLE;
use patchbay_workflow::{Outcome, Settled, State, Status, TimelineEntry, Workflow, WorkflowId};

use super::look::{Look, Slot, of};
use super::queue::needs_work;
use super::report::{Code, Ids};
use crate::accept::work_item;
use crate::codec;
use crate::database::StoreError;
use crate::engine::{KeyRange, Row};
use crate::keys::parsed::Key;
use crate::keys::{self, QueueKind};
use crate::records::{
    EventState, Holder, ItemLocator, Mapping, QueueItem, StoredEntry, StoredWorkflow,
};

/// The most rows read at once of one workflow's timeline or events.
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
    item(look, &stored.workflow, &ids).await?;
    telling(look, &stored.workflow, &ids).await?;
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
    // A workflow that merely waits has been given more time, so only the status has to fit.
    let fits = stored.due.map(|(of, _)| of) == (!status.is_end()).then_some(status);
    if !fits {
        if look.found(Code::DeadlineWrong, ids.clone()) {
            if let Some((of, at)) = stored.due {
                look.tx.clear(&keys::deadline(of, at, id));
            }
            let deadline = workflow.deadline(look.tx.deadlines());
            stored.due = deadline.map(|at| (status, at));
            if let Some((of, at)) = stored.due {
                look.tx.set(&keys::deadline(of, at, id), b"");
            }
            look.tx.put(&keys::workflow(id), stored)?;
        }
    } else if let Some((of, at)) = stored.due {
        let entry = keys::deadline(of, at, id);
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

async fn item(look: &mut Look<'_, '_>, workflow: &Workflow, ids: &Ids) -> Result<(), StoreError> {
    if !needs_work(workflow.status()) {
        return Ok(());
    }
    let (kind, id) = (QueueKind::Work, workflow.id.as_uuid());
    let queued = match look.record(&keys::item_locator(kind, id)).await? {
        Slot::There(ItemLocator { customer, vests }) => {
            let at = keys::item(kind, &customer, vests, id);
            !matches!(look.record::<QueueItem>(&at).await?, Slot::Missing)
        }
        // What to do about a locator that cannot be read is seen where it stands.
        Slot::Broken => true,
        Slot::Missing => false,
    };
    // It may be there without its locator, which is mended where it stands.
    if !queued && look.found_before(Code::WorkItemMissing, ids.clone()) {
        let item = work_item(workflow, look.now);
        look.enqueue(kind, &workflow.customer, id, &item).await?;
    }
    Ok(())
}

async fn telling(
    look: &mut Look<'_, '_>,
    workflow: &Workflow,
    ids: &Ids,
) -> Result<(), StoreError> {
    if !matches!(workflow.state, State::Telling(_)) {
        return Ok(());
    }
    for (key, _) in look.rows(&keys::workflow_events(workflow.id), PAGE).await? {
        let Some(Key::WorkflowEvent { event, .. }) = Key::parse(&key) else {
            continue;
        };
        match look.event(event).await? {
            Slot::There(event) => {
                if event.completes && matches!(event.state, EventState::Pending { .. }) {
                    return Ok(());
                }
            }
            Slot::Broken => return Ok(()),
            Slot::Missing => {}
        }
    }
    look.found(Code::TellingWithoutEvent, ids.clone());
    Ok(())
}
