//! How a process and the queue are doing.

use serde::{Deserialize, Serialize};

/// `GET store`: what the store's transactions of the answering process came to since it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct StoreReport {
    /// `embedded` or `fdb`.
    pub engine: String,
    /// Operations begun.
    pub operations: u64,
    /// Transactions committed that wrote something.
    pub commits: u64,
    /// Attempts that met a conflict, and were made again.
    pub conflicts: u64,
    /// Attempts that took longer than a transaction may, and were made again.
    pub too_old: u64,
    /// Attempts that the store had no time for, and were made again.
    pub busy: u64,
    /// Commits of unknown outcome, which the next attempt found out.
    pub maybe_committed: u64,
    /// Attempts that found the store away.
    pub unavailable: u64,
    /// Keys written or cleared by the transactions committed.
    pub key_writes: u64,
    /// The keys and values of those, in bytes.
    pub bytes_written: u64,
}

/// `GET queue`: what waits, of all customers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct QueueReport {
    /// To be processed.
    pub work: QueueDepth,
    /// To be delivered.
    pub delivery: QueueDepth,
}

/// What waits in one queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct QueueDepth {
    /// Workflows that wait for their turn or for another attempt.
    pub waiting: u64,
    /// Workflows that a worker has begun with.
    pub begun: u64,
    /// For how many seconds the one that has been due the longest is due: add workers when this grows.
    pub oldest_due_seconds: f64,
}
