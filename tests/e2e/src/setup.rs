//! A service with an internal system, a receiver, and customers.

use patchbay_api::admin::{
    BackendLimits, Credentials, NewBackend, NewBinding, NewCustomer, NewToken, TokenKind,
};
use patchbay_api::{AdminClient, LinkAnswer, LinkCall, Object};
use patchbay_workflow::{Role, Sensitive, WorkflowId};
use serde_json::{Value, json};

use crate::people::TOKEN;
use crate::{Host, Receiver, internal_system, plugin};

/// A service that can link.
#[derive(Debug)]
pub struct Setup {
    /// The service.
    pub host: Host,
    /// Where its webhooks go.
    pub receiver: Receiver,
}

/// A customer that was added.
#[derive(Debug, Clone)]
pub struct Customer {
    /// Its id.
    pub id: String,
    /// Its token.
    pub token: String,
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

impl Setup {
    /// Starts a service, pushes the standard plugins, and adds the backend `fhir`.
    pub async fn start() -> Self {
        Self::on(Host::start().await).await
    }

    /// The same on a service that was started already.
    pub async fn on(host: Host) -> Self {
        let receiver = Receiver::start().await;
        let setup = Self { host, receiver };
        for name in ["validator-standard", "search-fhir", "format-standard"] {
            setup.push(name, &plugin(name)).await;
        }
        setup.backend("fhir", "search-fhir").await;
        setup
    }

    /// A client of the admin API.
    pub fn admin(&self) -> AdminClient {
        self.host.admin()
    }

    /// Pushes a component.
    pub async fn push(&self, name: &str, file: &std::path::Path) {
        let bytes = std::fs::read(file).expect("a component");
        self.admin()
            .push_plugin(name, bytes.into())
            .await
            .expect("pushed");
    }

    /// Adds the internal system as a backend with this adapter.
    pub async fn backend(&self, id: &str, adapter: &str) {
        let base_url = internal_system().await.to_string();
        let new = NewBackend {
            id: id.parse().expect("an id"),
            base_url,
            adapter: adapter.to_owned(),
            config: Object::new(),
            credentials: Credentials::Bearer {
                token: Sensitive::new(TOKEN.to_owned()),
            },
            limits: BackendLimits::default(),
        };
        self.admin().create_backend(&new).await.expect("a backend");
    }

    /// Adds a customer on the standard plugins and this backend.
    pub async fn customer(&self, id: &str, backend: &str) -> Customer {
        let new = NewCustomer {
            id: id.parse().expect("an id"),
            name: None,
            settings: Object::new(),
            webhook_url: Some(self.receiver.url(id).to_string()),
            backends: vec![backend.parse().expect("an id")],
        };
        let created = self
            .admin()
            .create_customer(&new)
            .await
            .expect("a customer");
        self.receiver.expect(id, created.webhook_secret.expose());
        self.bind(
            id,
            Role::Validator,
            "validator-standard",
            json!({ "required": [] }),
        )
        .await;
        self.bind(id, Role::WebhookFormatter, "format-standard", json!({}))
            .await;
        let new = NewToken {
            kind: TokenKind::Live,
            expires_in_seconds: None,
        };
        let token = self
            .admin()
            .issue_token(&id.parse().expect("an id"), &new)
            .await;
        let token = token.expect("a token").token.expose().clone();
        Customer {
            id: id.to_owned(),
            token,
        }
    }

    /// Binds a plugin.
    pub async fn bind(&self, customer: &str, role: Role, plugin: &str, config: Value) {
        let new = NewBinding {
            plugin: plugin.to_owned(),
            config: Some(object(config)),
        };
        let customer = customer.parse().expect("an id");
        self.admin()
            .bind(&customer, role, &new)
            .await
            .expect("bound");
    }

    /// Sends a request.
    pub async fn link(
        &self,
        customer: &Customer,
        key: &str,
        body: &Value,
    ) -> Result<LinkAnswer, patchbay_api::ClientError> {
        let bytes = serde_json::to_vec(body).expect("JSON");
        let call = LinkCall {
            token: Some(&customer.token),
            idempotency_key: Some(key),
            body: bytes.into(),
        };
        self.host.customers().link(call).await
    }

    /// Sends a request that has to be accepted; gives its workflow.
    pub async fn accepted(&self, customer: &Customer, key: &str, body: &Value) -> WorkflowId {
        self.link(customer, key, body)
            .await
            .expect("accepted")
            .workflow_id
    }
}
