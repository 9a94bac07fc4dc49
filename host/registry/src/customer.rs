//! Customers, and where their webhooks go.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use patchbay_vault::{Context, DataKey, RecordKind};
use patchbay_workflow::{BackendId, CustomerId, Role, Sensitive, Timestamp};
use serde_json::json;
use url::Url;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::audit::{Entry, SubjectKind};
use crate::binding::{BackendBinding, Binding};
use crate::database::Write;
use crate::error::RegistryError;
use crate::registry::Registry;
use crate::settings::CustomerSettings;
use crate::text;

/// A customer to be added.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCustomer {
    /// Its id, for good.
    pub id: CustomerId,
    /// A name for people; its id where this is empty.
    pub name: String,
    /// Its settings.
    pub settings: CustomerSettings,
    /// Where its webhooks go: an absolute `http` or `https` URL.
    pub webhook_url: Option<String>,
}

/// A customer, as the snapshot holds it.
#[derive(Debug, Clone)]
pub struct Customer {
    /// Its id.
    pub id: CustomerId,
    /// A name for people.
    pub name: String,
    /// Seals and opens its records.
    pub data_key: DataKey,
    /// Its settings.
    pub settings: CustomerSettings,
    /// Where its webhooks go, if anywhere.
    pub webhook: Option<WebhookEndpoint>,
    /// What its webhooks are signed with, newest first; also those that go to an endpoint that a request
    /// named.
    pub webhook_secrets: Vec<WebhookSecret>,
    /// Its plugins by role.
    pub bindings: BTreeMap<Role, Binding>,
    /// Its backends, in the order in which they are asked.
    pub backends: Vec<BackendBinding>,
    /// When it was added.
    pub created_at: Timestamp,
}

impl Customer {
    /// The plugin and configuration of a role, where one is bound.
    pub fn binding(&self, role: Role) -> Option<&Binding> {
        self.bindings.get(&role)
    }

    /// How this customer uses a backend; none where it does not.
    pub fn backend(&self, id: &BackendId) -> Option<&BackendBinding> {
        self.backends.iter().find(|bound| bound.backend == *id)
    }
}

/// Where a customer's webhooks go.
#[derive(Debug, Clone)]
pub struct WebhookEndpoint {
    /// The address.
    pub url: Url,
    /// What is sent there is signed with each of these, newest first.
    pub secrets: Vec<WebhookSecret>,
    /// Whether anything is sent.
    pub enabled: bool,
}

/// The key of a webhook signature (Standard Webhooks, `v1`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSecret(pub Sensitive<Vec<u8>>);

impl WebhookSecret {
    /// Bytes of a new secret.
    pub const LEN: usize = 32;

    /// The secret as the customer gets it: `whsec_` and base64.
    pub fn to_text(&self) -> Sensitive<String> {
        Sensitive::new(format!("whsec_{}", STANDARD.encode(self.0.expose())))
    }

    pub(crate) fn context<'a>(customer: &'a CustomerId, id: &'a Uuid) -> Context<'a> {
        Context {
            owner: customer.as_str(),
            kind: RecordKind::WebhookSecret,
            id: id.as_bytes(),
        }
    }
}

impl Registry {
    /// Adds a customer. Gives the secret that its webhooks will be signed with; it can be read nowhere
    /// later.
    pub async fn add_customer(
        &self,
        actor: &str,
        new: NewCustomer,
    ) -> Result<Sensitive<String>, RegistryError> {
        let NewCustomer {
            id,
            name,
            settings,
            webhook_url,
        } = new;
        text::check_display_name("customer", &name)?;
        settings.check()?;
        let url = webhook_url
            .map(|url| text::parse_url("webhook's URL", &url))
            .transpose()?;
        let name = if name.is_empty() { id.as_str() } else { &name };

        let (data_key, wrapped) = self.keys.new_data_key(&id, &*self.entropy);
        let mut bytes = Zeroizing::new([0; WebhookSecret::LEN]);
        self.entropy.fill(&mut *bytes);
        let secret = WebhookSecret(Sensitive::new(bytes.to_vec()));

        let mut write = self.begin().await?;
        let failed = || RegistryError::database("adding a customer");
        let added = sqlx::query(
            "INSERT INTO customers (id, name, settings, sealed_data_key, created_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(name)
        .bind(settings_json(&settings)?)
        .bind(wrapped.as_bytes())
        .bind(write.millis())
        .execute(write.sql())
        .await
        .map_err(failed())?;
        if added.rows_affected() == 0 {
            return Err(RegistryError::CustomerExists(id));
        }
        let secret_id = self.entropy.uuid_v7(write.now);
        let context = WebhookSecret::context(&id, &secret_id);
        let sealed = data_key.seal(&context, secret.0.expose(), &*self.entropy);
        sqlx::query(
            "INSERT INTO webhook_secrets (id, customer_id, sealed_secret, created_at) \
             VALUES ($1, $2, $3, $4)",
        )
        .bind(secret_id.as_bytes().as_slice())
        .bind(id.as_str())
        .bind(sealed.as_bytes())
        .bind(write.millis())
        .execute(write.sql())
        .await
        .map_err(failed())?;
        if let Some(url) = &url {
            put_webhook(&mut write, &id, url).await?;
        }
        let webhook = url.as_ref().map(text::origin);
        let entry = Entry::new(actor, "customer-added", SubjectKind::Customer, id.as_str())
            .with(json!({ "webhook": webhook }));
        self.commit(write, entry).await?;
        Ok(secret.to_text())
    }

    /// Replaces a customer's settings.
    pub async fn set_settings(
        &self,
        actor: &str,
        customer: &CustomerId,
        settings: &CustomerSettings,
    ) -> Result<(), RegistryError> {
        settings.check()?;
        let json = settings_json(settings)?;
        let mut write = self.begin().await?;
        let changed = sqlx::query("UPDATE customers SET settings = $2 WHERE id = $1")
            .bind(customer.as_str())
            .bind(&json)
            .execute(write.sql())
            .await
            .map_err(RegistryError::database("changing settings"))?;
        if changed.rows_affected() == 0 {
            return Err(RegistryError::CustomerUnknown(customer.clone()));
        }
        let settings: serde_json::Value = serde_json::from_str(&json).unwrap_or_default();
        let entry = Entry::new(
            actor,
            "settings-changed",
            SubjectKind::Customer,
            customer.as_str(),
        )
        .with(json!({ "settings": settings }));
        self.commit(write, entry).await
    }

    /// Sends to a customer's endpoint again. Does nothing where that is so already, or where there is no
    /// endpoint.
    pub async fn enable_webhook(
        &self,
        actor: &str,
        customer: &CustomerId,
    ) -> Result<(), RegistryError> {
        let entry = Entry::new(
            actor,
            "webhook-enabled",
            SubjectKind::Customer,
            customer.as_str(),
        );
        self.switch_webhook(customer, true, entry).await
    }

    /// Sends nothing more to a customer's endpoint until it is enabled or set again; `reason` is a stable
    /// code. Does nothing where that is so already, or where there is no endpoint.
    pub async fn disable_webhook(
        &self,
        actor: &str,
        customer: &CustomerId,
        reason: &str,
    ) -> Result<(), RegistryError> {
        let entry = Entry::new(
            actor,
            "webhook-disabled",
            SubjectKind::Customer,
            customer.as_str(),
        )
        .with(json!({ "reason": reason }));
        self.switch_webhook(customer, false, entry).await
    }

    async fn switch_webhook(
        &self,
        customer: &CustomerId,
        enabled: bool,
        entry: Entry<'_>,
    ) -> Result<(), RegistryError> {
        let mut write = self.begin().await?;
        require_customer(&mut write, customer).await?;
        let now = write.millis();
        let changed = sqlx::query(
            "UPDATE webhook_endpoints SET enabled = $2, changed_at = $3 \
             WHERE customer_id = $1 AND enabled <> $2",
        )
        .bind(customer.as_str())
        .bind(i64::from(enabled))
        .bind(now)
        .execute(write.sql())
        .await
        .map_err(RegistryError::database("switching a webhook"))?;
        // Whoever has nothing to change writes no entry: several deliveries may find it gone at once.
        if changed.rows_affected() == 0 {
            return Ok(());
        }
        self.commit(write, entry).await
    }

    /// Sets where a customer's webhooks go, and enables it; with no address, nothing is sent any more.
    /// The signing secrets stay as they are.
    pub async fn set_webhook(
        &self,
        actor: &str,
        customer: &CustomerId,
        url: Option<&str>,
    ) -> Result<(), RegistryError> {
        let url = url
            .map(|url| text::parse_url("webhook's URL", url))
            .transpose()?;
        let mut write = self.begin().await?;
        require_customer(&mut write, customer).await?;
        match &url {
            Some(url) => put_webhook(&mut write, customer, url).await?,
            None => {
                sqlx::query("DELETE FROM webhook_endpoints WHERE customer_id = $1")
                    .bind(customer.as_str())
                    .execute(write.sql())
                    .await
                    .map_err(RegistryError::database("removing a webhook"))?;
            }
        }
        let webhook = url.as_ref().map(text::origin);
        let entry = Entry::new(
            actor,
            "webhook-set",
            SubjectKind::Customer,
            customer.as_str(),
        )
        .with(json!({ "webhook": webhook }));
        self.commit(write, entry).await
    }
}

/// Refuses a change to a customer that does not exist.
pub(crate) async fn require_customer(
    write: &mut Write,
    customer: &CustomerId,
) -> Result<(), RegistryError> {
    let found = sqlx::query("SELECT 1 FROM customers WHERE id = $1")
        .bind(customer.as_str())
        .fetch_optional(write.sql())
        .await
        .map_err(RegistryError::database("looking for a customer"))?;
    match found {
        Some(_) => Ok(()),
        None => Err(RegistryError::CustomerUnknown(customer.clone())),
    }
}

async fn put_webhook(
    write: &mut Write,
    customer: &CustomerId,
    url: &Url,
) -> Result<(), RegistryError> {
    let now = write.millis();
    sqlx::query(
        "INSERT INTO webhook_endpoints (customer_id, url, enabled, changed_at) \
         VALUES ($1, $2, 1, $3) ON CONFLICT (customer_id) DO UPDATE \
         SET url = excluded.url, enabled = 1, changed_at = excluded.changed_at",
    )
    .bind(customer.as_str())
    .bind(url.as_str())
    .bind(now)
    .execute(write.sql())
    .await
    .map(|_| ())
    .map_err(RegistryError::database("setting a webhook"))
}

fn settings_json(settings: &CustomerSettings) -> Result<String, RegistryError> {
    serde_json::to_string(settings).map_err(|error| RegistryError::SettingsInvalid {
        pointer: String::new(),
        reason: error.to_string(),
    })
}
