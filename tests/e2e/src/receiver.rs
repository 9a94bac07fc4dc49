//! A webhook endpoint that verifies what it gets and lets a test wait for it.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use url::Url;

/// One webhook with a good signature.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Whose endpoint it came to.
    pub customer: String,
    /// Its `webhook-id`.
    pub id: String,
    /// Its body, where that is JSON.
    pub body: Value,
}

impl Webhook {
    /// The workflow it tells of.
    pub fn workflow(&self) -> Option<&str> {
        self.body.pointer("/data/workflow-id")?.as_str()
    }
}

/// The endpoint. Every customer has a path of its own.
#[derive(Clone)]
pub struct Receiver(Arc<Inner>);

struct Inner {
    base: Url,
    secrets: Mutex<HashMap<String, standardwebhooks::Webhook>>,
    received: watch::Sender<Vec<Webhook>>,
    bad: Mutex<Vec<String>>,
}

impl std::fmt::Debug for Receiver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receiver")
    }
}

const PATIENCE: Duration = Duration::from_mins(2);

impl Receiver {
    /// Starts it.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let base = format!("http://{}/", listener.local_addr().expect("an address"));
        let receiver = Self(Arc::new(Inner {
            base: base.parse().expect("a URL"),
            secrets: Mutex::default(),
            received: watch::Sender::new(Vec::new()),
            bad: Mutex::default(),
        }));
        let router = Router::new()
            .route("/{customer}", post(take))
            .with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        receiver
    }

    /// Where this customer's webhooks are to go.
    pub fn url(&self, customer: &str) -> Url {
        self.0.base.join(customer).expect("a path")
    }

    /// Tells the secret with which this customer's webhooks are signed.
    pub fn expect(&self, customer: &str, secret: &str) {
        let webhook = standardwebhooks::Webhook::new(secret).expect("a secret");
        self.0.secrets.lock().insert(customer.to_owned(), webhook);
    }

    /// All webhooks so far.
    pub fn received(&self) -> Vec<Webhook> {
        self.0.received.borrow().clone()
    }

    /// Waits until more than `seen` have come; gives those.
    pub async fn beyond(&self, seen: usize) -> Vec<Webhook> {
        let mut received = self.0.received.subscribe();
        let more = received.wait_for(|all| all.len() > seen).await;
        more.expect("the receiver lives")[seen..].to_vec()
    }

    /// What came without a good signature.
    pub fn bad(&self) -> Vec<String> {
        self.0.bad.lock().clone()
    }

    /// Waits for the first webhook that tells of this workflow.
    pub async fn about(&self, workflow: &str) -> Webhook {
        self.until(|webhook| webhook.workflow() == Some(workflow))
            .await
    }

    /// Waits for the first webhook that fits.
    pub async fn until(&self, fits: impl Fn(&Webhook) -> bool) -> Webhook {
        let mut received = self.0.received.subscribe();
        let found = received.wait_for(|all| all.iter().any(&fits));
        let found = tokio::time::timeout(PATIENCE, found)
            .await
            .expect("a webhook in time");
        let all = found.expect("the receiver lives");
        all.iter()
            .find(|webhook| fits(webhook))
            .cloned()
            .expect("just seen")
    }
}

async fn take(
    State(receiver): State<Receiver>,
    Path(customer): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let inner = &receiver.0;
    let good = inner
        .secrets
        .lock()
        .get(&customer)
        .is_some_and(|secret| secret.verify(&body, &headers).is_ok());
    if !good {
        inner.bad.lock().push(customer);
        return StatusCode::UNAUTHORIZED;
    }
    let id = headers
        .get("webhook-id")
        .and_then(|id| id.to_str().ok())
        .unwrap_or_default();
    let webhook = Webhook {
        customer,
        id: id.to_owned(),
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    inner.received.send_modify(|all| all.push(webhook));
    StatusCode::NO_CONTENT
}
