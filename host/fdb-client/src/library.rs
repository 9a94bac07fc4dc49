//! Finding and opening the client library.

#![allow(
    unsafe_code,
    reason = "opening a library runs its code: it is the operator's, named by them or installed by FoundationDB's package"
)]

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use libloading::Library;

use crate::forward;

/// The API version that is asked for, which FoundationDB 7.3 and later offer.
pub const API_VERSION: i32 = 730;

/// What to do where the library is not there.
pub const INSTALL_HINT: &str = "install FoundationDB's client package (foundationdb-clients 7.3), or name \
     the folder of libfdb_c.so in FDB_CLIENT_LIB_PATH";

/// The library's file.
const FILE: &str = "libfdb_c.so";
/// Where else FoundationDB's packages and people put it, after the dynamic linker's own search.
const PLACES: [&str; 4] = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/lib/foundationdb",
];

/// Why FoundationDB cannot be used by this process.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientError {
    /// The library is nowhere.
    #[error("FoundationDB's client library (libfdb_c.so) was not found: {INSTALL_HINT}")]
    Missing,
    /// It is there, and cannot be used.
    #[error("{path} cannot be used as FoundationDB's client library: {why}; {INSTALL_HINT}")]
    Unusable {
        /// Which file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The network thread could not be started.
    #[error("FoundationDB's network thread cannot be started: {0}")]
    Network(String),
    /// The network thread was stopped, which is for good.
    #[error("FoundationDB's network thread was stopped, and a process can start it only once")]
    Stopped,
}

/// Opens the library, once. Never closed: its network thread, and whatever the slots lead to, stay.
pub(crate) fn load() -> Result<(), ClientError> {
    static LOADED: OnceLock<Result<Library, ClientError>> = OnceLock::new();
    LOADED
        .get_or_init(open)
        .as_ref()
        .map(|_| ())
        .map_err(Clone::clone)
}

fn open() -> Result<Library, ClientError> {
    let mut broken = None;
    for path in candidates() {
        // SAFETY: running the library's initialisers is what the operator asks for by installing it; it has
        // no requirements that a process in this state does not meet.
        match unsafe { Library::new(&path) } {
            Ok(library) => return check(&path, &library).map(|()| library),
            // A file that is there and does not open is worth a word; one that is not there is not.
            Err(error) if path.is_absolute() && path.exists() => {
                broken.get_or_insert(unusable(&path, &error));
            }
            Err(_) => {}
        }
    }
    Err(broken.unwrap_or(ClientError::Missing))
}

/// Where to look, in order.
fn candidates() -> impl Iterator<Item = PathBuf> {
    let named = std::env::var_os("FDB_CLIENT_LIB_PATH").map(PathBuf::from);
    // A folder, as FoundationDB's own bindings take it; or the file itself.
    let named = named.map(|path| {
        if path.is_file() {
            path
        } else {
            path.join(FILE)
        }
    });
    let places = PLACES.into_iter().map(|place| Path::new(place).join(FILE));
    named.into_iter().chain([PathBuf::from(FILE)]).chain(places)
}

fn check(path: &Path, library: &Library) -> Result<(), ClientError> {
    let address_of = |name: &str| {
        // SAFETY: only the address is taken; the type it is called with is that of the bindings. It stays
        // valid, as the library is never closed.
        unsafe { library.get::<*mut c_void>(name).ok()?.try_as_raw_ptr() }
    };
    forward::fill(address_of)
        .map_err(|name| unusable(path, &format!("it has no function {name}")))?;
    let newest = foundationdb::api::get_max_api_version();
    if newest < API_VERSION {
        let why = format!("it offers API version {newest}, and {API_VERSION} is needed");
        return Err(unusable(path, &why));
    }
    Ok(())
}

fn unusable(path: &Path, why: &impl ToString) -> ClientError {
    ClientError::Unusable {
        path: path.display().to_string(),
        why: why.to_string(),
    }
}
