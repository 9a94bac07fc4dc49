//! The engine's shared parts.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use parking_lot::Mutex;
use patchbay_ambient::{HttpClient, SharedClock, SharedEntropy};
use patchbay_delivery::EndpointGate;
use patchbay_registry::{Customer, Registry};
use patchbay_sandbox::Sandbox;
use patchbay_store::copy::{self, Standing};
use patchbay_store::installation::{Claimed, Installation};
use patchbay_store::{Database, StoreError};
use patchbay_vault::{HashDomain, Hasher};
use patchbay_workflow::{BackendId, CustomerId, InternalId, KeyedHash, PatientId};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::pool::Pool;
use crate::settings::Settings;

/// What the engine is made of.
pub struct Parts {
    /// Where workflows are kept.
    pub store: Database,
    /// Customers, plugins, backends.
    pub registry: Arc<Registry>,
    /// Where plugins run.
    pub sandbox: Arc<Sandbox>,
    /// Makes keyed hashes.
    pub hasher: Hasher,
    /// Sends requests to backends and endpoints.
    pub http: Arc<dyn HttpClient>,
    /// The time.
    pub clock: SharedClock,
    /// Randomness.
    pub entropy: SharedEntropy,
    /// Bounds and schedules.
    pub settings: Settings,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// The engine. Its methods are what the APIs and the roles of a process call.
pub struct Service {
    pub(crate) parts: Parts,
    pub(crate) gate: EndpointGate,
    pub(crate) processing: Pool,
    pub(crate) delivering: Pool,
    /// Places per backend; as many entries as there are backends.
    pub(crate) backends: Mutex<HashMap<BackendId, Arc<Semaphore>>>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
    /// When the registry was asked and did not answer; none while it does.
    pub(crate) registry_asked_in_vain: Mutex<Option<Duration>>,
    /// Every plugin that is bound can be called without being compiled first.
    pub(crate) warm: AtomicBool,
}

/// Why a store is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StoreRefused {
    /// What is in it was sealed by others.
    #[error(
        "the store belongs to an installation with another key file: start every process with the key file \
         of the first one"
    )]
    OtherKeyFile,
    /// This version cannot read what is in it.
    #[error(
        "the store was written by another version, whose layout this one does not read: serve it with that \
         version, or name an empty store"
    )]
    OtherLayout,
    /// Not everything is in it.
    #[error(
        "the store is the target of a copy that is not complete: run the same `patchbay store copy` again, \
         which goes on where it was interrupted"
    )]
    IncompleteCopy,
}

/// The wait before a store that is away is asked again.
const STORE_PAUSE: Duration = Duration::from_millis(500);

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Service").field(&self.parts).finish()
    }
}

impl Service {
    /// Puts the parts together. Nothing runs until [`Self::run_worker`] and its like are called.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Settings {
            workers,
            workers_per_customer,
            deliveries,
            deliveries_per_customer,
            ..
        } = parts.settings;
        Arc::new(Self {
            gate: EndpointGate::new(parts.settings.gate, parts.clock.clone()),
            processing: Pool::new(workers, workers_per_customer),
            delivering: Pool::new(deliveries, deliveries_per_customer),
            backends: Mutex::new(HashMap::new()),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            registry_asked_in_vain: Mutex::new(None),
            warm: AtomicBool::new(false),
            parts,
        })
    }

    /// The registry, for the admin API.
    pub fn registry(&self) -> &Arc<Registry> {
        &self.parts.registry
    }

    /// The time.
    pub fn clock(&self) -> &SharedClock {
        &self.parts.clock
    }

    /// Sees to it that the store is this installation's, and whole. Waits for a store that is away, for as
    /// long as that takes; tells `waiting` when it begins to.
    pub async fn claim_store(&self, waiting: impl Fn()) -> Result<(), StoreRefused> {
        let mut told = false;
        loop {
            match self.try_to_claim().await {
                Ok(claimed) => return claimed,
                Err(error) if told => tracing::debug!(%error, "the store is still away"),
                Err(error) => {
                    tracing::error!(%error, "the store is away; waiting for it");
                    waiting();
                    told = true;
                }
            }
            self.parts.clock.sleep(STORE_PAUSE).await;
        }
    }

    async fn try_to_claim(&self) -> Result<Result<(), StoreRefused>, StoreError> {
        let installation = Installation {
            key_file: self.parts.hasher.hash(HashDomain::KeyFile, &[]),
        };
        match self.parts.store.claim(installation).await? {
            Claimed::New | Claimed::Ours => {}
            Claimed::Others => return Ok(Err(StoreRefused::OtherKeyFile)),
            Claimed::OtherLayout => return Ok(Err(StoreRefused::OtherLayout)),
        }
        match copy::standing(&self.parts.store).await? {
            Standing::Home => {}
            Standing::Incomplete => return Ok(Err(StoreRefused::IncompleteCopy)),
            Standing::Source | Standing::Left => tracing::warn!(
                "this store was copied to another: what is accepted here is not there"
            ),
        }
        Ok(Ok(()))
    }

    /// Takes no more work, lets what is under way end within the drain time, and leaves the rest to
    /// the expiry of its leases.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => {}
            () = self.parts.clock.sleep(self.parts.settings.drain) => {
                tracing::warn!(left = self.tasks.len(), "stopped with work under way");
            }
        }
    }

    /// Whether [`Self::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    pub(crate) fn patient_hash(&self, customer: &CustomerId, patient: &PatientId) -> KeyedHash {
        let parts = [customer.as_str().as_bytes(), patient.expose().as_bytes()];
        self.parts.hasher.hash(HashDomain::Patient, &parts)
    }

    pub(crate) fn internal_hash(&self, backend: &BackendId, internal: &InternalId) -> KeyedHash {
        let parts = [backend.as_str().as_bytes(), internal.expose().as_bytes()];
        self.parts.hasher.hash(HashDomain::Internal, &parts)
    }

    pub(crate) fn customer(&self, id: &CustomerId) -> Option<Arc<Customer>> {
        self.parts.registry.snapshot().customer(id).cloned()
    }
}
