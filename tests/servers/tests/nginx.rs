//! The documented configuration, before intakes that misbehave.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse as _;
use axum::routing::{get, post};
use parking_lot::Mutex;
use patchbay_test_servers::nginx::{DOCUMENTED, Nginx, SERVER};
use patchbay_test_servers::{free_address, missing, pass_over};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

const PATIENT: &str = "0190aaaa-bbbb-4ccc-8ddd-0123456789ab";

/// What the good intake got: the key and the body's length.
type Got = Arc<Mutex<Vec<(String, usize)>>>;

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Accepts every link request with the status that it is given.
async fn intake(status: StatusCode) -> (SocketAddr, Got) {
    let (listener, address) = listener().await;
    let got = Got::default();
    let seen = got.clone();
    let link = async move |headers: HeaderMap, body: Bytes| {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        seen.lock().push((key, body.len()));
        (status, "said by the intake").into_response()
    };
    let router = Router::new()
        .route("/link", post(link))
        .route("/patient/{id}", get(async || "somebody"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, got)
}

/// Takes each request as a whole and hangs up.
async fn dying_intake() -> (SocketAddr, Arc<Mutex<usize>>) {
    let (listener, address) = listener().await;
    let died = Arc::new(Mutex::new(0));
    let count = died.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = vec![0; 1 << 20];
            let _ = stream.read(&mut buffer).await;
            *count.lock() += 1;
        }
    });
    (address, died)
}

#[allow(clippy::disallowed_methods, reason = "the test is a client of nginx")]
fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

async fn link(nginx: &Nginx, key: usize, size: usize) -> reqwest::Response {
    http()
        .post(format!("http://{}/link", nginx.address()))
        .header("idempotency-key", key.to_string())
        .body(vec![b'x'; size])
        .send()
        .await
        .unwrap()
}

fn cannot_run() -> bool {
    let missing = missing(&[SERVER]);
    if let Some(line) = &missing {
        pass_over(line);
    }
    missing.is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_request_survives_an_intake_that_is_down_or_dies_with_it() {
    if cannot_run() {
        return;
    }
    let (good, got) = intake(StatusCode::ACCEPTED).await;
    let (dying, died) = dying_intake().await;
    let nginx = Nginx::start(DOCUMENTED, &[free_address(), dying, good])
        .await
        .unwrap();
    for number in 0..40 {
        let answer = link(&nginx, number, 200_000).await;
        assert_eq!(answer.status(), 202, "{}", nginx.errors());
        assert_eq!(answer.text().await.unwrap(), "said by the intake");
        let read = http()
            .get(format!("http://{}/patient/{PATIENT}", nginx.address()))
            .send()
            .await
            .unwrap();
        assert_eq!(read.status(), 200);
    }
    let got = got.lock().clone();
    let expected: Vec<_> = (0..40)
        .map(|key: usize| (key.to_string(), 200_000))
        .collect();
    assert_eq!(got, expected, "every request arrived once and whole");
    assert!(*died.lock() > 0, "the dying intake was never asked");
    let reloaded = nginx.reload().await;
    assert!(reloaded.is_ok(), "{reloaded:?}");
    assert_eq!(link(&nginx, 40, 10).await.status(), 202);
    let logs = nginx.logs();
    assert!(logs.contains("GET /patient/- 200"), "{logs}");
    assert!(!logs.contains(PATIENT), "{logs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_intakes_say_is_passed_on_and_takes_none_of_them_out() {
    if cannot_run() {
        return;
    }
    let (busy, asked) = intake(StatusCode::SERVICE_UNAVAILABLE).await;
    let (other, others) = intake(StatusCode::SERVICE_UNAVAILABLE).await;
    let nginx = Nginx::start(DOCUMENTED, &[busy, other]).await.unwrap();
    for number in 0..20 {
        let answer = link(&nginx, number, 10).await;
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.text().await.unwrap(), "said by the intake");
    }
    let (asked, others) = (asked.lock().len(), others.lock().len());
    assert_eq!(asked + others, 20, "a refusal is not tried elsewhere");
    assert!(asked > 5 && others > 5, "{asked} and {others}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_intake_the_proxy_says_when_to_come_back() {
    if cannot_run() {
        return;
    }
    let nginx = Nginx::start(DOCUMENTED, &[free_address(), free_address()])
        .await
        .unwrap();
    for number in 0..10 {
        let answer = link(&nginx, number, 10).await;
        assert_eq!(answer.status(), 503);
        assert_eq!(answer.headers()["retry-after"], "5");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: serde_json::Value =
            serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(problem["code"], "unavailable");
    }
}
