//! One transaction: FoundationDB's own, with the store's limits, error classes and end.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use foundationdb::options::{ConflictRangeType, MutationType, StreamingMode};
use foundationdb::{FdbError, KeySelector, RangeOption};

use super::Shared;
use super::errors::{class, class_of_commit, closed};
use crate::engine::meter::{Meter, check_key, check_range};
use crate::engine::{
    AtomicOp, Committed, EngineError, KeyRange, RangeOptions, Read, Row, Transaction, Versionstamp,
    Watch,
};

pub(super) struct FdbTransaction {
    shared: Arc<Shared>,
    inner: foundationdb::Transaction,
    meter: Meter,
    /// Whether there is anything to commit.
    writes: bool,
    /// What FoundationDB itself refused, where the store API cannot say so at once.
    refused: Option<EngineError>,
}

impl FdbTransaction {
    pub(super) fn new(shared: Arc<Shared>, inner: foundationdb::Transaction) -> Self {
        Self {
            shared,
            inner,
            meter: Meter::default(),
            writes: false,
            refused: None,
        }
    }

    /// Reads at a version that may be a little old.
    pub(super) async fn read_recently(&mut self) -> Result<(), EngineError> {
        let now = self.shared.clock.monotonic();
        if let Some(version) = self.shared.recent.get(now) {
            self.inner.set_read_version(version);
            return Ok(());
        }
        let version = self.shared.answer(self.inner.get_read_version()).await?;
        self.shared.recent.learn(version, now);
        Ok(())
    }

    /// A key as the cluster has it.
    fn key(&self, key: &[u8]) -> Vec<u8> {
        [&self.shared.namespace, key].concat()
    }

    /// Whether it may go on.
    fn check(&self) -> Result<(), EngineError> {
        self.shared.check_open()?;
        self.meter.check()?;
        self.refused.clone().map_or(Ok(()), Err)
    }

    fn conflict(&mut self, range: &KeyRange, kind: ConflictRangeType) {
        if !self.meter.conflict_range(range) || range.is_empty() {
            return;
        }
        self.writes |= matches!(kind, ConflictRangeType::Write);
        let (begin, end) = (self.key(&range.begin), self.key(&range.end));
        let added = self.inner.add_conflict_range(&begin, &end, kind);
        if let Err(error) = added {
            self.refused.get_or_insert(class(error));
        }
    }
}

#[async_trait]
impl Transaction for FdbTransaction {
    async fn get(&mut self, key: &[u8], read: Read) -> Result<Option<Bytes>, EngineError> {
        self.check()?;
        check_key(key)?;
        let value = self.inner.get(&self.key(key), read == Read::Snapshot);
        let value = self.shared.answer(value).await?;
        if read == Read::Serializable {
            self.meter.read_key(key);
        }
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    async fn get_range(
        &mut self,
        range: &KeyRange,
        options: RangeOptions,
    ) -> Result<Vec<Row>, EngineError> {
        self.check()?;
        check_range(range)?;
        if options.limit == 0 || range.is_empty() {
            return Ok(Vec::new());
        }
        let (begin, end) = (self.key(&range.begin), self.key(&range.end));
        let namespace = self.shared.namespace.len();
        let mut part = Some(RangeOption {
            begin: KeySelector::first_greater_or_equal(&begin),
            end: KeySelector::first_greater_or_equal(&end),
            limit: (options.limit < i32::MAX as usize).then_some(options.limit),
            mode: StreamingMode::WantAll,
            reverse: options.reverse,
            ..RangeOption::default()
        });
        let snapshot = options.read == Read::Snapshot;
        let mut rows = Vec::new();
        let mut iteration = 1;
        while let Some(asked) = part {
            let answer = self.inner.get_range(&asked, iteration, snapshot);
            let values = self.shared.answer(answer).await?;
            let copied = values.iter().map(|row| {
                let copy = Bytes::copy_from_slice;
                (
                    copy(row.key().get(namespace..).unwrap_or_default()),
                    copy(row.value()),
                )
            });
            rows.extend(copied);
            part = asked.next_range(&values);
            iteration += 1;
        }
        if !snapshot {
            self.meter.conflict_range(range);
        }
        Ok(rows)
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        if self.meter.set(key, value) {
            self.writes = true;
            self.inner.set(&self.key(key), value);
        }
    }

    fn clear(&mut self, key: &[u8]) {
        if self.meter.clear(key) {
            self.writes = true;
            self.inner.clear(&self.key(key));
        }
    }

    fn clear_range(&mut self, range: &KeyRange) {
        if self.meter.clear_range(range) && !range.is_empty() {
            self.writes = true;
            self.inner
                .clear_range(&self.key(&range.begin), &self.key(&range.end));
        }
    }

    fn atomic(&mut self, key: &[u8], op: AtomicOp, operand: &[u8]) {
        if self.meter.set(key, operand) {
            self.writes = true;
            let op = match op {
                AtomicOp::Add => MutationType::Add,
                AtomicOp::Max => MutationType::Max,
            };
            self.inner.atomic_op(&self.key(key), operand, op);
        }
    }

    fn set_versionstamped(&mut self, prefix: &[u8], suffix: &[u8], value: &[u8]) {
        if self.meter.set_versionstamped(prefix, suffix, value) {
            self.writes = true;
            // A place for the stamp in the key, and where it is in four bytes behind it. The key's length
            // was checked, so it fits into them.
            let stamp = [0xff; Versionstamp::BYTES];
            let place = self.shared.namespace.len() + prefix.len();
            let place = u32::try_from(place).unwrap_or(0).to_le_bytes();
            let key = [&self.shared.namespace, prefix, &stamp, suffix, &place].concat();
            self.inner
                .atomic_op(&key, value, MutationType::SetVersionstampedKey);
        }
    }

    fn add_read_conflict(&mut self, range: &KeyRange) {
        self.conflict(range, ConflictRangeType::Read);
    }

    fn add_write_conflict(&mut self, range: &KeyRange) {
        self.conflict(range, ConflictRangeType::Write);
    }

    async fn watch(&mut self, key: &[u8]) -> Result<Watch, EngineError> {
        self.check()?;
        check_key(key)?;
        let fired = self.inner.watch(&self.key(key));
        let shared = Arc::clone(&self.shared);
        Ok(Box::pin(async move {
            // After the network thread has stopped it would wait for ever.
            tokio::select! {
                biased;
                fired = fired => fired.map_err(class),
                () = shared.closed() => Err(closed()),
            }
        }))
    }

    async fn commit(self: Box<Self>) -> Result<Committed, EngineError> {
        let shared = Arc::clone(&self.shared);
        let _under_way = shared.commits.read().await;
        self.check()?;
        let Self { inner, writes, .. } = *self;
        let asked = shared.clock.monotonic();
        if !writes {
            // Kept for its watches, which begin with the commit.
            let version = shared.answer(inner.get_read_version()).await?;
            let committed = inner.commit().await;
            shared.note(committed.as_ref().err().map(|error| error.code()));
            committed.map_err(|error| class(FdbError::from(error)))?;
            return Ok(Committed {
                version: u64::try_from(version).unwrap_or(0),
                versionstamp: None,
            });
        }
        // Asked for before the commit, answered by it.
        let stamp = inner.get_versionstamp();
        let committed = inner.commit().await;
        shared.note(committed.as_ref().err().map(|error| error.code()));
        let committed = committed.map_err(|error| class_of_commit(FdbError::from(error)))?;
        // From here on it did happen; that the client cannot say when would be a defect of it.
        let version = committed
            .committed_version()
            .map_err(|_| EngineError::MaybeCommitted)?;
        let stamp = stamp.await.map_err(|_| EngineError::MaybeCommitted)?;
        shared.recent.learn(version, asked);
        Ok(Committed {
            version: u64::try_from(version).unwrap_or(0),
            versionstamp: <[u8; Versionstamp::BYTES]>::try_from(&stamp[..])
                .ok()
                .map(Versionstamp),
        })
    }
}
