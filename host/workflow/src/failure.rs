//! Whose fault a failure is, and its stable code.

use serde::{Deserialize, Serialize};

use crate::id::PluginDigest;

/// Who has to act on a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Blame {
    /// The customer's plugin trapped, ran out of a limit, or answered something that cannot be used.
    Plugin,
    /// The internal system did not answer, or answered with an error.
    Backend,
    /// The customer's webhook endpoint refused or did not answer.
    CustomerEndpoint,
    /// The installation's configuration: something that an operator left out.
    Configuration,
    /// Patchbay itself.
    Host,
}

impl Blame {
    /// The name used in APIs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Backend => "backend",
            Self::CustomerEndpoint => "customer-endpoint",
            Self::Configuration => "configuration",
            Self::Host => "host",
        }
    }
}

/// Which version of which plugin something happened in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRef {
    /// Its name as pushed.
    pub name: String,
    /// The exact bytes.
    pub digest: PluginDigest,
}

/// Why a step failed. It holds no patient data: what a guest or a backend said travels beside it,
/// encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Whose fault it is.
    pub blame: Blame,
    /// A stable code in kebab case; each has a page in the book.
    pub code: String,
    /// The plugin, where one was running.
    pub plugin: Option<PluginRef>,
}

impl Failure {
    /// A failure outside any plugin.
    pub fn new(blame: Blame, code: impl Into<String>) -> Self {
        Self {
            blame,
            code: code.into(),
            plugin: None,
        }
    }

    /// The same, in a plugin.
    #[must_use]
    pub fn in_plugin(mut self, plugin: PluginRef) -> Self {
        self.plugin = Some(plugin);
        self
    }
}
