//! From rows to the snapshot's content.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::str::FromStr;
use std::sync::Arc;

use patchbay_vault::{KeyRing, Sealed};
use patchbay_workflow::{BackendId, CustomerId, PluginDigest, PluginRef, Role, Timestamp};
use serde::de::DeserializeOwned;
use sqlx::any::AnyRow;
use sqlx::{Any, AnyConnection, Row as _};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Object;
use crate::admin::ActiveAdmin;
use crate::backend::{Backend, Credentials};
use crate::binding::{BackendBinding, Binding};
use crate::customer::{Customer, WebhookEndpoint, WebhookSecret};
use crate::database::{instant, millis};
use crate::error::RegistryError;
use crate::plugin::PluginVersion;
use crate::token::{TokenId, TokenKey};

type Decoded<T> = Result<T, sqlx::Error>;

/// Runs a query over all rows, or over those of one subject alone.
macro_rules! rows {
    ($sql:expr, $only:expr, $select:literal, $column:literal, $order:literal) => {
        match $only {
            None => sqlx::query::<Any>(concat!($select, $order)),
            Some(id) => sqlx::query(concat!($select, " WHERE ", $column, " = $1", $order)).bind(id),
        }
        .fetch_all(&mut *$sql)
        .await
        .map_err(RegistryError::database("loading the configuration"))?
    };
}

/// The customers, or one of them. One whose row or secrets are damaged is left out and reported: the
/// others go on.
pub(crate) async fn customers(
    sql: &mut AnyConnection,
    keys: &KeyRing,
    only: Option<&str>,
) -> Result<BTreeMap<CustomerId, Arc<Customer>>, RegistryError> {
    let endpoints = grouped(rows!(
        sql,
        only,
        "SELECT customer_id, url, enabled FROM webhook_endpoints",
        "customer_id",
        ""
    ))?;
    let secrets = grouped(rows!(
        sql,
        only,
        "SELECT customer_id, id, sealed_secret FROM webhook_secrets",
        "customer_id",
        " ORDER BY created_at DESC, id DESC"
    ))?;
    let bindings = grouped(rows!(
        sql,
        only,
        "SELECT customer_id, role, plugin_name, plugin_digest, config, bound_at, bound_by \
         FROM bindings",
        "customer_id",
        ""
    ))?;
    let backends = grouped(rows!(
        sql,
        only,
        "SELECT customer_id, backend_id, config_override FROM customer_backends",
        "customer_id",
        " ORDER BY position"
    ))?;
    let customers = rows!(
        sql,
        only,
        "SELECT id, name, settings, sealed_data_key, created_at FROM customers",
        "id",
        ""
    );
    let mut loaded = BTreeMap::new();
    for row in &customers {
        let id: &str = row.try_get(0).map_err(damaged("customers"))?;
        let parts = Parts {
            endpoints: endpoints.get(id).map_or(&[], Vec::as_slice),
            secrets: secrets.get(id).map_or(&[], Vec::as_slice),
            bindings: bindings.get(id).map_or(&[], Vec::as_slice),
            backends: backends.get(id).map_or(&[], Vec::as_slice),
        };
        match customer(keys, row, &parts) {
            Ok(customer) => {
                loaded.insert(customer.id.clone(), Arc::new(customer));
            }
            Err(error) => left_out(&error),
        }
    }
    Ok(loaded)
}

/// A customer's rows of other tables.
struct Parts<'a> {
    endpoints: &'a [AnyRow],
    secrets: &'a [AnyRow],
    bindings: &'a [AnyRow],
    backends: &'a [AnyRow],
}

fn customer(keys: &KeyRing, row: &AnyRow, parts: &Parts<'_>) -> Result<Customer, RegistryError> {
    let text: &str = row.try_get(0).map_err(damaged("customers"))?;
    let what = format!("customer {text}");
    let failed = || damaged(what.clone());
    let id: CustomerId = parse(text).map_err(failed())?;
    let wrapped = Sealed::from_stored(row.try_get(3).map_err(failed())?);
    let data_key = keys
        .unwrap_data_key(&id, &wrapped)
        .map_err(RegistryError::secret(what.clone()))?;

    let mut webhook_secrets = Vec::new();
    for row in parts.secrets {
        let secret_id: &[u8] = row.try_get(1).map_err(failed())?;
        let secret_id = Uuid::from_slice(secret_id)
            .map_err(|error| RegistryError::corrupt(what.clone(), error))?;
        let sealed = Sealed::from_stored(row.try_get(2).map_err(failed())?);
        let secret = data_key
            .open(&WebhookSecret::context(&id, &secret_id), &sealed)
            .map_err(RegistryError::secret(what.clone()))?;
        webhook_secrets.push(WebhookSecret(secret));
    }
    let webhook = match parts.endpoints.first() {
        None => None,
        Some(row) => Some(WebhookEndpoint {
            url: parse(row.try_get(1).map_err(failed())?).map_err(failed())?,
            enabled: row.try_get::<i64, _>(2).map_err(failed())? != 0,
            secrets: webhook_secrets.clone(),
        }),
    };
    let bindings = parts.bindings.iter().map(|row| {
        let binding = Binding {
            plugin: PluginRef {
                name: row.try_get(2)?,
                digest: digest(row.try_get(3)?)?,
            },
            config: row.try_get::<&str, _>(4)?.into(),
            bound_at: instant(row.try_get(5)?),
            bound_by: row.try_get(6)?,
        };
        Ok((parse(row.try_get(1)?)?, binding))
    });
    let backends = parts.backends.iter().map(|row| {
        let patch: Option<&str> = row.try_get(2)?;
        Ok(BackendBinding {
            backend: parse(row.try_get(1)?)?,
            config_override: patch.map(json).transpose()?.map(Arc::new),
        })
    });
    Ok(Customer {
        name: row.try_get(1).map_err(failed())?,
        settings: json(row.try_get(2).map_err(failed())?).map_err(failed())?,
        created_at: instant(row.try_get(4).map_err(failed())?),
        bindings: bindings.collect::<Decoded<_>>().map_err(failed())?,
        backends: backends.collect::<Decoded<_>>().map_err(failed())?,
        id,
        data_key,
        webhook,
        webhook_secrets,
    })
}

/// The backends, or one of them; damaged ones are left out and reported.
pub(crate) async fn backends(
    sql: &mut AnyConnection,
    keys: &KeyRing,
    only: Option<&str>,
) -> Result<BTreeMap<BackendId, Arc<Backend>>, RegistryError> {
    let rows = rows!(
        sql,
        only,
        "SELECT b.id, b.base_url, b.adapter_name, b.adapter_digest, v.roles, b.config, \
         b.sealed_credentials, b.limits, b.changed_at FROM backends b JOIN plugin_versions v \
         ON v.name = b.adapter_name AND v.digest = b.adapter_digest",
        "b.id",
        ""
    );
    let mut loaded = BTreeMap::new();
    for row in &rows {
        match backend(keys, row) {
            Ok(backend) => {
                loaded.insert(backend.id.clone(), Arc::new(backend));
            }
            Err(error) => left_out(&error),
        }
    }
    Ok(loaded)
}

fn backend(keys: &KeyRing, row: &AnyRow) -> Result<Backend, RegistryError> {
    let text: &str = row.try_get(0).map_err(damaged("backends"))?;
    let what = format!("backend {text}");
    let failed = || damaged(what.clone());
    let id: BackendId = parse(text).map_err(failed())?;
    let sealed = Sealed::from_stored(row.try_get(6).map_err(failed())?);
    let credentials = keys
        .installation_key()
        .open(&Credentials::context(&id), &sealed)
        .map_err(RegistryError::secret(what.clone()))?;
    let credentials = Zeroizing::new(credentials.into_inner());
    // serde_json's own message could repeat what it read.
    let credentials = serde_json::from_slice(&credentials)
        .map_err(|_| RegistryError::corrupt(what.clone(), "its credentials have another form"))?;
    let config: &str = row.try_get(5).map_err(failed())?;
    Ok(Backend {
        base_url: parse(row.try_get(1).map_err(failed())?).map_err(failed())?,
        adapter: PluginRef {
            name: row.try_get(2).map_err(failed())?,
            digest: digest(row.try_get(3).map_err(failed())?).map_err(failed())?,
        },
        roles: roles(row.try_get(4).map_err(failed())?).map_err(failed())?,
        parsed_config: json::<Object>(config).map_err(failed())?,
        config: config.into(),
        limits: json(row.try_get(7).map_err(failed())?).map_err(failed())?,
        changed_at: instant(row.try_get(8).map_err(failed())?),
        id,
        credentials,
    })
}

/// All plugin versions, or those of one name.
pub(crate) async fn plugins(
    sql: &mut AnyConnection,
    only: Option<&str>,
) -> Result<Vec<PluginVersion>, RegistryError> {
    let rows = rows!(
        sql,
        only,
        "SELECT name, digest, roles, size, pushed_at, revision FROM plugin_versions",
        "name",
        ""
    );
    let read = |row: &AnyRow| {
        Ok(PluginVersion {
            name: row.try_get(0)?,
            digest: digest(row.try_get(1)?)?,
            roles: roles(row.try_get(2)?)?,
            size: u64::try_from(row.try_get::<i64, _>(3)?).unwrap_or(0),
            pushed_at: instant(row.try_get(4)?),
            revision: u64::try_from(row.try_get::<i64, _>(5)?).unwrap_or(0),
        })
    };
    rows.iter()
        .map(read)
        .collect::<Decoded<_>>()
        .map_err(damaged("plugin versions"))
}

/// The keys of customer tokens, the youngest first.
pub(crate) async fn token_keys(
    sql: &mut AnyConnection,
    keys: &KeyRing,
) -> Result<Arc<[TokenKey]>, RegistryError> {
    let rows = sqlx::query("SELECT id, sealed_key FROM token_keys ORDER BY revision DESC")
        .fetch_all(sql)
        .await
        .map_err(RegistryError::database("loading token keys"))?;
    rows.iter()
        .map(|row| {
            let id: Vec<u8> = row.try_get(0).map_err(damaged("token keys"))?;
            let sealed = Sealed::from_stored(row.try_get(1).map_err(damaged("token keys"))?);
            TokenKey::open(&id, &sealed, keys)
        })
        .collect()
}

/// The tokens that were revoked and have not expired.
pub(crate) async fn revoked(
    sql: &mut AnyConnection,
    now: Timestamp,
) -> Result<Arc<HashSet<TokenId>>, RegistryError> {
    let rows =
        sqlx::query("SELECT id FROM tokens WHERE revoked_at IS NOT NULL AND expires_at > $1")
            .bind(millis(now))
            .fetch_all(sql)
            .await
            .map_err(RegistryError::database("loading revocations"))?;
    rows.iter()
        .map(|row| TokenId::from_row(row.try_get(0)?))
        .collect::<Decoded<HashSet<_>>>()
        .map(Arc::new)
        .map_err(damaged("tokens"))
}

/// The admins who have access.
pub(crate) async fn admins(sql: &mut AnyConnection) -> Result<Arc<[ActiveAdmin]>, RegistryError> {
    let rows = sqlx::query("SELECT name, token_hash FROM admins WHERE revoked_at IS NULL")
        .fetch_all(sql)
        .await
        .map_err(RegistryError::database("loading admins"))?;
    let read = |row: &AnyRow| {
        Ok(ActiveAdmin {
            name: row.try_get::<&str, _>(0)?.into(),
            token_hash: exactly(row.try_get(1)?)?,
        })
    };
    rows.iter()
        .map(read)
        .collect::<Decoded<_>>()
        .map_err(damaged("admins"))
}

fn left_out(error: &RegistryError) {
    tracing::error!(code = error.code(), %error, "left out of the configuration until it is repaired");
}

fn damaged(what: impl Into<String>) -> impl FnOnce(sqlx::Error) -> RegistryError {
    move |error| RegistryError::corrupt(what, error)
}

/// Rows by the customer in their first column.
fn grouped(rows: Vec<AnyRow>) -> Result<HashMap<String, Vec<AnyRow>>, RegistryError> {
    let mut groups: HashMap<String, Vec<AnyRow>> = HashMap::new();
    for row in rows {
        let id = row.try_get(0).map_err(damaged("a customer"))?;
        groups.entry(id).or_default().push(row);
    }
    Ok(groups)
}

fn decode(error: impl std::error::Error + Send + Sync + 'static) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(error))
}

fn parse<T>(text: &str) -> Decoded<T>
where
    T: FromStr<Err: std::error::Error + Send + Sync + 'static>,
{
    text.parse().map_err(decode)
}

fn json<T: DeserializeOwned>(text: &str) -> Decoded<T> {
    serde_json::from_str(text).map_err(decode)
}

pub(crate) fn exactly<const N: usize>(bytes: &[u8]) -> Decoded<[u8; N]> {
    bytes.try_into().map_err(decode)
}

pub(crate) fn digest(bytes: &[u8]) -> Decoded<PluginDigest> {
    exactly(bytes).map(PluginDigest::from_bytes)
}

fn roles(text: &str) -> Decoded<Vec<Role>> {
    text.split_ascii_whitespace().map(parse).collect()
}
