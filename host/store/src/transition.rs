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

/// Writes a workflow that was just accepted and whose queue item vests at `queued`.
pub fn create(
    tx: &mut Tx<'_>,
    workflow: Workflow,
    queued: Timestamp,
    cause: Cause,
) -> Result<(), StoreError> {
    let mut stored = StoredWorkflow {
        workflow,
        last_lease: None,
        next_entry: 0,
        due: None,
        queued: Some(queued),
        events: Vec::new(),
    };
    index(tx, None, &mut stored);
    tx.put(
        &keys::in_flight(&stored.workflow.customer, &stored.workflow.patient),
        &Holder(stored.workflow.id),
    )?;
    append(tx, &mut stored, None, cause)?;
    tx.put(&keys::workflow(stored.workflow.id), &stored)
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

/// Moves a workflow in the overdue index, so that it is looked at again at `at`.
pub fn postpone(
    tx: &mut Tx<'_>,
    stored: &mut StoredWorkflow,
    at: Option<Timestamp>,
) -> Result<(), StoreError> {
    set_due(tx, stored, at);
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
        let counter = keys::counter(&after.customer, keys::list(after.id));
        match was {
            Some(was) => tx.count(&counter, &[(was, -1), (status, 1)]),
            None => tx.count(&counter, &[(status, 1)]),
        }
    }
    // An entry that is early enough stays where it is: most workflows have ended before anybody looks, and
    // whoever looks early moves it on.
    match after.deadline(tx.deadlines()) {
        Some(deadline) if stored.due.is_some_and(|due| due <= deadline) => {}
        deadline => set_due(tx, stored, deadline),
    }
}

fn set_due(tx: &mut Tx<'_>, stored: &mut StoredWorkflow, at: Option<Timestamp>) {
    let id = stored.workflow.id;
    if at == stored.due {
        return;
    }
    if let Some(due) = stored.due {
        tx.clear(&keys::deadline(due, id));
    }
    if let Some(at) = at {
        tx.set(&keys::deadline(at, id), b"");
    }
    stored.due = at;
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
