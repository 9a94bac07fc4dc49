//! Who waits for which key to change.
//!
//! Knows keys and values; how current values are read is the caller's part. The order in which things
//! happen makes that no change is lost: a commit is made readable first and then fires watches; a watch is
//! registered first and then compared with what can be read.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::{EngineError, KeyRange};

/// Values longer than this are not kept: any write of such a key fires.
const KEPT_VALUE_BYTES: usize = 256;

/// All watches of an engine.
pub(super) struct Watches {
    state: Mutex<State>,
    max: usize,
}

struct State {
    by_key: BTreeMap<Bytes, Vec<Registered>>,
    /// How many watches exist, those not registered yet included.
    live: usize,
    next_id: u64,
    ended: Option<EngineError>,
}

struct Registered {
    id: u64,
    seen: Seen,
    fire: oneshot::Sender<Result<(), EngineError>>,
}

enum Seen {
    Value(Option<Bytes>),
    Long,
}

/// A watch whose transaction has not committed.
pub(super) struct Unregistered {
    pub(super) key: Bytes,
    pub(super) seen: Option<Bytes>,
    id: u64,
    fire: oneshot::Sender<Result<(), EngineError>>,
}

impl Watches {
    /// Room for `max` watches.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                by_key: BTreeMap::new(),
                live: 0,
                next_id: 0,
                ended: None,
            }),
            max,
        })
    }

    /// How many watches there are.
    pub(super) fn len(&self) -> usize {
        self.state.lock().live
    }

    /// A watch on `key`, whose value was `seen`: what to register, and what ends when it fires.
    pub(super) fn create(
        self: &Arc<Self>,
        key: Bytes,
        seen: Option<Bytes>,
    ) -> Result<(Unregistered, super::Watch), EngineError> {
        let (fire, fired) = oneshot::channel();
        let id = {
            let mut state = self.state.lock();
            if let Some(error) = &state.ended {
                return Err(error.clone());
            }
            if state.live >= self.max {
                return Err(EngineError::Unavailable(format!(
                    "{} keys are being watched already, which is the limit",
                    self.max
                )));
            }
            state.live += 1;
            state.next_id += 1;
            state.next_id
        };
        let waiting = Waiting {
            fired,
            key: key.clone(),
            id,
            watches: Arc::clone(self),
        };
        let unregistered = Unregistered {
            key,
            seen,
            id,
            fire,
        };
        Ok((unregistered, Box::pin(waiting)))
    }

    /// Registers a watch whose transaction has committed, and fires it if `current`, called after it was
    /// registered, gives another value than was seen.
    pub(super) fn register(
        &self,
        watch: Unregistered,
        current: impl FnOnce(&[u8]) -> Result<Option<Bytes>, EngineError>,
    ) {
        let Unregistered {
            key,
            seen,
            id,
            fire,
        } = watch;
        {
            let mut state = self.state.lock();
            if let Some(error) = &state.ended {
                let _ = fire.send(Err(error.clone()));
                return;
            }
            // Whoever dropped it has looked for it here already, or will after this lock is released.
            if fire.is_closed() {
                return;
            }
            let kept = match &seen {
                Some(value) if value.len() > KEPT_VALUE_BYTES => Seen::Long,
                _ => Seen::Value(seen.clone()),
            };
            state
                .by_key
                .entry(key.clone())
                .or_default()
                .push(Registered {
                    id,
                    seen: kept,
                    fire,
                });
        }
        let result = match current(&key) {
            Ok(value) if value == seen => return,
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Some(registered) = self.state.lock().take(&key, id) {
            let _ = registered.fire.send(result);
        }
    }

    /// Fires the watches on what has been written, where `current` gives another value than was seen.
    pub(super) fn written(
        &self,
        keys: &[Bytes],
        ranges: &[KeyRange],
        current: impl Fn(&[u8]) -> Result<Option<Bytes>, EngineError>,
    ) -> Result<(), EngineError> {
        for key in self.touched(keys, ranges) {
            // Without the lock: a read that fails ends all watches.
            let value = current(&key)?;
            let mut state = self.state.lock();
            let Some(waiting) = state.by_key.remove(&key) else {
                continue;
            };
            let (fired, kept): (Vec<_>, Vec<_>) =
                waiting.into_iter().partition(|watch| match &watch.seen {
                    Seen::Value(seen) => *seen != value,
                    Seen::Long => true,
                });
            if !kept.is_empty() {
                state.by_key.insert(key, kept);
            }
            drop(state);
            for watch in fired {
                let _ = watch.fire.send(Ok(()));
            }
        }
        Ok(())
    }

    /// The watched keys among those written.
    fn touched(&self, keys: &[Bytes], ranges: &[KeyRange]) -> Vec<Bytes> {
        let state = self.state.lock();
        if state.by_key.is_empty() {
            return Vec::new();
        }
        let watched = keys.iter().filter(|key| state.by_key.contains_key(*key));
        let mut touched: Vec<Bytes> = watched.cloned().collect();
        for range in ranges.iter().filter(|range| !range.is_empty()) {
            let inside = state.by_key.range::<[u8], _>(range.bounds());
            touched.extend(inside.map(|(key, _)| key.clone()));
        }
        touched
    }

    /// Gives the error to all watches, and to all that will be asked for.
    pub(super) fn end(&self, error: &EngineError) {
        let waiting = {
            let mut state = self.state.lock();
            state.ended.get_or_insert_with(|| error.clone());
            std::mem::take(&mut state.by_key)
        };
        for watch in waiting.into_values().flatten() {
            let _ = watch.fire.send(Err(error.clone()));
        }
    }
}

impl State {
    fn take(&mut self, key: &Bytes, id: u64) -> Option<Registered> {
        let waiting = self.by_key.get_mut(key)?;
        let at = waiting.iter().position(|watch| watch.id == id)?;
        let registered = waiting.swap_remove(at);
        if waiting.is_empty() {
            self.by_key.remove(key);
        }
        Some(registered)
    }
}

/// The future that a watch is.
struct Waiting {
    fired: oneshot::Receiver<Result<(), EngineError>>,
    key: Bytes,
    id: u64,
    watches: Arc<Watches>,
}

impl Future for Waiting {
    type Output = Result<(), EngineError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Poll::Ready(fired) = Pin::new(&mut self.fired).poll(context) else {
            return Poll::Pending;
        };
        Poll::Ready(fired.unwrap_or_else(|_| {
            let ended = self.watches.state.lock().ended.clone();
            Err(ended.unwrap_or_else(|| {
                EngineError::Unavailable("the transaction of the watch did not commit".into())
            }))
        }))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        // Closed before the look, so that a registration under way either is found or sees it.
        self.fired.close();
        let mut state = self.watches.state.lock();
        state.live -= 1;
        state.take(&self.key, self.id);
    }
}
