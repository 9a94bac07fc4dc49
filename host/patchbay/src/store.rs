//! Which store a command line names, and how it is opened.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use patchbay_ambient::SharedClock;
use patchbay_store::engine::SharedEngine;
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};

use crate::data::DataDir;

/// A store: `embedded:PATH` or `fdb:CLUSTER_FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreSpec {
    /// A file, or the data folder that it is in.
    Embedded(PathBuf),
    /// A FoundationDB cluster.
    Fdb(PathBuf),
}

impl FromStr for StoreSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("embedded", path)) if !path.is_empty() => Ok(Self::Embedded(path.into())),
            Some(("fdb", path)) if !path.is_empty() => Ok(Self::Fdb(path.into())),
            _ => Err("a store is embedded:PATH or fdb:CLUSTER_FILE".to_owned()),
        }
    }
}

impl StoreSpec {
    /// The file of an embedded store: a folder is a data folder.
    fn file(path: &Path) -> PathBuf {
        if path.is_dir() {
            DataDir::new(path).store()
        } else {
            path.to_owned()
        }
    }
}

/// Opens the store, making an embedded one where there is none.
#[allow(clippy::unused_async, reason = "other engines have to wait")]
pub(crate) async fn open(spec: &StoreSpec, clock: &SharedClock) -> Result<SharedEngine, String> {
    match spec {
        StoreSpec::Embedded(path) => {
            let options = EmbeddedOptions::new(clock.clone());
            match EmbeddedEngine::open(&StoreSpec::file(path), options) {
                Ok(engine) => Ok(engine),
                Err(error) => Err(error.to_string()),
            }
        }
        StoreSpec::Fdb(_) => Err("this program was built without FoundationDB".to_owned()),
    }
}
