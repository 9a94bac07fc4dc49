//! Customers on real plugins, set up through the admin API as an operator does.

use patchbay_api::admin::{
    BackendLimits, Credentials, NewBackend, NewBinding, NewCustomer, NewToken, TokenKind,
};
use patchbay_api::{AdminClient, ClientError, Object, Role, Sensitive};
use patchbay_e2e::plugin;
use serde_json::{Value, json};

use crate::layout::Customer;
use crate::world::{TOKEN, World};

const PLUGINS: [&str; 3] = ["validator-standard", "search-fhir", "format-standard"];

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

/// Pushes the plugins, adds the internal system, and so many customers.
pub(crate) async fn run(
    admin: &AdminClient,
    world: &World,
    count: usize,
) -> Result<Vec<Customer>, String> {
    for name in PLUGINS {
        let bytes = std::fs::read(plugin(name)).map_err(|error| format!("{name}: {error}"))?;
        let pushed = admin.push_plugin(name, bytes.into()).await;
        pushed.map_err(|error| format!("{name}: {error}"))?;
    }
    let backend = NewBackend {
        id: "fhir".parse().expect("an id"),
        base_url: world.fhir.clone(),
        adapter: "search-fhir".to_owned(),
        config: Object::new(),
        credentials: Credentials::Bearer {
            token: Sensitive::new(TOKEN.to_owned()),
        },
        limits: BackendLimits {
            concurrent: Some(1_000),
            ..BackendLimits::default()
        },
    };
    let created = admin.create_backend(&backend).await;
    created.map_err(|error| format!("backend: {error}"))?;
    let mut customers = Vec::with_capacity(count);
    for number in 0..count {
        // The last of them wants to choose; the others are told of one record or of none.
        let ambiguity = if number + 1 == count && count > 1 {
            "customer-choice"
        } else {
            "no-results"
        };
        let customer = add(admin, world, &format!("customer-{number}"), ambiguity).await;
        customers.push(customer.map_err(|error| format!("customer-{number}: {error}"))?);
    }
    Ok(customers)
}

async fn add(
    admin: &AdminClient,
    world: &World,
    name: &str,
    ambiguity: &str,
) -> Result<Customer, ClientError> {
    let id = name.parse().expect("an id");
    let new = NewCustomer {
        id,
        name: None,
        settings: object(json!({ "link": { "on-ambiguity": ambiguity } })),
        webhook_url: Some(world.receiver.url(name).to_string()),
        backends: vec!["fhir".parse().expect("an id")],
    };
    let created = admin.create_customer(&new).await?;
    world.receiver.expect(name, created.webhook_secret.expose());
    for (role, plugin, config) in [
        (Role::Validator, PLUGINS[0], json!({ "required": [] })),
        (
            Role::WebhookFormatter,
            PLUGINS[2],
            json!({ "omit-evidence": true }),
        ),
    ] {
        let binding = NewBinding {
            plugin: plugin.to_owned(),
            config: Some(object(config)),
        };
        admin.bind(&new.id, role, &binding).await?;
    }
    let token = NewToken {
        kind: TokenKind::Live,
        expires_in_seconds: None,
    };
    let token = admin.issue_token(&new.id, &token).await?;
    Ok(Customer {
        id: name.to_owned(),
        token: token.token.expose().clone(),
    })
}
