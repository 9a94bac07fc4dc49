//! What FoundationDB's error codes mean for a transaction
//! (<https://apple.github.io/foundationdb/api-error-codes.html>).

use foundationdb::FdbError;

use crate::engine::EngineError;

const TOO_OLD: i32 = 1007;
const NOT_COMMITTED: i32 = 1020;
/// The transaction's own limit in time, which is how an away cluster shows.
pub(super) const TIMED_OUT: i32 = 1031;
const CANCELLED: [i32; 2] = [1025, 1101];

/// The class of an error of anything but a commit: nothing was written.
pub(super) fn class(error: FdbError) -> EngineError {
    match error.code() {
        TOO_OLD => EngineError::TooOld,
        NOT_COMMITTED => EngineError::Conflict,
        _ if error.is_maybe_committed() => EngineError::MaybeCommitted,
        _ if error.is_retryable_not_committed() => EngineError::Busy(error.message()),
        _ => unavailable(error),
    }
}

/// The class of a commit's error.
pub(super) fn class_of_commit(error: FdbError) -> EngineError {
    match error.code() {
        // It was sent; that its answer did not come in time says nothing of what became of it.
        TIMED_OUT => EngineError::MaybeCommitted,
        code if CANCELLED.contains(&code) => EngineError::MaybeCommitted,
        _ => class(error),
    }
}

/// An error that another attempt at once does not mend.
pub(super) fn unavailable(error: FdbError) -> EngineError {
    if error.code() == TIMED_OUT {
        return EngineError::Unavailable("the FoundationDB cluster does not answer".into());
    }
    EngineError::Unavailable(format!(
        "FoundationDB says: {} ({})",
        error.message(),
        error.code()
    ))
}

pub(super) fn closed() -> EngineError {
    EngineError::Unavailable("the store was closed".into())
}
