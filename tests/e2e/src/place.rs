//! Where a tested service keeps its store and registry.
//!
//! The embedded store and SQLite, unless a variable says otherwise. With `PATCHBAY_E2E_FDB` each service has a
//! namespace of the cluster that `PATCHBAY_TEST_FDB` names, and a PostgreSQL database of its own. With
//! `PATCHBAY_E2E_SIMULATED` each has the simulated store of this seed, which meets faults and ends with its
//! process: tests that need it to outlive that are passed over.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;

use patchbay_test_servers::pass_over;
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
        if let Some(seed) = simulated() {
            return Self {
                store: Some(format!("simulated:{seed}")),
                registry: None,
            };
        }
        if std::env::var_os("PATCHBAY_E2E_FDB").is_none() {
            return Self::default();
        }
        let file = std::env::var("PATCHBAY_TEST_FDB");
        Self::cluster(&file.expect("PATCHBAY_TEST_FDB names a cluster file"))
    }

    /// A new namespace of the cluster that this cluster file names, and a new database.
    pub fn cluster(file: &str) -> Self {
        // Others may test on the same cluster.
        let namespace = format!("e2e-{:016x}", RandomState::new().build_hasher().finish());
        Self {
            store: Some(format!("fdb:{file}?namespace={namespace}")),
            registry: Some(database()),
        }
    }

    /// The store of this file or data folder, with a registry of its own.
    pub fn embedded(path: &Path) -> Self {
        Self {
            store: Some(format!("embedded:{}", path.display())),
            registry: None,
        }
    }

    /// The same store, with a new registry. `data` is the data folder of the service that has it.
    #[must_use]
    pub fn with_new_registry(&self, data: &Path) -> Self {
        match &self.store {
            None => Self::embedded(data),
            Some(_) => Self {
                registry: self.registry.as_ref().map(|_| database()),
                ..self.clone()
            },
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

fn database() -> String {
    let postgres = Postgres::shared().expect("a store on FoundationDB needs PostgreSQL");
    postgres.database()
}

fn simulated() -> Option<String> {
    std::env::var("PATCHBAY_E2E_SIMULATED").ok()
}

/// Whether a test that needs a store that outlives its process has to be passed over; if so, one line says
/// it.
pub fn is_passed_over(test: &str) -> bool {
    let gone = simulated().is_some();
    if gone {
        pass_over(&format!(
            "{test}: the simulated store ends with its process"
        ));
    }
    gone
}
