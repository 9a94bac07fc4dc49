//! What the contract's imports do, whatever the version of the contract: one file per interface.

pub(crate) mod backend;
pub(crate) mod clock;
pub(crate) mod config;
pub(crate) mod log;
