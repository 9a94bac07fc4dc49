//! A registry in a directory of its own, on a clock that the test moves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use patchbay_ambient::{ManualClock, SeededEntropy, SharedEntropy};
use patchbay_registry::{
    BackendLimits, Credentials, CustomerSettings, NewBackend, NewCustomer, PluginVersion, Registry,
    RegistryConfig, RegistryError,
};
use patchbay_vault::KeyRing;
use patchbay_workflow::{BackendId, CustomerId, PluginDigest, Role, Sensitive, Timestamp};
use sha2::{Digest as _, Sha256};
use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

pub(crate) const ALICE: &str = "alice";

pub(crate) struct Installation {
    pub(crate) home: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) keys: Arc<KeyRing>,
    entropy: SharedEntropy,
}

impl Installation {
    pub(crate) fn new() -> Self {
        Self::seeded(7)
    }

    pub(crate) fn seeded(seed: u64) -> Self {
        let entropy = SeededEntropy::new(seed);
        Self {
            home: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_763_813_837_042))),
            keys: Arc::new(KeyRing::ephemeral(&entropy)),
            entropy: Arc::new(entropy),
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.home.path().join("registry.sqlite")
    }

    /// One process's view of the installation.
    pub(crate) async fn open(&self) -> Arc<Registry> {
        self.open_with(self.keys.clone()).await.unwrap()
    }

    pub(crate) async fn open_with(
        &self,
        keys: Arc<KeyRing>,
    ) -> Result<Arc<Registry>, RegistryError> {
        let config = RegistryConfig::file(self.path());
        Registry::open(&config, keys, self.clock.clone(), self.entropy.clone()).await
    }

    /// A connection past the registry.
    pub(crate) async fn sql(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path());
        options.connect().await.unwrap()
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }
}

pub(crate) fn customer(id: &str) -> CustomerId {
    id.parse().unwrap()
}

pub(crate) fn backend_id(id: &str) -> BackendId {
    id.parse().unwrap()
}

pub(crate) fn digest(bytes: &[u8]) -> PluginDigest {
    PluginDigest::from_bytes(Sha256::digest(bytes).into())
}

pub(crate) fn new_customer(id: &str) -> NewCustomer {
    NewCustomer {
        id: customer(id),
        name: format!("Clinic {id}"),
        settings: CustomerSettings::default(),
        webhook_url: Some(format!("https://{id}.example/hooks/planted-path-7f")),
    }
}

pub(crate) fn new_backend(id: &str, adapter: &str) -> NewBackend {
    NewBackend {
        id: backend_id(id),
        base_url: "https://fhir.example/r4/".to_owned(),
        adapter: adapter.to_owned(),
        config: r#"{"page": 20, "fields": {"family": "family", "given": "given"}}"#.to_owned(),
        credentials: Credentials::Bearer(Sensitive::new("planted-bearer-token-3c".to_owned())),
        limits: BackendLimits::default(),
    }
}

pub(crate) async fn push(
    registry: &Registry,
    name: &str,
    bytes: &[u8],
    roles: &[Role],
) -> PluginVersion {
    registry
        .add_plugin(ALICE, name, bytes, digest(bytes), roles)
        .await
        .unwrap()
}

/// Everything that a snapshot says, without what tells one process from another.
pub(crate) fn view(registry: &Registry) -> String {
    let snapshot = registry.snapshot();
    let customers: Vec<_> = snapshot.customers().collect();
    let backends: Vec<_> = snapshot.backends().collect();
    let plugins: Vec<_> = snapshot.plugins().collect();
    let by_digest: Vec<_> = plugins
        .iter()
        .map(|it| snapshot.plugin(&it.digest))
        .collect();
    format!(
        "{} {customers:#?} {backends:#?} {plugins:#?} {by_digest:#?} {:?}",
        snapshot.revision,
        snapshot.bound_digests()
    )
}
