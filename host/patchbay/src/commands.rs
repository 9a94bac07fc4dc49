//! The commands, one file each. All but `store` and `registry` are clients of the admin API.

pub(crate) mod backend;
pub(crate) mod customer;
pub(crate) mod plugin;
pub(crate) mod registry;
pub(crate) mod store;
pub(crate) mod workflow;
