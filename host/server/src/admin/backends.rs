//! `GET /backends` and `POST /backends`.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use patchbay_api::admin::{
    Backend, BackendLimits, BackendList, CredentialKind, Credentials, NewBackend,
};
use patchbay_registry::{self as registry, AdminIdentity, RegistryError};

use super::refused;
use crate::json::{self, JsonError};
use crate::problem::{self, Refusal};
use crate::shared::App;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    Json(#[from] JsonError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("the backend was added, but cannot be shown before the registry can be read again")]
    NotSeenYet,
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let text = self.to_string();
        let refusal = match self {
            Self::Json(error) => Refusal::from(error),
            Self::Registry(error) => refused::of_registry(&error),
            Self::NotSeenYet => problem::UNAVAILABLE.because(text),
        };
        refusal.into_response()
    }
}

pub(crate) async fn list(State(app): State<App>) -> Json<BackendList> {
    let snapshot = app.registry().snapshot();
    Json(BackendList {
        backends: snapshot.backends().map(|backend| view(backend)).collect(),
    })
}

pub(crate) async fn create(
    State(app): State<App>,
    Extension(admin): Extension<AdminIdentity>,
    request: Request,
) -> Result<(StatusCode, Json<Backend>), RouteError> {
    let (head, body) = request.into_parts();
    let new: NewBackend = json::read(&app, &head.headers, body).await?;
    let id = new.id.clone();
    let new = registry::NewBackend {
        id: new.id,
        base_url: new.base_url,
        adapter: new.adapter,
        config: serde_json::to_string(&new.config).unwrap_or_default(),
        credentials: credentials(new.credentials),
        limits: limits(new.limits),
    };
    app.registry().add_backend(&admin.name, new).await?;
    let snapshot = app.registry().snapshot();
    let backend = snapshot.backend(&id).ok_or(RouteError::NotSeenYet)?;
    Ok((StatusCode::CREATED, Json(view(backend))))
}

fn credentials(given: Credentials) -> registry::Credentials {
    match given {
        Credentials::None => registry::Credentials::None,
        Credentials::Bearer { token } => registry::Credentials::Bearer(token),
        Credentials::Basic { username, password } => registry::Credentials::Basic {
            user: username,
            password,
        },
        Credentials::Header { name, value } => registry::Credentials::Header { name, value },
    }
}

fn limits(given: BackendLimits) -> registry::BackendLimits {
    let usual = registry::BackendLimits::default();
    registry::BackendLimits {
        timeout_ms: given.timeout_ms.unwrap_or(usual.timeout_ms),
        max_body_bytes: given.max_body_bytes.unwrap_or(usual.max_body_bytes),
        attempts: given.attempts.unwrap_or(usual.attempts),
        concurrent: given.concurrent.unwrap_or(usual.concurrent),
    }
}

fn view(backend: &registry::Backend) -> Backend {
    let limits = backend.limits;
    Backend {
        id: backend.id.clone(),
        base_url: backend.base_url.to_string(),
        adapter: backend.adapter.clone(),
        // The registry took nothing but an object.
        config: serde_json::from_str(&backend.config).unwrap_or_default(),
        credentials: match &backend.credentials {
            registry::Credentials::None => CredentialKind::None,
            registry::Credentials::Bearer(_) => CredentialKind::Bearer,
            registry::Credentials::Basic { .. } => CredentialKind::Basic,
            registry::Credentials::Header { .. } => CredentialKind::Header,
        },
        limits: BackendLimits {
            timeout_ms: Some(limits.timeout_ms),
            max_body_bytes: Some(limits.max_body_bytes),
            attempts: Some(limits.attempts),
            concurrent: Some(limits.concurrent),
        },
    }
}
