//! The same promises over a store that does everything a store may do: whole lives of workflows under all
//! faults, crashes and outages, for many seeds.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use parking_lot::Mutex;
use patchbay_ambient::{Clock, Entropy, ManualClock, SeededEntropy};
use patchbay_store::accept::Accepted;
use patchbay_store::complete::{Completed, Verdict};
use patchbay_store::deliver::Told;
use patchbay_store::engine::simulated::{Faults, SimulatedEngine, SimulatedStats};
use patchbay_store::inspect::{AnyWorkflow, Counts, History, PatientMapping};
use patchbay_store::keys::QueueKind;
use patchbay_store::lease::{Batch, WatchQueue};
use patchbay_store::queue::{Lease, Tend};
use patchbay_workflow::{
    Blame, CustomerId, EventKind, Failure, KeyedHash, Status, Workflow, WorkflowId,
};
use tokio::task::JoinSet;

use crate::bench::{Bench, LEASE};
use crate::queue::CheckQueue;
use crate::world;

const PATIENTS: u8 = 3;
const CUSTOMERS: [&str; 2] = ["north", "south"];

/// Whose, and its hash.
type Patient = (CustomerId, [u8; 16]);

/// One run: the store, and what its clients were told.
struct Run {
    bench: Bench,
    engine: Arc<SimulatedEngine>,
    chance: SeededEntropy,
    accepted: Mutex<BTreeSet<WorkflowId>>,
    /// Workflows by how often a worker was told that it had completed them.
    done: Mutex<BTreeMap<WorkflowId, u32>>,
    /// Whose messages were sent to each patient's customer, in order, again where they were sent again.
    sent: Mutex<BTreeMap<Patient, Vec<WorkflowId>>>,
}

#[test]
fn whole_lives_go_well_under_all_faults() {
    let mut total = SimulatedStats::default();
    for seed in 0..200 {
        let stats = world::live(|clock| live(seed, clock));
        for (sum, met) in counts(&mut total)
            .into_iter()
            .zip(counts(&mut stats.clone()))
        {
            *sum += *met;
        }
    }
    let told = format!("{total:?}");
    for met in counts(&mut total) {
        assert!(*met > 10, "{told}");
    }
}

/// What has to be met for the test to be worth something.
fn counts(stats: &mut SimulatedStats) -> [&mut u64; 16] {
    [
        &mut stats.shared_versions,
        &mut stats.conflicts,
        &mut stats.false_conflicts,
        &mut stats.too_old_reads,
        &mut stats.too_old_commits,
        &mut stats.busy_commits,
        &mut stats.maybe_applied,
        &mut stats.maybe_lost,
        &mut stats.unavailable_begins,
        &mut stats.unavailable_reads,
        &mut stats.unavailable_commits,
        &mut stats.watches_stale,
        &mut stats.watches_late,
        &mut stats.watches_failed,
        &mut stats.crashes,
        &mut stats.refused_away,
    ]
}

async fn live(seed: u64, clock: Arc<ManualClock>) -> SimulatedStats {
    let engine = SimulatedEngine::new(seed, clock.clone(), Faults::all());
    let entropy = Arc::new(SeededEntropy::new(seed));
    let run = Arc::new(Run {
        bench: Bench::over(engine.clone(), clock.clone(), entropy),
        engine,
        chance: SeededEntropy::new(seed),
        accepted: Mutex::default(),
        done: Mutex::default(),
        sent: Mutex::default(),
    });
    let mut customers = JoinSet::new();
    // Each request comes twice, and every other patient's again under another key.
    for (customer, patient) in CUSTOMERS
        .iter()
        .flat_map(|customer| (0..PATIENTS).map(move |patient| (*customer, patient)))
    {
        for key in [patient, patient, 100 + patient - patient % 2] {
            let run = run.clone();
            customers.spawn(async move { run.ask(customer, patient, key).await });
        }
    }
    let mut workers = JoinSet::new();
    for _ in 0..2 {
        let (working, delivering) = (run.clone(), run.clone());
        workers.spawn(async move { working.work().await });
        workers.spawn(async move { delivering.deliver().await });
    }
    let chaos = run.clone();
    workers.spawn(async move { chaos.strike().await });
    customers.join_all().await;
    run.wait_for_the_end().await;
    workers.shutdown().await;
    let stats = run.engine.stats();
    run.engine.set_faults(Faults::none());
    run.engine.recover();
    run.engine.set_away(false);
    run.finish().await;
    run.check().await;
    stats
}

impl Run {
    async fn ask(&self, customer: &str, patient: u8, key: u8) {
        let wait = self.chance.below(3000);
        self.bench.clock.sleep(Duration::from_millis(wait)).await;
        let accept = self.bench.accept(customer, patient, key, key);
        match self.bench.run(&accept).await {
            Accepted::New(workflow) | Accepted::Replay(workflow) => {
                self.accepted.lock().insert(workflow.id);
            }
            Accepted::InFlight(_) | Accepted::AlreadyLinked(_) => {}
            Accepted::KeyReused(_) => panic!("the body is the same"),
        }
    }

    /// A worker of the queue, which now and then takes longer than its lease.
    async fn work(&self) {
        loop {
            let batch = self.next(QueueKind::Work).await;
            for lease in batch.leases {
                let takes = match self.chance.below(20) {
                    0 => LEASE + Duration::from_secs(1),
                    _ => Duration::from_millis(self.chance.below(50)),
                };
                self.bench.clock.sleep(takes).await;
                self.complete(&lease).await;
            }
        }
    }

    async fn complete(&self, lease: &Lease) {
        let mut wanted = verdict(&self.bench, lease.item.patient);
        loop {
            let kind = match wanted {
                Verdict::Link(_) => EventKind::Linked,
                Verdict::NoResults => EventKind::NoResults,
                _ => EventKind::Failed,
            };
            let event = Some(self.bench.event(kind));
            match self.bench.complete(lease, wanted.clone(), event).await {
                Completed::Done(workflow, _) => {
                    *self.done.lock().entry(workflow.id).or_default() += 1;
                    return;
                }
                Completed::Already(_) | Completed::Lost => return,
                Completed::Changed => {}
                Completed::Contradiction(_) => {
                    wanted = Verdict::Fail(Failure::new(Blame::Backend, "contradiction"));
                }
            }
        }
    }

    /// A worker that delivers; every fourth message has to be sent again.
    async fn deliver(&self) {
        loop {
            for lease in self.next(QueueKind::Delivery).await.leases {
                let told = match self.chance.below(4) {
                    0 => Told::Again(self.bench.now().after(Duration::from_millis(100))),
                    _ => Told::Delivered,
                };
                self.send(&lease, told).await;
            }
        }
    }

    async fn send(&self, lease: &Lease, told: Told) {
        let patient = (lease.customer.clone(), *lease.item.patient.as_bytes());
        let id = lease.item.workflow;
        self.sent.lock().entry(patient).or_default().push(id);
        self.bench.told(lease, told).await;
    }

    /// Does what the workers were about to do when they were stopped: a message that tells of a failure
    /// outlives its workflow.
    async fn finish(&self) {
        loop {
            self.bench.clock.advance(2 * LEASE);
            let batch = self.bench.lease(QueueKind::Delivery, 9).await;
            if batch.leases.is_empty() {
                return;
            }
            for lease in &batch.leases {
                self.send(lease, Told::Delivered).await;
            }
        }
    }

    /// What is due; waits for that as workers do, by watches and by time.
    async fn next(&self, kind: QueueKind) -> Batch {
        loop {
            let mut watches = self.bench.run(&WatchQueue(kind)).await;
            let batch = self.bench.lease(kind, 3).await;
            for customer in &batch.idle_zones {
                self.bench.run(&Tend { kind, customer }).await;
            }
            if !batch.leases.is_empty() {
                return batch;
            }
            let changed = poll_fn(|context| {
                let mut fired = watches.iter_mut().map(|w| w.as_mut().poll(context));
                if fired.any(|fired| fired.is_ready()) {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            });
            tokio::select! {
                biased;
                () = changed => {}
                () = self.bench.clock.sleep(Duration::from_secs(5)) => {}
            }
        }
    }

    /// Crashes and outages, some of them during the start.
    async fn strike(&self) {
        let clock = &self.bench.clock;
        loop {
            clock
                .sleep(Duration::from_millis(self.chance.below(8000)))
                .await;
            let lasts = Duration::from_millis(self.chance.below(500));
            if self.chance.below(2) == 0 {
                self.engine.crash();
                clock.sleep(lasts).await;
                self.engine.recover();
            } else {
                self.engine.set_away(true);
                clock.sleep(lasts).await;
                self.engine.set_away(false);
            }
        }
    }

    async fn wait_for_the_end(&self) {
        let mut open = self.accepted.lock().clone();
        for _ in 0..1000 {
            let Some(id) = open.first().copied() else {
                return;
            };
            let status = self.bench.status(id).await;
            if matches!(status, Status::Completed | Status::Failed) {
                open.pop_first();
            } else {
                self.bench.clock.sleep(Duration::from_secs(1)).await;
            }
        }
        panic!("these never end: {open:?}");
    }

    async fn check(&self) {
        let accepted = self.accepted.lock().clone();
        let mut linked: BTreeMap<_, Vec<WorkflowId>> = BTreeMap::new();
        let mut ended: BTreeMap<(String, Status), u64> = BTreeMap::new();
        for id in &accepted {
            let found = self.bench.run(&AnyWorkflow(*id)).await;
            let workflow = found.expect("what was accepted is there");
            let status = workflow.status();
            let customer = workflow.customer.to_string();
            *ended.entry((customer.clone(), status)).or_default() += 1;
            let expected = verdict(&self.bench, workflow.patient);
            match (expected, status) {
                (Verdict::Link(_), Status::Completed) => {
                    let patient = (customer, *workflow.patient.as_bytes());
                    linked.entry(patient).or_default().push(*id);
                }
                (Verdict::Link(_) | Verdict::Fail(_), Status::Failed)
                | (Verdict::NoResults, Status::Completed) => {}
                (expected, status) => panic!("{expected:?} became {status:?}"),
            }
            self.check_timeline(&workflow).await;
        }
        for customer in CUSTOMERS {
            let customer: CustomerId = customer.parse().unwrap();
            self.check_customer(&customer, &ended, &linked).await;
        }
        for (workflow, times) in self.done.lock().iter() {
            assert_eq!(*times, 1, "{workflow} was completed {times} times");
        }
        for order in self.sent.lock().values_mut() {
            order.dedup();
            let different: BTreeSet<_> = order.iter().collect();
            assert_eq!(different.len(), order.len(), "told in turns: {order:?}");
        }
        let customers = CUSTOMERS.map(|name| name.parse().unwrap()).to_vec();
        assert_eq!(self.bench.run(&CheckQueue(customers)).await, Ok(0));
        for id in &accepted {
            let mut sent = self.sent.lock();
            assert!(sent.values_mut().flatten().any(|sent| *sent == *id));
        }
    }

    /// Its changes are all there, each once.
    async fn check_timeline(&self, workflow: &Workflow) {
        let history = self.bench.run(&History(workflow.id)).await;
        let ends = history
            .timeline
            .iter()
            .filter(|entry| matches!(entry.entry.to, Status::Completed | Status::Failed));
        assert_eq!(ends.count(), 1, "{:?}", history.timeline);
    }

    async fn check_customer(
        &self,
        customer: &CustomerId,
        ended: &BTreeMap<(String, Status), u64>,
        linked: &BTreeMap<(String, [u8; 16]), Vec<WorkflowId>>,
    ) {
        for (status, count) in self.bench.run(&Counts(customer)).await {
            let known = ended.get(&(customer.to_string(), status));
            assert_eq!(count, known.copied().unwrap_or(0), "{status:?}");
        }
        for patient in 0..PATIENTS {
            let hash = [patient; 16];
            let mapping = PatientMapping {
                customer,
                patient: KeyedHash::from_bytes(hash),
            };
            let mapping = self.bench.run(&mapping).await;
            let by: Vec<_> = mapping.iter().map(|mapping| mapping.workflow).collect();
            let linked = linked.get(&(customer.to_string(), hash));
            assert_eq!(Some(&by).filter(|by| !by.is_empty()), linked);
        }
    }
}

/// What is found of a patient, each time the same.
fn verdict(bench: &Bench, patient: KeyedHash) -> Verdict {
    let [patient, ..] = *patient.as_bytes();
    match patient % 3 {
        0 => Verdict::NoResults,
        1 => Verdict::Fail(Failure::new(Blame::Backend, "backend-rejected")),
        _ => bench.link(patient),
    }
}

/// A batch leased by a commit of which nobody knows is worked on at once, not when its leases have ended.
#[test]
fn a_batch_of_which_nobody_knows_is_still_its_workers() {
    let mut unknown = 0;
    for seed in 0..50 {
        unknown += world::live(async move |clock| {
            let faults = Faults {
                maybe_applied: 300,
                ..Faults::none()
            };
            let engine = SimulatedEngine::new(seed, clock.clone(), faults);
            let entropy = Arc::new(SeededEntropy::new(seed));
            let bench = Bench::over(engine.clone(), clock, entropy);
            for n in 0..5 {
                bench.accepted("north", n, n).await;
            }
            let before = engine.stats().maybe_applied;
            let batch = bench.lease(QueueKind::Work, 8).await;
            assert_eq!(batch.leases.len(), 5, "seed {seed}");
            engine.stats().maybe_applied - before
        });
    }
    assert!(unknown > 5, "met {unknown} times");
}
