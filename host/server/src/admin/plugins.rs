//! `GET /plugins` and `POST /plugins?name=N`, whose body is the component itself.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::StatusCode;
use patchbay_api::admin::{Plugin, PluginList};
use patchbay_engine::PushRefused;
use patchbay_registry::AdminIdentity;
use serde::Deserialize;

use super::refused::{self, BadQuery};
use crate::body::{self, BodyError, WASM};
use crate::problem::{Kind, Refusal};
use crate::shared::App;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    Query(#[from] BadQuery),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Push(#[from] PushRefused),
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Query(error) => Refusal::from(error),
            Self::Body(error) => Refusal::from(error),
            Self::Push(PushRefused::Registry(error)) => refused::of_registry(&error),
            Self::Push(PushRefused::Plugin(error)) if error.is_hosts() => {
                tracing::error!(code = error.code(), %error, "a plugin could not be prepared");
                let title = "The sandbox failed";
                Kind::new(StatusCode::SERVICE_UNAVAILABLE, error.code(), title)
                    .because(error.to_string())
            }
            Self::Push(PushRefused::Plugin(error)) => {
                let title = "The plugin cannot be used";
                Kind::new(StatusCode::UNPROCESSABLE_ENTITY, error.code(), title)
                    .because(error.to_string())
            }
        };
        refusal.into_response()
    }
}

/// The query of a push.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Push {
    name: String,
}

pub(crate) async fn push(
    State(app): State<App>,
    Extension(admin): Extension<AdminIdentity>,
    query: Result<Query<Push>, QueryRejection>,
    request: Request,
) -> Result<(StatusCode, Json<Plugin>), RouteError> {
    let (head, body) = request.into_parts();
    let most = app.settings.admin_max_body;
    let component = body::read(&app, &head.headers, body, WASM, most).await?;
    let Query(Push { name }) = query.map_err(BadQuery::from)?;
    let report = app
        .service
        .push_plugin(&admin.name, &name, &component)
        .await?;
    let plugin = Plugin {
        name: report.plugin.name,
        digest: report.plugin.digest,
        roles: report.roles.into_iter().collect(),
        size: report.size,
        imports: report.imports,
    };
    Ok((StatusCode::CREATED, Json(plugin)))
}

pub(crate) async fn list(State(app): State<App>) -> Json<PluginList> {
    let snapshot = app.registry().snapshot();
    let plugins = snapshot.plugins().map(|version| Plugin {
        name: version.name.clone(),
        digest: version.digest,
        roles: version.roles.clone(),
        size: version.size,
        imports: Vec::new(),
    });
    Json(PluginList {
        plugins: plugins.collect(),
    })
}
