//! The connection pool, the tables' versions, and the one way to write.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use patchbay_workflow::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Row as _, Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::audit::{self, Entry};
use crate::config::Database;
use crate::error::RegistryError;

/// Every migration, oldest first. Written out instead of gathered by `sqlx::migrate!`, whose crate would
/// build sqlx and SQLite twice; a test compares the list with the directory.
pub(crate) const MIGRATIONS: [(i64, &str, &str); 1] = [(
    1,
    "registry",
    include_str!("../../../migrations/sqlite/0001_registry.sql"),
)];

/// How long a writer waits for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) async fn open(database: &Database) -> Result<SqlitePool, RegistryError> {
    let options = match database {
        Database::File(path) => {
            create_private(path)
                .map_err(sqlx::Error::Io)
                .map_err(RegistryError::database("creating its file"))?;
            SqliteConnectOptions::new()
                .filename(path)
                .journal_mode(SqliteJournalMode::Wal)
        }
        Database::Memory => SqliteConnectOptions::new().in_memory(true),
    };
    let options = options
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .synchronous(SqliteSynchronous::Full)
        // What is deleted or replaced is overwritten: an erased data key must not survive in a free page.
        .pragma("secure_delete", "ON")
        .disable_statement_logging();
    let pool = match database {
        Database::File(_) => SqlitePoolOptions::new().max_connections(3),
        // The database lives in its only connection.
        Database::Memory => SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None),
    };
    let pool = pool
        .acquire_timeout(BUSY_TIMEOUT)
        .connect_with(options)
        .await
        .map_err(RegistryError::database("opening it"))?;
    migrator()
        .run(&pool)
        .await
        .map_err(RegistryError::Migration)?;
    Ok(pool)
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|&(version, description, sql)| {
        let sql = sqlx::SqlStr::from_static(sql);
        Migration::new(
            version,
            description.into(),
            MigrationType::Simple,
            sql,
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}

/// Makes the file before SQLite does, so that its mode is ours; SQLite gives its side files the same.
fn create_private(path: &Path) -> io::Result<()> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other.map(|_| ()),
    }
}

/// One change: a transaction that has counted the revision up, and that ends with an audit entry or
/// leaves nothing behind.
pub(crate) struct Write {
    transaction: Transaction<'static, Sqlite>,
    /// The revision that this change makes.
    pub(crate) revision: i64,
    /// When it is made.
    pub(crate) now: Timestamp,
    head: Vec<u8>,
}

impl Write {
    /// Begins; waits for its turn among writers.
    pub(crate) async fn begin(pool: &SqlitePool, now: Timestamp) -> Result<Self, RegistryError> {
        let failed = RegistryError::database;
        // At once a writer: one that began as a reader could not wait for its turn.
        let mut transaction = pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(failed("beginning a change"))?;
        let row = sqlx::query(
            "UPDATE registry SET revision = revision + 1 WHERE id = 1 RETURNING revision, audit_head",
        )
        .fetch_one(&mut *transaction)
        .await
        .map_err(failed("beginning a change"))?;
        Ok(Self {
            transaction,
            revision: row.try_get(0).map_err(failed("beginning a change"))?,
            head: row.try_get(1).map_err(failed("beginning a change"))?,
            now,
        })
    }

    /// The connection, inside the transaction.
    pub(crate) fn sql(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }

    /// The present instant as the tables hold it.
    pub(crate) fn millis(&self) -> i64 {
        millis(self.now)
    }

    /// Appends the audit entry and commits.
    pub(crate) async fn commit(mut self, entry: Entry<'_>) -> Result<(), RegistryError> {
        let failed = || RegistryError::database("committing a change");
        let hash = audit::append(
            &mut self.transaction,
            self.revision,
            millis(self.now),
            &self.head,
            &entry,
        )
        .await
        .map_err(failed())?;
        sqlx::query("UPDATE registry SET audit_head = $1 WHERE id = 1")
            .bind(hash.as_slice())
            .execute(&mut *self.transaction)
            .await
            .map_err(failed())?;
        self.transaction.commit().await.map_err(failed())
    }
}

/// An instant as the tables hold it.
pub(crate) fn millis(instant: Timestamp) -> i64 {
    i64::try_from(instant.as_millis()).unwrap_or(i64::MAX)
}

/// An instant from the tables.
pub(crate) fn instant(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or(0))
}
