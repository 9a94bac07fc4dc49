//! The file: how it is made, opened and laid out.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableDatabase, StorageBackend,
    TableDefinition, TableError,
};

use super::health::describe;
use crate::engine::EngineError;

/// Every row.
pub(super) const ROWS: TableDefinition<'_, &'static [u8], &'static [u8]> =
    TableDefinition::new("rows");
/// What the engine notes for itself.
pub(super) const STATE: TableDefinition<'_, &'static str, u64> = TableDefinition::new("state");
/// The layout of the file, in [`STATE`].
const FORMAT: &str = "format";
/// The version of the newest commit, in [`STATE`].
pub(super) const VERSION: &str = "version";
/// The layout this code reads and writes.
const CURRENT_FORMAT: u64 = 1;

/// Makes an empty store at `path`, whole or not at all, unless another process is faster.
pub(super) fn make(path: &Path) -> Result<(), EngineError> {
    const CACHE_BYTES: usize = 1 << 20;
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let made = tempfile::Builder::new()
        .prefix(".store-")
        .tempfile_in(parent)
        .map_err(|error| io_error(&error))?;
    let backend = FileBackend::new(made.reopen().map_err(|error| io_error(&error))?);
    let opened = database(backend.map_err(open_error)?, CACHE_BYTES)?;
    opened.database.close().map_err(open_error)?;
    match made.persist_noclobber(path) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(io_error(&error.error));
        }
        _ => {}
    }
    // A synced file is of no use if its name is lost with the power.
    #[cfg(unix)]
    File::open(parent)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| io_error(&error))?;
    Ok(())
}

/// The file at `path`.
pub(super) fn backend(path: &Path) -> Result<FileBackend, EngineError> {
    let file: File = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(|error| io_error(&error))?;
    FileBackend::new(file).map_err(open_error)
}

/// An open store.
pub(super) struct Opened {
    pub(super) database: Database,
    /// The newest version in it.
    pub(super) version: u64,
    /// Whether the whole file had to be read to repair it.
    pub(super) repaired: bool,
}

/// Opens what `backend` holds, with its tables.
pub(super) fn database(
    backend: impl StorageBackend,
    cache_bytes: usize,
) -> Result<Opened, EngineError> {
    let repaired = Arc::new(AtomicBool::new(false));
    let note = Arc::clone(&repaired);
    let database = Builder::new()
        .set_cache_size(cache_bytes)
        .set_repair_callback(move |_| {
            if !note.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    code = "store-repair",
                    "the store was left in disorder; reading all of it to repair it"
                );
            }
        })
        .create_with_backend(backend)
        .map_err(open_error)?;
    let version = prepare(&database)?;
    let repaired = repaired.load(Ordering::Relaxed);
    Ok(Opened {
        database,
        version,
        repaired,
    })
}

/// Makes the tables where there are none, and gives the newest version.
fn prepare(database: &Database) -> Result<u64, EngineError> {
    match read_state(database) {
        Ok(Some((CURRENT_FORMAT, version))) => Ok(version),
        Ok(Some((format, _))) => Err(EngineError::Unavailable(format!(
            "the store has format {format}, this program knows {CURRENT_FORMAT}: use the program that \
             wrote it, or a newer one"
        ))),
        Ok(None) => {
            make_tables(database).map_err(|error| EngineError::Poisoned(describe(&error)))?;
            Ok(0)
        }
        Err(error) => Err(EngineError::Poisoned(describe(&error))),
    }
}

fn read_state(database: &Database) -> Result<Option<(u64, u64)>, redb::Error> {
    let read = database.begin_read()?;
    let state = match read.open_table(STATE) {
        Ok(state) => state,
        Err(TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let number = |key| Ok::<_, redb::Error>(state.get(key)?.map(|row| row.value()));
    Ok(number(FORMAT)?.zip(number(VERSION)?))
}

fn make_tables(database: &Database) -> Result<(), redb::Error> {
    let mut write = database.begin_write()?;
    write.set_durability(Durability::Immediate)?;
    write.set_quick_repair(true);
    {
        write.open_table(ROWS)?;
        let mut state = write.open_table(STATE)?;
        state.insert(FORMAT, CURRENT_FORMAT)?;
        state.insert(VERSION, 0)?;
    }
    write.commit()?;
    Ok(())
}

fn open_error(error: DatabaseError) -> EngineError {
    match error {
        DatabaseError::DatabaseAlreadyOpen | DatabaseError::LockProtocolMismatch => {
            EngineError::Unavailable(
                "it is in use by another process: stop that one, or give this one its own".into(),
            )
        }
        DatabaseError::UpgradeRequired(format) => EngineError::Unavailable(format!(
            "its file format {format} is older than this program can read"
        )),
        other => EngineError::Poisoned(describe(&other.into())),
    }
}

fn io_error(error: &io::Error) -> EngineError {
    EngineError::Unavailable(format!("it cannot be opened: {error}"))
}
