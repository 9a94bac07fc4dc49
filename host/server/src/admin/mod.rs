//! The admin API: everything below `/admin/v1`, for whoever has an admin's token.

mod backends;
mod bindings;
mod customers;
mod monitor;
mod plugins;
mod refused;
mod tokens;
mod workflows;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use patchbay_api::ADMIN_BASE;

use crate::observe::limit_time;
use crate::problem::{self, Refusal};
use crate::shared::App;
use crate::{auth, body};

pub(crate) fn routes(app: &App) -> Router<App> {
    let quick = Router::new()
        .route("/customers", get(customers::list).post(customers::create))
        .route("/customers/{id}/tokens", post(tokens::handler))
        .route("/customers/{id}/bindings/{role}", put(bindings::bind))
        .route("/customers/{id}/backends", put(bindings::choose_backends))
        .route("/backends", get(backends::list).post(backends::create))
        .route("/store", get(monitor::store))
        .route("/queue", get(monitor::queue))
        .route("/workflows", get(workflows::list))
        .route("/workflows/{id}", get(workflows::show))
        .route("/workflows/{id}/retry", post(workflows::retry))
        .layer(from_fn_with_state(
            (Arc::clone(app), app.settings.request_timeout),
            limit_time,
        ));
    // A push is compiled before it is answered; the compiler has a limit of its own.
    let routes = quick
        .route("/plugins", get(plugins::list).post(plugins::push))
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(from_fn_with_state(Arc::clone(app), authenticate));
    Router::new().nest(&format!("/{ADMIN_BASE}"), routes)
}

/// Lets nobody in without an admin's token, whatever the path, and tells handlers who it is.
async fn authenticate(State(app): State<App>, mut request: Request, next: Next) -> Response {
    match auth::admin(&app, request.headers()) {
        Ok(admin) => {
            request.extensions_mut().insert(admin);
            next.run(request).await
        }
        Err(error) => {
            let (head, body) = request.into_parts();
            body::discard(&app, &head.headers, body).await;
            Refusal::from(error).into_response()
        }
    }
}
