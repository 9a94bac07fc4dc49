//! The customer API and the admin API over HTTP.
//!
//! Owns how a request is read (bounds, media types, headers, credentials), which status and problem
//! each answer has, and how connections are served. What a request means is the engine's and the
//! registry's; the JSON is that of `patchbay-api`. This crate knows nothing of keys in the store or of
//! how plugins are run.
//!
//! One file per endpoint: its `RouteError`, the exhaustive match from that to a problem, its handler.
//! Patient data passes through it and is put nowhere: not into a log, an error or a problem, except for
//! a validator's words to the very customer who sent the request.

#![deny(missing_docs)]

mod admin;
mod auth;
mod body;
mod customer;
mod header_list;
mod health;
mod json;
mod observe;
mod problem;
mod serve;
mod settings;
mod shared;

use std::sync::Arc;

use axum::Router;
use patchbay_engine::Service;

pub use crate::serve::serve;
pub use crate::settings::ServerSettings;

use crate::shared::Shared;

/// Everything a customer's system calls, and the health endpoints.
pub fn customer_router(service: Arc<Service>, settings: ServerSettings) -> Router {
    let app = Shared::new(service, settings);
    observe::around(&app, customer::routes(&app).merge(health::routes())).with_state(app)
}

/// Everything an operator calls, below `/admin/v1`, and the health endpoints.
pub fn admin_router(service: Arc<Service>, settings: ServerSettings) -> Router {
    let app = Shared::new(service, settings);
    observe::around(&app, admin::routes(&app).merge(health::routes())).with_state(app)
}
