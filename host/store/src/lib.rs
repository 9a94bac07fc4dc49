//! What is stored and how: transactions over an ordered key-value engine, the key layout, the
//! repositories and the queue.
//!
//! Owns every key and every stored record, and the operations that keep them consistent: each is one
//! [`Operation`], run by [`Database::run`] as one strictly serialisable transaction. It knows nothing
//! of HTTP or WebAssembly. Whatever could say something about a patient reaches it sealed by the vault
//! or as a keyed hash.

#![deny(missing_docs)]

pub mod accept;
pub mod check;
pub mod codec;
pub mod complete;
pub mod copy;
pub mod counter;
pub mod database;
pub mod deliver;
pub mod engine;
pub mod inspect;
pub mod installation;
pub mod job;
pub mod keys;
pub mod lease;
pub mod monitor;
pub mod queue;
pub mod reconcile;
pub mod records;
pub mod retry;
mod stats;
pub mod transition;

pub use database::{Database, Operation, StoreError, Tx};
pub use stats::StoreStats;
