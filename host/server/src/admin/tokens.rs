//! `POST /customers/{id}/tokens`.

use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use patchbay_api::CustomerId;
use patchbay_api::admin::{IssuedToken, NewToken, TokenKind};
use patchbay_registry::{self as registry, AdminIdentity, RegistryError};

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

pub(crate) async fn handler(
    State(app): State<App>,
    Extension(admin): Extension<AdminIdentity>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<(StatusCode, Json<IssuedToken>), RouteError> {
    let (head, body) = request.into_parts();
    let new: NewToken = json::read(&app, &head.headers, body).await?;
    let customer: CustomerId = refused::named(path)?;
    let kind = match new.kind {
        TokenKind::Live => registry::TokenKind::Live,
        TokenKind::Test => registry::TokenKind::Test,
    };
    let life = new
        .expires_in_seconds
        .map_or(app.settings.token_life, Duration::from_secs);
    let issued = app
        .registry()
        .issue_token(&admin.name, &customer, kind, life)
        .await?;
    let issued = IssuedToken {
        token_id: issued.token_id.to_string(),
        token: issued.token,
        expires_at: issued.expires_at.to_string(),
    };
    Ok((StatusCode::CREATED, Json(issued)))
}
