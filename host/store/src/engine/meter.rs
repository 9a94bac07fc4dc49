//! How large a transaction has become, and the first thing of it that no engine would take.
//!
//! Enforces [`limits`]; knows nothing of what is written or of how it is stored.

use super::{EngineError, KeyRange, Versionstamp, limits};

/// What FoundationDB counts for a mutation besides its key and value, and for a conflict range besides its
/// ends (the sizes of its structures, rounded up).
const MUTATION_BYTES: usize = 56;
const CONFLICT_BYTES: usize = 32;

/// A transaction's size so far. Each method says whether what it names may still be added. After the first
/// refusal nothing may, so that a transaction which can no longer commit stops growing.
#[derive(Debug, Default)]
pub(super) struct Meter {
    size: usize,
    refused: Option<EngineError>,
}

impl Meter {
    /// By [`limits::TRANSACTION_BYTES`].
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The first thing that was refused.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        self.refused.clone().map_or(Ok(()), Err)
    }

    /// A value set, or the operand of an atomic operation.
    pub(super) fn set(&mut self, key: &[u8], value: &[u8]) -> bool {
        let fits = check_key(key).and_then(|()| check_value(value));
        self.admit(mutation(key.len(), value.len()) + conflict(key.len()), fits)
    }

    pub(super) fn clear(&mut self, key: &[u8]) -> bool {
        let grows = mutation(key.len(), key.len() + 1) + conflict(key.len());
        self.admit(grows, check_key(key))
    }

    pub(super) fn clear_range(&mut self, range: &KeyRange) -> bool {
        let ends = range.begin.len() + range.end.len();
        let grows = MUTATION_BYTES + CONFLICT_BYTES + 2 * ends;
        self.admit(grows, check_range(range))
    }

    pub(super) fn set_versionstamped(
        &mut self,
        prefix: &[u8],
        suffix: &[u8],
        value: &[u8],
    ) -> bool {
        let length = prefix.len() + Versionstamp::BYTES + suffix.len();
        let fits = check_key_length(length)
            .and_then(|()| check_start(prefix))
            .and_then(|()| check_value(value));
        self.admit(mutation(length, value.len()) + conflict(length), fits)
    }

    pub(super) fn read_key(&mut self, key: &[u8]) -> bool {
        self.admit(conflict(key.len()), Ok(()))
    }

    pub(super) fn conflict_range(&mut self, range: &KeyRange) -> bool {
        let grows = CONFLICT_BYTES + range.begin.len() + range.end.len();
        self.admit(grows, check_range(range))
    }

    fn admit(&mut self, grows: usize, fits: Result<(), EngineError>) -> bool {
        if self.refused.is_some() {
            return false;
        }
        self.size += grows;
        let fits =
            fits.and_then(|()| limit("the transaction", self.size, limits::TRANSACTION_BYTES));
        self.refused = fits.err();
        self.refused.is_none()
    }
}

/// Whether a key may be read or written.
pub(super) fn check_key(key: &[u8]) -> Result<(), EngineError> {
    check_key_length(key.len())?;
    check_start(key)
}

/// Whether a range may be read or cleared. Its ends need not be possible keys themselves.
pub(super) fn check_range(range: &KeyRange) -> Result<(), EngineError> {
    // `KeyRange::key` makes an end one byte longer than its key.
    check_key_length(range.begin.len())?;
    check_key_length(range.end.len().saturating_sub(1))?;
    if &range.end[..] > limits::KEY_END || &range.begin[..] > limits::KEY_END {
        return Err(EngineError::ReservedKey);
    }
    Ok(())
}

fn check_start(key: &[u8]) -> Result<(), EngineError> {
    if key.starts_with(limits::KEY_END) {
        return Err(EngineError::ReservedKey);
    }
    Ok(())
}

fn check_key_length(length: usize) -> Result<(), EngineError> {
    limit("a key", length, limits::KEY_BYTES)
}

fn check_value(value: &[u8]) -> Result<(), EngineError> {
    limit("a value", value.len(), limits::VALUE_BYTES)
}

fn limit(what: &'static str, size: usize, limit: usize) -> Result<(), EngineError> {
    if size > limit {
        return Err(EngineError::TooLarge { what, size, limit });
    }
    Ok(())
}

const fn mutation(key: usize, value: usize) -> usize {
    MUTATION_BYTES + key + value
}

const fn conflict(key: usize) -> usize {
    CONFLICT_BYTES + 2 * key + 1
}
