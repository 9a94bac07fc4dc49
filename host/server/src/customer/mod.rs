//! The customer API.

mod link;
mod patient;
mod status;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::observe::limit_time;
use crate::shared::{App, Shared};

pub(crate) fn routes(app: &App) -> Router<App> {
    let Shared { settings, .. } = &**app;
    let within = |most: Duration| from_fn_with_state((Arc::clone(app), most), limit_time);
    let usual = settings.request_timeout;
    Router::new()
        .route("/link", post(link::handler).layer(within(usual)))
        .route(
            "/link/status/{workflow_id}",
            get(status::handler).layer(within(usual.saturating_add(settings.long_poll))),
        )
        .route(
            "/patient/{patient_id}",
            get(patient::handler).layer(within(usual)),
        )
}
