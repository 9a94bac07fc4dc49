//! Where the store is, as a person names it, and opening it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use patchbay_ambient::SharedClock;
use patchbay_store::engine::SharedEngine;
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};

use crate::data::DataDir;

/// `embedded`, `embedded:PATH` or `fdb:CLUSTER_FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreSpec {
    /// The embedded engine: on this file, or on the file of this data folder; on the one of the service's
    /// own data folder where none is named.
    Embedded(Option<PathBuf>),
    /// The FoundationDB cluster that this file names.
    Fdb(PathBuf),
}

impl FromStr for StoreSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "embedded" => Ok(Self::Embedded(None)),
            Some(("embedded", path)) if !path.is_empty() => Ok(Self::Embedded(Some(path.into()))),
            Some(("fdb", path)) if !path.is_empty() => Ok(Self::Fdb(path.into())),
            _ => Err("say embedded, embedded:PATH or fdb:CLUSTER_FILE".into()),
        }
    }
}

impl fmt::Display for StoreSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(None) => f.write_str("embedded"),
            Self::Embedded(Some(path)) => write!(f, "embedded:{}", path.display()),
            Self::Fdb(path) => write!(f, "fdb:{}", path.display()),
        }
    }
}

impl StoreSpec {
    /// Opens the store. `data` is the folder of a store that is not named.
    pub(crate) fn open(
        &self,
        data: Option<&DataDir>,
        clock: &SharedClock,
    ) -> Result<SharedEngine, String> {
        match self {
            Self::Embedded(path) => {
                let file = match path {
                    Some(path) if path.is_dir() => DataDir::new(path).store(),
                    Some(path) => path.clone(),
                    None => data
                        .map(DataDir::store)
                        .ok_or("say where it is: embedded:PATH")?,
                };
                let options = EmbeddedOptions::new(clock.clone());
                let engine = EmbeddedEngine::open(&file, options);
                engine
                    .map(|engine| engine as SharedEngine)
                    .map_err(|error| error.to_string())
            }
            Self::Fdb(path) => open_fdb(path, clock),
        }
    }
}

#[cfg(feature = "fdb")]
fn open_fdb(path: &std::path::Path, clock: &SharedClock) -> Result<SharedEngine, String> {
    use patchbay_store::engine::fdb::{FdbEngine, FdbOptions};
    FdbEngine::open(path, &FdbOptions::new(clock.clone()))
        .map(|engine| engine as SharedEngine)
        .map_err(|error| error.to_string())
}

#[cfg(not(feature = "fdb"))]
fn open_fdb(_: &std::path::Path, _: &SharedClock) -> Result<SharedEngine, String> {
    Err("this program was built without FoundationDB: build it with `--features fdb`".into())
}

/// Ends what engines leave running until the process ends. To be called last, when every store is closed.
pub(crate) fn shut_down() {
    #[cfg(feature = "fdb")]
    patchbay_store::engine::fdb::stop_network();
}
