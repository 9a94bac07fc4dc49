//! The load: virtual clients in a closed loop, each with one request under way.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::post;
use parking_lot::Mutex;
use patchbay_demo::internal;
use patchbay_demo::people::{Person, generate};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use uuid::Uuid;

/// What the internal system wants to be shown.
pub(crate) const TOKEN: &str = "the-benchmarks-internal-system";
/// The size of a request's body, in bytes.
pub(crate) const BODY: usize = 2_000;

#[allow(
    clippy::disallowed_methods,
    reason = "the benchmark is a client of the service"
)]
pub(crate) fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .pool_max_idle_per_host(1_024)
        .build()
        .expect("a client")
}

/// The internal system and the webhook endpoint of a run, in this process.
#[derive(Clone)]
pub(crate) struct World(Arc<Inner>);

struct Inner {
    people: Vec<Person>,
    backend: String,
    sink: String,
    /// Who waits for the webhook about a patient.
    waiting: Mutex<HashMap<String, oneshot::Sender<()>>>,
    /// What the backend was asked, the first few thousand.
    queries: Mutex<Vec<String>>,
    asked: AtomicU64,
}

impl World {
    pub(crate) async fn start() -> Self {
        let people = generate(5, 10_000);
        let (backend, backend_url) = port().await;
        let (sink, sink_url) = port().await;
        let world = Self(Arc::new(Inner {
            people: people.clone(),
            backend: backend_url,
            sink: sink_url,
            waiting: Mutex::default(),
            queries: Mutex::default(),
            asked: AtomicU64::new(0),
        }));
        let router = internal::router(people, TOKEN)
            .layer(middleware::from_fn_with_state(world.clone(), note_query));
        tokio::spawn(async move { axum::serve(backend, router).await });
        let router = Router::new()
            .route("/{*path}", post(take))
            .with_state(world.clone());
        tokio::spawn(async move { axum::serve(sink, router).await });
        world
    }

    pub(crate) fn backend(&self) -> &str {
        &self.0.backend
    }

    pub(crate) fn sink(&self) -> &str {
        &self.0.sink
    }

    /// Full URLs of what the backend was asked, and how often it was asked in all.
    pub(crate) fn queries(&self) -> (Vec<String>, u64) {
        (
            self.0.queries.lock().clone(),
            self.0.asked.load(Ordering::Relaxed),
        )
    }

    pub(crate) fn forget_queries(&self) {
        self.0.queries.lock().clear();
        self.0.asked.store(0, Ordering::Relaxed);
    }

    /// A request about somebody the backend knows, for a patient nobody asked about before.
    pub(crate) fn body(&self, number: u64) -> (String, Vec<u8>) {
        let patient =
            Uuid::from_u128(0x4444_0000_0000_4000_8000_0000_0000_0000 | u128::from(number));
        let person = &self.0.people[number as usize % self.0.people.len()];
        let mut body = json!({
            "patient": {
                "id": patient.to_string(),
                "given_name": person.given,
                "family_name": person.family,
                "full_name": format!(
                    "{} {}",
                    person.given.as_deref().unwrap_or("A"),
                    person.family.as_deref().unwrap_or("B")
                ),
                "dob": person.born.map_or_else(|| "1970-01-01".to_owned(), |born| born.to_string()),
                "contact": {
                    "address": {
                        "line": person.address.lines,
                        "city": person.address.city,
                        "state": person.address.state,
                        "postal_code": person.address.postal_code,
                    },
                },
                "note": "",
            }
        });
        let size = body.to_string().len();
        body["patient"]["note"] = "n".repeat(BODY.saturating_sub(size)).into();
        (patient.to_string(), body.to_string().into_bytes())
    }

    fn told(&self, patient: &str) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.0.waiting.lock().insert(patient.to_owned(), sender);
        receiver
    }
}

async fn port() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

async fn note_query(State(world): State<World>, request: Request, next: Next) -> Response {
    const KEPT: usize = 5_000;
    let inner = &world.0;
    inner.asked.fetch_add(1, Ordering::Relaxed);
    {
        let mut queries = inner.queries.lock();
        if queries.len() < KEPT {
            queries.push(format!("{}{}", inner.backend, request.uri()));
        }
    }
    next.run(request).await
}

async fn take(State(world): State<World>, body: Bytes) -> StatusCode {
    if let Some(waiting) = world.0.waiting.lock().remove(&patient_of(&body)) {
        let _ = waiting.send(());
    }
    StatusCode::NO_CONTENT
}

/// The patient that a body is about: what follows the first member that names one.
pub(crate) fn patient_of(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    for member in ["\"patient-id\":\"", "\"id\":\"4444"] {
        if let Some(at) = text.find(member) {
            let start = at + member.len() - if member.ends_with('4') { 4 } else { 0 };
            return text.get(start..start + 36).unwrap_or_default().to_owned();
        }
    }
    String::new()
}

/// One virtual client's way to be served.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) url: String,
    /// A token per customer; empty for a floor.
    pub(crate) tokens: Arc<Vec<String>>,
    /// Whether a request is over when its webhook has come, or when it was accepted.
    pub(crate) until_told: bool,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) done: u64,
}

/// Runs `clients` virtual clients for `length` after a warm-up of a fifth of it.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the stopwatch of a benchmark"
)]
pub(crate) async fn run(
    world: &World,
    target: &Target,
    numbers: &Arc<AtomicU64>,
    clients: usize,
    length: Duration,
) -> Rate {
    let (http, over) = (http(), Arc::new(AtomicBool::new(false)));
    let done = Arc::new(AtomicU64::new(0));
    let mut running = Vec::new();
    for _ in 0..clients {
        let (world, target, numbers) = (world.clone(), target.clone(), numbers.clone());
        let (http, over, done) = (http.clone(), over.clone(), done.clone());
        running.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                one(
                    &world,
                    &target,
                    &http,
                    numbers.fetch_add(1, Ordering::Relaxed),
                )
                .await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    tokio::time::sleep(length / 5).await;
    let (began, before) = (Instant::now(), done.load(Ordering::Relaxed));
    tokio::time::sleep(length).await;
    let (measured, after) = (began.elapsed(), done.load(Ordering::Relaxed));
    over.store(true, Ordering::Relaxed);
    for client in running {
        client.await.expect("no client fails");
    }
    let done = after - before;
    Rate {
        per_second: done as f64 / measured.as_secs_f64(),
        done,
    }
}

async fn one(world: &World, target: &Target, http: &reqwest::Client, number: u64) {
    let (patient, body) = world.body(number);
    let told = world.told(&patient);
    let mut request = http
        .post(format!("{}link", target.url))
        .header("content-type", "application/json")
        .header("idempotency-key", &patient)
        .body(body);
    if !target.tokens.is_empty() {
        let token = &target.tokens[number as usize % target.tokens.len()];
        request = request.header("customer-token", token);
    }
    let answer = request.send().await.expect("an answer");
    let status = answer.status();
    let text = answer.text().await.expect("an answer");
    assert_eq!(status, 202, "{text}");
    if target.until_told {
        let waiting = tokio::time::timeout(Duration::from_mins(1), told);
        waiting
            .await
            .expect("a webhook in time")
            .expect("a webhook");
    } else {
        world.0.waiting.lock().remove(&patient);
    }
}
