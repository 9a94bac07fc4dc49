//! What the registry refuses, whose fault it is, and what to do.

use std::borrow::Cow;
use std::fmt;
use std::io;
use std::path::PathBuf;

use patchbay_vault::VaultError;
use patchbay_workflow::{BackendId, CustomerId, PluginDigest, Role};
use sqlx::migrate::MigrateError;

/// PostgreSQL's serialization failure and deadlock.
const CONFLICT: [&str; 2] = ["40001", "40P01"];

/// How the SQLSTATEs begin that pass by themselves: connection lost, conflicts, too many connections, a lock
/// or a statement that took too long, starting or stopping, a standby not yet promoted.
const PASSING: [&str; 8] = [
    "08", "40", "53300", "55P03", "57014", "57P0", "25006", "25P03",
];

fn sql_state(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// Who has to act on an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Whoever asked: the same call will fail again.
    Caller,
    /// The installation: the same call may succeed later.
    Host,
}

/// Why an operation did nothing. No variant repeats a secret.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// A customer of that id exists.
    #[error("the customer {0} exists already; choose another id, or change this one's settings")]
    CustomerExists(CustomerId),
    /// No customer has that id.
    #[error("there is no customer {0}; add it, or list the customers to find its id")]
    CustomerUnknown(CustomerId),
    /// A setting cannot be what it was given.
    #[error("the setting {pointer} is not valid: {reason}")]
    SettingsInvalid {
        /// JSON pointer into the settings (RFC 6901).
        pointer: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// An address cannot be used.
    #[error("the {what} is not valid: {reason}")]
    UrlInvalid {
        /// Which address.
        what: &'static str,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// A name cannot be used.
    #[error("the {what}'s name is not valid: {rule}")]
    NameInvalid {
        /// What was to be named.
        what: &'static str,
        /// The rule that it breaks.
        rule: &'static str,
    },
    /// A configuration is not a JSON object, or too large.
    #[error("the configuration of {of} is not valid: {reason}")]
    ConfigInvalid {
        /// Whose configuration.
        of: String,
        /// The rule that it breaks.
        reason: String,
    },
    /// A token cannot live that long, or that briefly.
    #[error("a token must be good for 1 second to 3660 days")]
    ExpiryInvalid,
    /// No token has that id.
    #[error("there is no token {0}; list the customer's tokens to find its id")]
    TokenUnknown(String),
    /// No plugin has that name or digest.
    #[error("there is no plugin {0}; push it, or list the plugins to find its name")]
    PluginUnknown(String),
    /// A plugin cannot do what it was to be bound for.
    #[error(
        "the plugin {plugin} cannot be bound as {role}: it does not export that interface, only {}; \
         bind it for one of those, or export `{role}` and push it again",
        listed(.roles)
    )]
    PluginLacksRole {
        /// The plugin, as given.
        plugin: String,
        /// The role that it lacks.
        role: Role,
        /// The roles that it has.
        roles: Vec<Role>,
    },
    /// A plugin was pushed without any role.
    #[error("the plugin has no role: export at least one interface of patchbay:plugin")]
    PluginWithoutRole,
    /// A plugin is larger than the registry takes.
    #[error("the plugin has {size} bytes, and at most {limit} are taken; strip its debug sections")]
    PluginTooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The bytes do not have the digest that was said.
    #[error("the plugin's bytes have the digest {actual}, not {claimed}: push them again")]
    DigestMismatch {
        /// What was said.
        claimed: PluginDigest,
        /// What the bytes have.
        actual: PluginDigest,
    },
    /// A role that belongs to backends was to be bound to a customer.
    #[error(
        "{0} is not bound to a customer: a backend's adapter has that role; add or change the backend, \
         then bind the customer to it"
    )]
    RoleOfBackend(Role),
    /// A backend of that id exists.
    #[error("the backend {0} exists already; choose another id, or replace it")]
    BackendExists(BackendId),
    /// No backend has that id.
    #[error("there is no backend {0}; add it, or list the backends to find its id")]
    BackendUnknown(BackendId),
    /// A customer was to ask one backend twice.
    #[error("the backend {0} is named twice; a customer asks each backend once")]
    BackendRepeated(BackendId),
    /// A customer was to ask too many backends.
    #[error("a customer asks at most {0} backends")]
    TooManyBackends(usize),
    /// A backend's limit is out of its range.
    #[error("the backend's limit {name} must be from {least} to {most}")]
    LimitInvalid {
        /// Which limit.
        name: &'static str,
        /// Its least value.
        least: u64,
        /// Its greatest value.
        most: u64,
    },
    /// Credentials cannot be put into a request.
    #[error("the backend's credentials are not valid: {0}")]
    CredentialsInvalid(&'static str),
    /// An admin of that name exists, or existed.
    #[error("the admin name {0} is taken, perhaps by one who was revoked; choose another")]
    AdminExists(String),
    /// No admin has that name.
    #[error("there is no admin {0} with access; list the admins to find the name")]
    AdminUnknown(String),
    /// Nobody would be left.
    #[error("{0} is the last admin; add another one first")]
    LastAdmin(String),
    /// The first admin's token file cannot be written.
    #[error("the admin token cannot be written to {path}: {source}", path = path.display())]
    AdminFile {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The database did not do what it was asked.
    #[error("the registry's database failed while {action}: {source}")]
    Database {
        /// What was being done.
        action: &'static str,
        /// What the driver says.
        #[source]
        source: sqlx::Error,
    },
    /// Where the database is cannot be understood.
    #[error("the registry's location is not valid: {0}")]
    LocationInvalid(String),
    /// The tables could not be brought to this version.
    #[error(
        "the registry's tables cannot be brought to this version: {0}; if a newer program has changed \
         them, run that one"
    )]
    Migration(#[source] MigrateError),
    /// A stored row cannot be understood.
    #[error(
        "the registry's row of {what} is damaged: {reason}; restore the database from its backup"
    )]
    Corrupt {
        /// Which row.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A stored secret cannot be opened.
    #[error("a secret of {what} cannot be opened: {source}")]
    Secret {
        /// Whose secret.
        what: String,
        /// What the vault says.
        #[source]
        source: VaultError,
    },
    /// The audit log is not what was written.
    #[error(
        "the audit log does not hold together at revision {revision}: {reason}; it was changed outside \
         of Patchbay: compare it with a backup"
    )]
    AuditBroken {
        /// The first revision that does not fit.
        revision: u64,
        /// How it does not fit.
        reason: &'static str,
    },
}

impl RegistryError {
    /// A stable code in kebab case; each has a page in the book.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::CustomerExists(_) => "customer-exists",
            Self::CustomerUnknown(_) => "customer-unknown",
            Self::SettingsInvalid { .. } => "settings-invalid",
            Self::UrlInvalid { .. } => "url-invalid",
            Self::NameInvalid { .. } => "name-invalid",
            Self::ConfigInvalid { .. } => "config-invalid",
            Self::ExpiryInvalid => "expiry-invalid",
            Self::TokenUnknown(_) => "token-unknown",
            Self::PluginUnknown(_) => "plugin-unknown",
            Self::PluginLacksRole { .. } => "plugin-lacks-role",
            Self::PluginWithoutRole => "plugin-without-role",
            Self::PluginTooLarge { .. } => "plugin-too-large",
            Self::DigestMismatch { .. } => "plugin-digest-mismatch",
            Self::RoleOfBackend(_) => "role-of-backend",
            Self::BackendExists(_) => "backend-exists",
            Self::BackendUnknown(_) => "backend-unknown",
            Self::BackendRepeated(_) => "backend-repeated",
            Self::TooManyBackends(_) => "too-many-backends",
            Self::LimitInvalid { .. } => "limit-invalid",
            Self::CredentialsInvalid(_) => "credentials-invalid",
            Self::AdminExists(_) => "admin-exists",
            Self::AdminUnknown(_) => "admin-unknown",
            Self::LastAdmin(_) => "last-admin",
            Self::AdminFile { .. } => "admin-file",
            Self::Database { .. } => "registry-unavailable",
            Self::LocationInvalid(_) => "registry-location",
            Self::Migration(_) => "registry-migration",
            Self::Corrupt { .. } => "registry-corrupt",
            Self::Secret { .. } => "registry-secret",
            Self::AuditBroken { .. } => "audit-broken",
        }
    }

    /// Who has to act.
    pub const fn blame(&self) -> Fault {
        match self {
            Self::AdminFile { .. }
            | Self::Database { .. }
            | Self::LocationInvalid(_)
            | Self::Migration(_)
            | Self::Corrupt { .. }
            | Self::Secret { .. }
            | Self::AuditBroken { .. } => Fault::Host,
            _ => Fault::Caller,
        }
    }

    /// Whether the database is only away, or busy with others: the same call may succeed in a moment, with
    /// nothing done about it here.
    pub fn is_unreachable(&self) -> bool {
        match self.driver() {
            None => false,
            Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::WorkerCrashed) => {
                true
            }
            Some(error) => {
                sql_state(error).is_some_and(|state| PASSING.iter().any(|it| state.starts_with(it)))
            }
        }
    }

    /// Whether the database gave it up for the sake of others. Nothing of it was done.
    pub(crate) fn is_conflict(&self) -> bool {
        let state = self.driver().and_then(sql_state);
        state.is_some_and(|state| CONFLICT.contains(&&*state))
    }

    fn driver(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Database { source, .. }
            | Self::Migration(
                MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _),
            ) => Some(source),
            _ => None,
        }
    }

    pub(crate) fn database(action: &'static str) -> impl FnOnce(sqlx::Error) -> Self {
        move |source| Self::Database { action, source }
    }

    pub(crate) fn corrupt(what: impl Into<String>, reason: impl fmt::Display) -> Self {
        Self::Corrupt {
            what: what.into(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn secret(what: impl Into<String>) -> impl FnOnce(VaultError) -> Self {
        let what = what.into();
        move |source| Self::Secret { what, source }
    }
}

fn listed(roles: &[Role]) -> String {
    let names: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    names.join(", ")
}

/// Why a customer's or an admin's token was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It is not a token at all.
    #[error("this is not a token of Patchbay; send the token exactly as it was issued")]
    Malformed,
    /// It was encrypted with a key that this installation does not have.
    #[error("the token is of another installation, or its key was withdrawn; ask for a new one")]
    UnknownKey,
    /// It was changed, or made up.
    #[error("the token is not valid; send it exactly as it was issued")]
    Invalid,
    /// Its time is over.
    #[error("the token has expired; ask for a new one")]
    Expired,
    /// It was revoked.
    #[error("the token was revoked; ask for a new one")]
    Revoked,
    /// Its customer does not exist (any more).
    #[error("the token's customer does not exist")]
    UnknownCustomer,
    /// Revocations could not be read for too long, so that nothing is accepted.
    #[error("tokens cannot be verified: the registry's database has been away for too long")]
    Stale,
}

impl TokenError {
    /// A stable code in kebab case.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "token-malformed",
            Self::UnknownKey => "token-key-unknown",
            Self::Invalid => "token-invalid",
            Self::Expired => "token-expired",
            Self::Revoked => "token-revoked",
            Self::UnknownCustomer => "token-customer-unknown",
            Self::Stale => "registry-stale",
        }
    }

    /// Who has to act.
    pub const fn blame(self) -> Fault {
        match self {
            Self::Stale => Fault::Host,
            _ => Fault::Caller,
        }
    }
}
