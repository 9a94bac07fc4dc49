//! Where the store is, as a person names it, and opening it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use patchbay_ambient::SharedClock;
use patchbay_store::engine::SharedEngine;
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};

use crate::data::DataDir;

/// `embedded`, `embedded:PATH`, `fdb:CLUSTER_FILE` or `fdb:CLUSTER_FILE?namespace=NAME`; for tests also
/// `simulated:SEED`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreSpec {
    /// The embedded engine: on this file, or on the file of this data folder; on the one of the service's
    /// own data folder where none is named.
    Embedded(Option<PathBuf>),
    /// The FoundationDB cluster that this file names, or one namespace of it.
    Fdb(PathBuf, Option<String>),
    /// The simulated engine: in memory, with faults that follow from this seed.
    Simulated(u64),
}

const USAGE: &str = "say embedded, embedded:PATH, fdb:CLUSTER_FILE or fdb:CLUSTER_FILE?namespace=NAME, with \
                     a name of a-z, 0-9 and '-'";

impl FromStr for StoreSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "embedded" => Ok(Self::Embedded(None)),
            Some(("embedded", path)) if !path.is_empty() => Ok(Self::Embedded(Some(path.into()))),
            Some(("fdb", path)) if !path.is_empty() => match path.split_once("?namespace=") {
                None => Ok(Self::Fdb(path.into(), None)),
                Some((path, name)) if !path.is_empty() && is_name(name) => {
                    Ok(Self::Fdb(path.into(), Some(name.into())))
                }
                Some(_) => Err(USAGE.into()),
            },
            Some(("simulated", seed)) => seed
                .parse()
                .map(Self::Simulated)
                .map_err(|_| "say simulated:SEED, a number of 64 bits".into()),
            _ => Err(USAGE.into()),
        }
    }
}

fn is_name(text: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(letter)
}

impl fmt::Display for StoreSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Embedded(None) => f.write_str("embedded"),
            Self::Embedded(Some(path)) => write!(f, "embedded:{}", path.display()),
            Self::Fdb(path, None) => write!(f, "fdb:{}", path.display()),
            Self::Fdb(path, Some(name)) => write!(f, "fdb:{}?namespace={name}", path.display()),
            Self::Simulated(seed) => write!(f, "simulated:{seed}"),
        }
    }
}

impl StoreSpec {
    /// The file of an embedded store; none of any other. `data` is the folder of a store that is not named.
    pub(crate) fn file(&self, data: Option<&DataDir>) -> Option<PathBuf> {
        match self {
            Self::Embedded(Some(path)) if path.is_dir() => Some(DataDir::new(path).store()),
            Self::Embedded(Some(path)) => Some(path.clone()),
            Self::Embedded(None) => data.map(DataDir::store),
            Self::Fdb(..) | Self::Simulated(_) => None,
        }
    }

    /// Opens the store. `data` is the folder of a store that is not named.
    pub(crate) fn open(
        &self,
        data: Option<&DataDir>,
        clock: &SharedClock,
    ) -> Result<SharedEngine, String> {
        match self {
            Self::Embedded(_) => {
                let file = self.file(data).ok_or("say where it is: embedded:PATH")?;
                let options = EmbeddedOptions::new(clock.clone());
                let engine = EmbeddedEngine::open(&file, options);
                engine
                    .map(|engine| engine as SharedEngine)
                    .map_err(|error| error.to_string())
            }
            Self::Fdb(path, namespace) => open_fdb(path, namespace.as_deref(), clock),
            Self::Simulated(seed) => open_simulated(*seed, clock),
        }
    }
}

#[cfg(feature = "fdb")]
fn open_fdb(
    path: &Path,
    namespace: Option<&str>,
    clock: &SharedClock,
) -> Result<SharedEngine, String> {
    use patchbay_store::engine::fdb::{FdbEngine, FdbOptions};
    let options = FdbOptions::new(clock.clone());
    let options = match namespace {
        Some(name) => options.in_namespace(name),
        None => options,
    };
    FdbEngine::open(path, &options)
        .map(|engine| engine as SharedEngine)
        .map_err(|error| error.to_string())
}

#[cfg(not(feature = "fdb"))]
fn open_fdb(_: &Path, _: Option<&str>, _: &SharedClock) -> Result<SharedEngine, String> {
    Err("this program was built without FoundationDB: build it with `--features fdb`".into())
}

/// What an operation can simply be run again after happens, and waits do. No crashes and no outages: what was
/// accepted would be gone.
#[cfg(feature = "simulated")]
#[allow(clippy::unnecessary_wraps, reason = "the other build refuses")]
fn open_simulated(seed: u64, clock: &SharedClock) -> Result<SharedEngine, String> {
    use patchbay_store::engine::simulated::{Faults, SimulatedEngine};
    tracing::warn!(
        seed,
        "the store is simulated: nothing in it outlives this process"
    );
    Ok(SimulatedEngine::new(
        seed,
        clock.clone(),
        Faults::retryable(),
    ))
}

#[cfg(not(feature = "simulated"))]
fn open_simulated(_: u64, _: &SharedClock) -> Result<SharedEngine, String> {
    Err("this program was built without the simulated store, which is for tests alone: build it with \
         `--features simulated`"
        .into())
}

/// Ends what engines leave running until the process ends. To be called last, when every store is closed.
pub(crate) fn shut_down() {
    #[cfg(feature = "fdb")]
    patchbay_store::engine::fdb::stop_network();
}
