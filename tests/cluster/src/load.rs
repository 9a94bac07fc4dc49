//! The load: requests at a stated rate, whether or not earlier ones were answered (an open loop), by
//! clients that repeat, ask again, and now and then do the same thing twice at once.

use std::sync::Arc;
use std::time::Duration;

use patchbay_api::WorkflowId;
use patchbay_workflow::Status;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use crate::client::{Answer, Client};
use crate::journal::Journal;
use crate::layout::Customer;
use crate::world::World;

/// Requests under way at once; beyond, the loop waits and says how often it had to.
const AT_ONCE: usize = 1_000;
/// How long a client that watches its workflow lets the server wait.
const LONG_POLL: Duration = Duration::from_secs(10);

/// What is needed to send one request.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) client: Client,
    pub(crate) customers: Arc<Vec<Customer>>,
    pub(crate) world: World,
    pub(crate) journal: Journal,
}

/// Running load.
#[derive(Debug)]
pub(crate) struct Load {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// What a client does besides sending its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Habit {
    /// Waits for its webhook.
    Plain,
    /// Watches the status until it is an end.
    Watching,
    /// Sends the request again, with its key.
    Repeating,
    /// Sends another request for the same patient at the same time, with another key.
    Twins,
}

impl Habit {
    const fn of(number: usize) -> Self {
        match number % 20 {
            3 | 13 => Self::Watching,
            7 => Self::Repeating,
            17 => Self::Twins,
            _ => Self::Plain,
        }
    }
}

impl Load {
    /// Starts to send so many requests a second.
    pub(crate) fn start(sender: Sender, rate: u32) -> Self {
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(run(sender, rate, stopped));
        Self { stop, task }
    }

    /// Sends nothing new, and waits for the requests under way.
    pub(crate) async fn end(self) {
        let _ = self.stop.send(true);
        self.task.await.expect("the load does not fail");
    }
}

async fn run(sender: Sender, rate: u32, stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let clock = sender.journal.clock();
    let began = clock.now();
    let mut under_way = JoinSet::new();
    for number in 0_usize.. {
        let due = began + Duration::from_secs(1) * u32::try_from(number).unwrap_or(0) / rate;
        clock.until(due).await;
        if *stopped.borrow() {
            break;
        }
        let place = if let Ok(place) = places.clone().try_acquire_owned() {
            place
        } else {
            sender.journal.count("held back");
            let place = places.clone().acquire_owned().await;
            place.expect("nobody closes it")
        };
        let sender = sender.clone();
        under_way.spawn(async move {
            sender.one(number, due).await;
            drop(place);
        });
        while under_way.try_join_next().is_some() {}
    }
    while under_way.join_next().await.is_some() {}
}

/// The patient of a request: never the same twice in a run.
fn patient(number: usize) -> String {
    Uuid::from_u128(0x7777_0000_0000_4000_8000_0000_0000_0000 | number as u128).to_string()
}

impl Sender {
    async fn one(&self, number: usize, due: Duration) {
        self.journal.count("requests");
        let key = format!("key-{number}");
        match Habit::of(number) {
            Habit::Plain => {
                self.link(number, &key, due).await;
            }
            Habit::Watching => {
                if let Some(Answer::Accepted { workflow, .. }) = self.link(number, &key, due).await
                {
                    self.watch(number, workflow).await;
                }
            }
            Habit::Repeating => {
                if let Some(Answer::Accepted { workflow, .. }) = self.link(number, &key, due).await
                {
                    self.repeat(number, &key, workflow).await;
                }
            }
            Habit::Twins => {
                let other = format!("{key}-twin");
                let (one, two) =
                    tokio::join!(self.link(number, &key, due), self.link(number, &other, due));
                self.compare_twins(number, one.as_ref(), two.as_ref());
            }
        }
    }

    fn customer(&self, number: usize) -> &Customer {
        &self.customers[number % self.customers.len()]
    }

    /// Sends a request until it is answered.
    pub(crate) async fn link(&self, number: usize, key: &str, due: Duration) -> Option<Answer> {
        let patient = patient(number);
        let body = self.world.body(&patient, number / self.customers.len());
        let token = &self.customer(number).token;
        let answer = self.client.link(token, key, &body).await;
        match &answer {
            Some(Answer::Accepted { workflow, replayed }) => {
                if *replayed {
                    // An earlier try was accepted, but its answer did not arrive.
                    self.journal.count("accepted by a lost call");
                }
                let customer = number % self.customers.len();
                self.journal
                    .acknowledged(*workflow, due, (customer, patient));
            }
            Some(Answer::Conflict { .. }) => self.journal.count("conflicts"),
            Some(Answer::Refused { status, code }) => self
                .journal
                .broken(format!("request {number} was refused: {status} {code}")),
            None => self
                .journal
                .broken(format!("request {number} was never answered")),
        }
        answer
    }

    async fn watch(&self, number: usize, workflow: WorkflowId) {
        let token = &self.customer(number).token;
        // Enough for the longest recovery: a lease that has to run out.
        for _ in 0..30 {
            let status = self.client.status(token, workflow, LONG_POLL).await;
            match status {
                Some(status) if status.status.is_end() || status.status == Status::Ambiguous => {
                    self.journal.count("watched to the end");
                    return;
                }
                Some(_) => {}
                None => break,
            }
        }
        self.journal
            .broken(format!("whoever watched {workflow} saw no end"));
    }

    async fn repeat(&self, number: usize, key: &str, workflow: WorkflowId) {
        let body = self
            .world
            .body(&patient(number), number / self.customers.len());
        let token = &self.customer(number).token;
        let again = self.client.link(token, key, &body).await;
        self.journal.count("repeated");
        let expected = Answer::Accepted {
            workflow,
            replayed: true,
        };
        if again != Some(expected) {
            self.journal
                .broken(format!("{key}, accepted as {workflow}, became {again:?}"));
        }
    }

    /// One is accepted; the other is told by which workflow, or accepted after that one has ended.
    fn compare_twins(&self, number: usize, one: Option<&Answer>, two: Option<&Answer>) {
        self.journal.count("twins");
        let fits = match (one, two) {
            (
                Some(Answer::Accepted { workflow, .. }),
                Some(Answer::Conflict { workflow: named }),
            )
            | (
                Some(Answer::Conflict { workflow: named }),
                Some(Answer::Accepted { workflow, .. }),
            ) => *named == Some(*workflow),
            (
                Some(Answer::Accepted { workflow: one, .. }),
                Some(Answer::Accepted { workflow: two, .. }),
            ) => {
                self.journal.count("twins accepted one after the other");
                one != two
            }
            _ => false,
        };
        if !fits {
            self.journal
                .broken(format!("twins {number}: {one:?} and {two:?}"));
        }
    }
}
