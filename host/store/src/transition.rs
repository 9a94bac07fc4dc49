//! The one place where a workflow record changes: it applies the domain's command and keeps every
//! index, counter and the timeline in step, in the same transaction.

use patchbay_vault::Sealed;
use patchbay_workflow::{
    Actor, Command, Failure, Status, TimelineEntry, Timestamp, Workflow, WorkflowId,
};

use crate::database::{StoreError, Tx};
use crate::engine::Read;
use crate::keys;
use crate::records::{Holder, StoredEntry, StoredWorkflow};

/// Why a transition happens, for the timeline.
#[derive(Debug, Clone)]
pub struct Cause {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// A stable code in kebab case for what was done.
    pub reason: &'static str,
    /// What went wrong, if something did.
    pub failure: Option<Failure>,
    /// What a guest or an endpoint said.
    pub detail: Option<Sealed>,
}

impl Cause {
    /// Something that went as it should.
    pub const fn new(at: Timestamp, actor: Actor, reason: &'static str) -> Self {
        Self {
            at,
            actor,
            reason,
            failure: None,
            detail: None,
        }
    }

    /// With what went wrong.
    #[must_use]
    pub fn failed(mut self, failure: Failure) -> Self {
        self.failure = Some(failure);
        self
    }

    /// With what was said.
    #[must_use]
    pub fn detail(mut self, detail: Option<Sealed>) -> Self {
        self.detail = detail;
        self
    }
}

/// Reads a workflow.
pub async fn load(
    tx: &mut Tx<'_>,
    id: WorkflowId,
    read: Read,
) -> Result<Option<StoredWorkflow>, StoreError> {
    tx.record(&keys::workflow(id), read).await
}

/// Writes a workflow that was just accepted.
pub fn create(
    tx: &mut Tx<'_>,
    workflow: Workflow,
    cause: Cause,
) -> Result<StoredWorkflow, StoreError> {
    let mut stored = StoredWorkflow {
        workflow,
        last_lease: None,
        next_entry: 0,
        due: None,
    };
    index(tx, None, &mut stored);
    tx.put(
        &keys::in_flight(&stored.workflow.customer, &stored.workflow.patient),
        &Holder(stored.workflow.id),
    )?;
    append(tx, &mut stored, None, cause)?;
    tx.put(&keys::workflow(stored.workflow.id), &stored)?;
    Ok(stored)
}

/// Applies a command. The caller has read `stored` serialisably in this transaction.
pub fn apply(
    tx: &mut Tx<'_>,
    stored: &mut StoredWorkflow,
    command: Command,
    cause: Cause,
) -> Result<(), StoreError> {
    if let Command::Lease(token) = &command {
        stored.last_lease = Some(*token);
    }
    let before = stored.workflow.clone();
    stored.workflow = before.apply(command, cause.at)?;
    index(tx, Some(&before), stored);
    let holder = keys::in_flight(&before.customer, &before.patient);
    match (
        before.status().is_in_flight(),
        stored.workflow.status().is_in_flight(),
    ) {
        (true, false) => tx.clear(&holder),
        (false, true) => tx.put(&holder, &Holder(before.id))?,
        _ => {}
    }
    append(tx, stored, Some(before.status()), cause)?;
    tx.put(&keys::workflow(before.id), stored)
}

/// Notes something in the timeline that changes no state.
pub fn note(tx: &mut Tx<'_>, stored: &mut StoredWorkflow, cause: Cause) -> Result<(), StoreError> {
    append(tx, stored, Some(stored.workflow.status()), cause)?;
    tx.put(&keys::workflow(stored.workflow.id), stored)
}

/// Gives a workflow that merely waits until `at` before it is looked at again.
pub fn postpone(
    tx: &mut Tx<'_>,
    stored: &mut StoredWorkflow,
    at: Timestamp,
) -> Result<(), StoreError> {
    set_due(tx, stored, Some(at));
    tx.put(&keys::workflow(stored.workflow.id), stored)
}

fn index(tx: &mut Tx<'_>, before: Option<&Workflow>, stored: &mut StoredWorkflow) {
    let after = stored.workflow.clone();
    let status = after.status();
    if let Some(before) = before {
        tx.clear(&keys::customer_status(
            &before.customer,
            before.status(),
            before.updated_at,
            before.id,
        ));
    }
    tx.set(
        &keys::customer_status(&after.customer, status, after.updated_at, after.id),
        b"",
    );
    let was = before.map(Workflow::status);
    if was != Some(status) {
        if let Some(was) = was {
            tx.add(&keys::counter(&after.customer, was), -1);
        }
        tx.add(&keys::counter(&after.customer, status), 1);
    }
    set_due(tx, stored, after.deadline(tx.deadlines()));
}

fn set_due(tx: &mut Tx<'_>, stored: &mut StoredWorkflow, at: Option<Timestamp>) {
    let id = stored.workflow.id;
    let next = at.map(|at| (stored.workflow.status(), at));
    if next == stored.due {
        return;
    }
    if let Some((status, at)) = stored.due {
        tx.clear(&keys::deadline(status, at, id));
    }
    if let Some((status, at)) = next {
        tx.set(&keys::deadline(status, at, id), b"");
    }
    stored.due = next;
}

fn append(
    tx: &mut Tx<'_>,
    stored: &mut StoredWorkflow,
    from: Option<Status>,
    cause: Cause,
) -> Result<(), StoreError> {
    let entry = TimelineEntry {
        at: cause.at,
        from,
        to: stored.workflow.status(),
        actor: cause.actor,
        reason: cause.reason.to_owned(),
        failure: cause.failure,
    };
    let key = keys::timeline(stored.workflow.id, stored.next_entry);
    stored.next_entry += 1;
    tx.put(
        &key,
        &StoredEntry {
            entry,
            detail: cause.detail,
        },
    )
}
