//! What the host gives to a plugin: configuration, log, clock and, to an adapter, its backend.
//!
//! [`Host`] hides where these come from: inside a component from its imports, in a native test from
//! [`crate::testing::MockHost`].

use serde::de::DeserializeOwned;

use crate::backend::{Backend, Transport};
use crate::date::Date;

/// The importance of a line in the workflow's timeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Every step.
    Trace,
    /// For the author while developing.
    Debug,
    /// Worth knowing.
    Info,
    /// Odd, but the call goes on.
    Warn,
    /// The call fails.
    Error,
}

/// The configuration is not what the plugin expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    reason: String,
}

impl ConfigError {
    /// For a plugin that finds a fault the type alone does not show.
    pub fn new(reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
        }
    }
}

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "the plugin's configuration is not usable: {}; correct it and bind the plugin again",
            self.reason
        )
    }
}

impl std::error::Error for ConfigError {}

/// The imports every role has.
pub(crate) trait Imports {
    fn config(&self) -> String;
    fn log(&self, level: Level, message: &str);
    fn now(&self) -> u64;
    fn today(&self) -> String;
}

/// The host, as one call of one role sees it.
pub struct Host {
    imports: Box<dyn Imports>,
    // Absent for the roles that have no backend. That keeps the import itself out of their
    // components: what is never referred to is never linked.
    transport: Option<Box<dyn Transport>>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("backend", &self.transport.is_some())
            .finish_non_exhaustive()
    }
}

impl Host {
    pub(crate) fn new(imports: Box<dyn Imports>, transport: Option<Box<dyn Transport>>) -> Self {
        Self { imports, transport }
    }

    /// The configuration given when the plugin was bound (or its backend was added): a JSON object,
    /// `{}` when nothing was configured.
    ///
    /// # Errors
    /// [`ConfigError`] if it does not fit `T`; as a [`crate::Failure`] it has the code
    /// `config-invalid`.
    pub fn config<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        serde_json::from_str(&self.imports.config())
            .map_err(|error| ConfigError::new(error.to_string()))
    }

    /// Like [`Host::config`], for a [`crate::Validator`], which has no other way to fail.
    ///
    /// # Panics
    /// If the configuration does not fit `T`. The component traps, and the host answers 503
    /// `plugin-failed` with the blame on the plugin.
    pub fn config_or_trap<T: DeserializeOwned>(&self) -> T {
        match self.config() {
            Ok(config) => config,
            Err(error) => panic!("{error}"),
        }
    }

    /// Writes a line to the workflow's timeline, where it is kept encrypted. Lines past the host's
    /// limit are dropped and counted.
    pub fn log(&self, level: Level, message: impl AsRef<str>) {
        self.imports.log(level, message.as_ref());
    }

    /// The time in milliseconds since 1970-01-01T00:00:00Z: the same instant for the whole call.
    pub fn now(&self) -> u64 {
        self.imports.now()
    }

    /// The current date in UTC.
    pub fn today(&self) -> Date {
        self.imports
            .today()
            .parse()
            .unwrap_or_else(|_| Date::from_unix_millis(self.now()))
    }

    /// The backend that the adapter is registered for. In a role without one (a validator, a
    /// formatter) every request is [`crate::BackendError::Denied`].
    pub fn backend(&self) -> Backend<'_> {
        Backend::new(self.transport.as_deref())
    }
}
