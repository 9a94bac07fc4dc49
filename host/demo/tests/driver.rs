//! The driver against a service that keeps its documented promises and no others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Response};
use bytes::Bytes;
use patchbay_demo::driver::{DriveError, Endpoints, Settlement, drive};
use patchbay_demo::noise::{Chain, Fate, Planned, Sender, Token};
use patchbay_demo::progress::Progress;
use patchbay_demo::sink::Sink;
use serde_json::{Value, json};
use uuid::Uuid;

/// More than are asked about at once, so that one that is held up holds up others.
const REQUESTS: u128 = 100;

async fn service(State(links): State<Arc<AtomicU64>>, request: Request) -> Response<Body> {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let path = request
        .uri()
        .path()
        .trim_start_matches("/admin/v1/")
        .to_owned();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let body = match (request.method(), &parts[..]) {
        (&Method::POST, ["plugins"]) => {
            json!({"name": "p", "digest": digest, "roles": [], "size": 1, "imports": []})
        }
        (&Method::POST, ["backends"]) => {
            json!({"id": "fhir", "base-url": "http://x/", "adapter": {"name": "p", "digest": digest}})
        }
        (&Method::POST, ["customers"]) => {
            json!({"id": "records", "webhook-secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
        }
        (_, ["customers", _, "bindings", role]) => {
            json!({"role": role, "plugin": {"name": "p", "digest": digest}})
        }
        (_, ["customers", _, "backends"]) => json!({"backends": []}),
        (_, ["customers", _, "tokens"]) => json!({"token-id": "t", "token": "t", "expires-at": ""}),
        (_, ["link"]) => {
            let number = links.fetch_add(1, Ordering::Relaxed);
            let id = Uuid::from_u128(u128::from(number));
            return json_with_tag(202, &json!({"workflow-id": id}));
        }
        (_, ["link", "status", id]) => {
            let headers = request.headers();
            if headers.contains_key("prefer") && !headers.contains_key("if-none-match") {
                // Waits for the end, which does not come before somebody chooses.
                std::future::pending::<()>().await;
            }
            return json_with_tag(
                200,
                &json!({
                    "workflow-id": id, "status": "AMBIGUOUS", "outcome": "none",
                    "request-type": "LINK", "updated-at": "2026-01-31T12:00:00.000Z",
                }),
            );
        }
        (method, parts) => panic!("nobody should ask {method} {parts:?}"),
    };
    json_with_tag(200, &body)
}

fn json_with_tag(status: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("etag", "\"1\"")
        .body(Body::from(body.to_string()))
        .unwrap()
}

fn plan() -> Vec<Chain> {
    (0..REQUESTS)
        .map(|number| {
            vec![Planned {
                sender: Sender::Records,
                patient_id: Some(Uuid::from_u128(number)),
                truth: None,
                fate: Fate::Accepted,
                key: Some(number.to_string()),
                token: Token::Own,
                body: Bytes::from_static(b"{}"),
            }]
        })
        .collect()
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test's own client of a test's own server"
)]
fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

async fn endpoints(plugins: &std::path::Path) -> Endpoints {
    let router = Router::new().fallback(service).with_state(Arc::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    let url: url::Url = format!("http://{address}").parse().unwrap();
    Endpoints {
        customer_url: url.clone(),
        admin_url: url,
        admin_token: "admin".to_owned(),
        plugins: plugins.to_owned(),
        backend: address,
        backend_token: "backend".to_owned(),
        sink: address,
    }
}

#[tokio::test]
async fn whoever_waits_for_a_choice_is_accounted_for_at_once() {
    let plugins = tempfile::tempdir().unwrap();
    for plugin in ["validator-standard", "format-standard", "search-fhir"] {
        std::fs::write(plugins.path().join(format!("{plugin}.wasm")), b"").unwrap();
    }
    let endpoints = endpoints(plugins.path()).await;
    let sink = Sink::new(0);
    let senders = [Sender::Records];
    let run = drive(
        http(),
        &endpoints,
        &senders,
        plan(),
        &sink,
        &Progress::Quiet,
    );
    let run = tokio::time::timeout(Duration::from_secs(15), run)
        .await
        .expect("a workflow that awaits a choice is asked about without waiting")
        .unwrap();
    assert_eq!(run.settled.len() as u128, REQUESTS);
    assert!(
        run.settled
            .values()
            .all(|settled| *settled == Settlement::Ambiguous)
    );
}

#[tokio::test]
async fn a_plugin_that_was_not_built_is_named() {
    let nowhere = tempfile::tempdir().unwrap();
    let endpoints = endpoints(nowhere.path()).await;
    let sink = Sink::new(0);
    let error = drive(
        http(),
        &endpoints,
        &[Sender::Records],
        plan(),
        &sink,
        &Progress::Quiet,
    )
    .await
    .unwrap_err();
    assert!(matches!(&error, DriveError::Plugin { path, .. } if path.contains(".wasm")));
    assert!(error.to_string().contains("cargo xtask plugins"));
}
