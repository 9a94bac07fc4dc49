//! Whether the engine still works, and if not, why.

use std::io::ErrorKind;
use std::sync::{Arc, OnceLock};

use redb::{Error, StorageError};

use crate::engine::EngineError;
use crate::engine::watches::Watches;

/// Set once, by the first thing that ends the engine's life.
pub(super) struct Health {
    poisoned: OnceLock<EngineError>,
    closed: OnceLock<()>,
    watches: Arc<Watches>,
}

impl Health {
    pub(super) fn new(watches: Arc<Watches>) -> Self {
        Self {
            poisoned: OnceLock::new(),
            closed: OnceLock::new(),
            watches,
        }
    }

    pub(super) fn watches(&self) -> &Arc<Watches> {
        &self.watches
    }

    /// Whether anything may be asked of the engine.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        self.check_poison()?;
        if self.closed.get().is_some() {
            return Err(self.error());
        }
        Ok(())
    }

    /// Whether what was begun may be ended.
    pub(super) fn check_poison(&self) -> Result<(), EngineError> {
        self.poisoned.get().cloned().map_or(Ok(()), Err)
    }

    /// Why the engine has stopped.
    pub(super) fn error(&self) -> EngineError {
        self.poisoned
            .get()
            .cloned()
            .unwrap_or_else(|| EngineError::Unavailable("it was closed".into()))
    }

    /// Nothing more may be asked of the engine.
    pub(super) fn close(&self) {
        if self.closed.set(()).is_ok() {
            self.watches.end(&self.error());
        }
    }

    /// Nothing can be trusted any more. Gives the error that everybody gets from now on.
    pub(super) fn poison(&self, why: String) -> EngineError {
        if self.poisoned.set(EngineError::Poisoned(why)).is_ok() {
            tracing::error!(
                code = "store-poisoned",
                error = %self.error(),
                "the store has stopped; restart the process"
            );
            self.watches.end(&self.error());
        }
        self.error()
    }

    /// What a failed read means.
    pub(super) fn failed(&self, error: StorageError) -> EngineError {
        match error {
            // Closed meanwhile: no fault of the storage.
            StorageError::DatabaseClosed => self.error(),
            other => self.poison(describe(&other.into())),
        }
    }
}

/// What happened and what to do about it.
pub(super) fn describe(error: &Error) -> String {
    match error {
        Error::Io(io) if matches!(io.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            format!("the disk is full ({io}): make room, then restart")
        }
        Error::Io(io) => format!("its file could not be read or written: {io}"),
        Error::Corrupted(what) => {
            format!("its file is damaged ({what}): restore it from a backup")
        }
        other => other.to_string(),
    }
}
