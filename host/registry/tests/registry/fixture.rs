//! A registry on either database, with a directory of its own, on a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use patchbay_ambient::{ManualClock, SeededEntropy, SharedEntropy};
use patchbay_registry::{
    BackendLimits, Credentials, CustomerSettings, Database, NewBackend, NewCustomer, PluginVersion,
    Registry, RegistryConfig, RegistryError,
};
use patchbay_test_servers::postgres::Postgres;
use patchbay_vault::KeyRing;
use patchbay_workflow::{BackendId, CustomerId, PluginDigest, Role, Sensitive, Timestamp};
use sha2::{Digest as _, Sha256};
use sqlx::{AnyConnection, Connection as _};

pub(crate) const ALICE: &str = "alice";

/// Where an installation has its registry.
#[derive(Debug, Clone, Copy)]
pub(crate) enum On {
    Sqlite,
    Postgres(&'static Postgres),
}

impl On {
    /// None where there is no server.
    pub(crate) fn postgres() -> Option<Self> {
        Postgres::shared().map(Self::Postgres)
    }
}

/// Makes of each function, which is given where to run, a test on SQLite and one on PostgreSQL.
macro_rules! on_each_database {
    ($(async $test:ident,)* $(fn $plain:ident,)*) => {
        mod sqlite {
            use $crate::fixture::On;

            $(#[tokio::test]
            async fn $test() {
                super::$test(On::Sqlite).await;
            })*
            $(#[test]
            fn $plain() {
                super::$plain(On::Sqlite);
            })*
        }

        mod postgres {
            use $crate::fixture::On;

            $(#[tokio::test]
            async fn $test() {
                if let Some(on) = On::postgres() {
                    super::$test(on).await;
                }
            })*
            $(#[test]
            fn $plain() {
                if let Some(on) = On::postgres() {
                    super::$plain(on);
                }
            })*
        }
    };
}
pub(crate) use on_each_database;

pub(crate) struct Installation {
    pub(crate) home: tempfile::TempDir,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) keys: Arc<KeyRing>,
    pub(crate) on: On,
    /// The location of the registry's tables.
    pub(crate) url: String,
    entropy: SharedEntropy,
}

impl Installation {
    pub(crate) fn new(on: On) -> Self {
        Self::seeded(on, 7)
    }

    pub(crate) fn seeded(on: On, seed: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let url = match on {
            On::Sqlite => format!("sqlite:{}", home.path().join("registry.sqlite").display()),
            On::Postgres(server) => server.database(),
        };
        Self::at(on, home, url, seed)
    }

    /// On a server that the test has for itself.
    pub(crate) fn of(server: &Postgres, on: On) -> Self {
        Self::at(on, tempfile::tempdir().unwrap(), server.database(), 7)
    }

    fn at(on: On, home: tempfile::TempDir, url: String, seed: u64) -> Self {
        let entropy = SeededEntropy::new(seed);
        Self {
            home,
            clock: Arc::new(ManualClock::at(Timestamp::from_millis(1_763_813_837_042))),
            keys: Arc::new(KeyRing::ephemeral(&entropy)),
            entropy: Arc::new(entropy),
            on,
            url,
        }
    }

    /// One process's view of the installation.
    pub(crate) async fn open(&self) -> Arc<Registry> {
        self.open_with(self.keys.clone()).await.unwrap()
    }

    pub(crate) async fn open_with(
        &self,
        keys: Arc<KeyRing>,
    ) -> Result<Arc<Registry>, RegistryError> {
        let config = RegistryConfig::new(Database::parse(&self.url)?);
        Registry::open(&config, keys, self.clock.clone(), self.entropy.clone()).await
    }

    /// A connection past the registry.
    pub(crate) async fn sql(&self) -> AnyConnection {
        sqlx::any::install_default_drivers();
        AnyConnection::connect(&self.url).await.unwrap()
    }

    /// Runs statements past the registry.
    pub(crate) async fn run(&self, statements: String) -> Result<(), sqlx::Error> {
        let mut sql = self.sql().await;
        let done = sqlx::raw_sql(sqlx::AssertSqlSafe(statements)).execute(&mut sql);
        done.await.map(drop)
    }

    /// That many zero bytes, in SQL.
    pub(crate) fn zeros(&self, bytes: usize) -> String {
        match self.on {
            On::Sqlite => format!("zeroblob({bytes})"),
            On::Postgres(_) => format!("decode(repeat('00', {bytes}), 'hex')"),
        }
    }

    /// What ends the guard of the audit log.
    pub(crate) fn unguard(&self) -> String {
        let table = match self.on {
            On::Sqlite => "",
            On::Postgres(_) => " ON audit_log",
        };
        format!(
            "DROP TRIGGER audit_log_is_not_rewritten{table}; \
             DROP TRIGGER audit_log_is_not_shortened{table};"
        )
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
