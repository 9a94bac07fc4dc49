//! What surrounds every handler: one line in the log, a limit in time, and an answer where one panics.
//!
//! The log holds the method, the template of the path (the path itself may hold a patient's id), the
//! status, the time it took and the customer: nothing else of a request.

use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::Method;
use patchbay_api::CustomerId;
use tower_http::catch_panic::CatchPanicLayer;

use crate::problem;
use crate::shared::App;

/// Adds the log and the safety net to all routes, and answers for those that do not exist.
pub(crate) fn around(app: &App, routes: Router<App>) -> Router<App> {
    routes
        .fallback(problem::no_route)
        .method_not_allowed_fallback(problem::no_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(app), log))
}

/// Where a handler notes for the log who called.
#[derive(Debug, Clone, Default)]
pub(crate) struct Caller(Arc<OnceLock<CustomerId>>);

impl Caller {
    pub(crate) fn is(&self, customer: &CustomerId) {
        let _ = self.0.set(customer.clone());
    }
}

async fn log(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let began = app.clock().monotonic();
    let caller = Caller::default();
    request.extensions_mut().insert(caller.clone());
    let method = name(request.method());
    let path = request.extensions().get::<MatchedPath>().cloned();

    let response = next.run(request).await;

    let path = path.as_ref().map_or("(none)", MatchedPath::as_str);
    let status = response.status().as_u16();
    let took = app.clock().monotonic().saturating_sub(began);
    let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let customer = caller.0.get().map_or("", CustomerId::as_str);
    if response.status().is_server_error() {
        tracing::warn!(method, path, status, took.us = micros, customer, "answered");
    } else {
        tracing::debug!(method, path, status, took.us = micros, customer, "answered");
    }
    response
}

/// A method of one's own making may be any text.
fn name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "(other)",
    }
}

/// Gives up on a request after a time. Nothing is half done then: what the engine and the registry do
/// is one transaction each, and a request with an idempotency key may be sent again.
pub(crate) async fn limit_time(
    State((app, most)): State<(App, Duration)>,
    request: Request,
    next: Next,
) -> Response {
    tokio::select! {
        response = next.run(request) => response,
        () = app.clock().sleep(most) => problem::TIMEOUT
            .because("send the same request again; with the same idempotency key, where it has one")
            .into_response(),
    }
}

/// The panic's own words may hold anything, so they go nowhere.
#[allow(
    clippy::needless_pass_by_value,
    reason = "the layer hands it over by value"
)]
fn panicked(_: Box<dyn Any + Send>) -> Response {
    tracing::error!("a handler panicked");
    problem::INTERNAL
        .because("this is a defect of Patchbay; please report what was called, and when")
        .into_response()
}
