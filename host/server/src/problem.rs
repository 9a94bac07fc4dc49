//! Answers from 400 on (RFC 9457). Every kind of problem that this crate itself tells is listed here;
//! the registry and the sandbox bring codes of their own.

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use patchbay_api::problem::PROBLEM_JSON;
use patchbay_api::workflows::FailureView;
use patchbay_api::{FieldProblem, Problem, WorkflowId};

/// A kind of problem: what is the same for all its occurrences.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
}

macro_rules! kinds {
    ($($name:ident: $status:ident $code:literal, $title:literal;)*) => {
        $(pub(crate) const $name: Kind = Kind::new(StatusCode::$status, $code, $title);)*

        #[cfg(test)]
        const ALL: &[Kind] = &[$($name),*];
    };
}

kinds! {
    MALFORMED_JSON: BAD_REQUEST "malformed-json", "The body is not JSON";
    MALFORMED_REQUEST: BAD_REQUEST "malformed-request", "The request is not of the right form";
    BODY_INCOMPLETE: BAD_REQUEST "body-incomplete", "The body broke off";
    KEY_MISSING: BAD_REQUEST "idempotency-key-missing", "The idempotency key is missing";
    KEY_INVALID: BAD_REQUEST "idempotency-key-invalid", "The idempotency key cannot be used";
    TOKEN_MISSING: UNAUTHORIZED "token-missing", "The token is missing";
    TOKEN_INVALID: UNAUTHORIZED "token-invalid", "The token is not valid";
    TOKEN_EXPIRED: UNAUTHORIZED "token-expired", "The token has expired";
    TOKEN_REVOKED: UNAUTHORIZED "token-revoked", "The token was revoked";
    NOT_FOUND: NOT_FOUND "not-found", "There is no such thing";
    ROUTE_UNKNOWN: NOT_FOUND "route-unknown", "There is nothing at this path";
    METHOD_NOT_ALLOWED: METHOD_NOT_ALLOWED "method-not-allowed", "This path has no such method";
    REQUEST_TIMEOUT: REQUEST_TIMEOUT "request-timeout", "The body took too long to arrive";
    IN_PROGRESS: CONFLICT "in-progress", "A request for this patient is in progress";
    ALREADY_LINKED: CONFLICT "already-linked", "The patient is linked already";
    NOT_FAILED: CONFLICT "not-failed", "The workflow did not fail in processing";
    NOT_READY_FOR_RETRY: CONFLICT "not-configured", "The customer is not set up";
    BODY_TOO_LARGE: PAYLOAD_TOO_LARGE "body-too-large", "The body is too large";
    MEDIA_TYPE: UNSUPPORTED_MEDIA_TYPE "unsupported-media-type", "The body is of another type";
    VALIDATION_FAILED: UNPROCESSABLE_ENTITY "validation-failed", "The request is not valid";
    KEY_REUSED: UNPROCESSABLE_ENTITY "idempotency-key-reused",
        "The idempotency key stands for another request";
    INTERNAL: INTERNAL_SERVER_ERROR "internal", "Patchbay failed";
    BACKEND_FAILED: BAD_GATEWAY "backend-failed", "The internal system failed";
    BACKEND_FAILED_NOW: SERVICE_UNAVAILABLE "backend-failed", "The internal system failed";
    PLUGIN_FAILED: BAD_GATEWAY "plugin-failed", "A plugin failed";
    PLUGIN_FAILED_NOW: SERVICE_UNAVAILABLE "plugin-failed", "A plugin failed";
    NOT_CONFIGURED: SERVICE_UNAVAILABLE "not-configured", "The customer is not set up";
    UNAVAILABLE: SERVICE_UNAVAILABLE "unavailable", "Patchbay cannot answer now";
    NOT_READY: SERVICE_UNAVAILABLE "not-ready", "Patchbay is not ready";
    TIMEOUT: SERVICE_UNAVAILABLE "timeout", "The answer took too long";
}

impl Kind {
    /// A kind whose code belongs to another crate.
    pub(crate) const fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self {
            status,
            code,
            title,
        }
    }

    /// An occurrence of it. `detail` says what happened this time and what to do.
    pub(crate) fn because(self, detail: impl Into<String>) -> Refusal {
        Refusal {
            status: self.status,
            problem: Box::new(Problem {
                // Relative to the installation's own book.
                kind: format!("/problems/{}", self.code),
                title: self.title.to_owned(),
                status: self.status.as_u16(),
                detail: Some(detail.into()),
                code: self.code.to_owned(),
                errors: Vec::new(),
                workflow_id: None,
                failure: None,
            }),
            retry_after: None,
        }
    }
}

/// After how many seconds a request that met a passing trouble may be sent again.
const RETRY_AFTER_SECONDS: u32 = 5;

/// A problem on its way out.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    problem: Box<Problem>,
    retry_after: Option<u32>,
}

impl Refusal {
    pub(crate) fn errors(mut self, errors: impl IntoIterator<Item = FieldProblem>) -> Self {
        self.problem.errors.extend(errors);
        self
    }

    pub(crate) fn workflow(mut self, workflow: WorkflowId) -> Self {
        self.problem.workflow_id = Some(workflow);
        self
    }

    pub(crate) fn failure(mut self, failure: FailureView) -> Self {
        self.problem.failure = Some(failure);
        self
    }

    /// Every 503 has a `Retry-After`; this is for another time than usual.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::to_vec(&*self.problem).unwrap_or_default();
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        // A 404 may otherwise be kept by a cache (RFC 9111, 4.2.2).
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let passing = self.status == StatusCode::SERVICE_UNAVAILABLE;
        if let Some(seconds) = self.retry_after.or(passing.then_some(RETRY_AFTER_SECONDS)) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6750, 3.1: no error where there were no credentials at all.
            let challenge = if self.problem.code == TOKEN_MISSING.code {
                r#"Bearer realm="patchbay""#
            } else {
                r#"Bearer realm="patchbay", error="invalid_token""#
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

/// A path that does not exist.
pub(crate) async fn no_route() -> Refusal {
    ROUTE_UNKNOWN.because("look the path up in the API's reference; paths are case-sensitive")
}

/// A method that a path does not have. The router adds `Allow`.
pub(crate) async fn no_method() -> Refusal {
    METHOD_NOT_ALLOWED.because("the header `allow` lists the methods of this path")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_code_has_its_page() {
        let book = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/problems");
        for kind in ALL {
            let page = book.join(kind.code).with_extension("md");
            assert!(page.is_file(), "there is no {}", page.display());
        }
    }

    #[test]
    fn a_problem_that_passes_says_when_to_come_back() {
        for kind in ALL {
            let response = kind.because("").into_response();
            let passing = kind.status == StatusCode::SERVICE_UNAVAILABLE;
            assert_eq!(response.headers().contains_key(RETRY_AFTER), passing);
        }
        let response = UNAVAILABLE.because("").retry_after(60).into_response();
        assert_eq!(response.headers()[RETRY_AFTER], "60");
    }
}
