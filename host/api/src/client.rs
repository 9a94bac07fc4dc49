//! A client of both APIs. The caller gives the HTTP client, and so decides on proxies, TLS and limits.

mod admin;
mod customer;

pub use admin::AdminClient;
pub use customer::{CustomerClient, LinkAnswer, LinkCall, StatusAnswer};

use reqwest::{Response, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;

use crate::problem::Problem;

/// The largest answer that is read, in bytes.
pub const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Why a call gave nothing. No variant holds a request's or an answer's body.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address cannot have paths below it.
    #[error("`{0}` is no base address: give http://HOST:PORT")]
    BadBase(String),
    /// There was no answer, or it broke off.
    #[error("no answer from {origin}: {source}; is it running, and is the address right?")]
    Unreachable {
        /// Scheme, host and port.
        origin: String,
        /// What the transport says.
        source: reqwest::Error,
    },
    /// The server refused, and said why.
    #[error("{}", describe(.0))]
    Refused(Box<Problem>),
    /// The answer is not of this API: another server, or another version.
    #[error("{origin} answered {status} with something else than {expected}; is it Patchbay?")]
    Unexpected {
        /// Scheme, host and port.
        origin: String,
        /// The answer's status.
        status: u16,
        /// What it should have been.
        expected: &'static str,
    },
    /// The answer is larger than [`MAX_ANSWER_BYTES`].
    #[error("the answer is larger than {MAX_ANSWER_BYTES} bytes; ask for less")]
    TooLarge,
}

impl ClientError {
    /// The server's problem, where that is what it was.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            _ => None,
        }
    }
}

fn describe(problem: &Problem) -> String {
    let mut text = format!("{} ({})", problem.title, problem.code);
    if let Some(detail) = &problem.detail {
        text.push_str(": ");
        text.push_str(detail);
    }
    for error in &problem.errors {
        text.push_str("\n  ");
        text.push_str(&error.pointer);
        text.push_str(": ");
        text.push_str(&error.detail);
    }
    if let Some(workflow) = problem.workflow_id {
        text.push_str("\n  see workflow ");
        text.push_str(&workflow.to_string());
    }
    text
}

/// An address and the paths below it.
#[derive(Debug, Clone)]
struct Base(Url);

impl Base {
    fn new(base: Url) -> Result<Self, ClientError> {
        if base.cannot_be_a_base() || !matches!(base.scheme(), "http" | "https") {
            return Err(ClientError::BadBase(base.into()));
        }
        Ok(Self(base))
    }

    fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// The URL of these segments, each encoded.
    fn at(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    fn unreachable(&self, source: reqwest::Error) -> ClientError {
        ClientError::Unreachable {
            origin: self.origin(),
            source: source.without_url(),
        }
    }

    /// Reads the whole answer; any status from 400 on is an error.
    async fn body(&self, mut response: Response) -> Result<(StatusCode, Vec<u8>), ClientError> {
        let status = response.status();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.unreachable(e))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(ClientError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        if status.is_client_error() || status.is_server_error() {
            return Err(match serde_json::from_slice::<Problem>(&body) {
                Ok(problem) => ClientError::Refused(Box::new(problem)),
                Err(_) => self.unexpected(status, "a problem"),
            });
        }
        Ok((status, body))
    }

    async fn json<T: DeserializeOwned>(
        &self,
        response: Response,
        expected: &'static str,
    ) -> Result<T, ClientError> {
        let (status, body) = self.body(response).await?;
        self.parse(status, &body, expected)
    }

    /// The parser's own words are left out: they may repeat what it read.
    fn parse<T: DeserializeOwned>(
        &self,
        status: StatusCode,
        body: &[u8],
        expected: &'static str,
    ) -> Result<T, ClientError> {
        serde_json::from_slice(body).map_err(|_| self.unexpected(status, expected))
    }

    fn unexpected(&self, status: StatusCode, expected: &'static str) -> ClientError {
        ClientError::Unexpected {
            origin: self.origin(),
            status: status.as_u16(),
            expected,
        }
    }
}
