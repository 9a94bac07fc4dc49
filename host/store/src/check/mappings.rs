//! Mappings, decisions on pairs, and who is linked to an internal record.

use patchbay_workflow::{CustomerId, KeyedHash, Outcome, Settled};

use super::look::{Look, Slot, of};
use super::report::Code;
use crate::codec;
use crate::database::StoreError;
use crate::keys;
use crate::keys::parsed::Key;
use crate::records::{Mapping, MappingStatus, PairDecision};

/// `M`.
pub(super) async fn mapping(
    look: &mut Look<'_, '_>,
    customer: &CustomerId,
    patient: &KeyedHash,
    value: &[u8],
) -> Result<(), StoreError> {
    let key = Key::Mapping {
        customer: customer.clone(),
        patient: *patient,
    };
    let Ok(mapping) = codec::decode::<Mapping>(value) else {
        look.found(Code::RecordUnreadable, of(&key));
        return Ok(());
    };
    let linked = mapping.status == MappingStatus::Linked;
    let ids = of(&key)
        .and("workflow", mapping.workflow)
        .and("internal", mapping.internal);
    match look.workflow(mapping.workflow).await? {
        Slot::Missing => {
            look.found(Code::WorkflowMissing, ids.clone());
        }
        Slot::Broken => {}
        Slot::There(stored) => {
            let by = stored.workflow;
            let fits = (&by.customer, &by.patient) == (customer, patient)
                && (!linked || by.outcome() == Outcome::Settled(Settled::Linked));
            if !fits {
                look.found(Code::MappingContradicts, ids.clone());
            }
        }
    }
    let listed = keys::linked_to(&mapping.internal, customer, patient);
    if linked && !look.exists(&listed).await? && look.found(Code::LinkedIndexMissing, ids.clone()) {
        look.tx.set(&listed, b"");
    }
    let pair = keys::decision(customer, patient, &mapping.internal);
    let code = match look.record::<PairDecision>(&pair).await? {
        Slot::There(decision) if decision.positive == linked => return Ok(()),
        Slot::Broken => return Ok(()),
        Slot::There(_) => Code::DecisionContradicts,
        Slot::Missing => Code::DecisionMissing,
    };
    if look.found(code, ids) {
        let decision = PairDecision {
            positive: linked,
            workflow: mapping.workflow,
            at: mapping.at,
        };
        look.tx.put(&pair, &decision)?;
    }
    Ok(())
}

/// `G`.
pub(super) async fn decision(
    look: &mut Look<'_, '_>,
    key: &Key,
    value: &[u8],
) -> Result<(), StoreError> {
    let Key::Decision {
        customer,
        patient,
        internal,
    } = key
    else {
        return Ok(());
    };
    let Ok(decision) = codec::decode::<PairDecision>(value) else {
        look.found(Code::RecordUnreadable, of(key));
        return Ok(());
    };
    look.belongs_to(decision.workflow, key).await?;
    if !decision.positive {
        return Ok(());
    }
    let mapping = keys::mapping(customer, patient);
    let stands = match look.record::<Mapping>(&mapping).await? {
        Slot::Missing => false,
        Slot::Broken => true,
        // That a decision says the opposite of its pair's mapping is found there.
        Slot::There(mapping) => mapping.internal == *internal,
    };
    if !stands {
        look.found(Code::DecisionWithoutMapping, of(key));
    }
    Ok(())
}

/// `J`.
pub(super) async fn linked_to(look: &mut Look<'_, '_>, key: &Key) -> Result<(), StoreError> {
    let Key::LinkedTo {
        internal,
        customer,
        patient,
    } = key
    else {
        return Ok(());
    };
    let mapping = keys::mapping(customer, patient);
    let stands = match look.record::<Mapping>(&mapping).await? {
        Slot::Missing => false,
        Slot::Broken => true,
        Slot::There(mapping) => {
            mapping.status == MappingStatus::Linked && mapping.internal == *internal
        }
    };
    if !stands && look.found(Code::LinkedIndexStale, of(key)) {
        look.tx.clear(&key.bytes());
    }
    Ok(())
}
