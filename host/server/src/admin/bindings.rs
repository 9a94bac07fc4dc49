//! `PUT /customers/{id}/bindings/{role}` and `PUT /customers/{id}/backends`.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use patchbay_api::admin::{BackendChoices, Binding, NewBinding};
use patchbay_api::{CustomerId, Object, Role};
use patchbay_registry::{AdminIdentity, NewBackendBinding, RegistryError};

use super::refused::{self, BadPath};
use crate::json::{self, JsonError};
use crate::problem::Refusal;
use crate::shared::App;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    Path(#[from] BadPath),
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Path(error) => Refusal::from(error),
            Self::Json(error) => Refusal::from(error),
            Self::Registry(error) => refused::of_registry(&error),
        };
        refusal.into_response()
    }
}

pub(crate) async fn bind(
    State(app): State<App>,
    Extension(admin): Extension<AdminIdentity>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Json<Binding>, RouteError> {
    let (head, body) = request.into_parts();
    let new: NewBinding = json::read(&app, &head.headers, body).await?;
    let (customer, role): (CustomerId, Role) = refused::customer_and(path)?;
    let config = new.config.as_ref().map(text).unwrap_or_default();
    let bound = app
        .registry()
        .bind(&admin.name, &customer, role, &new.plugin, &config)
        .await?;
    Ok(Json(Binding {
        role,
        plugin: bound.plugin,
    }))
}

pub(crate) async fn choose_backends(
    State(app): State<App>,
    Extension(admin): Extension<AdminIdentity>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<BackendChoices>, RouteError> {
    let (head, body) = request.into_parts();
    let choices: BackendChoices = json::read(&app, &head.headers, body).await?;
    let customer: CustomerId = refused::named(path)?;
    let backends: Vec<_> = choices
        .backends
        .iter()
        .map(|choice| NewBackendBinding {
            backend: choice.backend.clone(),
            config_override: choice.config.as_ref().map(text),
        })
        .collect();
    app.registry()
        .bind_backends(&admin.name, &customer, &backends)
        .await?;
    Ok(Json(choices))
}

fn text(config: &Object) -> String {
    serde_json::to_string(config).unwrap_or_default()
}
