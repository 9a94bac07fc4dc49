//! The registry itself: what its operations share.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use patchbay_ambient::{SharedClock, SharedEntropy};
use patchbay_vault::KeyRing;
use sqlx::AnyPool;
use tokio::sync::{Mutex, watch};

use crate::audit::Entry;
use crate::config::RegistryConfig;
use crate::database::{self, ATTEMPTS, Write};
use crate::error::RegistryError;
use crate::snapshot::Snapshot;
use crate::token_verify::Remembered;

/// The installation's configuration. Reads are answered by [`Self::snapshot`]; operations are one
/// transaction each, and are seen in the snapshot when they return.
pub struct Registry {
    pub(crate) pool: AnyPool,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
    pub(crate) config: RegistryConfig,
    pub(crate) current: ArcSwap<Snapshot>,
    /// Held while the snapshot is replaced, so that an older one never follows a newer.
    pub(crate) refreshing: Mutex<()>,
    pub(crate) changed: watch::Sender<u64>,
    pub(crate) remembered: Remembered,
}

impl Registry {
    /// Opens the registry: creates it or brings its tables to this version, and loads it.
    ///
    /// # Errors
    /// Besides those of the database, [`RegistryError::Secret`] where `keys` is not the key ring with
    /// which it was written. [`RegistryError::is_unreachable`] tells a database that is only away.
    pub async fn open(
        config: &RegistryConfig,
        keys: Arc<KeyRing>,
        clock: SharedClock,
        entropy: SharedEntropy,
    ) -> Result<Arc<Self>, RegistryError> {
        let pool = database::open(&config.database).await?;
        let registry = Self {
            pool,
            keys,
            clock,
            entropy,
            config: config.clone(),
            current: ArcSwap::from_pointee(Snapshot::empty()),
            refreshing: Mutex::new(()),
            changed: watch::Sender::new(0),
            remembered: Remembered::default(),
        };
        registry.ensure_token_key().await?;
        registry.load_all().await?;
        Ok(Arc::new(registry))
    }

    /// The configuration as last read. Take it once per piece of work: it never changes in one's hands.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Tells each new revision once its snapshot is in place.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Ends every connection; the snapshot keeps serving. What was written is in the file or on the
    /// server by then.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn begin(&self) -> Result<Write, RegistryError> {
        let database = &self.config.database;
        let begin = || {
            let write = Write::begin(database, &self.pool, self.clock.now());
            database.bounded("beginning a change", write)
        };
        for _ in 1..ATTEMPTS {
            match begin().await {
                Err(error) if error.is_conflict() => {}
                done => return done,
            }
        }
        begin().await
    }

    /// Commits a change and brings the snapshot up to it.
    pub(crate) async fn commit(&self, write: Write, entry: Entry<'_>) -> Result<(), RegistryError> {
        let database = &self.config.database;
        database
            .bounded("committing a change", write.commit(entry))
            .await?;
        // The change is made, whatever happens now: to report a failure would invite doing it twice.
        if let Err(error) = self.refresh().await {
            tracing::warn!(
                code = error.code(),
                %error,
                "a change was stored, but is seen here only once the registry can be read again"
            );
        }
        Ok(())
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("database", &self.config.database)
            .field("snapshot", &self.current.load())
            .finish_non_exhaustive()
    }
}
