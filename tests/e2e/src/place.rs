//! Where a tested service keeps its store and registry.
//!
//! The embedded store and SQLite, unless `PATCHBAY_E2E_FDB` is set: then each service has a namespace of the
//! cluster that `PATCHBAY_TEST_FDB` names, and a PostgreSQL database of its own.

use std::hash::{BuildHasher, Hasher, RandomState};

use patchbay_test_servers::postgres::Postgres;

/// The arguments that name them.
#[derive(Debug, Clone, Default)]
pub struct Place {
    store: Option<String>,
    registry: Option<String>,
}

impl Place {
    /// A new, empty place of the kind that is being tested.
    pub fn fresh() -> Self {
        if std::env::var_os("PATCHBAY_E2E_FDB").is_none() {
            return Self::default();
        }
        let file = std::env::var("PATCHBAY_TEST_FDB");
        Self::cluster(&file.expect("PATCHBAY_TEST_FDB names a cluster file"))
    }

    /// A new namespace of the cluster that this cluster file names, and a new database.
    pub fn cluster(file: &str) -> Self {
        let postgres = Postgres::shared().expect("a store on FoundationDB needs PostgreSQL");
        // Others may test on the same cluster.
        let namespace = format!("e2e-{:016x}", RandomState::new().build_hasher().finish());
        Self {
            store: Some(format!("fdb:{file}?namespace={namespace}")),
            registry: Some(postgres.database()),
        }
    }

    /// For the command line of `serve`.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let named = |name: &str, value: &Option<String>| {
            value
                .iter()
                .flat_map(|value| [name.to_owned(), value.clone()])
                .collect::<Vec<_>>()
        };
        [
            named("--store", &self.store),
            named("--registry", &self.registry),
        ]
        .concat()
    }
}
