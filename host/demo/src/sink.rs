//! The customers' end of the webhooks: verifies every signature with the `standardwebhooks` crate, not
//! with the host's own code, and remembers what each workflow was told to be.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use parking_lot::Mutex;
use serde::Deserialize;
use standardwebhooks::{HEADER_WEBHOOK_ID, Webhook};
use tokio::sync::watch;
use uuid::Uuid;

use crate::stopwatch;

/// The largest webhook that is read, in bytes.
const MAX_WEBHOOK_BYTES: usize = 1 << 20;

/// What a webhook says of its workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Linked to this internal record.
    Linked(String),
    /// Nobody fits.
    NoResults,
    /// Given up.
    Failed,
    /// Somebody has to choose.
    ChoiceRequired,
    /// The link was undone.
    DeLinked,
}

/// What became known of a workflow, and when.
#[derive(Debug, Clone)]
pub struct Received {
    /// The latest word.
    pub told: Told,
    /// When the first webhook about it came.
    pub at: Instant,
    /// Whether a later webhook contradicted an earlier one.
    pub contradicted: bool,
}

/// Counts of what came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SinkCounts {
    /// Deliveries with a good signature, repetitions included.
    pub good: u64,
    /// Deliveries whose signature is wrong, old or missing.
    pub bad_signatures: u64,
    /// Deliveries with a good signature whose body cannot be understood.
    pub unreadable: u64,
    /// Deliveries of an event that had been acknowledged before.
    pub repeated: u64,
    /// Deliveries answered with 500 on purpose.
    pub refused_once: u64,
}

/// Receives the webhooks of every customer, each at `/hooks/{customer}`.
#[derive(Clone)]
pub struct Sink(Arc<Inner>);

struct Inner {
    state: Mutex<Book>,
    /// Grows with every delivery that changed something: what waiters wait for.
    changes: watch::Sender<u64>,
    /// How many deliveries are refused once, to be seen again.
    refusals: u64,
}

#[derive(Default)]
struct Book {
    secrets: HashMap<String, Arc<Webhook>>,
    counts: SinkCounts,
    acknowledged: HashSet<String>,
    refused: HashSet<String>,
    received: HashMap<Uuid, Received>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Sink {
    /// A sink that answers 500 to `refusals` deliveries, once each, to show that they come again.
    pub fn new(refusals: u64) -> Self {
        Self(Arc::new(Inner {
            state: Mutex::default(),
            changes: watch::Sender::new(0),
            refusals,
        }))
    }

    /// From now on this customer's webhooks are verified with `secret` (`whsec_…`). False if it is
    /// not one.
    #[must_use]
    pub fn expect(&self, customer: &str, secret: &str) -> bool {
        let Ok(webhook) = Webhook::new(secret) else {
            return false;
        };
        let mut book = self.0.state.lock();
        book.secrets.insert(customer.to_owned(), Arc::new(webhook));
        true
    }

    /// The routes.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/hooks/{customer}", post(receive))
            .layer(DefaultBodyLimit::max(MAX_WEBHOOK_BYTES))
            .with_state(self.clone())
    }

    /// What came in so far.
    pub fn counts(&self) -> SinkCounts {
        self.0.state.lock().counts
    }

    /// What is known of a workflow.
    pub fn received(&self, workflow: Uuid) -> Option<Received> {
        self.0.state.lock().received.get(&workflow).cloned()
    }

    /// Ends once a webhook about this workflow came.
    pub async fn told(&self, workflow: Uuid) -> Received {
        let mut changes = self.0.changes.subscribe();
        loop {
            if let Some(received) = self.received(workflow) {
                return received;
            }
            // The sender lives in this sink.
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Changes with every delivery that brought something new.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn receive(&self, customer: &str, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        let at = stopwatch::now();
        let secret = self.0.state.lock().secrets.get(customer).cloned();
        let verified = secret.is_some_and(|secret| secret.verify(body, headers).is_ok());
        let id = headers
            .get(HEADER_WEBHOOK_ID)
            .and_then(|id| id.to_str().ok())
            .filter(|_| verified);
        let mut guard = self.0.state.lock();
        let book = &mut *guard;
        let Some(id) = id else {
            book.counts.bad_signatures += 1;
            return StatusCode::UNAUTHORIZED;
        };
        book.counts.good += 1;
        if book.acknowledged.contains(id) {
            book.counts.repeated += 1;
            return StatusCode::NO_CONTENT;
        }
        if book.counts.refused_once < self.0.refusals && book.refused.insert(id.to_owned()) {
            book.counts.refused_once += 1;
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        let json = headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
        let read = if json {
            read_json(body)
        } else {
            read_hl7(body)
        };
        book.acknowledged.insert(id.to_owned());
        match read {
            Some((workflow, told)) => book.tell(workflow, told, at),
            None => book.counts.unreadable += 1,
        }
        drop(guard);
        self.0.changes.send_modify(|changes| *changes += 1);
        StatusCode::NO_CONTENT
    }
}

impl Book {
    fn tell(&mut self, workflow: Uuid, told: Told, at: Instant) {
        let Some(received) = self.received.get_mut(&workflow) else {
            let received = Received {
                told,
                at,
                contradicted: false,
            };
            self.received.insert(workflow, received);
            return;
        };
        // After a choice was required anything may follow; after the end only the same.
        let open = received.told == Told::ChoiceRequired || told == Told::ChoiceRequired;
        received.contradicted |= !open && received.told != told;
        if told != Told::ChoiceRequired {
            received.told = told;
        }
    }
}

async fn receive(
    State(sink): State<Sink>,
    Path(customer): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    sink.receive(&customer, &headers, &body)
}

#[derive(Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Data {
    workflow_id: Uuid,
    link: Option<Link>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Link {
    internal_patient_id: String,
}

/// A body of Standard Webhooks: `{"type", "timestamp", "data"}`.
fn read_json(body: &[u8]) -> Option<(Uuid, Told)> {
    let event: Event = serde_json::from_slice(body).ok()?;
    let internal = event.data.link.map(|link| link.internal_patient_id);
    Some((event.data.workflow_id, told(&event.kind, internal)?))
}

/// An HL7 v2 message: segments end with CR, the field separator follows `MSH`, and the local segment
/// `ZLK` names workflow, kind of event, outcome and internal id.
fn read_hl7(body: &[u8]) -> Option<(Uuid, Told)> {
    let message = std::str::from_utf8(body).ok()?;
    let separator = message.strip_prefix("MSH")?.chars().next()?;
    let link = message
        .split('\r')
        .map(|segment| segment.split(separator).collect::<Vec<_>>())
        .find(|fields| fields.first() == Some(&"ZLK"))?;
    let field = |number: usize| link.get(number).copied().filter(|text| !text.is_empty());
    let workflow = Uuid::try_parse(field(2)?).ok()?;
    Some((workflow, told(field(3)?, field(5).map(ToOwned::to_owned))?))
}

fn told(kind: &str, internal: Option<String>) -> Option<Told> {
    match kind {
        "link.linked" => internal.map(Told::Linked),
        "link.no-results" => Some(Told::NoResults),
        "link.failed" => Some(Told::Failed),
        "link.choice-required" => Some(Told::ChoiceRequired),
        "link.de-linked" => Some(Told::DeLinked),
        _ => None,
    }
}
