//! `GET /healthz` and `GET /readyz`: for load balancers and supervisors, without credentials.

use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::header::CACHE_CONTROL;
use patchbay_registry::TokenError;
use serde::Serialize;

use crate::problem::{self, Refusal};
use crate::shared::{App, Shared};

/// A store that takes longer is as good as away.
const PATIENCE: Duration = Duration::from_secs(2);

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/healthz", get(alive))
        .route("/readyz", get(ready))
}

#[derive(Debug, Serialize)]
struct Health {
    status: &'static str,
}

/// Whether the process is alive: that it answers says so.
async fn alive() -> Response {
    well("alive")
}

/// Why no requests should be sent here.
#[derive(Debug, thiserror::Error)]
enum RouteError {
    #[error("this process is stopping")]
    Stopping,
    #[error("the store does not answer")]
    Store,
    #[error("the plugins that are bound are being prepared")]
    Plugins,
    #[error("the registry could not be read for too long, so that no token is accepted")]
    Registry,
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let refusal: Refusal = match &self {
            Self::Stopping | Self::Store | Self::Plugins | Self::Registry => {
                problem::NOT_READY.because(self.to_string())
            }
        };
        refusal.into_response()
    }
}

async fn ready(State(app): State<App>) -> Result<Response, RouteError> {
    if app.service.is_stopping() {
        return Err(RouteError::Stopping);
    }
    if !registry_is_fresh(&app) {
        return Err(RouteError::Registry);
    }
    let answers = tokio::select! {
        answers = app.service.store_answers() => answers,
        () = app.clock().sleep(PATIENCE) => false,
    };
    if !answers {
        return Err(RouteError::Store);
    }
    if !app.service.is_warm() {
        return Err(RouteError::Plugins);
    }
    Ok(well("ready"))
}

/// No text is not a token, so the only question left is whether the registry would accept any.
fn registry_is_fresh(app: &Shared) -> bool {
    app.registry().verify_token("") != Err(TokenError::Stale)
}

fn well(status: &'static str) -> Response {
    ([(CACHE_CONTROL, "no-store")], Json(Health { status })).into_response()
}
