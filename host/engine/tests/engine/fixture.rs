//! Services without sockets, each with an empty registry of its own, on a store and a clock that the test has.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use patchbay_ambient::{
    HttpClient, HttpError, HttpRequest, HttpResponse, ManualClock, SeededEntropy, SharedClock,
    SharedEntropy,
};
use patchbay_engine::{Parts, Service, Settings};
use patchbay_registry::{Registry, RegistryConfig};
use patchbay_sandbox::{CallLimits, CompileMode, Sandbox, SandboxConfig};
use patchbay_store::engine::simulated::{Faults, SimulatedEngine};
use patchbay_store::{Database, Operation};
use patchbay_vault::KeyRing;
use patchbay_workflow::{Deadlines, Timestamp};
use tempfile::TempDir;

pub(crate) const START: Timestamp = Timestamp::from_millis(1_763_813_837_042);

/// A store in memory, and what its services share.
pub(crate) struct Fixture {
    pub(crate) store: Database,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) entropy: SharedEntropy,
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new(clock: Arc<ManualClock>) -> Self {
        let entropy: SharedEntropy = Arc::new(SeededEntropy::new(7));
        let engine = SimulatedEngine::new(7, clock.clone(), Faults::none());
        let deadlines = Deadlines::default();
        Self {
            store: Database::new(engine, clock.clone(), entropy.clone(), deadlines),
            clock,
            entropy,
            folder: TempDir::new().unwrap(),
        }
    }

    /// A process of this name.
    pub(crate) async fn service(&self, name: &str) -> Arc<Service> {
        let clock: SharedClock = self.clock.clone();
        let keys = Arc::new(KeyRing::ephemeral(&*self.entropy));
        let hasher = keys.hasher();
        let folder = self.folder.path();
        let config = RegistryConfig::file(folder.join(format!("{name}.sqlite")));
        let registry = Registry::open(&config, keys, clock.clone(), self.entropy.clone());
        let sandbox = SandboxConfig {
            cache_dir: folder.join(name),
            cache_mac_key: [7; 32],
            compile: CompileMode::InProcess,
            limits: CallLimits::default(),
            concurrency: 1,
        };
        Service::new(Parts {
            store: self.store.clone(),
            registry: registry.await.unwrap(),
            sandbox: Sandbox::new(sandbox, clock.clone(), self.entropy.clone()).unwrap(),
            hasher,
            http: Arc::new(Nobody),
            clock,
            entropy: self.entropy.clone(),
            settings: Settings::default(),
        })
    }

    pub(crate) async fn run<O: Operation>(&self, operation: &O) -> O::Output {
        self.store.run(operation).await.unwrap()
    }
}

/// There is no internal system and no endpoint.
struct Nobody;

#[async_trait]
impl HttpClient for Nobody {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::Connection("nobody listens".to_owned()))
    }
}

/// Waits until something is so that others bring about without the clock's moving.
pub(crate) async fn until<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(20), looking);
    found.await.expect("it happens in time")
}
