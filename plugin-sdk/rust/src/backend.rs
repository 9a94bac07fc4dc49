//! Requests to the one backend that an adapter is registered for.
//!
//! The host adds base URL, credentials, TLS, timeouts, retries and trace headers. This module owns the
//! shape of a request and of its answer, and the reading of a status; it knows no particular API.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Failure;

/// The methods a backend may be asked with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Read.
    Get,
    /// Create or search.
    Post,
    /// Replace.
    Put,
}

/// One request, relative to the backend's base URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Relative to the backend's base URL, for example `Patient` or `v1/search`. An absolute URL, a
    /// leading `//` or a `..` segment is refused. Escape what comes from outside with
    /// [`path_segment`].
    pub path: String,
    /// Query parameters in order; the host encodes them.
    pub query: Vec<(String, String)>,
    /// Additional headers. `authorization`, `host`, `cookie` and hop-by-hop headers are refused.
    pub headers: Vec<(String, String)>,
    /// The body, if there is one.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// A request without query, headers or body.
    pub fn new(method: Method, path: impl Into<String>) -> Self {
        Self {
            method,
            path: path.into(),
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
        }
    }

    /// A `GET`.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::Get, path)
    }

    /// A `POST`.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::Post, path)
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets a JSON body and its `content-type`.
    ///
    /// # Errors
    /// `request-invalid` if the value cannot be written as JSON (a map with keys that are no strings).
    pub fn json<T: Serialize + ?Sized>(self, body: &T) -> Result<Self, Failure> {
        let bytes = serde_json::to_vec(body)
            .map_err(|error| Failure::permanent("request-invalid", error.to_string()))?;
        let mut request = self.header("content-type", "application/json");
        request.body = Some(bytes);
        Ok(request)
    }
}

/// The backend's answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// An answer with a JSON body: for tests.
    pub fn json_body(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// Whether the status is 2xx.
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }

    /// Passes a 2xx answer on.
    ///
    /// # Errors
    /// `backend-unavailable` (retryable) for 408, 425, 429 and 5xx; `backend-rejected` (permanent)
    /// for any other 4xx; `backend-answer-invalid` (permanent) for 1xx and 3xx.
    pub fn error_for_status(self) -> Result<Self, Failure> {
        let status = self.status;
        match status {
            200..=299 => Ok(self),
            408 | 425 | 429 | 500.. => Err(Failure::retryable(
                "backend-unavailable",
                format!("the backend answered {status}"),
            )),
            400..=499 => Err(Failure::permanent(
                "backend-rejected",
                format!("the backend answered {status}: check its credentials and configuration"),
            )),
            _ => Err(Failure::permanent(
                "backend-answer-invalid",
                format!("the backend answered {status}, which is neither a result nor an error"),
            )),
        }
    }

    /// Reads the body as JSON.
    ///
    /// # Errors
    /// `backend-answer-invalid`: retryable if the body is no JSON at all (a proxy's page, a cut
    /// answer), permanent if it is JSON of another shape. The message never quotes the body.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let failure = if error.is_data() {
                Failure::permanent
            } else {
                Failure::retryable
            };
            // serde_json's own text may quote a value of the body.
            failure(
                "backend-answer-invalid",
                format!(
                    "the backend's answer is not the JSON expected: {:?} error at line {}, column {}",
                    error.classify(),
                    error.line(),
                    error.column()
                ),
            )
        })
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackendError {
    /// The request is not allowed; the text says why and what to change.
    Denied(String),
    /// No answer within the backend's time limit.
    Timeout,
    /// The connection failed, or the backend is paused or shedding load.
    Unavailable(String),
    /// The answer was larger than the backend's limit in bytes.
    TooLarge(u64),
}

impl std::fmt::Display for BackendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Denied(why) => write!(f, "the request to the backend is not allowed: {why}"),
            Self::Timeout => f.write_str("the backend did not answer in time"),
            Self::Unavailable(why) => write!(f, "the backend is not available: {why}"),
            Self::TooLarge(limit) => write!(
                f,
                "the backend's answer is larger than its limit of {limit} bytes: ask for less, or raise the limit"
            ),
        }
    }
}

impl std::error::Error for BackendError {}

pub(crate) trait Transport {
    fn send(&self, request: Request) -> Result<Response, BackendError>;
}

/// The way to the backend; see [`crate::Host::backend`].
#[derive(Clone, Copy)]
pub struct Backend<'a> {
    transport: Option<&'a dyn Transport>,
}

impl std::fmt::Debug for Backend<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Backend").finish_non_exhaustive()
    }
}

impl<'a> Backend<'a> {
    pub(crate) const fn new(transport: Option<&'a dyn Transport>) -> Self {
        Self { transport }
    }

    /// Sends a request; an answer of any status is an answer.
    ///
    /// # Errors
    /// [`BackendError`] if there is no answer.
    pub fn send(&self, request: Request) -> Result<Response, BackendError> {
        match self.transport {
            Some(transport) => transport.send(request),
            None => Err(BackendError::Denied(
                "only the roles search-adapter, search-async and patient-details have a backend"
                    .to_owned(),
            )),
        }
    }

    /// `GET`s JSON: [`Backend::send`], [`Response::error_for_status`] and [`Response::json`] in one.
    ///
    /// # Errors
    /// The [`Failure`] of whichever failed.
    pub fn get_json<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Failure> {
        let mut request = Request::get(path).header("accept", "application/json");
        for (name, value) in query {
            request = request.param(*name, *value);
        }
        self.send(request)?.error_for_status()?.json()
    }

    /// `POST`s JSON and reads JSON.
    ///
    /// # Errors
    /// The [`Failure`] of whichever step failed, as for [`Backend::get_json`].
    pub fn post_json<B: Serialize + ?Sized, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, Failure> {
        let request = Request::post(path)
            .header("accept", "application/json")
            .json(body)?;
        self.send(request)?.error_for_status()?.json()
    }
}

/// Escapes one segment of a path (RFC 3986: everything but unreserved characters is percent-encoded),
/// so that an id can neither leave its place nor start a query. A segment of dots only is escaped too.
pub fn path_segment(raw: &str) -> String {
    use std::fmt::Write as _;
    let only_dots = !raw.is_empty() && raw.bytes().all(|byte| byte == b'.');
    let mut escaped = String::with_capacity(raw.len());
    for byte in raw.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            b'.' if !only_dots => escaped.push('.'),
            _ => {
                // Writing to a String does not fail.
                let _ = write!(escaped, "%{byte:02X}");
            }
        }
    }
    escaped
}
