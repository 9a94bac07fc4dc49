//! The commands that are clients of the admin API, one file each.

pub(crate) mod backend;
pub(crate) mod customer;
pub(crate) mod plugin;
pub(crate) mod workflow;
