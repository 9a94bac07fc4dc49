//! Transactions over an ordered key-value engine, the key layout, repositories and the queue.
//!
//! Owns every key and every stored record. It knows nothing of HTTP or WebAssembly.
#![deny(missing_docs)]
pub mod engine;
