//! An engine that writes down what each commit writes: the floors write the same keys and bytes.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use patchbay_store::engine::{
    AtomicOp, Committed, Engine, EngineError, KeyRange, RangeOptions, Read, Row, SharedEngine,
    Transaction, Watch,
};

/// One write of a commit.
#[derive(Debug, Clone)]
pub(crate) enum Write {
    Set(Vec<u8>, Vec<u8>),
    Clear(Vec<u8>),
}

impl Write {
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Set(key, value) => key.len() + value.len(),
            Self::Clear(key) => key.len(),
        }
    }
}

/// What each commit wrote, in order.
pub(crate) type Commits = Arc<Mutex<Vec<Vec<Write>>>>;

pub(crate) struct Recorder {
    pub(crate) inner: SharedEngine,
    pub(crate) commits: Commits,
}

struct Recording {
    inner: Box<dyn Transaction>,
    commits: Commits,
    writes: Vec<Write>,
}

#[async_trait]
impl Engine for Recorder {
    async fn begin(&self) -> Result<Box<dyn Transaction>, EngineError> {
        let (inner, commits) = (self.inner.begin().await?, self.commits.clone());
        Ok(Box::new(Recording {
            inner,
            commits,
            writes: Vec::new(),
        }))
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}

#[async_trait]
impl Transaction for Recording {
    async fn get(&mut self, key: &[u8], read: Read) -> Result<Option<Bytes>, EngineError> {
        self.inner.get(key, read).await
    }

    async fn get_range(
        &mut self,
        range: &KeyRange,
        options: RangeOptions,
    ) -> Result<Vec<Row>, EngineError> {
        self.inner.get_range(range, options).await
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        self.writes.push(Write::Set(key.to_vec(), value.to_vec()));
        self.inner.set(key, value);
    }

    fn clear(&mut self, key: &[u8]) {
        self.writes.push(Write::Clear(key.to_vec()));
        self.inner.clear(key);
    }

    fn clear_range(&mut self, range: &KeyRange) {
        self.writes.push(Write::Clear(range.begin.to_vec()));
        self.inner.clear_range(range);
    }

    fn atomic(&mut self, key: &[u8], op: AtomicOp, operand: &[u8]) {
        self.writes.push(Write::Set(key.to_vec(), operand.to_vec()));
        self.inner.atomic(key, op, operand);
    }

    fn set_versionstamped(&mut self, prefix: &[u8], suffix: &[u8], value: &[u8]) {
        self.inner.set_versionstamped(prefix, suffix, value);
    }

    fn add_read_conflict(&mut self, range: &KeyRange) {
        self.inner.add_read_conflict(range);
    }

    fn add_write_conflict(&mut self, range: &KeyRange) {
        self.inner.add_write_conflict(range);
    }

    async fn watch(&mut self, key: &[u8]) -> Result<Watch, EngineError> {
        self.inner.watch(key).await
    }

    async fn commit(self: Box<Self>) -> Result<Committed, EngineError> {
        let Self {
            inner,
            commits,
            writes,
        } = *self;
        let committed = inner.commit().await?;
        if !writes.is_empty() {
            commits.lock().push(writes);
        }
        Ok(committed)
    }
}
