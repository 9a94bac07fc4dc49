//! `GET /customers` and `POST /customers`.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use patchbay_api::Object;
use patchbay_api::admin::{Binding, CreatedCustomer, Customer, CustomerList, NewCustomer};
use patchbay_registry::{
    self as registry, AdminIdentity, CustomerSettings, NewBackendBinding, RegistryError,
};
use serde_json::Value;

use super::refused;
use crate::json::{self, JsonError};
use crate::problem::Refusal;
use crate::shared::App;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Json(error) => Refusal::from(error),
            Self::Registry(error) => refused::of_registry(&error),
        };
        refusal.into_response()
    }
}

pub(crate) async fn list(State(app): State<App>) -> Json<CustomerList> {
    let snapshot = app.registry().snapshot();
    let customers = snapshot.customers().map(|customer| view(customer));
    Json(CustomerList {
        customers: customers.collect(),
    })
}

pub(crate) async fn create(
    State(app): State<App>,
    Extension(admin): Extension<AdminIdentity>,
    request: Request,
) -> Result<(StatusCode, Json<CreatedCustomer>), RouteError> {
    let (head, body) = request.into_parts();
    let new: NewCustomer = json::read(&app, &head.headers, body).await?;
    let settings = CustomerSettings::parse(&new.settings)?;
    let backends: Vec<_> = new
        .backends
        .iter()
        .map(|backend| NewBackendBinding {
            backend: backend.clone(),
            config_override: None,
        })
        .collect();
    let registry = app.registry();
    // Before anything is made: the secret below is told once, and so must not be lost to an error.
    let snapshot = registry.snapshot();
    for (index, id) in new.backends.iter().enumerate() {
        if snapshot.backend(id).is_none() {
            return Err(RegistryError::BackendUnknown(id.clone()).into());
        }
        if new.backends[..index].contains(id) {
            return Err(RegistryError::BackendRepeated(id.clone()).into());
        }
    }

    let mut customer = Customer {
        id: new.id.clone(),
        name: new.name.clone(),
        settings: object(&settings),
        webhook_url: new.webhook_url.clone(),
        backends: Vec::new(),
        bindings: Vec::new(),
    };
    let webhook_secret = registry
        .add_customer(
            &admin.name,
            registry::NewCustomer {
                id: new.id.clone(),
                name: new.name.unwrap_or_default(),
                settings,
                webhook_url: new.webhook_url,
            },
        )
        .await?;
    if !backends.is_empty() {
        match registry
            .bind_backends(&admin.name, &new.id, &backends)
            .await
        {
            Ok(()) => customer.backends = new.backends,
            // The answer shows that there are none, and still brings the secret.
            Err(error) => tracing::warn!(
                customer = %new.id,
                code = error.code(),
                "a customer was added, but its backends were not"
            ),
        }
    }
    let created = CreatedCustomer {
        customer,
        webhook_secret,
    };
    Ok((StatusCode::CREATED, Json(created)))
}

fn view(customer: &registry::Customer) -> Customer {
    let bindings = customer.bindings.iter().map(|(role, binding)| Binding {
        role: *role,
        plugin: binding.plugin.clone(),
    });
    let webhook = customer.webhook.as_ref();
    Customer {
        id: customer.id.clone(),
        name: Some(customer.name.clone()),
        settings: object(&customer.settings),
        webhook_url: webhook.map(|webhook| webhook.url.to_string()),
        backends: customer
            .backends
            .iter()
            .map(|bound| bound.backend.clone())
            .collect(),
        bindings: bindings.collect(),
    }
}

fn object(settings: &CustomerSettings) -> Object {
    match serde_json::to_value(settings) {
        Ok(Value::Object(object)) => object,
        _ => Object::new(),
    }
}
