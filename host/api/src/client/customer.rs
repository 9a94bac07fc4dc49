//! The customer API.

use std::time::Duration;

use bytes::Bytes;
use patchbay_workflow::WorkflowId;
use reqwest::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use reqwest::{RequestBuilder, Response, StatusCode};
use url::Url;

use super::{Base, ClientError};
use crate::customer::{
    Accepted, CUSTOMER_TOKEN, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, LinkStatus, PatientDetails,
};

/// A client of the customer API.
#[derive(Debug, Clone)]
pub struct CustomerClient {
    http: reqwest::Client,
    base: Base,
}

/// One `POST /link`. The headers may be left out, to see what the server says.
#[derive(Clone)]
pub struct LinkCall<'a> {
    /// `customer-token`.
    pub token: Option<&'a str>,
    /// `idempotency-key`.
    pub idempotency_key: Option<&'a str>,
    /// The body, sent as `application/json`.
    pub body: Bytes,
}

impl std::fmt::Debug for LinkCall<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkCall").finish_non_exhaustive()
    }
}

/// The answer of a `POST /link` that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkAnswer {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// Whether this repeats the answer to an earlier request with the same key.
    pub replayed: bool,
    /// Set where the workflow has ended already (200 instead of 202).
    pub ended: Option<LinkStatus>,
}

/// The answer of `GET /link/status/{workflow-id}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StatusAnswer {
    /// The status, and its `ETag` for the next question.
    Known(Box<LinkStatus>, Option<String>),
    /// It is still what the given `ETag` stands for.
    Unchanged,
}

impl CustomerClient {
    /// A client of the customer listener at `listener` (`http://HOST:PORT`).
    pub fn new(http: reqwest::Client, listener: Url) -> Result<Self, ClientError> {
        Ok(Self {
            http,
            base: Base::new(listener)?,
        })
    }

    /// Asks for a link.
    pub async fn link(&self, call: LinkCall<'_>) -> Result<LinkAnswer, ClientError> {
        let mut request = self
            .http
            .post(self.base.at(&["link"]))
            .header(CONTENT_TYPE, "application/json")
            .body(call.body);
        if let Some(token) = call.token {
            request = request.header(CUSTOMER_TOKEN, token);
        }
        if let Some(key) = call.idempotency_key {
            request = request.header(IDEMPOTENCY_KEY, key);
        }
        let response = self.send(request).await?;
        let replayed = response
            .headers()
            .get(IDEMPOTENCY_REPLAYED)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        let (status, body) = self.base.body(response).await?;
        if status == StatusCode::OK {
            let ended: LinkStatus = self.base.parse(status, &body, "a link's status")?;
            return Ok(LinkAnswer {
                workflow_id: ended.workflow_id,
                replayed,
                ended: Some(ended),
            });
        }
        let accepted: Accepted = self.base.parse(status, &body, "an accepted link")?;
        Ok(LinkAnswer {
            workflow_id: accepted.workflow_id,
            replayed,
            ended: None,
        })
    }

    /// Asks where a workflow stands. With `wait` the server answers when it changed from `etag`, or
    /// when that time (whole seconds) is over; the HTTP client's own limit has to be longer.
    pub async fn status(
        &self,
        token: &str,
        id: WorkflowId,
        etag: Option<&str>,
        wait: Option<Duration>,
    ) -> Result<StatusAnswer, ClientError> {
        let mut request = self
            .http
            .get(self.base.at(&["link", "status", &id.to_string()]))
            .header(CUSTOMER_TOKEN, token);
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        if let Some(wait) = wait {
            request = request.header("prefer", format!("wait={}", wait.as_secs()));
        }
        let response = self.send(request).await?;
        if response.status() == StatusCode::NOT_MODIFIED {
            return Ok(StatusAnswer::Unchanged);
        }
        let etag = response
            .headers()
            .get(ETAG)
            .and_then(|value| value.to_str().ok())
            .map(ToOwned::to_owned);
        let status = self.base.json(response, "a link's status").await?;
        Ok(StatusAnswer::Known(Box::new(status), etag))
    }

    /// What the internal system knows of a linked patient.
    pub async fn patient(
        &self,
        token: &str,
        patient_id: &str,
    ) -> Result<PatientDetails, ClientError> {
        let request = self
            .http
            .get(self.base.at(&["patient", patient_id]))
            .header(CUSTOMER_TOKEN, token);
        let response = self.send(request).await?;
        self.base.json(response, "a patient's details").await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        request
            .send()
            .await
            .map_err(|error| self.base.unreachable(error))
    }
}
