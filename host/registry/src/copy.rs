//! `patchbay registry copy`: moves a whole registry from one database to another.
//!
//! The source is only read, at one point in time. The target is written in one transaction: until it
//! commits the target holds nothing, so a copy that was interrupted is started again. Before it commits, the
//! target is read again and compared with what the source gave, and the chain of its audit log is checked.
//!
//! Rows are copied as they are, sealed secrets included, so the copy opens with the same key file only.

mod rows;
mod tables;

use std::collections::BTreeSet;
use std::fmt;
use std::os::unix::fs::MetadataExt as _;

use serde::Serialize;
use sha2::{Digest as _, Sha256};
use sqlx::{AnyConnection, Connection as _, Row as _};

use self::rows::Cursor;
use self::tables::{TABLES, Table};
use crate::audit;
use crate::database::{self, Access, MIGRATIONS_TABLE};
use crate::error::{Fault, RegistryError};
use crate::location::Database;

/// Which of the two registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that is read.
    Source,
    /// The one that is written.
    Target,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source => "source",
            Self::Target => "target",
        })
    }
}

/// Why a copy was not made, or is not known to be. Unless it says otherwise the target holds no row then.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A database did not do what it was asked, or its rows are not what they should be.
    #[error("the {side}: {error}. Nothing was copied; start the copy again when that is mended")]
    Registry {
        /// Which.
        side: Side,
        /// Why.
        #[source]
        error: RegistryError,
    },
    /// Both are one.
    #[error("the source and the target are the same registry; name another target")]
    SameRegistry,
    /// There is nothing to copy.
    #[error(
        "there is no registry at {0}; name the file or the database that the service was given"
    )]
    SourceMissing(String),
    /// The source was written by another version of the program.
    #[error(
        "the source's tables are of version {found}, and this program's of version {expected}: {}",
        advice(*.found, *.expected)
    )]
    SourceVersion {
        /// The last migration that it had.
        found: i64,
        /// The last migration that this program knows.
        expected: i64,
    },
    /// The target has the tables of another version.
    #[error(
        "the target has a registry's tables of version {found}, and this program's are of version \
         {expected}; give an empty database"
    )]
    TargetVersion {
        /// The last migration that it had.
        found: i64,
        /// The last migration that this program knows.
        expected: i64,
    },
    /// The target is used for something else.
    #[error(
        "the target has a table {0}, which is not a registry's; give a database, or a schema, of its own"
    )]
    TargetForeign(String),
    /// The target is a registry that was used.
    #[error(
        "the target is not empty: it has {rows} rows in {table}. A service that was started on it made \
         them, or an earlier copy; give an empty database"
    )]
    TargetNotEmpty {
        /// The first table with rows.
        table: &'static str,
        /// How many.
        rows: i64,
    },
    /// Somebody works with the source.
    #[error(
        "the source was changed while it was copied: a service still runs on it. Nothing was copied; stop \
         the service, then start the copy again"
    )]
    SourceChanged,
    /// The connection was lost while the copy was being committed.
    #[error(
        "the target did not say whether it kept the copy: {0}. Start the same copy again: if it finds the \
         target not empty, all of it is there"
    )]
    CommitUnknown(#[source] RegistryError),
    /// What was read again from the target is not what the source has.
    #[error(
        "source and target do not agree in {table}: one of the databases changes what it is given, or how \
         it sorts. Nothing was copied; give a target of its own, in UTF-8, without triggers or rules of \
         others, and look whether the source is damaged"
    )]
    Differ {
        /// The first table that differs.
        table: &'static str,
    },
}

fn advice(found: i64, expected: i64) -> &'static str {
    if found > expected {
        "copy it with the newer program"
    } else {
        "start this program's service on it once, which brings it up to date, stop it, and copy again"
    }
}

impl CopyError {
    /// Who has to act: whoever named the two registries, or whoever looks after them.
    pub const fn blame(&self) -> Fault {
        match self {
            Self::SameRegistry
            | Self::SourceMissing(_)
            | Self::SourceVersion { .. }
            | Self::TargetVersion { .. }
            | Self::TargetForeign(_)
            | Self::TargetNotEmpty { .. } => Fault::Caller,
            Self::Registry { .. }
            | Self::SourceChanged
            | Self::CommitUnknown(_)
            | Self::Differ { .. } => Fault::Host,
        }
    }

    fn of(side: Side) -> impl FnOnce(RegistryError) -> Self {
        move |error| Self::Registry { side, error }
    }
}

/// What a copy came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Copied {
    /// Every table, in the order in which they were copied.
    pub tables: Vec<CopiedTable>,
    /// How many entries the audit log has; its chain holds.
    pub audit_entries: u64,
    /// The last hash of the audit log, in hexadecimal.
    pub audit_head: String,
}

/// One table, as it is in both registries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CopiedTable {
    /// Its name.
    pub table: &'static str,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 of the rows in the order of their key, in hexadecimal; the same in every database.
    pub sha256: String,
}

/// Copies the registry at `source` into the empty one at `target`, whose tables are made.
pub async fn copy(source: &Database, target: &Database) -> Result<Copied, CopyError> {
    check_places(source, target)?;
    let (of_source, of_target) = (Side::Source, Side::Target);
    let mut reading = database::connect(source, Access::Read)
        .await
        .map_err(CopyError::of(of_source))?;
    let mut from = reading
        .begin_with(source.begin_read())
        .await
        .map_err(RegistryError::database("beginning to read it"))
        .map_err(CopyError::of(of_source))?;
    check_source(source, &mut from).await?;
    let identity = database::identity(source, &mut from)
        .await
        .map_err(CopyError::of(of_source))?;
    prepare_target(target, identity).await?;

    let mut writing = database::connect(target, Access::Write)
        .await
        .map_err(CopyError::of(of_target))?;
    let mut to = writing
        .begin_with(target.begin_write())
        .await
        .map_err(RegistryError::database("beginning to write it"))
        .map_err(CopyError::of(of_target))?;
    lock_empty(&mut to).await?;
    let mut tables = Vec::with_capacity(TABLES.len());
    for table in &TABLES {
        tables.push(table.copy((source, &mut from), (target, &mut to)).await?);
    }
    for (table, copied) in TABLES.iter().zip(&tables) {
        if table.digest(target, &mut to).await? != *copied {
            return Err(CopyError::Differ { table: table.name });
        }
    }
    // Both are the same by now, so a chain that does not hold is the source's.
    // It is read from the target; what does not hold in it came from the source.
    let audit = audit::verify(&mut to).await.map_err(|error| {
        let side = match error {
            RegistryError::AuditBroken { .. } => Side::Source,
            _ => Side::Target,
        };
        CopyError::Registry { side, error }
    })?;

    from.rollback()
        .await
        .map_err(RegistryError::database("ending to read it"))
        .map_err(CopyError::of(of_source))?;
    let (revision, _) = audit::head(&mut reading)
        .await
        .map_err(CopyError::of(of_source))?;
    if revision != audit.entries {
        return Err(CopyError::SourceChanged);
    }
    target
        .patient("committing the copy", to.commit())
        .await
        .map_err(CopyError::CommitUnknown)?;
    // What is committed stays, whatever becomes of the connections.
    let _ = writing.close().await;
    let _ = reading.close().await;
    Ok(Copied {
        tables,
        audit_entries: audit.entries,
        audit_head: hex::encode(audit.head),
    })
}

/// What can be refused by where the two are.
fn check_places(source: &Database, target: &Database) -> Result<(), CopyError> {
    for (side, database) in [(Side::Source, source), (Side::Target, target)] {
        if *database == Database::Memory {
            let reason = "what is in memory is gone with its process".to_owned();
            return Err(CopyError::of(side)(RegistryError::LocationInvalid(reason)));
        }
    }
    if source == target {
        return Err(CopyError::SameRegistry);
    }
    let Database::File(path) = source else {
        return Ok(());
    };
    // Reading a file that is not there could make an empty one.
    let read = std::fs::metadata(path)
        .ok()
        .filter(std::fs::Metadata::is_file);
    let Some(read) = read else {
        return Err(CopyError::SourceMissing(source.to_string()));
    };
    let Database::File(path) = target else {
        return Ok(());
    };
    match std::fs::metadata(path) {
        Ok(written) if (written.dev(), written.ino()) == (read.dev(), read.ino()) => {
            Err(CopyError::SameRegistry)
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

async fn check_source(source: &Database, sql: &mut AnyConnection) -> Result<(), CopyError> {
    let of_source = || CopyError::of(Side::Source);
    let there = database::tables(source, sql).await.map_err(of_source())?;
    if !there.contains(MIGRATIONS_TABLE) {
        return Err(CopyError::SourceMissing(source.to_string()));
    }
    let version = database::version(source, sql).await.map_err(of_source())?;
    if version.fits {
        return Ok(());
    }
    Err(CopyError::SourceVersion {
        found: version.found,
        expected: version.expected,
    })
}

/// Refuses a target that is something else, and makes the tables in one that is nothing yet.
async fn prepare_target(target: &Database, source: Option<String>) -> Result<(), CopyError> {
    let of_target = || CopyError::of(Side::Target);
    let mut sql = database::connect(target, Access::Write)
        .await
        .map_err(of_target())?;
    let identity = database::identity(target, &mut sql)
        .await
        .map_err(of_target())?;
    if identity.is_some() && identity == source {
        return Err(CopyError::SameRegistry);
    }
    let there = database::tables(target, &mut sql)
        .await
        .map_err(of_target())?;
    let own: BTreeSet<_> = if there.contains(MIGRATIONS_TABLE) {
        let names = TABLES.iter().map(|it| it.name);
        names.chain([MIGRATIONS_TABLE]).collect()
    } else {
        BTreeSet::new()
    };
    if let Some(foreign) = there.into_iter().find(|it| !own.contains(it.as_str())) {
        return Err(CopyError::TargetForeign(foreign));
    }
    if !own.is_empty() {
        let version = database::version(target, &mut sql)
            .await
            .map_err(of_target())?;
        // None at all: whoever began to make them was interrupted.
        if !version.fits && version.found != 0 {
            return Err(CopyError::TargetVersion {
                found: version.found,
                expected: version.expected,
            });
        }
    }
    let _ = sql.close().await;
    let pool = database::open(target).await.map_err(of_target())?;
    pool.close().await;
    Ok(())
}

/// Keeps every other writer out, and makes sure that there was none before.
async fn lock_empty(sql: &mut AnyConnection) -> Result<(), CopyError> {
    let failed = |source| {
        let error = RegistryError::database("looking whether it is empty")(source);
        CopyError::of(Side::Target)(error)
    };
    let row =
        sqlx::query("UPDATE registry SET revision = revision WHERE id = 1 RETURNING revision")
            .fetch_one(&mut *sql)
            .await
            .map_err(failed)?;
    for table in TABLES.iter().filter(|it| !it.seeded) {
        let rows = table.count(sql).await.map_err(failed)?;
        if rows > 0 {
            let table = table.name;
            return Err(CopyError::TargetNotEmpty { table, rows });
        }
    }
    let revision: i64 = row.try_get(0).map_err(failed)?;
    if revision != 0 {
        let (table, rows) = ("registry", 1);
        return Err(CopyError::TargetNotEmpty { table, rows });
    }
    Ok(())
}

impl Table {
    /// Copies all rows.
    async fn copy(
        &self,
        (source, from): (&Database, &mut AnyConnection),
        (target, to): (&Database, &mut AnyConnection),
    ) -> Result<CopiedTable, CopyError> {
        let mut sum = Sum::default();
        let mut cursor = Cursor::default();
        loop {
            let page = source
                .patient("reading its rows", self.read(from, &mut cursor))
                .await
                .map_err(CopyError::of(Side::Source))?;
            if page.is_empty() {
                break;
            }
            sum.add(&page);
            target
                .patient("writing its rows", self.write(to, page))
                .await
                .map_err(CopyError::of(Side::Target))?;
        }
        // Asked in another way than by pages.
        let rows = source
            .patient("counting its rows", self.count(from))
            .await
            .map_err(CopyError::of(Side::Source))?;
        if u64::try_from(rows) != Ok(sum.rows) {
            return Err(CopyError::Differ { table: self.name });
        }
        Ok(sum.of(self))
    }

    /// What the target's rows come to.
    async fn digest(
        &self,
        target: &Database,
        sql: &mut AnyConnection,
    ) -> Result<CopiedTable, CopyError> {
        let mut sum = Sum::default();
        let mut cursor = Cursor::default();
        loop {
            let page = target
                .patient("comparing its rows", self.read(sql, &mut cursor))
                .await
                .map_err(CopyError::of(Side::Target))?;
            if page.is_empty() {
                return Ok(sum.of(self));
            }
            sum.add(&page);
        }
    }
}

/// The rows of a table, counted and hashed.
#[derive(Default)]
struct Sum {
    rows: u64,
    hash: Sha256,
}

impl Sum {
    fn add(&mut self, page: &[rows::Record]) {
        self.rows += page.len() as u64;
        for record in page {
            record.hash_into(&mut self.hash);
        }
    }

    fn of(self, table: &Table) -> CopiedTable {
        CopiedTable {
            table: table.name,
            rows: self.rows,
            sha256: hex::encode(self.hash.finalize()),
        }
    }
}
