//! FoundationDB's client library (`libfdb_c.so`), found when the program runs instead of when it is
//! built, and its network thread, started once and stopped before the process ends.
//!
//! Owns everything about FoundationDB that needs `unsafe`: the forwarding of the C functions
//! ([`mod@forward`]), the opening of the library, and the life of its network thread. It knows nothing of
//! transactions; those are the `foundationdb` crate's, which calls the C functions defined here.
//!
//! Without the feature `fdb` it is empty.

#![deny(missing_docs)]
#![cfg(feature = "fdb")]

mod forward;
mod library;
mod network;

pub use library::{API_VERSION, ClientError, INSTALL_HINT};
pub use network::{InUse, start, stop};
