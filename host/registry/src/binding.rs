//! Which plugin does what for a customer, and which backends are asked for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use patchbay_workflow::{BackendId, CustomerId, PluginRef, Role, Timestamp};
use serde_json::{Value, json};
use sqlx::Row as _;

use crate::Object;
use crate::audit::{Entry, SubjectKind};
use crate::backend::Backend;
use crate::customer::require_customer;
use crate::database::instant;
use crate::error::RegistryError;
use crate::load;
use crate::plugin;
use crate::registry::Registry;
use crate::text;

/// The most backends that one customer asks.
const MAX_BACKENDS: usize = 32;

/// The plugin that has a role for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The plugin, to the byte.
    pub plugin: PluginRef,
    /// Its configuration: a JSON object.
    pub config: Arc<str>,
    /// When it was bound.
    pub bound_at: Timestamp,
    /// By whom.
    pub bound_by: String,
}

/// A binding of the past, or the present one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoundVersion {
    /// The revision that made it.
    pub revision: u64,
    /// What was bound.
    pub binding: Binding,
}

/// A backend to be asked for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewBackendBinding {
    /// The backend.
    pub backend: BackendId,
    /// What differs from the backend's configuration for this customer: a JSON Merge Patch (RFC 7396).
    pub config_override: Option<String>,
}

/// A backend that is asked for a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendBinding {
    /// The backend.
    pub backend: BackendId,
    /// What differs from the backend's configuration for this customer: a JSON Merge Patch (RFC 7396).
    pub config_override: Option<Arc<Object>>,
}

impl BackendBinding {
    /// The adapter's configuration for this customer: the backend's, with the override merged in.
    pub fn effective_config(&self, backend: &Backend) -> Arc<str> {
        match &self.config_override {
            None => backend.config.clone(),
            Some(patch) => {
                let mut merged = backend.parsed_config.clone();
                merge(&mut merged, patch);
                text::to_json(&merged).into()
            }
        }
    }
}

/// JSON Merge Patch (RFC 7396) of objects: null removes, objects merge, anything else replaces.
fn merge(target: &mut Object, patch: &Object) {
    for (name, change) in patch {
        match change {
            Value::Null => {
                target.remove(name);
            }
            Value::Object(inner) => {
                let member = target.entry(name).or_insert(Value::Null);
                if !member.is_object() {
                    *member = Value::Object(Object::new());
                }
                if let Value::Object(member) = member {
                    merge(member, inner);
                }
            }
            other => {
                target.insert(name.clone(), other.clone());
            }
        }
    }
}

impl Registry {
    /// Binds a plugin (by its name, meaning its newest version, or by its digest) to a customer's role,
    /// in place of whatever had the role. `config` is a JSON object; empty text means `{}`.
    ///
    /// # Errors
    /// Among others [`RegistryError::PluginLacksRole`], and [`RegistryError::RoleOfBackend`] for roles
    /// that belong to a backend's adapter.
    pub async fn bind(
        &self,
        actor: &str,
        customer: &CustomerId,
        role: Role,
        plugin: &str,
        config: &str,
    ) -> Result<Binding, RegistryError> {
        if !matches!(role, Role::Validator | Role::WebhookFormatter) {
            return Err(RegistryError::RoleOfBackend(role));
        }
        let config = text::parse_config(|| format!("{customer}'s {role}"), config)?;
        let config = text::to_json(&config);

        let mut write = self.begin().await?;
        require_customer(&mut write, customer).await?;
        let version = plugin::select(&mut write, plugin, role).await?;
        let (now, revision) = (write.millis(), write.revision);
        for statement in [
            "INSERT INTO binding_history (customer_id, role, plugin_name, plugin_digest, config, \
             bound_at, bound_by, revision) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
            "INSERT INTO bindings (customer_id, role, plugin_name, plugin_digest, config, bound_at, \
             bound_by) VALUES ($1, $2, $3, $4, $5, $6, $7) \
             ON CONFLICT (customer_id, role) DO UPDATE SET plugin_name = excluded.plugin_name, \
             plugin_digest = excluded.plugin_digest, config = excluded.config, \
             bound_at = excluded.bound_at, bound_by = excluded.bound_by",
        ] {
            let query = sqlx::query(statement)
                .bind(customer.as_str())
                .bind(role.as_str())
                .bind(&version.name)
                .bind(version.digest.as_bytes().as_slice())
                .bind(&config)
                .bind(now)
                .bind(actor);
            let query = if statement.contains("$8") {
                query.bind(revision)
            } else {
                query
            };
            query
                .execute(write.sql())
                .await
                .map_err(RegistryError::database("binding a plugin"))?;
        }
        let binding = Binding {
            plugin: version.reference(),
            config: config.into(),
            bound_at: write.now,
            bound_by: actor.to_owned(),
        };
        let entry = Entry::new(
            actor,
            "plugin-bound",
            SubjectKind::Customer,
            customer.as_str(),
        )
        .with(json!({ "role": role, "plugin": version.name, "digest": version.digest }));
        self.commit(write, entry).await?;
        Ok(binding)
    }

    /// Everything that ever had a role for a customer, the newest (the present one) first.
    pub async fn binding_history(
        &self,
        customer: &CustomerId,
        role: Role,
    ) -> Result<Vec<BoundVersion>, RegistryError> {
        let failed = || RegistryError::database("reading bindings");
        let rows = sqlx::query(
            "SELECT revision, plugin_name, plugin_digest, config, bound_at, bound_by \
             FROM binding_history WHERE customer_id = $1 AND role = $2 ORDER BY revision DESC",
        )
        .bind(customer.as_str())
        .bind(role.as_str())
        .fetch_all(&self.pool)
        .await
        .map_err(failed())?;
        let read = |row: &sqlx::any::AnyRow| {
            Ok(BoundVersion {
                revision: u64::try_from(row.try_get::<i64, _>(0)?).unwrap_or(0),
                binding: Binding {
                    plugin: PluginRef {
                        name: row.try_get(1)?,
                        digest: load::digest(row.try_get(2)?)?,
                    },
                    config: row.try_get::<&str, _>(3)?.into(),
                    bound_at: instant(row.try_get(4)?),
                    bound_by: row.try_get(5)?,
                },
            })
        };
        rows.iter()
            .map(read)
            .collect::<Result<_, _>>()
            .map_err(failed())
    }

    /// Sets the backends that are asked for a customer, in order, in place of those before.
    pub async fn bind_backends(
        &self,
        actor: &str,
        customer: &CustomerId,
        backends: &[NewBackendBinding],
    ) -> Result<(), RegistryError> {
        if backends.len() > MAX_BACKENDS {
            return Err(RegistryError::TooManyBackends(MAX_BACKENDS));
        }
        let mut seen = BTreeSet::new();
        let mut overrides = Vec::with_capacity(backends.len());
        for bound in backends {
            if !seen.insert(&bound.backend) {
                return Err(RegistryError::BackendRepeated(bound.backend.clone()));
            }
            let of = || format!("{customer}'s backend {}", bound.backend);
            let patch = bound.config_override.as_deref();
            overrides.push(
                patch
                    .map(|patch| text::parse_config(of, patch))
                    .transpose()?,
            );
        }

        let mut write = self.begin().await?;
        require_customer(&mut write, customer).await?;
        let failed = || RegistryError::database("binding backends");
        sqlx::query("DELETE FROM customer_backends WHERE customer_id = $1")
            .bind(customer.as_str())
            .execute(write.sql())
            .await
            .map_err(failed())?;
        for (position, (bound, patch)) in (0_i64..).zip(backends.iter().zip(&overrides)) {
            let added = sqlx::query(
                "INSERT INTO customer_backends (customer_id, position, backend_id, config_override) \
                 SELECT $1, $2, id, $4 FROM backends WHERE id = $3",
            )
            .bind(customer.as_str())
            .bind(position)
            .bind(bound.backend.as_str())
            .bind(patch.as_ref().map(text::to_json))
            .execute(write.sql())
            .await
            .map_err(failed())?;
            if added.rows_affected() == 0 {
                return Err(RegistryError::BackendUnknown(bound.backend.clone()));
            }
        }
        let ids: Vec<_> = backends
            .iter()
            .map(|bound| bound.backend.as_str())
            .collect();
        let entry = Entry::new(
            actor,
            "backends-bound",
            SubjectKind::Customer,
            customer.as_str(),
        )
        .with(json!({ "backends": ids }));
        self.commit(write, entry).await
    }
}
