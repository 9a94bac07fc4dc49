//! Customers, tokens, plugins, bindings, backends, admins and the audit log, in SQL.
//!
//! Owns the installation's configuration: the tables of `migrations/`, the operations that change them,
//! and the [`Snapshot`] from which every hot read is answered without SQL. It must not know workflows,
//! nor run a plugin: whoever pushes one says which roles it has.
//!
//! # How a change travels
//!
//! Every operation is one transaction that counts the registry's *revision* up and appends one row, of
//! that revision, to the hash-chained audit log. A process that finds a higher revision than its
//! snapshot's reads in the audit log what was changed, and loads just that anew: its own operations do so
//! before they return, those of others are found by [`Registry::run_refresher`].
//!
//! # When the database is away
//!
//! The last snapshot keeps serving. Only credentials fail closed: a snapshot that was not confirmed
//! within [`RegistryConfig::revocation_bound`] verifies none, because it may lack a revocation. At start
//! there is no snapshot: [`RegistryError::is_unreachable`] tells what is worth waiting for.

#![deny(missing_docs)]

mod admin;
mod audit;
mod backend;
mod binding;
mod config;
pub mod copy;
mod customer;
mod database;
mod error;
mod load;
mod location;
mod plugin;
mod refresh;
mod registry;
mod settings;
mod snapshot;
mod text;
mod token;
mod token_verify;

pub use admin::{Admin, AdminIdentity};
pub use audit::{AuditEntry, AuditVerified};
pub use backend::{Backend, BackendLimits, Credentials, NewBackend};
pub use binding::{BackendBinding, Binding, BoundVersion, NewBackendBinding};
pub use config::RegistryConfig;
pub use customer::{Customer, NewCustomer, WebhookEndpoint, WebhookSecret};
pub use error::{Fault, RegistryError, TokenError};
pub use location::{Database, PostgresUrl};
pub use plugin::PluginVersion;
pub use registry::Registry;
pub use settings::CustomerSettings;
pub use snapshot::Snapshot;
pub use token::{IssuedToken, TokenId, TokenKind, TokenRecord};
pub use token_verify::VerifiedToken;

/// A JSON object.
pub type Object = serde_json::Map<String, serde_json::Value>;
