//! The connection pool, the tables' versions, and the one way to write.
//!
//! One driver for both databases ([`sqlx::Any`]), so that each statement stands once. What they differ in
//! is all here: how a connection is set up, how a transaction begins, and what bounds its time.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::future::Future;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use patchbay_workflow::Timestamp;
use sqlx::any::AnyPoolOptions;
use sqlx::migrate::{Migrate as _, MigrateError, Migration, MigrationType, Migrator};
use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions as _, Connection as _, Row as _, Transaction,
};

use crate::audit::{self, Entry};
use crate::error::RegistryError;
use crate::location::{Database, PostgresUrl};

/// A migration: its version, its name, and its text for SQLite and for PostgreSQL.
type Migrated = (i64, &'static str, &'static str, &'static str);

/// Every migration, oldest first. Written out instead of gathered by `sqlx::migrate!`, whose crate would
/// build sqlx and SQLite twice; a test compares the list with the directories.
const MIGRATIONS: [Migrated; 1] = [(
    1,
    "registry",
    include_str!("../../../migrations/sqlite/0001_registry.sql"),
    include_str!("../../../migrations/postgres/0001_registry.sql"),
)];

/// How long a writer waits for another process's, and everybody for a connection.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often something is tried that others made fail.
pub(crate) const ATTEMPTS: usize = 3;
/// The longest that a change or a look for changes takes before it is given up here. Longer than the
/// server's own bounds, which are told apart better; this is for a server that says nothing any more.
const SILENCE: Duration = Duration::from_secs(30);
/// The same for the migrations and for a copy, which may have much to do.
const MIGRATING: Duration = Duration::from_mins(10);

/// What each connection to SQLite begins with.
const SQLITE_SETTINGS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; \
     PRAGMA foreign_keys = ON; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;";

/// What each session of PostgreSQL begins with: nothing waits without end, and who has gone silent inside
/// of a change does not keep the others from theirs.
const POSTGRES_SETTINGS: [(&str, &str); 4] = [
    ("statement_timeout", "20s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "20s"),
    ("client_min_messages", "warning"),
];
/// The session that migrates may have to wait for another process's.
const MIGRATING_SETTINGS: [(&str, &str); 3] = [
    ("statement_timeout", "600s"),
    ("lock_timeout", "60s"),
    ("client_min_messages", "warning"),
];

/// A copy's sessions work in turn, and may have much to read and to write.
const COPYING_SETTINGS: [(&str, &str); 4] = [
    ("statement_timeout", "600s"),
    ("lock_timeout", "5s"),
    ("idle_in_transaction_session_timeout", "1200s"),
    ("client_min_messages", "warning"),
];
/// What a copy's connection to SQLite begins with that only reads.
const SQLITE_READING: &str = "PRAGMA busy_timeout = 5000; PRAGMA query_only = ON;";

/// Where sqlx keeps which migrations a database has had.
pub(crate) const MIGRATIONS_TABLE: &str = "_sqlx_migrations";

pub(crate) async fn open(database: &Database) -> Result<AnyPool, RegistryError> {
    sqlx::any::install_default_drivers();
    match database {
        Database::Postgres(url) => open_postgres(database, url).await,
        Database::File(path) => {
            create_private(path)
                .map_err(|source| sqlx::Error::Configuration(source.into()))
                .map_err(RegistryError::database("creating its file"))?;
            open_sqlite(database, sqlite_pool().max_connections(3)).await
        }
        // The database lives in its only connection.
        Database::Memory => {
            let pool = sqlite_pool().min_connections(1).max_connections(1);
            open_sqlite(database, pool.idle_timeout(None).max_lifetime(None)).await
        }
    }
}

fn sqlite_pool() -> AnyPoolOptions {
    AnyPoolOptions::new()
        .acquire_timeout(PATIENCE)
        .after_connect(|connection, _| {
            Box::pin(async move {
                let settings = sqlx::raw_sql(SQLITE_SETTINGS);
                settings.execute(connection).await.map(drop)
            })
        })
}

async fn open_sqlite(database: &Database, pool: AnyPoolOptions) -> Result<AnyPool, RegistryError> {
    let pool = pool
        .connect_with(database.options(&[])?)
        .await
        .map_err(RegistryError::database("opening it"))?;
    // SQLite has no lock that spans the migrations: another process may have made a table first, and
    // left nothing to do.
    let mut attempt = 1;
    loop {
        let mut connection = pool
            .acquire()
            .await
            .map_err(RegistryError::database("opening it"))?;
        match migrate(database, &mut connection).await {
            Ok(()) => return Ok(pool),
            Err(MigrateError::Execute(_) | MigrateError::ExecuteMigration(..))
                if attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            Err(error) => return Err(RegistryError::Migration(error)),
        }
    }
}

async fn open_postgres(database: &Database, url: &PostgresUrl) -> Result<AnyPool, RegistryError> {
    url.check_files()?;
    // By a connection of its own: its error says what a pool's would not, it has other bounds, and the lock
    // that spans the migrations ends with it whatever happens.
    let options = database.options(&MIGRATING_SETTINGS)?;
    let mut connection = tokio::time::timeout(PATIENCE, options.connect())
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map_err(RegistryError::database("connecting to it"))?;
    let migrated = tokio::time::timeout(MIGRATING, migrate(database, &mut connection)).await;
    let _ = tokio::time::timeout(PATIENCE, connection.close()).await;
    migrated
        .unwrap_or(Err(MigrateError::Execute(sqlx::Error::PoolTimedOut)))
        .map_err(RegistryError::Migration)?;

    let options = database.options(&POSTGRES_SETTINGS)?;
    Ok(AnyPoolOptions::new()
        .max_connections(4)
        .acquire_timeout(PATIENCE)
        .after_release(|connection, _| {
            Box::pin(async move {
                // sqlx would ask without a bound, and the place in the pool would be taken meanwhile.
                let answered = tokio::time::timeout(PATIENCE, connection.ping()).await;
                answered.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
                Ok(true)
            })
        })
        .connect_lazy_with(options))
}

/// What a single connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

/// A single connection, for a copy. Makes no tables, and changes nothing where it is to read.
pub(crate) async fn connect(
    database: &Database,
    access: Access,
) -> Result<AnyConnection, RegistryError> {
    let failed = || RegistryError::database("connecting to it");
    sqlx::any::install_default_drivers();
    let mut settings = None;
    match database {
        Database::Postgres(url) => url.check_files()?,
        Database::File(path) if access == Access::Write => {
            create_private(path)
                .map_err(|source| sqlx::Error::Configuration(source.into()))
                .map_err(RegistryError::database("creating its file"))?;
            settings = Some(SQLITE_SETTINGS);
        }
        Database::File(_) | Database::Memory => settings = Some(SQLITE_READING),
    }
    let options = match access {
        Access::Read => database.reading_options(&COPYING_SETTINGS)?,
        Access::Write => database.options(&COPYING_SETTINGS)?,
    };
    let mut connection = tokio::time::timeout(PATIENCE, options.connect())
        .await
        .unwrap_or(Err(sqlx::Error::PoolTimedOut))
        .map_err(failed())?;
    if let Some(settings) = settings {
        let settings = sqlx::raw_sql(settings);
        settings.execute(&mut connection).await.map_err(failed())?;
    }
    Ok(connection)
}

/// The names of all tables.
pub(crate) async fn tables(
    database: &Database,
    sql: &mut AnyConnection,
) -> Result<BTreeSet<String>, RegistryError> {
    let failed = || RegistryError::database("listing its tables");
    let statement = match database {
        Database::File(_) | Database::Memory => {
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        }
        Database::Postgres(_) => {
            "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()"
        }
    };
    let rows = sqlx::query(statement)
        .fetch_all(sql)
        .await
        .map_err(failed())?;
    let names = rows.iter().map(|row| row.try_get(0));
    names.collect::<Result<_, _>>().map_err(failed())
}

/// Of which version the tables are, and of which this program's.
pub(crate) struct Version {
    /// The last migration that they had; 0 if none.
    pub(crate) found: i64,
    /// The last migration that there is.
    pub(crate) expected: i64,
    /// Whether they had all of them, word by word.
    pub(crate) fits: bool,
}

/// Tells the version of tables that somebody made before.
pub(crate) async fn version(
    database: &Database,
    sql: &mut AnyConnection,
) -> Result<Version, RegistryError> {
    let dirty = sql.dirty_version(MIGRATIONS_TABLE).await;
    let dirty = dirty.map_err(RegistryError::Migration)?.is_some();
    let applied = sql.list_applied_migrations(MIGRATIONS_TABLE).await;
    let applied = applied.map_err(RegistryError::Migration)?;
    let migrator = migrator(database);
    let known = || migrator.iter().map(|it| (it.version, &it.checksum));
    Ok(Version {
        found: applied.last().map_or(0, |it| it.version),
        expected: known().next_back().map_or(0, |(version, _)| version),
        fits: !dirty && known().eq(applied.iter().map(|it| (it.version, &it.checksum))),
    })
}

/// What is the same by whatever way one comes to the tables; none for a file, which can be asked itself.
pub(crate) async fn identity(
    database: &Database,
    sql: &mut AnyConnection,
) -> Result<Option<String>, RegistryError> {
    let failed = || RegistryError::database("asking who it is");
    let Database::Postgres(_) = database else {
        return Ok(None);
    };
    let row = sqlx::query(
        "SELECT concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), \
         (SELECT oid FROM pg_database WHERE datname = current_database()), current_schema())",
    )
    .fetch_one(sql)
    .await
    .map_err(failed())?;
    row.try_get(0).map(Some).map_err(failed())
}

/// `Migrator::run` would do, but what it gives back cannot be shown to be `Send`; sqlx has this way around.
async fn migrate(database: &Database, connection: &mut AnyConnection) -> Result<(), MigrateError> {
    migrator(database).run_direct(None, connection, false).await
}

fn migrator(database: &Database) -> Migrator {
    let migrations = MIGRATIONS.iter().map(|&(version, name, sqlite, postgres)| {
        let sql = match database {
            Database::Postgres(_) => postgres,
            Database::File(_) | Database::Memory => sqlite,
        };
        let sql = sqlx::SqlStr::from_static(sql);
        Migration::new(version, name.into(), MigrationType::Simple, sql, false)
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

impl Database {
    /// What a change begins with.
    pub(crate) const fn begin_write(&self) -> &'static str {
        match self {
            // At once a writer: one that began as a reader could not wait for its turn.
            Self::File(_) | Self::Memory => "BEGIN IMMEDIATE",
            // Said, because a server may have another default: each statement has to see what those who
            // had the lock before have committed.
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE",
        }
    }

    /// What a look at several tables at one point in time begins with.
    pub(crate) const fn begin_read(&self) -> &'static str {
        match self {
            Self::File(_) | Self::Memory => "BEGIN",
            Self::Postgres(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        }
    }

    /// As [`Self::bounded`], for what may have much to do.
    pub(crate) async fn patient<T>(
        &self,
        action: &'static str,
        work: impl Future<Output = Result<T, sqlx::Error>> + Send,
    ) -> Result<T, RegistryError> {
        match self {
            Self::File(_) | Self::Memory => work.await,
            Self::Postgres(_) => tokio::time::timeout(MIGRATING, work)
                .await
                .unwrap_or(Err(sqlx::Error::PoolTimedOut)),
        }
        .map_err(RegistryError::database(action))
    }

    /// Gives up what gets no answer from a server.
    pub(crate) async fn bounded<T>(
        &self,
        action: &'static str,
        work: impl Future<Output = Result<T, RegistryError>> + Send,
    ) -> Result<T, RegistryError> {
        match self {
            Self::File(_) | Self::Memory => work.await,
            Self::Postgres(_) => tokio::time::timeout(SILENCE, work)
                .await
                .unwrap_or_else(|_| {
                    Err(RegistryError::database(action)(sqlx::Error::PoolTimedOut))
                }),
        }
    }
}

/// One change: a transaction that has counted the revision up, and that ends with an audit entry or
/// leaves nothing behind.
pub(crate) struct Write {
    transaction: Transaction<'static, Any>,
    /// The revision that this change makes.
    pub(crate) revision: i64,
    /// When it is made.
    pub(crate) now: Timestamp,
    head: Vec<u8>,
}

impl Write {
    /// Begins; waits for its turn among writers.
    pub(crate) async fn begin(
        database: &Database,
        pool: &AnyPool,
        now: Timestamp,
    ) -> Result<Self, RegistryError> {
        let failed = RegistryError::database;
        let mut transaction = pool
            .begin_with(database.begin_write())
            .await
            .map_err(failed("beginning a change"))?;
        // Locks the row: whoever comes now waits here.
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
    pub(crate) fn sql(&mut self) -> &mut AnyConnection {
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
