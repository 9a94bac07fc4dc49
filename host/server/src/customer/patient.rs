//! `GET /patient/{patient-id}`: what the internal system knows of a linked patient, by the customer's
//! own id.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use patchbay_api::workflows::FailureView;
use patchbay_engine::DetailsError;
use patchbay_workflow::{Blame, Failure, PatientId};

use crate::auth::{self, AuthError};
use crate::body::JSON;
use crate::problem::{self, Refusal};
use crate::shared::App;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Details(#[from] DetailsError),
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let refusal = match self {
            Self::Auth(error) => Refusal::from(error),
            Self::Details(DetailsError::NotFound) => {
                problem::NOT_FOUND.because("there is no linked patient of yours with this id")
            }
            Self::Details(DetailsError::Failed { failure, retryable }) => {
                failed(&failure, retryable)
            }
            Self::Details(DetailsError::Unavailable) => {
                problem::UNAVAILABLE.because("the same request may be sent again")
            }
        };
        refusal.into_response()
    }
}

fn failed(failure: &Failure, retryable: bool) -> Refusal {
    let kind = match (failure.blame, retryable) {
        (Blame::Backend, false) => problem::BACKEND_FAILED,
        (Blame::Backend, true) => problem::BACKEND_FAILED_NOW,
        (Blame::Plugin, false) => problem::PLUGIN_FAILED,
        (Blame::Plugin, true) => problem::PLUGIN_FAILED_NOW,
        (Blame::Configuration, _) => problem::NOT_CONFIGURED,
        (Blame::Host | Blame::CustomerEndpoint, _) => problem::UNAVAILABLE,
    };
    let advice = if retryable {
        "the same request may be sent again"
    } else {
        "sending it again will not help; tell the operator of this installation the code in `failure`"
    };
    kind.because(advice).failure(FailureView::from(failure))
}

pub(crate) async fn handler(
    State(app): State<App>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, RouteError> {
    let (head, _) = request.into_parts();
    let customer = auth::customer(&app, &head)?;
    // What cannot be a patient's id is one that was never linked.
    let patient = path
        .ok()
        .and_then(|Path(text)| PatientId::parse(&text).ok())
        .ok_or(DetailsError::NotFound)?;
    let details = app.service.patient_details(&customer, &patient).await?;
    let headers = [(CONTENT_TYPE, JSON), (CACHE_CONTROL, "private, no-store")];
    Ok((headers, details.into_inner()).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    fn blame_decides_the_status() {
        let status = |blame, retryable| {
            let failure = Failure::new(blame, "some-code");
            failed(&failure, retryable).into_response().status()
        };
        assert_eq!(status(Blame::Backend, false), StatusCode::BAD_GATEWAY);
        assert_eq!(status(Blame::Plugin, false), StatusCode::BAD_GATEWAY);
        for blame in [
            Blame::Backend,
            Blame::Plugin,
            Blame::Configuration,
            Blame::Host,
        ] {
            assert_eq!(status(blame, true), StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}
