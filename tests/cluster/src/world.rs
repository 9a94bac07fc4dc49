//! What stands around the cluster, in this process: the internal system and the customers' endpoint.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use patchbay_demo::internal;
use patchbay_demo::people::{Person, generate};
use patchbay_e2e::{Receiver, body};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::clock::Clock;

/// What the internal system wants to be shown.
pub(crate) const TOKEN: &str = "the-cluster-tests-internal-system";
/// Every so many people is a stranger to it.
const STRANGER: usize = 10;

/// The internal system and the endpoint.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) receiver: Receiver,
    /// Base URL of the internal system's FHIR API.
    pub(crate) fhir: String,
    people: Arc<Vec<Person>>,
    strangers: Arc<Vec<Person>>,
    searches: Arc<Searches>,
}

#[derive(Debug)]
struct Searches {
    clock: Clock,
    delay_ms: AtomicU64,
    under_way: watch::Sender<usize>,
}

impl World {
    pub(crate) async fn start(clock: Clock) -> Self {
        let people = generate(21, 10_000);
        let searches = Arc::new(Searches {
            clock,
            delay_ms: AtomicU64::new(0),
            under_way: watch::Sender::new(0),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("an address");
        let router = internal::router(people.clone(), TOKEN)
            .layer(middleware::from_fn_with_state(searches.clone(), take_time));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self {
            receiver: Receiver::start().await,
            fhir: format!("http://{address}/fhir"),
            people: Arc::new(people),
            strangers: Arc::new(generate(22, 1_000)),
            searches,
        }
    }

    /// A request about this patient; the number says who that is.
    pub(crate) fn body(&self, patient: &str, number: usize) -> Bytes {
        let from = if number % STRANGER == STRANGER - 1 {
            &self.strangers
        } else {
            &self.people
        };
        body(patient, &from[number % from.len()]).to_string().into()
    }

    /// How long the internal system takes to answer, from now on.
    pub(crate) fn answer_after(&self, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.searches.delay_ms.store(ms, Ordering::Relaxed);
    }

    /// Waits until so many searches are under way.
    pub(crate) async fn searches_under_way(&self, count: usize, limit: Duration) -> bool {
        let mut under_way = self.searches.under_way.subscribe();
        let reached = under_way.wait_for(|now| *now >= count);
        tokio::time::timeout(limit, reached).await.is_ok()
    }
}

/// Counts down however the search ends: a worker that is killed hangs up.
struct UnderWay(Arc<Searches>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.send_modify(|count| *count -= 1);
    }
}

async fn take_time(
    State(searches): State<Arc<Searches>>,
    request: Request,
    next: Next,
) -> Response {
    searches.under_way.send_modify(|count| *count += 1);
    let _under_way = UnderWay(searches.clone());
    let delay = searches.delay_ms.load(Ordering::Relaxed);
    if delay > 0 {
        searches.clock.pause(Duration::from_millis(delay)).await;
    }
    next.run(request).await
}
