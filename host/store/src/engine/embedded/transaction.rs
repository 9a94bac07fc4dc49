//! One transaction: reads its snapshot, buffers its writes, asks the sequencer to commit.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::oneshot;

use super::Shared;
use super::queue::Request;
use super::snapshot::TableSnapshot;
use crate::engine::overlay::Snapshot;
use crate::engine::pending::Pending;
use crate::engine::watches::Unregistered;
use crate::engine::{
    AtomicOp, Committed, EngineError, KeyRange, RangeOptions, Read, Row, Transaction, Watch, limits,
};

pub(super) struct EmbeddedTransaction {
    shared: Arc<Shared>,
    snapshot: Arc<TableSnapshot>,
    began: Duration,
    pending: Pending,
    watches: Vec<Unregistered>,
}

impl EmbeddedTransaction {
    pub(super) fn new(shared: Arc<Shared>, snapshot: Arc<TableSnapshot>) -> Self {
        Self {
            began: shared.clock.monotonic(),
            shared,
            snapshot,
            pending: Pending::default(),
            watches: Vec::new(),
        }
    }

    fn check_age(&self) -> Result<(), EngineError> {
        let age = self.shared.clock.monotonic().saturating_sub(self.began);
        if age > limits::TRANSACTION_AGE {
            return Err(EngineError::TooOld);
        }
        Ok(())
    }

    /// Whether it may go on reading.
    fn check(&self) -> Result<(), EngineError> {
        self.shared.health.check()?;
        self.pending.check()?;
        self.check_age()
    }

    fn read(&mut self, key: &[u8], read: Read) -> Result<Option<Bytes>, EngineError> {
        self.check()?;
        self.pending.get(&*self.snapshot, key, read)
    }
}

#[async_trait]
impl Transaction for EmbeddedTransaction {
    async fn get(&mut self, key: &[u8], read: Read) -> Result<Option<Bytes>, EngineError> {
        self.read(key, read)
    }

    async fn get_range(
        &mut self,
        range: &KeyRange,
        options: RangeOptions,
    ) -> Result<Vec<Row>, EngineError> {
        self.check()?;
        self.pending.get_range(&*self.snapshot, range, options)
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
        let seen = self.read(key, Read::Snapshot)?;
        let key = Bytes::copy_from_slice(key);
        let (unregistered, watch) = self.shared.watches.create(key, seen)?;
        self.watches.push(unregistered);
        Ok(watch)
    }

    async fn commit(self: Box<Self>) -> Result<Committed, EngineError> {
        self.shared.health.check()?;
        self.pending.check()?;
        // Reads of one version are consistent however old it is, and blind writes depend on nothing.
        let is_read_only = self.pending.is_read_only();
        if !is_read_only && !self.pending.reads.is_empty() {
            self.check_age()?;
        }
        let Self {
            shared,
            snapshot,
            pending,
            watches,
            ..
        } = *self;
        let committed = if is_read_only {
            Committed {
                version: snapshot.version,
                versionstamp: None,
            }
        } else {
            let read_version = snapshot.version;
            // Its pages may be used anew from here on.
            drop(snapshot);
            submit(&shared, read_version, pending).await?
        };
        for watch in watches {
            shared
                .watches
                .register(watch, |key| shared.newest()?.get(key));
        }
        Ok(committed)
    }
}

/// Waits for room, hands the transaction to the sequencer, and waits for the answer.
async fn submit(
    shared: &Shared,
    read_version: u64,
    pending: Pending,
) -> Result<Committed, EngineError> {
    let room = shared.queue.room(pending.size()).await;
    let room = room.ok_or_else(|| shared.health.error())?;
    let (answer, answered) = oneshot::channel();
    let request = Request {
        read_version,
        pending,
        answer,
        room,
    };
    if !shared.queue.push(request) {
        return Err(shared.health.error());
    }
    // Without an answer the sequencer has died over it, which may have been after the disk had it.
    answered.await.unwrap_or(Err(EngineError::MaybeCommitted))
}
