//! What operators create: customers, tokens, plugins, bindings and backends.
//!
//! Requests refuse unknown members, so that a misspelt setting is an error instead of silence.

use patchbay_workflow::{BackendId, CustomerId, PluginDigest, PluginRef, Role, Sensitive};
use serde::{Deserialize, Serialize};

use crate::{Object, Rfc3339};

/// `POST customers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewCustomer {
    /// Its id, for good.
    pub id: CustomerId,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its settings; what is left out has the installation's default.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub settings: Object,
    /// Where its webhooks go: an absolute `http` or `https` URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// The backends to ask, in order, without overrides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub backends: Vec<BackendId>,
}

/// A customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its settings, those included that have the installation's default.
    #[serde(default)]
    pub settings: Object,
    /// Where its webhooks go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_url: Option<String>,
    /// The backends asked, in order.
    #[serde(default)]
    pub backends: Vec<BackendId>,
    /// Its plugins by role, where the answer shows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Binding>,
}

/// 201 of `POST customers`: the customer, and the secret that is shown only now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CreatedCustomer {
    /// The customer.
    #[serde(flatten)]
    pub customer: Customer,
    /// What its webhooks are signed with (`whsec_…`, Standard Webhooks).
    pub webhook_secret: Sensitive<String>,
}

/// 200 of `GET customers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CustomerList {
    /// By id.
    pub customers: Vec<Customer>,
}

/// Whether a token reaches the real thing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenKind {
    /// Real patients.
    #[default]
    Live,
    /// The sandbox: nothing real is touched.
    Test,
}

/// `POST customers/{id}/tokens`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewToken {
    /// What it reaches.
    pub kind: TokenKind,
    /// How long it is good for; the installation's default if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in_seconds: Option<u64>,
}

/// 201 of `POST customers/{id}/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct IssuedToken {
    /// Its id, by which it can be revoked.
    pub token_id: String,
    /// The token; shown only now.
    pub token: Sensitive<String>,
    /// When it ends.
    pub expires_at: Rfc3339,
}

/// `PUT customers/{id}/bindings/{role}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewBinding {
    /// A plugin's name (its newest version) or digest.
    pub plugin: String,
    /// Its configuration for this customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Object>,
}

/// Which plugin has a role for a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Binding {
    /// The role.
    pub role: Role,
    /// The plugin, to the byte.
    pub plugin: PluginRef,
}

/// `PUT customers/{id}/backends`, and its answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BackendChoices {
    /// In the order in which they are asked.
    pub backends: Vec<BackendChoice>,
}

/// One backend of a customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BackendChoice {
    /// The backend.
    pub backend: BackendId,
    /// Overrides of the backend's own configuration for this customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Object>,
}

/// A version of a plugin: 201 of `POST plugins?name=N`, and an item of [`PluginList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plugin {
    /// The name it was pushed under.
    pub name: String,
    /// Its bytes.
    pub digest: PluginDigest,
    /// What it can do.
    pub roles: Vec<Role>,
    /// Its size in bytes.
    pub size: u64,
    /// What it imports, for example `patchbay:plugin/log@1.0.0`. Told when it is pushed; left out of
    /// lists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub imports: Vec<String>,
}

/// 200 of `GET plugins`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PluginList {
    /// By name, newest version first.
    pub plugins: Vec<Plugin>,
}

/// `POST backends`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct NewBackend {
    /// Its id.
    pub id: BackendId,
    /// What its adapter's paths are relative to: an absolute `http` or `https` URL.
    pub base_url: String,
    /// The adapter's name (its newest version) or digest.
    pub adapter: String,
    /// The adapter's configuration.
    #[serde(default, skip_serializing_if = "Object::is_empty")]
    pub config: Object,
    /// How the host proves itself to it.
    #[serde(default)]
    pub credentials: Credentials,
    /// Bounds of one exchange with it.
    #[serde(default)]
    pub limits: BackendLimits,
}

/// What the host adds to every request to a backend. Only ever sent to the server, never back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case",
    deny_unknown_fields
)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer {
        /// The token.
        token: Sensitive<String>,
    },
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The user.
        username: Sensitive<String>,
        /// The password.
        password: Sensitive<String>,
    },
    /// A header of its own.
    Header {
        /// The header's name.
        name: String,
        /// Its value.
        value: Sensitive<String>,
    },
}

impl Credentials {
    /// Which kind they are.
    pub const fn kind(&self) -> CredentialKind {
        match self {
            Self::None => CredentialKind::None,
            Self::Bearer { .. } => CredentialKind::Bearer,
            Self::Basic { .. } => CredentialKind::Basic,
            Self::Header { .. } => CredentialKind::Header,
        }
    }
}

/// The kind of a backend's credentials: all that is shown of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CredentialKind {
    /// There are none.
    #[default]
    None,
    /// A bearer token.
    Bearer,
    /// A user and a password.
    Basic,
    /// A header.
    Header,
}

/// Bounds of one exchange with a backend; what is left out has the installation's default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BackendLimits {
    /// Time for one exchange, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The largest answer, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<u64>,
    /// How often one request is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// How many requests are under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrent: Option<u32>,
}

/// A backend: 201 of `POST backends`, and an item of [`BackendList`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Backend {
    /// Its id.
    pub id: BackendId,
    /// Its base URL.
    pub base_url: String,
    /// Its adapter, to the byte.
    pub adapter: PluginRef,
    /// The adapter's configuration.
    #[serde(default)]
    pub config: Object,
    /// Which kind of credentials it has.
    #[serde(default)]
    pub credentials: CredentialKind,
    /// Its bounds.
    #[serde(default)]
    pub limits: BackendLimits,
}

/// 200 of `GET backends`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct BackendList {
    /// By id.
    pub backends: Vec<Backend>,
}
