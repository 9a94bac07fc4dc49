//! The way from an adapter to its backend: adds base URL, credentials and limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use patchbay_ambient::{
    Destination, HttpClient, HttpError, HttpLimits, HttpRequest, HttpResponse, SharedClock,
};
use patchbay_registry::{Backend, Credentials};
use patchbay_sandbox::{
    BackendError, BackendGateway, BackendMethod, BackendRequest, BackendResponse,
};
use tokio::sync::Semaphore;

use crate::service::Service;

/// One adapter call's way to its backend.
pub(crate) struct Gateway {
    backend: Arc<Backend>,
    places: Arc<Semaphore>,
    http: Arc<dyn HttpClient>,
    clock: SharedClock,
    troubled: AtomicBool,
}

/// Between two tries of one request.
const PAUSE: Duration = Duration::from_millis(100);

impl Service {
    pub(crate) fn gateway(&self, backend: &Arc<Backend>) -> Arc<Gateway> {
        let places = self
            .backends
            .lock()
            .entry(backend.id.clone())
            .or_insert_with(|| Arc::new(Semaphore::new(backend.limits.concurrent.max(1) as usize)))
            .clone();
        Arc::new(Gateway {
            backend: Arc::clone(backend),
            places,
            http: Arc::clone(&self.parts.http),
            clock: Arc::clone(&self.parts.clock),
            troubled: AtomicBool::new(false),
        })
    }
}

impl Gateway {
    /// Whether the backend failed to answer, or answered with a server error, during this call: then
    /// the adapter's failure is the backend's.
    pub(crate) fn was_troubled(&self) -> bool {
        self.troubled.load(Ordering::Relaxed)
    }

    fn request(&self, request: BackendRequest) -> Result<HttpRequest, BackendError> {
        let mut url = self.backend.base_url.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{}", request.path));
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            let pair = HeaderName::try_from(name)
                .ok()
                .zip(HeaderValue::try_from(value).ok());
            let Some((name, value)) = pair else {
                return Err(BackendError::Denied(format!(
                    "the header {name} is not valid"
                )));
            };
            headers.append(name, value);
        }
        if let Some((name, value)) = self.credentials() {
            headers.insert(name, value);
        }
        let method = match request.method {
            BackendMethod::Get => Method::GET,
            BackendMethod::Post => Method::POST,
            BackendMethod::Put => Method::PUT,
        };
        let limits = &self.backend.limits;
        Ok(HttpRequest {
            method,
            url,
            headers,
            body: Bytes::from(request.body.unwrap_or_default()),
            limits: HttpLimits {
                timeout: Duration::from_millis(limits.timeout_ms),
                max_body: usize::try_from(limits.max_body_bytes).unwrap_or(usize::MAX),
                truncate: false,
            },
            destination: Destination::Operator,
        })
    }

    fn credentials(&self) -> Option<(HeaderName, HeaderValue)> {
        use base64::Engine as _;
        let (name, text) = match &self.backend.credentials {
            Credentials::None => return None,
            Credentials::Bearer(token) => (
                http::header::AUTHORIZATION,
                format!("Bearer {}", token.expose()),
            ),
            Credentials::Basic { user, password } => {
                let pair = format!("{}:{}", user.expose(), password.expose());
                let pair = base64::engine::general_purpose::STANDARD.encode(pair);
                (http::header::AUTHORIZATION, format!("Basic {pair}"))
            }
            Credentials::Header { name, value } => (
                HeaderName::try_from(name.as_str()).ok()?,
                value.expose().clone(),
            ),
        };
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

/// Whether a safe request may be sent again after this.
fn is_passing(result: &Result<HttpResponse, HttpError>) -> bool {
    match result {
        Ok(response) => matches!(response.status.as_u16(), 502..=504),
        Err(error) => matches!(error, HttpError::Connection(_)),
    }
}

#[async_trait]
impl BackendGateway for Gateway {
    async fn send(&self, request: BackendRequest) -> Result<BackendResponse, BackendError> {
        let request = self.request(request)?;
        let Ok(_place) = self.places.acquire().await else {
            return Err(BackendError::Unavailable("the host is stopping".to_owned()));
        };
        let tries = if request.method == Method::GET {
            self.backend.limits.attempts.max(1)
        } else {
            1
        };
        let mut result = self.http.send(request.clone()).await;
        for _ in 1..tries {
            if !is_passing(&result) {
                break;
            }
            self.clock.sleep(PAUSE).await;
            result = self.http.send(request.clone()).await;
        }
        let failed = !matches!(&result, Ok(response) if !response.status.is_server_error());
        self.troubled.fetch_or(failed, Ordering::Relaxed);
        let response = result.map_err(|error| match error {
            HttpError::Timeout(_) => BackendError::Timeout,
            HttpError::TooLarge(limit) => BackendError::TooLarge(limit as u64),
            // The texts name hosts and addresses, which are not the guest's to know.
            HttpError::Refused(_) => BackendError::Denied("the address is not allowed".to_owned()),
            HttpError::Unresolved(_) => {
                BackendError::Unavailable("its name has no address".to_owned())
            }
            HttpError::Connection(_) => BackendError::Unavailable("no connection".to_owned()),
        })?;
        let headers = response
            .headers
            .iter()
            .filter(|(name, _)| **name != http::header::SET_COOKIE)
            .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
            .collect();
        let status = response.status.as_u16();
        Ok(BackendResponse {
            status,
            headers,
            body: response.body.to_vec(),
        })
    }
}
