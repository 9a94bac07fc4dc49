//! The one client through which requests leave.
//!
//! It follows no redirect, obeys no proxy variable, retries nothing by itself, and bounds each exchange
//! in time and in bytes. Connections to customers' endpoints are pooled apart from those to the
//! operator's own systems: a connection that was opened without a check is never used for a customer.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, StatusCode};
use patchbay_ambient::{
    Destination, HttpClient, HttpError, HttpRequest, HttpResponse, SharedClock,
};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use url::{Host, Url};

use crate::body::{BodyReader, Progress};
use crate::guard::GuardPolicy;
use crate::request::remove_clients_own;
use crate::resolve::{GuardedResolver, NameError, NameResolver, SystemResolver};

/// The name by which receivers see who calls.
pub const USER_AGENT: &str = concat!("patchbay/", env!("CARGO_PKG_VERSION"));

/// How the client is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSettings {
    /// Which addresses customers may name.
    pub guard: GuardPolicy,
    /// Bounds one attempt to connect, all addresses of the name together.
    pub connect_timeout: Duration,
    /// The most idle connections kept per customer endpoint (scheme, host and port).
    pub idle_per_customer_host: usize,
    /// The most idle connections kept per system of the operator.
    pub idle_per_operator_host: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            guard: GuardPolicy::default(),
            connect_timeout: Duration::from_secs(10),
            idle_per_customer_host: 32,
            idle_per_operator_host: 128,
            idle_timeout: Duration::from_secs(30),
        }
    }
}

/// The client cannot be set up on this machine.
#[derive(Debug, thiserror::Error)]
#[error("outgoing HTTP cannot be set up: {0}")]
pub struct ClientSetupError(String);

/// The real [`HttpClient`].
pub struct GuardedClient {
    customers: reqwest::Client,
    operator: reqwest::Client,
    guard: Arc<GuardPolicy>,
    clock: SharedClock,
}

impl GuardedClient {
    /// A client that asks the machine's resolver.
    pub fn new(settings: ClientSettings, clock: SharedClock) -> Result<Self, ClientSetupError> {
        Self::with_resolver(settings, clock, Arc::new(SystemResolver))
    }

    /// A client that asks `names` for addresses.
    pub fn with_resolver(
        settings: ClientSettings,
        clock: SharedClock,
        names: Arc<dyn NameResolver>,
    ) -> Result<Self, ClientSetupError> {
        let tls = tls_config()?;
        let guard = Arc::new(settings.guard);
        let build = |policy: Option<Arc<GuardPolicy>>, names, idle: usize| {
            #[allow(
                clippy::disallowed_methods,
                reason = "this is the client that all outgoing HTTP goes through"
            )]
            reqwest::Client::builder()
                .tls_backend_preconfigured(tls.clone())
                .dns_resolver(GuardedResolver { names, policy })
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .no_proxy()
                .referer(false)
                .no_gzip()
                .no_brotli()
                .no_zstd()
                .no_deflate()
                .http1_only()
                .user_agent(USER_AGENT)
                .connect_timeout(settings.connect_timeout)
                .pool_max_idle_per_host(idle)
                .pool_idle_timeout(settings.idle_timeout)
                .build()
                .map_err(|error| ClientSetupError(chain(&error)))
        };
        Ok(Self {
            customers: build(
                Some(Arc::clone(&guard)),
                Arc::clone(&names),
                settings.idle_per_customer_host,
            )?,
            operator: build(None, names, settings.idle_per_operator_host)?,
            guard,
            clock,
        })
    }

    /// What can be said of the URL before any name is resolved. A literal address never reaches the
    /// resolver, so it is checked here.
    fn check_url(&self, url: &Url, destination: Destination) -> Result<(), HttpError> {
        let ("http" | "https", Some(host)) = (url.scheme(), url.host()) else {
            return Err(HttpError::Refused(
                "only http and https URLs with a host can be asked".to_owned(),
            ));
        };
        if destination == Destination::Operator {
            return Ok(());
        }
        if url.scheme() != "https" && self.guard.https_only_for_customers {
            return Err(HttpError::Refused(format!(
                "{host}: this installation sends to customers over https only"
            )));
        }
        let literal = match host {
            Host::Ipv4(address) => IpAddr::V4(address),
            Host::Ipv6(address) => IpAddr::V6(address),
            Host::Domain(_) => return Ok(()),
        };
        self.guard
            .check(&[literal])
            .map_err(|forbidden| HttpError::Refused(forbidden.to_string()))
    }

    async fn exchange(
        &self,
        request: HttpRequest,
    ) -> Result<(StatusCode, HeaderMap, Vec<u8>), HttpError> {
        self.check_url(&request.url, request.destination)?;
        let client = match request.destination {
            Destination::Customer => &self.customers,
            Destination::Operator => &self.operator,
        };
        let authority = authority(&request.url);
        let mut headers = request.headers;
        remove_clients_own(&mut headers);
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let mut sent = client
            .request(request.method, request.url)
            .headers(headers)
            .body(request.body)
            .send()
            .await
            .map_err(|error| explain(error, &authority))?;

        let status = sent.status();
        let mut headers = std::mem::take(sent.headers_mut());
        let mut body = BodyReader::new(&headers, request.limits);
        if body.unpacks() {
            headers.remove(CONTENT_ENCODING);
            headers.remove(CONTENT_LENGTH);
        }
        let mut progress = Progress::More;
        while progress == Progress::More {
            match sent.chunk().await {
                Ok(Some(chunk)) => progress = body.push(&chunk)?,
                Ok(None) => break,
                Err(error) => return Err(explain(error, &authority)),
            }
        }
        Ok((status, headers, body.finish(progress)?))
    }
}

#[async_trait]
impl HttpClient for GuardedClient {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let timeout = request.limits.timeout;
        let started = self.clock.monotonic();
        let exchange = self.exchange(request);
        let (status, headers, body) = tokio::select! {
            biased;
            answer = exchange => answer?,
            () = self.clock.sleep(timeout) => return Err(HttpError::Timeout(timeout)),
        };
        Ok(HttpResponse {
            status,
            headers,
            body: body.into(),
            latency: self.clock.monotonic().saturating_sub(started),
        })
    }
}

impl fmt::Debug for GuardedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedClient")
            .field("guard", &self.guard)
            .finish_non_exhaustive()
    }
}

/// TLS by rustls on `ring`, trusting what the machine trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` are
/// heeded). A machine without any root certificate can still speak to `http` addresses.
fn tls_config() -> Result<ClientConfig, ClientSetupError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| ClientSetupError(error.to_string()))?;
    Ok(match Verifier::new(provider) {
        Ok(verifier) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth(),
        Err(error) => {
            tracing::warn!(
                %error,
                "no root certificates: https addresses cannot be asked; install ca-certificates"
            );
            builder
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth()
        }
    })
}

/// Host and port, for messages. A path may hold a secret and is never shown.
fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

fn explain(error: reqwest::Error, authority: &str) -> HttpError {
    let error = error.without_url();
    let mut source = error.source();
    while let Some(cause) = source {
        match cause.downcast_ref::<NameError>() {
            Some(NameError::Forbidden { .. }) => return HttpError::Refused(cause.to_string()),
            Some(NameError::Unresolved(text)) => return HttpError::Unresolved(text.clone()),
            None => source = cause.source(),
        }
    }
    HttpError::Connection(format!("{authority}: {}", chain(&error)))
}

/// An error and its causes, without repetitions.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
