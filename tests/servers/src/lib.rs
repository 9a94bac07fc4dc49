//! Throw-away servers for tests: started where the machine has their programs, gone with the test process.
//!
//! Owns finding, starting, stopping and removing them. A test that needs one it cannot have passes; one
//! line on stderr says so.

#![deny(missing_docs)]

pub mod postgres;
mod process;
