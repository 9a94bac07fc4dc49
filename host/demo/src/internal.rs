//! The sample internal system: the same people behind two APIs, a FHIR R4 server ([`fhir`]) and a plain
//! JSON directory of another shape.
//!
//! It searches as the FHIR standard says and no better: a value that is spelt wrong is not found. All
//! cleverness has to be in the adapter. Both APIs want a bearer token, which only the host knows.

mod directory;
mod fhir;
mod index;
mod process;
mod query;

pub use process::{BackendArgs, BackendError, Ready, run_backend};

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::people::Person;
use index::Index;

/// The largest request that is read, in bytes.
const MAX_REQUEST_BYTES: usize = 64 << 10;

/// The people and how to find them.
struct System {
    people: Vec<Person>,
    index: Index,
}

/// Both APIs over these people: FHIR below `/fhir`, the directory below `/people`. Every request
/// needs `Authorization: Bearer` with `token`.
pub fn router(people: Vec<Person>, token: impl Into<String>) -> Router {
    let system = Arc::new(System {
        index: Index::of(&people),
        people,
    });
    let token: Arc<str> = token.into().into();
    fhir::routes()
        .merge(directory::routes())
        .with_state(system)
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .layer(middleware::from_fn_with_state(token, authorised))
}

async fn authorised(State(token): State<Arc<str>>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if given == Some(&*token) {
        return next.run(request).await;
    }
    let mut refused = if request.uri().path().starts_with("/fhir") {
        fhir::Refusal::new(
            StatusCode::UNAUTHORIZED,
            "login",
            "a bearer token is needed",
        )
        .into_response()
    } else {
        directory::Refusal::new(StatusCode::UNAUTHORIZED, "a bearer token is needed")
            .into_response()
    };
    refused
        .headers_mut()
        .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    refused
}
