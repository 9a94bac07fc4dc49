//! `GET /link/status/{workflow-id}`: how a workflow stands. Cheap to ask often: with the `ETag` of the
//! last answer in `If-None-Match`, and better with `Prefer: wait=N`, which answers on the next change.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, ETAG};
use http::{HeaderName, HeaderValue, StatusCode};
use patchbay_api::WorkflowId;
use patchbay_api::customer::LinkStatus;
use patchbay_engine::StatusError;

use crate::auth::{self, AuthError};
use crate::header_list::{Known, preferred_wait};
use crate::problem::{self, Refusal};
use crate::shared::App;

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Status(#[from] StatusError),
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Auth(error) => Refusal::from(error),
            Self::Status(StatusError::NotFound) => {
                problem::NOT_FOUND.because("there is no workflow of yours with this id")
            }
            Self::Status(StatusError::Unavailable) => {
                problem::UNAVAILABLE.because("the same request may be sent again")
            }
        };
        refusal.into_response()
    }
}

pub(crate) async fn handler(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, RouteError> {
    let (head, _) = request.into_parts();
    let customer = auth::customer(&app, &head)?;
    // What is no id is as unknown as an id that was never given out.
    let id: WorkflowId = path
        .ok()
        .and_then(|Path(text)| text.parse().ok())
        .ok_or(StatusError::NotFound)?;
    let known = Known::of(&head.headers);
    let wait = preferred_wait(&head.headers).map(|wait| wait.min(app.settings.long_poll));
    let newest = known.newest();
    let workflow = match wait {
        None => app.service.status(&customer, id, newest).await?,
        Some(wait) => {
            app.service
                .await_status(&customer, id, newest, wait)
                .await?
        }
    };

    let mut response = if known.has(workflow.revision) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(LinkStatus::from(&workflow)).into_response()
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    let mut put = |name, text: String| {
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    };
    put(ETAG, format!("\"{}\"", workflow.revision));
    if let Some(wait) = wait {
        put(PREFERENCE_APPLIED, format!("wait={}", wait.as_secs()));
    }
    Ok(response)
}
