//! The reckoning: what was promised in a run, held against what became of it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use patchbay_api::WorkflowId;
use patchbay_api::customer::LinkStatus;
use patchbay_api::workflows::Outcome;
use patchbay_workflow::Status;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::faults::Fault;
use crate::journal::{Journal, Record, Told, Window};
use crate::layout::Customer;

/// Statuses asked for at once.
const AT_ONCE: usize = 32;
/// A broken connection counts as the kill's own if it was noticed this long after the process was back.
const NOTICED: Duration = Duration::from_secs(2);

/// What became of the workflows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends {
    pub(crate) accounted: u64,
    pub(crate) linked: u64,
    pub(crate) no_results: u64,
    pub(crate) ambiguous: u64,
    pub(crate) failed: u64,
}

/// Asks through the proxy how every acknowledged workflow ended, and compares with what was told.
pub(crate) async fn ends(
    client: &Client,
    customers: &Arc<Vec<Customer>>,
    journal: &Journal,
) -> Ends {
    let statuses = statuses(client, customers, journal).await;
    let told: HashMap<WorkflowId, Vec<Told>> = journal.with(|record| {
        let mut told: HashMap<WorkflowId, Vec<Told>> = HashMap::new();
        for event in &record.told {
            told.entry(event.workflow).or_default().push(event.clone());
        }
        told
    });
    let mut ends = Ends::default();
    for (workflow, status) in statuses {
        let told = told.get(&workflow).map_or(&[][..], Vec::as_slice);
        let expected = match (status.status, status.outcome) {
            (Status::Completed, Outcome::Linked) => {
                ends.linked += 1;
                "link.linked"
            }
            (Status::Completed, Outcome::NoResults) => {
                ends.no_results += 1;
                "link.no-results"
            }
            (Status::Ambiguous, _) => {
                ends.ambiguous += 1;
                "link.choice-required"
            }
            (Status::Failed, _) => {
                ends.failed += 1;
                let why = status.failure.map_or_else(String::new, |why| why.code);
                journal.broken(format!(
                    "{workflow} failed ({why}): nothing here has to fail"
                ));
                continue;
            }
            (other, _) => {
                journal.broken(format!("{workflow} was acknowledged and is {other}"));
                continue;
            }
        };
        if told.iter().any(|event| event.kind == expected) {
            ends.accounted += 1;
        } else {
            let kinds: Vec<_> = told.iter().map(|event| &event.kind).collect();
            journal.broken(format!(
                "{workflow} ended as {expected}, told was {kinds:?}"
            ));
        }
    }
    ends
}

async fn statuses(
    client: &Client,
    customers: &Arc<Vec<Customer>>,
    journal: &Journal,
) -> Vec<(WorkflowId, LinkStatus)> {
    let asked: Vec<(WorkflowId, usize)> = journal.with(|record| {
        let all = record.acknowledged.iter();
        all.map(|(workflow, what)| (*workflow, what.customer))
            .collect()
    });
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut asking = JoinSet::new();
    for (workflow, customer) in asked {
        let place = places.clone().acquire_owned().await.expect("never closed");
        let (client, customers) = (client.clone(), customers.clone());
        asking.spawn(async move {
            let token = &customers[customer].token;
            let status = client.status(token, workflow, Duration::ZERO).await;
            drop(place);
            (workflow, status)
        });
    }
    let mut known = Vec::new();
    while let Some(answer) = asking.join_next().await {
        match answer.expect("asking does not fail") {
            (workflow, Some(status)) => known.push((workflow, status)),
            (workflow, None) => journal.broken(format!("{workflow} cannot be asked about")),
        }
    }
    known
}

/// Checks what was told: no contradictions, one id per event, each patient's events in order.
pub(crate) fn check_webhooks(journal: &Journal, customers: &[Customer]) {
    let broken = journal.with(|record| {
        let mut broken = Vec::new();
        ids(record, &mut broken);
        patients(record, customers, &mut broken);
        broken
    });
    for what in broken {
        journal.broken(what);
    }
}

fn ids(record: &Record, broken: &mut Vec<String>) {
    let mut by_id: HashMap<&str, &Told> = HashMap::new();
    let mut by_event: HashMap<(WorkflowId, &str), &str> = HashMap::new();
    for event in &record.told {
        let first = by_id.entry(&event.id).or_insert(event);
        let same = first.workflow == event.workflow
            && first.kind == event.kind
            && first.sequence == event.sequence
            && first.internal == event.internal;
        if !same {
            broken.push(format!("event {} came with two contents", event.id));
        }
        let id = by_event
            .entry((event.workflow, &event.kind))
            .or_insert(&event.id);
        if *id != event.id {
            broken.push(format!(
                "{} of {} came under two ids, {id} and {}",
                event.kind, event.workflow, event.id
            ));
        }
    }
}

fn patients(record: &Record, customers: &[Customer], broken: &mut Vec<String>) {
    let mut seen = HashSet::new();
    let mut patients: HashMap<(&str, &str), Vec<&Told>> = HashMap::new();
    for event in &record.told {
        // The order counts of the first time that each event came.
        if seen.insert(&event.id) {
            let patient = (event.customer.as_str(), event.patient.as_str());
            patients.entry(patient).or_default().push(event);
        }
        if let Some(acknowledged) = record.acknowledged.get(&event.workflow) {
            let customer = &customers[acknowledged.customer].id;
            if *customer != event.customer || acknowledged.patient != event.patient {
                broken.push(format!("{} told somebody else's patient", event.workflow));
            }
        }
    }
    for events in patients.values() {
        let workflows = || {
            events
                .iter()
                .map(|event| event.workflow)
                .collect::<Vec<_>>()
        };
        let in_order = (1..).zip(events).all(|(n, event)| event.sequence == n);
        if !in_order {
            let numbers: Vec<_> = events.iter().map(|event| event.sequence).collect();
            broken.push(format!(
                "events {numbers:?} in this order: {:?}",
                workflows()
            ));
        }
        let results: HashSet<_> = events
            .iter()
            .map(|event| (&event.kind, &event.internal))
            .collect();
        if results.len() > 1 {
            broken.push(format!("{results:?} of one patient: {:?}", workflows()));
        }
    }
}

/// Into which fault something fell.
fn fault_at(windows: &[Window], at: Duration) -> Option<&'static str> {
    let window = windows
        .iter()
        .find(|window| window.began <= at && at <= window.ready + NOTICED);
    window.map(|window| window.fault)
}

/// How often clients had to call again: by the fault, and by what they saw. What no fault excuses is a
/// broken promise.
pub(crate) fn retries(journal: &Journal) -> BTreeMap<String, BTreeMap<String, u64>> {
    let mut retries: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut broken = Vec::new();
    journal.with(|record| {
        for trouble in &record.troubles {
            let fault = fault_at(&record.windows, trouble.at).unwrap_or("none");
            if trouble.hard && !Fault::excuses(fault, &trouble.kind) {
                let at = trouble.at.as_secs_f64();
                broken.push(format!("at {at:.1} s, fault: {fault}: {}", trouble.kind));
            }
            let kinds = retries.entry(fault.to_owned()).or_default();
            *kinds.entry(trouble.kind.clone()).or_default() += 1;
        }
    });
    for what in broken {
        journal.broken(what);
    }
    retries
}

/// The phase that a time belongs to, for the figures of latency.
pub(crate) fn phase_at(windows: &[Window], at: Duration) -> &'static str {
    windows
        .iter()
        .find(|window| window.began <= at && at <= window.caught_up)
        .map_or("steady", |window| window.fault)
}
