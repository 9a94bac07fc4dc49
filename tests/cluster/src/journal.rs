//! What happened in a run, as its clients, its webhook endpoint and whoever kills processes saw it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use patchbay_e2e::Webhook;
use patchbay_workflow::WorkflowId;
use tokio::sync::watch;

use crate::clock::Clock;

/// How many broken promises are kept word for word.
const KEPT: usize = 100;

/// A request that was answered with a workflow.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) customer: usize,
    pub(crate) patient: String,
    /// When it was due to be sent for the first time.
    pub(crate) asked: Duration,
    pub(crate) at: Duration,
}

/// A webhook with a good signature.
#[derive(Debug, Clone)]
pub(crate) struct Told {
    pub(crate) id: String,
    pub(crate) workflow: WorkflowId,
    pub(crate) customer: String,
    pub(crate) patient: String,
    pub(crate) sequence: u64,
    pub(crate) kind: String,
    pub(crate) internal: Option<String>,
    pub(crate) at: Duration,
}

/// A call that a client had to make again.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) at: Duration,
    pub(crate) kind: String,
    /// Nothing that the API promises: a broken connection, an answer of the proxy's own.
    pub(crate) hard: bool,
}

/// Something that was done to the cluster.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) fault: &'static str,
    pub(crate) target: String,
    pub(crate) began: Duration,
    /// The process is back and says that it is ready.
    pub(crate) ready: Duration,
    /// Everything acknowledged until then has been told.
    pub(crate) caught_up: Duration,
    /// The longest time within it in which nothing was acknowledged.
    pub(crate) gap: Duration,
}

#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) acknowledged: HashMap<WorkflowId, Acknowledged>,
    /// Acknowledged and not told yet, oldest first.
    waiting: BTreeSet<(Duration, WorkflowId)>,
    told_of: HashSet<WorkflowId>,
    pub(crate) told: Vec<Told>,
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) windows: Vec<Window>,
    /// How often what was counted happened.
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) broken: Vec<String>,
    pub(crate) broken_in_all: usize,
    last_acknowledged: Duration,
    longest_gap: Duration,
}

/// Shared by everything in a run.
#[derive(Debug, Clone)]
pub(crate) struct Journal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    record: Mutex<Record>,
    acknowledged: watch::Sender<u64>,
    sent: watch::Sender<u64>,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            clock: Clock::start(),
            record: Mutex::default(),
            acknowledged: watch::Sender::new(0),
            sent: watch::Sender::new(0),
        }))
    }

    pub(crate) fn clock(&self) -> Clock {
        self.0.clock
    }

    pub(crate) fn now(&self) -> Duration {
        self.0.clock.now()
    }

    pub(crate) fn with<T>(&self, read: impl FnOnce(&mut Record) -> T) -> T {
        read(&mut self.0.record.lock())
    }

    pub(crate) fn count(&self, what: &'static str) {
        *self.0.record.lock().counts.entry(what).or_default() += 1;
    }

    /// A promise was broken.
    pub(crate) fn broken(&self, what: String) {
        let mut record = self.0.record.lock();
        record.broken_in_all += 1;
        if record.broken.len() < KEPT {
            eprintln!("broken: {what}");
            record.broken.push(what);
        }
    }

    pub(crate) fn trouble(&self, kind: String, hard: bool) {
        let at = self.now();
        let trouble = Trouble { at, kind, hard };
        self.0.record.lock().troubles.push(trouble);
    }

    /// A link request is on its way now.
    pub(crate) fn sent(&self) {
        self.0.sent.send_modify(|count| *count += 1);
    }

    /// Waits until the next link request is on its way.
    pub(crate) async fn next_sent(&self) {
        let mut sent = self.0.sent.subscribe();
        // The sender lives as long as this journal.
        let _ = sent.changed().await;
    }

    /// A request was answered with this workflow, for the first time.
    pub(crate) fn acknowledged(
        &self,
        workflow: WorkflowId,
        asked: Duration,
        what: (usize, String),
    ) {
        let at = self.now();
        {
            let mut record = self.0.record.lock();
            record.longest_gap = record
                .longest_gap
                .max(at.saturating_sub(record.last_acknowledged));
            record.last_acknowledged = at;
            if !record.told_of.contains(&workflow) {
                record.waiting.insert((at, workflow));
            }
            let (customer, patient) = what;
            let acknowledged = Acknowledged {
                customer,
                patient,
                asked,
                at,
            };
            record.acknowledged.insert(workflow, acknowledged);
        }
        self.0.acknowledged.send_modify(|count| *count += 1);
    }

    /// Waits until that many more requests were acknowledged.
    pub(crate) async fn more_acknowledged(&self, more: u64, limit: Duration) -> bool {
        let mut acknowledged = self.0.acknowledged.subscribe();
        let goal = *acknowledged.borrow() + more;
        let reached = acknowledged.wait_for(|count| *count >= goal);
        tokio::time::timeout(limit, reached).await.is_ok()
    }

    pub(crate) fn told(&self, webhook: &Webhook) {
        let at = self.now();
        let text = |pointer| {
            let value = webhook.body.pointer(pointer)?.as_str()?;
            Some(value.to_owned())
        };
        let workflow = text("/data/workflow-id").and_then(|id| id.parse::<WorkflowId>().ok());
        let Some(workflow) = workflow else {
            self.broken(format!("webhook {} names no workflow", webhook.id));
            return;
        };
        let told = Told {
            id: webhook.id.clone(),
            workflow,
            customer: webhook.customer.clone(),
            patient: text("/data/patient-id").unwrap_or_default(),
            sequence: webhook
                .body
                .pointer("/data/sequence")
                .and_then(serde_json::Value::as_u64)
                .unwrap_or_default(),
            kind: text("/type").unwrap_or_default(),
            internal: text("/data/link/internal-patient-id"),
            at,
        };
        let mut record = self.0.record.lock();
        record.told.push(told);
        record.told_of.insert(workflow);
        if let Some(acknowledged) = record.acknowledged.get(&workflow) {
            let place = (acknowledged.at, workflow);
            record.waiting.remove(&place);
        }
    }

    /// How many were acknowledged until then and have not been told of.
    pub(crate) fn untold(&self, until: Duration) -> usize {
        let record = self.0.record.lock();
        record
            .waiting
            .iter()
            .take_while(|(at, _)| *at <= until)
            .count()
    }

    /// Starts to measure the longest time without an acknowledgement.
    pub(crate) fn watch_gap(&self) {
        let now = self.now();
        let mut record = self.0.record.lock();
        record.longest_gap = Duration::ZERO;
        record.last_acknowledged = now;
    }

    pub(crate) fn longest_gap(&self) -> Duration {
        let now = self.now();
        let record = self.0.record.lock();
        record
            .longest_gap
            .max(now.saturating_sub(record.last_acknowledged))
    }
}
