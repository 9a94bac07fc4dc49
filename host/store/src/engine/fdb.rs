//! The FoundationDB engine: the store of many machines.
//!
//! A thin layer over the `foundationdb` crate: FoundationDB's transactions are what the store API was
//! shaped after. What it adds are bounds (every call ends within [`FdbOptions::timeout`], sooner while the
//! cluster is known to be away), the error classes of [`EngineError`], the same limits as every engine's,
//! read versions that may be shared for a moment, and an orderly end: after [`Engine::close`] nothing waits
//! for ever for a network thread that has stopped.
//!
//! The crate's own retry loop is not used: it has no limit by default, and forgets that an earlier
//! attempt's commit was of unknown outcome. [`Database::run`](crate::Database::run) does that part.
//!
//! Owns the handle of the cluster. It knows nothing of what the rows mean.

mod errors;
mod recent;
mod transaction;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use foundationdb::options::{DatabaseOption, TransactionOption};
use foundationdb::{Database, FdbResult};
use patchbay_ambient::SharedClock;
use tokio::sync::{RwLock, watch};

use self::errors::{class, closed, unavailable};
use self::recent::RecentVersion;
use self::transaction::FdbTransaction;
use super::{Engine, EngineError, Transaction};

use patchbay_fdb_client::InUse;
pub use patchbay_fdb_client::{ClientError, INSTALL_HINT, stop as stop_network};

/// How the engine is set up.
#[derive(Clone)]
pub struct FdbOptions {
    /// Tells how old a read version is.
    pub clock: SharedClock,
    /// How long one transaction may take, waiting for the cluster included. Longer than the few seconds
    /// in which a cluster recovers from the loss of a process, so that nobody notices one.
    pub timeout: Duration,
    /// The same while the last transaction to end had to wait in vain, so that callers are told soon.
    pub away_timeout: Duration,
    /// How many watches may exist.
    pub watches: usize,
    /// What all keys begin with in the cluster: installations that share one are told apart by it. It
    /// counts towards the longest key that the cluster takes.
    pub namespace: Vec<u8>,
}

impl FdbOptions {
    /// The defaults.
    pub fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            timeout: Duration::from_secs(10),
            away_timeout: Duration::from_secs(1),
            watches: 10_000,
            namespace: Vec::new(),
        }
    }

    /// The same, in the namespace of this name.
    #[must_use]
    pub fn in_namespace(self, name: &str) -> Self {
        Self {
            namespace: foundationdb_tuple::pack(&(name,)),
            ..self
        }
    }
}

impl fmt::Debug for FdbOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdbOptions")
            .field("timeout", &self.timeout)
            .field("away_timeout", &self.away_timeout)
            .field("watches", &self.watches)
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

/// The FoundationDB engine.
pub struct FdbEngine {
    shared: Arc<Shared>,
    cluster_file: PathBuf,
    _network: InUse,
}

/// What the engine and its transactions share.
struct Shared {
    database: Database,
    clock: SharedClock,
    timeout: Duration,
    away_timeout: Duration,
    namespace: Vec<u8>,
    /// The last transaction to end waited for the cluster in vain.
    away: AtomicBool,
    recent: RecentVersion,
    closing: watch::Sender<bool>,
    /// Held for reading by commits under way.
    commits: RwLock<()>,
}

impl FdbEngine {
    /// Opens the cluster that `cluster_file` names. Whether it can be reached is seen by the first
    /// transaction: one that is away may come.
    ///
    /// Gives [`EngineError::Unavailable`] where the file cannot be read, and where the client library is
    /// not there ([`ClientError`] has the words).
    pub fn open(cluster_file: &Path, options: &FdbOptions) -> Result<Arc<Self>, EngineError> {
        // FoundationDB itself would say so only at the first transaction, and less clearly.
        let path = check_cluster_file(cluster_file)?;
        let network = patchbay_fdb_client::start()
            .map_err(|error| EngineError::Unavailable(error.to_string()))?;
        let database = open_database(&path, options).map_err(unavailable)?;
        tracing::info!(cluster_file = path, "the store is a FoundationDB cluster");
        Ok(Arc::new(Self {
            shared: Arc::new(Shared {
                database,
                clock: options.clock.clone(),
                timeout: options.timeout,
                away_timeout: options.away_timeout,
                namespace: options.namespace.clone(),
                away: AtomicBool::new(false),
                recent: RecentVersion::default(),
                closing: watch::Sender::new(false),
                commits: RwLock::new(()),
            }),
            cluster_file: cluster_file.to_path_buf(),
            _network: network,
        }))
    }
}

fn open_database(path: &str, options: &FdbOptions) -> FdbResult<Database> {
    let database = Database::from_path(path)?;
    let watches = i32::try_from(options.watches).unwrap_or(i32::MAX);
    database.set_option(DatabaseOption::MaxWatches(watches))?;
    Ok(database)
}

/// Whether the file is there and looks like `description:id@address[,address…]`; gives its path as text.
fn check_cluster_file(path: &Path) -> Result<String, EngineError> {
    let wrong = |why: String| EngineError::Unavailable(format!("{}: {why}", path.display()));
    let content = std::fs::read_to_string(path)
        .map_err(|error| wrong(format!("the cluster file cannot be read: {error}")))?;
    let mut lines = content.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    let well_formed = line.is_some_and(|line| {
        line.split_once('@').is_some_and(|(name, addresses)| {
            name.contains(':') && addresses.contains(':') && !addresses.contains('@')
        })
    });
    if !well_formed {
        let why = "this is no FoundationDB cluster file (DESCRIPTION:ID@IP:PORT,…)";
        return Err(wrong(why.into()));
    }
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| wrong("the path of a cluster file has to be UTF-8".into()))
}

impl Shared {
    fn check_open(&self) -> Result<(), EngineError> {
        if *self.closing.borrow() {
            return Err(closed());
        }
        Ok(())
    }

    /// Ends when the engine is closed.
    async fn closed(&self) {
        // The sender is in `self`, so there is no other way for it to end.
        let _ = self.closing.subscribe().wait_for(|closing| *closing).await;
    }

    /// A call's answer, or the engine's end.
    async fn answer<T>(&self, call: impl Future<Output = FdbResult<T>>) -> Result<T, EngineError> {
        tokio::select! {
            biased;
            answer = call => {
                self.note(answer.as_ref().err().map(|error| error.code()));
                answer.map_err(class)
            }
            () = self.closed() => Err(closed()),
        }
    }

    /// Learns from the end of a call whether the cluster is there.
    fn note(&self, error: Option<i32>) {
        let away = error == Some(errors::TIMED_OUT);
        if away != self.away.load(Ordering::Relaxed) {
            self.away.store(away, Ordering::Relaxed);
            if away {
                tracing::error!("the FoundationDB cluster does not answer");
            } else {
                tracing::info!("the FoundationDB cluster answers again");
            }
        }
    }

    fn begin(self: &Arc<Self>) -> Result<FdbTransaction, EngineError> {
        self.check_open()?;
        let timeout = if self.away.load(Ordering::Relaxed) {
            self.away_timeout
        } else {
            self.timeout
        };
        let timeout = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let inner = self.database.create_trx().map_err(unavailable)?;
        inner
            .set_option(TransactionOption::Timeout(timeout))
            .map_err(unavailable)?;
        Ok(FdbTransaction::new(Arc::clone(self), inner))
    }
}

#[async_trait]
impl Engine for FdbEngine {
    async fn begin(&self) -> Result<Box<dyn Transaction>, EngineError> {
        Ok(Box::new(self.shared.begin()?))
    }

    async fn begin_recent(&self) -> Result<Box<dyn Transaction>, EngineError> {
        let mut transaction = self.shared.begin()?;
        transaction.read_recently().await?;
        Ok(Box::new(transaction))
    }

    fn name(&self) -> &'static str {
        "fdb"
    }

    async fn close(&self) {
        self.shared.closing.send_replace(true);
        drop(self.shared.commits.write().await);
    }
}

impl Drop for FdbEngine {
    fn drop(&mut self) {
        self.shared.closing.send_replace(true);
    }
}

impl fmt::Debug for FdbEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FdbEngine")
            .field("cluster_file", &self.cluster_file)
            .finish_non_exhaustive()
    }
}
