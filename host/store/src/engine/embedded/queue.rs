//! Commits that wait for the sequencer.
//!
//! Bounded by the memory they hold: whoever wants to commit waits for room first.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::engine::pending::Pending;
use crate::engine::{Committed, EngineError, limits};

/// How much is made durable at once: enough that the disk's latency does not matter, little enough that
/// nobody waits long for the others of the group. The count stays below what a versionstamp can tell apart.
const GROUP_COMMITS: usize = 1024;
const GROUP_BYTES: usize = 16 << 20;

/// What a waiting commit takes at least, whatever it writes.
const LEAST_BYTES: usize = 1024;

/// Where the answer to a commit goes.
pub(super) type Answer = oneshot::Sender<Result<Committed, EngineError>>;

/// A transaction that wants to commit.
pub(super) struct Request {
    pub(super) read_version: u64,
    pub(super) pending: Pending,
    pub(super) answer: Answer,
    /// Its share of the memory for waiting commits.
    pub(super) room: Room,
}

/// A share of the memory for waiting commits, until it is dropped.
pub(super) struct Room(#[allow(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

pub(super) struct Queue {
    state: Mutex<State>,
    arrived: Condvar,
    room: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Request>,
    closed: bool,
}

impl Queue {
    /// A queue for commits of together `bytes`, or of one transaction of the largest size.
    pub(super) fn new(bytes: usize) -> Self {
        let room = bytes.clamp(limits::TRANSACTION_BYTES, Semaphore::MAX_PERMITS);
        Self {
            state: Mutex::default(),
            arrived: Condvar::new(),
            room: Arc::new(Semaphore::new(room)),
        }
    }

    /// Waits for room for a transaction of `size`.
    pub(super) async fn room(&self, size: usize) -> Option<Room> {
        let size = u32::try_from(size.max(LEAST_BYTES)).ok()?;
        let room = Arc::clone(&self.room).acquire_many_owned(size).await;
        room.ok().map(Room)
    }

    /// Adds a commit. Says whether that is still possible.
    pub(super) fn push(&self, request: Request) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        state.waiting.push_back(request);
        drop(state);
        self.arrived.notify_one();
        true
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.state.lock().waiting.len()
    }

    /// Lets no more in. Those that are in can still be taken.
    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_one();
    }

    /// Waits for a commit and takes all that wait, within limits. If they are fewer than `expected`, gives
    /// the others up to `patience` to arrive. Nothing comes any more once it is closed and empty.
    pub(super) fn take(&self, expected: usize, patience: Duration) -> Option<Vec<Request>> {
        let mut state = self.state.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            self.arrived.wait(&mut state);
        }
        let expected = expected.min(GROUP_COMMITS);
        if state.waiting.len() < expected && !patience.is_zero() {
            self.arrived.wait_while_for(
                &mut state,
                |state| state.waiting.len() < expected && !state.closed,
                patience,
            );
        }
        let mut bytes = 0;
        let group = state
            .waiting
            .iter()
            .take(GROUP_COMMITS)
            .take_while(|request| {
                let fits = bytes < GROUP_BYTES;
                bytes += request.pending.size();
                fits
            })
            .count();
        Some(state.waiting.drain(..group).collect())
    }
}
