//! The way from a guest to its one backend, as the host sees it.
//!
//! The sandbox checks that a request stays below the backend's base URL and carries no header that is
//! the host's to set; whoever implements [`BackendGateway`] adds the base URL, credentials and limits.

use std::fmt;

use async_trait::async_trait;

/// Sends an adapter's requests to the backend that the adapter is registered for.
#[async_trait]
pub trait BackendGateway: Send + Sync {
    /// Sends one request. It is already checked: see [`BackendRequest`].
    async fn send(&self, request: BackendRequest) -> Result<BackendResponse, BackendError>;
}

/// The methods that an adapter may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BackendMethod {
    /// `GET`
    Get,
    /// `POST`
    Post,
    /// `PUT`
    Put,
}

impl BackendMethod {
    /// The method's name in HTTP.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
        }
    }
}

/// A request of a guest. All but the method may hold patient data, so `Debug` tells only sizes.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendRequest {
    /// The method.
    pub method: BackendMethod,
    /// Relative to the base URL, in the characters of a URL's path: no scheme, no leading slash, no
    /// `//` and no `..` segment, percent-encoded ones included; no query and no fragment.
    pub path: String,
    /// Query parameters in order, not yet encoded.
    pub query: Vec<(String, String)>,
    /// Valid header names (in lower case) and values; none that is the host's to set.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Vec<u8>>,
}

impl fmt::Debug for BackendRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendRequest")
            .field("method", &self.method)
            .field("query", &self.query.len())
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}

/// A backend's answer, of any status.
#[derive(Clone, PartialEq, Eq)]
pub struct BackendResponse {
    /// The status.
    pub status: u16,
    /// The headers that the guest may see.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl fmt::Debug for BackendResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackendResponse")
            .field("status", &self.status)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// Why there is no answer. The texts reach the guest: they must name no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// The request is not allowed: why, and what to change.
    #[error("denied: {0}")]
    Denied(String),
    /// No answer within the backend's time limit.
    #[error("the backend did not answer in time")]
    Timeout,
    /// The connection failed, or the backend is paused or shedding load.
    #[error("the backend is unavailable: {0}")]
    Unavailable(String),
    /// The answer was larger than the backend's limit in bytes.
    #[error("the backend's answer is larger than {0} bytes")]
    TooLarge(u64),
}
