//! One transaction: reads its version, buffers its writes, and meets faults.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::Shared;
use super::commit::{self, Request};
use super::state::unavailable;
use super::watch::simulated;
use crate::engine::pending::Pending;
use crate::engine::watches::{Unregistered, Watches};
use crate::engine::{
    AtomicOp, Committed, EngineError, KeyRange, RangeOptions, Read, Row, Transaction, Watch, limits,
};

pub(super) struct SimulatedTransaction {
    shared: Arc<Shared>,
    epoch: u64,
    version: u64,
    /// When that version was the newest.
    began: Duration,
    pending: Pending,
    /// Those of its epoch.
    watches: Arc<Watches>,
    asked_for: Vec<(Unregistered, oneshot::Sender<()>)>,
    /// It was told that it is too old, and stays so.
    too_old: bool,
}

impl SimulatedTransaction {
    pub(super) fn begin(shared: &Arc<Shared>, behind: Duration) -> Result<Self, EngineError> {
        let now = shared.clock.monotonic();
        let mut guard = shared.state.lock();
        let state = &mut *guard;
        state.check()?;
        if state
            .dice
            .hits(|f| f.unavailable_begin, |s| &mut s.unavailable_begins)
        {
            return Err(unavailable("it gives no read version"));
        }
        state.dice.stats.begins += 1;
        state.dice.stats.stale_begins += u64::from(!behind.is_zero());
        Ok(Self {
            shared: Arc::clone(shared),
            epoch: state.epoch,
            version: state.versions.read_version(now, behind),
            began: now.saturating_sub(behind),
            pending: Pending::default(),
            watches: Arc::clone(&state.watches),
            asked_for: Vec::new(),
            too_old: false,
        })
    }

    /// Reads, if nothing is in the way.
    async fn read<T: Send>(
        &mut self,
        read: impl FnOnce(&mut Pending, super::rows::At<'_>) -> Result<T, EngineError> + Send,
    ) -> Result<T, EngineError> {
        self.shared.delay().await;
        let now = self.shared.clock.monotonic();
        let mut guard = self.shared.state.lock();
        let state = &mut *guard;
        state.check_epoch(self.epoch)?;
        self.pending.check()?;
        if now.saturating_sub(self.began) > limits::TRANSACTION_AGE && !self.too_old {
            state.dice.stats.too_old += 1;
            self.too_old = true;
        }
        self.too_old |= state
            .dice
            .hits(|f| f.too_old_read, |s| &mut s.too_old_reads);
        if self.too_old {
            return Err(EngineError::TooOld);
        }
        if state
            .dice
            .hits(|f| f.unavailable_read, |s| &mut s.unavailable_reads)
        {
            return Err(unavailable("it did not answer a read"));
        }
        read(&mut self.pending, state.rows.at(self.version))
    }
}

#[async_trait]
impl Transaction for SimulatedTransaction {
    async fn get(&mut self, key: &[u8], read: Read) -> Result<Option<Bytes>, EngineError> {
        self.read(|pending, rows| pending.get(&rows, key, read))
            .await
    }

    async fn get_range(
        &mut self,
        range: &KeyRange,
        options: RangeOptions,
    ) -> Result<Vec<Row>, EngineError> {
        self.read(|pending, rows| pending.get_range(&rows, range, options))
            .await
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.pending.set(key, value);
    }

    fn clear(&mut self, key: &[u8]) {
        self.pending.clear(key);
    }

    fn clear_range(&mut self, range: &KeyRange) {
        self.pending.clear_range(range);
    }

    fn atomic(&mut self, key: &[u8], op: AtomicOp, operand: &[u8]) {
        self.pending.atomic(key, op, operand);
    }

    fn set_versionstamped(&mut self, prefix: &[u8], suffix: &[u8], value: &[u8]) {
        self.pending.set_versionstamped(prefix, suffix, value);
    }

    fn add_read_conflict(&mut self, range: &KeyRange) {
        self.pending.read_range(range);
    }

    fn add_write_conflict(&mut self, range: &KeyRange) {
        self.pending.write_range(range);
    }

    async fn watch(&mut self, key: &[u8]) -> Result<Watch, EngineError> {
        let seen = self.get(key, Read::Snapshot).await?;
        let key = Bytes::copy_from_slice(key);
        let (unregistered, watch) = self.watches.create(key, seen)?;
        let (registered, registration) = oneshot::channel();
        self.asked_for.push((unregistered, registered));
        let fate = self.shared.state.lock().dice.fate();
        Ok(simulated(&self.shared, watch, registration, fate))
    }

    async fn commit(self: Box<Self>) -> Result<Committed, EngineError> {
        self.shared.state.lock().check_epoch(self.epoch)?;
        self.pending.check()?;
        let Self {
            shared,
            version,
            began,
            pending,
            watches,
            asked_for,
            too_old,
            ..
        } = *self;
        // Reads of one version are consistent however old it is.
        let committed = if pending.is_read_only() {
            Committed {
                version,
                versionstamp: None,
            }
        } else if too_old {
            return Err(EngineError::TooOld);
        } else {
            let request = Request {
                read_version: version,
                began,
                pending,
            };
            commit::commit(&shared, request).await?
        };
        for (watch, registered) in asked_for {
            let _ = registered.send(());
            watches.register(watch, |key| Ok(shared.state.lock().rows.newest(key)));
        }
        Ok(committed)
    }
}
