//! `POST /link`: asks for a patient to be linked.
//!
//! Checks in this order: size and syntax, the token, an earlier request with the same key, the
//! customer's validator, the patient. The last three are the engine's.

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use patchbay_api::FieldProblem;
use patchbay_api::customer::{Accepted, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, LinkStatus};
use patchbay_api::workflows::FailureView;
use patchbay_engine::{LinkAnswer, LinkError, LinkRequest, MalformedRequest};
use patchbay_workflow::Workflow;

use crate::auth::{self, AuthError};
use crate::body::{self, BodyError, JSON};
use crate::json::malformed;
use crate::problem::{self, Refusal};
use crate::shared::App;

/// The longest idempotency key, in bytes.
const KEY_BYTES: usize = 255;
/// After how many seconds an operator may have done something.
const SET_UP_SECONDS: u32 = 60;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("send a header `{IDEMPOTENCY_KEY}` with a value of your own for each new request")]
    KeyMissing,
    #[error(
        "the header `{IDEMPOTENCY_KEY}` must be sent once, with 1 to {KEY_BYTES} visible ASCII characters"
    )]
    KeyInvalid,
    #[error(transparent)]
    Malformed(#[from] MalformedRequest),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Link(#[from] LinkError),
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let text = self.to_string();
        let refusal = match self {
            Self::Body(error) => Refusal::from(error),
            Self::KeyMissing => problem::KEY_MISSING.because(text),
            Self::KeyInvalid => problem::KEY_INVALID.because(text),
            Self::Malformed(MalformedRequest::Syntax { .. }) => {
                problem::MALFORMED_JSON.because(text)
            }
            Self::Malformed(MalformedRequest::Shape { pointer, rule }) => {
                problem::MALFORMED_REQUEST
                    .because("the body does not have the form that the API's reference shows")
                    .errors([malformed(pointer, rule)])
            }
            Self::Auth(error) => Refusal::from(error),
            Self::Link(LinkError::Invalid(faults)) => problem::VALIDATION_FAILED
                .because("correct what `errors` lists; the idempotency key may be used again")
                .errors(faults.into_iter().map(|fault| FieldProblem {
                    pointer: fault.pointer,
                    code: fault.code,
                    // For the customer who sent the request, and nobody else.
                    detail: fault.message.into_inner(),
                })),
            // The workflow of the other request is left out: whoever guesses keys learns nothing.
            Self::Link(LinkError::KeyReused(_)) => problem::KEY_REUSED
                .because("use a new key for a new request, and the same body for the same key"),
            Self::Link(LinkError::InProgress(workflow)) => problem::IN_PROGRESS
                .because("wait for the end of the workflow named here")
                .workflow(workflow),
            Self::Link(LinkError::AlreadyLinked(workflow)) => problem::ALREADY_LINKED
                .because("nothing is left to do; the workflow named here made the link")
                .workflow(workflow),
            Self::Link(LinkError::PluginFailed(failure)) => problem::PLUGIN_FAILED_NOW
                .because(
                    "nothing was stored; the same request may be sent again, with the same key",
                )
                .failure(FailureView::from(&failure)),
            Self::Link(LinkError::NotConfigured(what)) => problem::NOT_CONFIGURED
                .because(format!("{what}; ask the operator of this installation"))
                .retry_after(SET_UP_SECONDS),
            Self::Link(LinkError::Unavailable) => problem::UNAVAILABLE
                .because("the same request may be sent again, with the same key"),
        };
        refusal.into_response()
    }
}

pub(crate) async fn handler(
    State(app): State<App>,
    request: Request,
) -> Result<Response, RouteError> {
    let (head, body) = request.into_parts();
    let bytes = body::read(&app, &head.headers, body, JSON, app.settings.max_body).await?;
    let key = idempotency_key(&head.headers)?;
    let link = LinkRequest::parse(&bytes)?;
    let customer = auth::customer(&app, &head)?;
    match app.service.link(&customer, key, link).await? {
        LinkAnswer::Accepted(workflow) => Ok(pending(&workflow)),
        LinkAnswer::Replayed(workflow) => {
            let mut response = if workflow.status().is_end() {
                Json(LinkStatus::from(&workflow)).into_response()
            } else {
                pending(&workflow)
            };
            response.headers_mut().insert(
                HeaderName::from_static(IDEMPOTENCY_REPLAYED),
                HeaderValue::from_static("true"),
            );
            Ok(response)
        }
    }
}

fn pending(workflow: &Workflow) -> Response {
    let workflow_id = workflow.id;
    let headers = [
        (LOCATION, format!("/link/status/{workflow_id}")),
        (RETRY_AFTER, "1".to_owned()),
    ];
    (
        StatusCode::ACCEPTED,
        headers,
        Json(Accepted { workflow_id }),
    )
        .into_response()
}

fn idempotency_key(headers: &HeaderMap) -> Result<&str, RouteError> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let value = values.next().ok_or(RouteError::KeyMissing)?;
    let fits = (1..=KEY_BYTES).contains(&value.len())
        && value.as_bytes().iter().all(u8::is_ascii_graphic)
        && values.next().is_none();
    let key = value.to_str().map_err(|_| RouteError::KeyInvalid)?;
    fits.then_some(key).ok_or(RouteError::KeyInvalid)
}
