//! How the registry is opened.

use std::path::PathBuf;
use std::time::Duration;

use crate::location::Database;

/// How the registry is opened, and how it keeps up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryConfig {
    /// Where the tables are.
    pub database: Database,
    /// How often [`crate::Registry::run_refresher`] asks for changes of other processes; kept within 0.5
    /// to 5 s.
    pub poll_interval: Duration,
    /// How long credentials are verified by a snapshot that could not be confirmed: the time within
    /// which a revocation takes hold even while the database is away.
    pub revocation_bound: Duration,
}

impl RegistryConfig {
    /// A registry in `database`, asked for changes every 2 s, with a revocation bound of 5 minutes.
    pub const fn new(database: Database) -> Self {
        Self {
            database,
            poll_interval: Duration::from_secs(2),
            revocation_bound: Duration::from_mins(5),
        }
    }

    /// A registry in a SQLite file; see [`Self::new`].
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self::new(Database::File(path.into()))
    }

    pub(crate) fn poll_interval(&self) -> Duration {
        self.poll_interval
            .clamp(Duration::from_millis(500), Duration::from_secs(5))
    }
}
