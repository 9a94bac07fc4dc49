//! Idempotency records and when they expire.

use patchbay_workflow::{CustomerId, KeyedHash};

use super::look::{Look, Slot, of};
use super::report::Code;
use crate::codec;
use crate::database::StoreError;
use crate::keys;
use crate::keys::parsed::Key;
use crate::records::IdempotencyRecord;

/// `I`.
pub(super) async fn record(
    look: &mut Look<'_, '_>,
    customer: &CustomerId,
    hash: &KeyedHash,
    value: &[u8],
) -> Result<(), StoreError> {
    let key = Key::Idempotency {
        customer: customer.clone(),
        hash: *hash,
    };
    let Ok(record) = codec::decode::<IdempotencyRecord>(value) else {
        look.found(Code::RecordUnreadable, of(&key));
        return Ok(());
    };
    let ids = of(&key).and("workflow", record.workflow);
    match look.workflow(record.workflow).await? {
        Slot::Missing => {
            look.found(Code::WorkflowMissing, ids.clone());
        }
        Slot::Broken => {}
        Slot::There(stored) => {
            if stored.workflow.customer != *customer {
                look.found(Code::IdempotencyContradicts, ids.clone());
            }
        }
    }
    let expiry = keys::expiry(record.expires_at, customer, hash);
    if !look.exists(&expiry).await? && look.found(Code::ExpiryMissing, ids) {
        look.tx.set(&expiry, b"");
    }
    Ok(())
}

/// `E`. One whose hour has passed may have lost its record already: a key that was used again is noted
/// twice, and the first note that is worked off takes the record away.
pub(super) async fn expiry(look: &mut Look<'_, '_>, key: &Key) -> Result<(), StoreError> {
    let Key::Expiry { customer, hash, .. } = key else {
        return Ok(());
    };
    let bytes = key.bytes();
    if bytes[..] < keys::expired(look.now).end[..] {
        return Ok(());
    }
    let record = keys::idempotency(customer, hash);
    if matches!(
        look.record::<IdempotencyRecord>(&record).await?,
        Slot::Missing
    ) && look.found(Code::ExpiryStale, of(key))
    {
        look.tx.clear(&bytes);
    }
    Ok(())
}
