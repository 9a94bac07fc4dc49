//! Outgoing HTTP, as data.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

/// Who chose the address, and so how far it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// A customer chose it: private and special addresses are refused unless the installation allows
    /// them, and the connection goes to the address that was checked.
    Customer,
    /// The installation's operator chose it: any address will do.
    Operator,
}

/// Bounds of one exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// From the name's resolution to the last byte of the answer.
    pub timeout: Duration,
    /// The most bytes of the answer's body, after decompression.
    pub max_body: usize,
    /// What to do with a longer body: give what fits, or fail.
    pub truncate: bool,
}

/// One request.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// The method.
    pub method: Method,
    /// An absolute `http` or `https` URL.
    pub url: Url,
    /// All headers but `host` and `content-length`.
    pub headers: HeaderMap,
    /// The body; empty for none.
    pub body: Bytes,
    /// Its bounds.
    pub limits: HttpLimits,
    /// How far its address is trusted.
    pub destination: Destination,
}

/// One answer, of any status. Redirects are answers: nobody follows them.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, decompressed, within the limit.
    pub body: Bytes,
    /// How long the exchange took.
    pub latency: Duration,
}

/// Why there is no answer. The text names hosts and addresses, never bodies.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    /// The URL or the address behind it may not be asked.
    #[error("not allowed: {0}")]
    Refused(String),
    /// The name has no address.
    #[error("the name cannot be resolved: {0}")]
    Unresolved(String),
    /// The connection, TLS or the protocol failed.
    #[error("the connection failed: {0}")]
    Connection(String),
    /// The limit in time was reached.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// The body is larger than its limit in bytes.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
}

/// Somebody who sends requests.
#[async_trait]
pub trait HttpClient: Send + Sync + 'static {
    /// Sends one request, once.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;
}
