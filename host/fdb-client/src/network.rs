//! The network thread: FoundationDB's client does its work on one, which a process can start once and has
//! to stop before it ends.

#![allow(unsafe_code, reason = "see `start`")]

use foundationdb::api::{FdbApiBuilder, NetworkAutoStop};
use parking_lot::Mutex;

use crate::library::{API_VERSION, ClientError, load};

static NETWORK: Mutex<State> = Mutex::new(State::New);

enum State {
    New,
    Running(NetworkAutoStop),
    Failed(ClientError),
    Stopped,
}

/// The network thread is in use. To be kept as long as a database is.
#[derive(Debug)]
#[must_use]
pub struct InUse(());

impl Drop for InUse {
    /// The library makes objects as it goes along that are destroyed when the process exits, the newest
    /// first; the thread has to be stopped before any of them is. So the function that does it is put
    /// on top once more.
    fn drop(&mut self) {
        let _ = stop_at_exit();
    }
}

/// Opens the client library and starts its network thread, unless that was done before.
///
/// The thread is stopped by [`stop`], which is the way to do it; for a process that exits without, it is stopped
/// then, if all that use it were dropped before.
pub fn start() -> Result<InUse, ClientError> {
    load()?;
    let mut state = NETWORK.lock();
    match &*state {
        State::Running(_) => return Ok(InUse(())),
        State::Failed(error) => return Err(error.clone()),
        State::Stopped => return Err(ClientError::Stopped),
        State::New => {}
    }
    let started = boot();
    match started {
        Ok(guard) => {
            *state = State::Running(guard);
            Ok(InUse(()))
        }
        // Asking for the API a second time panics, so the first answer is the last.
        Err(error) => {
            *state = State::Failed(error.clone());
            Err(error)
        }
    }
}

fn boot() -> Result<NetworkAutoStop, ClientError> {
    let failed = |error: foundationdb::FdbError| ClientError::Network(error.to_string());
    let api = FdbApiBuilder::default()
        .set_runtime_version(API_VERSION)
        .build()
        .map_err(failed)?;
    if !stop_at_exit() {
        let why = "the process takes no more functions to call at its end";
        return Err(ClientError::Network(why.into()));
    }
    // SAFETY: `boot` requires that the guard is dropped before the process exits (an abort or a kill apart).
    // `stop` drops it, and `at_exit` calls `stop` on every other way out: a return from `main` and
    // `std::process::exit` both run it.
    unsafe { api.boot() }.map_err(failed)
}

/// Whether the process will stop the thread when it exits, before anything it was told earlier to do then.
fn stop_at_exit() -> bool {
    // SAFETY: `at_exit` only locks a mutex and joins a thread, and does not unwind. A second call of it finds
    // nothing to do.
    unsafe { libc::atexit(at_exit) == 0 }
}

extern "C" fn at_exit() {
    stop();
}

/// Stops the network thread and waits for its end. Databases and transactions should be dropped before;
/// what still waits for an answer then waits for ever. Does nothing where it does not run.
pub fn stop() {
    let mut state = NETWORK.lock();
    // The lock is held until the thread has ended, so that whoever wants to start it sees that.
    match std::mem::replace(&mut *state, State::Stopped) {
        State::Running(guard) => drop(guard),
        other => *state = other,
    }
}
