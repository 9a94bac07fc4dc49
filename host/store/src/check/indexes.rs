//! The way back from an index to its workflow: lists, deadlines, holds on patients, candidates.

use patchbay_workflow::{CustomerId, KeyedHash, Status, WorkflowId};

use super::look::{Look, Slot, of};
use super::report::Code;
use crate::codec;
use crate::database::StoreError;
use crate::engine::KeyRange;
use crate::keys;
use crate::keys::parsed::Key;
use crate::records::Holder;

/// `CS`.
pub(super) async fn customer_status(look: &mut Look<'_, '_>, key: &Key) -> Result<(), StoreError> {
    let Key::CustomerStatus {
        customer,
        status,
        updated,
        workflow,
    } = key
    else {
        return Ok(());
    };
    let stands = match look.workflow(*workflow).await? {
        Slot::Missing => false,
        Slot::Broken => true,
        Slot::There(stored) => {
            let of = stored.workflow;
            (&of.customer, of.status(), of.updated_at) == (customer, *status, *updated)
        }
    };
    if !stands && look.found(Code::CustomerIndexStale, of(key)) {
        look.tx.clear(&key.bytes());
    }
    Ok(())
}

/// `S`.
pub(super) async fn deadline(look: &mut Look<'_, '_>, key: &Key) -> Result<(), StoreError> {
    let Key::Deadline { at, workflow } = key else {
        return Ok(());
    };
    let stands = match look.workflow(*workflow).await? {
        Slot::Missing => false,
        Slot::Broken => true,
        Slot::There(stored) => stored.due == Some(*at),
    };
    if !stands && look.found(Code::DeadlineStale, of(key)) {
        look.tx.clear(&key.bytes());
    }
    Ok(())
}

/// `F`.
pub(super) async fn in_flight(
    look: &mut Look<'_, '_>,
    customer: &CustomerId,
    patient: &KeyedHash,
    value: &[u8],
) -> Result<(), StoreError> {
    let key = Key::InFlight {
        customer: customer.clone(),
        patient: *patient,
    };
    let Ok(Holder(workflow)) = codec::decode(value) else {
        if look.found(Code::IndexUnreadable, of(&key)) {
            look.tx.clear(&key.bytes());
        }
        return Ok(());
    };
    let stands = match look.workflow(workflow).await? {
        Slot::Missing => false,
        Slot::Broken => true,
        Slot::There(stored) => {
            let by = stored.workflow;
            by.status().is_in_flight() && (&by.customer, &by.patient) == (customer, patient)
        }
    };
    if !stands && look.found(Code::InFlightStale, of(&key).and("workflow", workflow)) {
        look.tx.clear(&key.bytes());
    }
    Ok(())
}

/// `D`.
pub(super) async fn candidates(
    look: &mut Look<'_, '_>,
    workflow: WorkflowId,
    key: &Key,
) -> Result<(), StoreError> {
    match look.workflow(workflow).await? {
        Slot::Missing => {
            look.found(Code::WorkflowMissing, of(key));
        }
        Slot::Broken => {}
        Slot::There(stored) => {
            if stored.workflow.status() != Status::Ambiguous
                && look.found(Code::CandidatesLeft, of(key))
            {
                codec::clear_chunks(look.tx, &keys::candidates(workflow));
            }
        }
    }
    Ok(())
}

/// A chunk of a long value has all those before it.
pub(super) async fn chunk(
    look: &mut Look<'_, '_>,
    prefix: &[u8],
    number: u16,
    key: &Key,
) -> Result<(), StoreError> {
    let Some(former) = number.checked_sub(1) else {
        return Ok(());
    };
    let former = [prefix, &former.to_be_bytes()].concat();
    if look.first(&KeyRange::key(&former)).await?.is_none() {
        look.found(Code::ChunkMissing, of(key));
    }
    Ok(())
}

/// `#`, `N`: a number of so many bytes.
pub(super) fn number(look: &mut Look<'_, '_>, value: &[u8], length: usize, key: &Key) {
    if value.len() != length && look.found(Code::IndexUnreadable, of(key)) {
        // Its count is made again after the walk.
        look.tx.clear(&key.bytes());
    }
}
