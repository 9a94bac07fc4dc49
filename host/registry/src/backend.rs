//! Search backends: an internal system, the adapter that speaks to it, and how far it may be used.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};
use patchbay_vault::{Context, RecordKind};
use patchbay_workflow::{BackendId, PluginRef, Role, Sensitive, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use crate::Object;
use crate::audit::{Entry, SubjectKind};
use crate::error::RegistryError;
use crate::plugin;
use crate::registry::Registry;
use crate::text;

/// What the host adds to every request to a backend.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// `Authorization: Bearer …` (RFC 6750).
    Bearer(Sensitive<String>),
    /// `Authorization: Basic …` (RFC 7617).
    Basic {
        /// The user.
        user: Sensitive<String>,
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
    fn check(&self) -> Result<(), RegistryError> {
        let sendable = |text: &Sensitive<String>| HeaderValue::from_str(text.expose()).is_ok();
        let fault = match self {
            Self::None => None,
            Self::Bearer(token) => (token.expose().is_empty()
                || token.expose().contains(' ')
                || !sendable(token))
            .then_some("a bearer token must be text that fits into a header, without spaces"),
            Self::Basic { user, .. } => user
                .expose()
                .contains(':')
                .then_some("a user must not contain a colon (RFC 7617)"),
            Self::Header { name, value } => match HeaderName::from_bytes(name.as_bytes()) {
                Err(_) => Some("the header's name is not one (RFC 9110)"),
                Ok(name) if RESERVED.contains(&name) => {
                    Some("that header belongs to the connection; the host sets it itself")
                }
                Ok(_) if !sendable(value) => Some("the value does not fit into a header"),
                Ok(_) => None,
            },
        };
        fault.map_or(Ok(()), |fault| {
            Err(RegistryError::CredentialsInvalid(fault))
        })
    }

    pub(crate) fn context(backend: &BackendId) -> Context<'_> {
        Context {
            owner: "",
            kind: RecordKind::BackendCredential,
            id: backend.as_str().as_bytes(),
        }
    }
}

/// Headers that no credential can be.
const RESERVED: [HeaderName; 8] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONNECTION,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];

/// Bounds of the exchanges with one backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
pub struct BackendLimits {
    /// Time for one exchange, in milliseconds.
    pub timeout_ms: u64,
    /// The largest answer, in bytes after decompression.
    pub max_body_bytes: u64,
    /// How often one request is sent at most.
    pub attempts: u32,
    /// How many requests are under way at once, per process.
    pub concurrent: u32,
}

impl Default for BackendLimits {
    fn default() -> Self {
        Self {
            timeout_ms: 10_000,
            max_body_bytes: 4 << 20,
            attempts: 3,
            concurrent: 32,
        }
    }
}

impl BackendLimits {
    fn check(&self) -> Result<(), RegistryError> {
        let ranges = [
            ("timeout-ms", self.timeout_ms, 10, 300_000),
            ("max-body-bytes", self.max_body_bytes, 1024, 64 << 20),
            ("attempts", self.attempts.into(), 1, 10),
            ("concurrent", self.concurrent.into(), 1, 10_000),
        ];
        for (name, value, least, most) in ranges {
            if !(least..=most).contains(&value) {
                return Err(RegistryError::LimitInvalid { name, least, most });
            }
        }
        Ok(())
    }
}

/// A backend to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBackend {
    /// Its id.
    pub id: BackendId,
    /// What its adapter's paths are relative to: an absolute `http` or `https` URL.
    pub base_url: String,
    /// The adapter's name (meaning its newest version) or digest.
    pub adapter: String,
    /// The adapter's configuration: a JSON object; empty text means `{}`.
    pub config: String,
    /// How the host proves itself to it.
    pub credentials: Credentials,
    /// Its bounds.
    pub limits: BackendLimits,
}

/// A backend, as the snapshot holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Backend {
    /// Its id.
    pub id: BackendId,
    /// What its adapter's paths are relative to.
    pub base_url: Url,
    /// Its adapter, to the byte.
    pub adapter: PluginRef,
    /// What the adapter can do.
    pub roles: Vec<Role>,
    /// The adapter's configuration: a JSON object. A customer may override parts of it: see
    /// [`crate::BackendBinding::effective_config`].
    pub config: Arc<str>,
    /// How the host proves itself to it.
    pub credentials: Credentials,
    /// Its bounds.
    pub limits: BackendLimits,
    /// When it was last changed.
    pub changed_at: Timestamp,
    pub(crate) parsed_config: Object,
}

impl Registry {
    /// Adds a backend.
    ///
    /// # Errors
    /// Among others [`RegistryError::BackendExists`], and [`RegistryError::PluginLacksRole`] where the
    /// adapter cannot search.
    pub async fn add_backend(&self, actor: &str, new: NewBackend) -> Result<(), RegistryError> {
        self.put_backend(actor, new, false).await
    }

    /// Replaces a backend, credentials included: every customer that is bound to it uses the new one from
    /// now on.
    pub async fn replace_backend(&self, actor: &str, new: NewBackend) -> Result<(), RegistryError> {
        self.put_backend(actor, new, true).await
    }

    async fn put_backend(
        &self,
        actor: &str,
        new: NewBackend,
        replace: bool,
    ) -> Result<(), RegistryError> {
        let base_url = text::parse_url("backend's base URL", &new.base_url)?;
        if base_url.query().is_some() {
            return Err(RegistryError::UrlInvalid {
                what: "backend's base URL",
                reason: "it must not have a query (?)",
            });
        }
        let config = text::parse_config(|| format!("the backend {}", new.id), &new.config)?;
        new.credentials.check()?;
        new.limits.check()?;
        let json_of = |error| RegistryError::corrupt(format!("backend {}", new.id), error);
        let limits = serde_json::to_string(&new.limits).map_err(json_of)?;
        let credentials = Zeroizing::new(serde_json::to_vec(&new.credentials).map_err(json_of)?);
        let sealed = self.keys.installation_key().seal(
            &Credentials::context(&new.id),
            &credentials,
            &*self.entropy,
        );

        let mut write = self.begin().await?;
        let adapter = plugin::select(&mut write, &new.adapter, Role::SearchAdapter).await?;
        let now = write.millis();
        let statement = if replace {
            "UPDATE backends SET base_url = $2, adapter_name = $3, adapter_digest = $4, config = $5, \
             sealed_credentials = $6, limits = $7, changed_at = $8 WHERE id = $1"
        } else {
            "INSERT INTO backends (id, base_url, adapter_name, adapter_digest, config, \
             sealed_credentials, limits, created_at, changed_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8) ON CONFLICT (id) DO NOTHING"
        };
        let stored = sqlx::query(statement)
            .bind(new.id.as_str())
            .bind(base_url.as_str())
            .bind(&adapter.name)
            .bind(adapter.digest.as_bytes().as_slice())
            .bind(text::to_json(&config))
            .bind(sealed.as_bytes())
            .bind(limits)
            .bind(now)
            .execute(write.sql())
            .await
            .map_err(RegistryError::database("storing a backend"))?;
        if stored.rows_affected() == 0 {
            return Err(if replace {
                RegistryError::BackendUnknown(new.id)
            } else {
                RegistryError::BackendExists(new.id)
            });
        }
        let action = if replace {
            "backend-replaced"
        } else {
            "backend-added"
        };
        let detail = json!({
            "base-url": text::origin(&base_url),
            "adapter": adapter.name,
            "digest": adapter.digest,
        });
        let entry = Entry::new(actor, action, SubjectKind::Backend, new.id.as_str()).with(detail);
        self.commit(write, entry).await
    }
}
