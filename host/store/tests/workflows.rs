//! What the store promises of workflows: one per idempotency key, one in flight per patient, no effect
//! of a lost lease, events in order, and a queue that loses nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use patchbay_ambient::{ManualClock, SeededEntropy, SharedEntropy};
use patchbay_store::accept::{Accept, Accepted, Idempotency, LookUp, Seen};
use patchbay_store::complete::{
    Complete, Completed, Ground, HandBack, NewEvent, NewMapping, ReadGround, Verdict,
};
use patchbay_store::deliver::{RecordAttempt, Told};
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use patchbay_store::engine::{RangeOptions, Read};
use patchbay_store::inspect::{AnyWorkflow, Counts, List};
use patchbay_store::keys::{self, QueueKind};
use patchbay_store::lease::{Batch, LeaseBatch};
use patchbay_store::queue::{self, Extend, Lease, Tend};
use patchbay_store::reconcile::{Expire, Finding, Mend};
use patchbay_store::records::{DeliveryAttempt, Instant};
use patchbay_store::retry::{Retried, Retry};
use patchbay_store::transition::Cause;
use patchbay_store::{Database, Operation, StoreError, Tx};
use patchbay_vault::{Context, KeyRing, RecordKind, Sealed};
use patchbay_workflow::{
    Actor, Blame, CustomerId, Deadlines, EventKind, Failure, KeyedHash, LeaseToken, Pins,
    PluginDigest, PluginRef, RequestType, Status, Timestamp, Workflow, WorkflowId,
};
use proptest::prelude::*;

const LEASE: Duration = Duration::from_secs(30);

struct Bench {
    db: Database,
    clock: Arc<ManualClock>,
    entropy: SharedEntropy,
    sealed: Sealed,
}

impl Bench {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let entropy: SharedEntropy = Arc::new(SeededEntropy::new(7));
        let engine = EmbeddedEngine::in_memory(EmbeddedOptions::new(clock.clone())).unwrap();
        let ring = KeyRing::ephemeral(&*entropy);
        let context = Context {
            owner: "",
            kind: RecordKind::Request,
            id: b"test",
        };
        let sealed = ring
            .installation_key()
            .seal(&context, b"content", &*entropy);
        let db = Database::new(engine, clock.clone(), entropy.clone(), Deadlines::default());
        Self {
            db,
            clock,
            entropy,
            sealed,
        }
    }

    fn now(&self) -> Timestamp {
        use patchbay_ambient::Clock;
        self.clock.now()
    }

    fn accept(&self, customer: &str, patient: u8, key: u8, body: u8) -> Accept {
        let now = self.now();
        let workflow = Workflow::accepted(
            self.entropy.workflow_id(now),
            self.entropy.request_id(now),
            RequestType::Link,
            customer.parse().unwrap(),
            KeyedHash::from_bytes([patient; 16]),
            Pins::default(),
            now,
        );
        let idempotency = Idempotency {
            key: KeyedHash::from_bytes([key; 16]),
            fingerprint: KeyedHash::from_bytes([body; 16]),
            expires_at: now.after(Duration::from_hours(24)),
        };
        Accept {
            workflow,
            idempotency,
            request: self.sealed.clone(),
        }
    }

    async fn accepted(&self, customer: &str, patient: u8, key: u8) -> Workflow {
        match self
            .db
            .run(&self.accept(customer, patient, key, key))
            .await
            .unwrap()
        {
            Accepted::New(workflow) => workflow,
            other => panic!("not accepted: {other:?}"),
        }
    }

    async fn lease(&self, kind: QueueKind, max: usize) -> Batch {
        let tokens: Vec<LeaseToken> = (0..max)
            .map(|_| self.entropy.lease_token(self.now()))
            .collect();
        let operation = LeaseBatch {
            kind,
            now: self.now(),
            length: LEASE,
            max,
            room: &HashMap::new(),
            default_room: 100,
            turn: self.entropy.next_u64(),
            tokens: &tokens,
        };
        self.db.run(&operation).await.unwrap()
    }

    async fn lease_one(&self, kind: QueueKind) -> Lease {
        self.lease(kind, 1)
            .await
            .leases
            .pop()
            .expect("something is due")
    }

    async fn ground(&self, workflow: &Workflow) -> Ground {
        let (customer, patient) = (&workflow.customer, workflow.patient);
        self.db
            .run(&ReadGround {
                customer,
                patient,
                candidates: &[],
            })
            .await
            .unwrap()
    }

    fn event(&self, kind: EventKind) -> NewEvent {
        let id = self.entropy.event_id(self.now());
        NewEvent {
            id,
            kind,
            message: Ok(self.sealed.clone()),
            deliver_now: None,
        }
    }

    async fn complete(
        &self,
        lease: &Lease,
        verdict: Verdict,
        event: Option<NewEvent>,
    ) -> Completed {
        let found = self
            .db
            .run(&AnyWorkflow(lease.item.workflow))
            .await
            .unwrap()
            .unwrap();
        let operation = Complete {
            workflow: found.id,
            by: Ok(lease),
            verdict,
            event,
            candidates: &[],
            ground: self.ground(&found).await,
            cause: Cause::new(self.now(), Actor::Worker, "test"),
        };
        self.db.run(&operation).await.unwrap()
    }

    fn link(&self, internal: u8) -> Verdict {
        Verdict::Link(NewMapping {
            internal: KeyedHash::from_bytes([internal; 16]),
            backend: "fhir".parse().unwrap(),
            adapter: PluginRef {
                name: "search-fhir".to_owned(),
                digest: PluginDigest::from_bytes([1; 32]),
            },
            sealed: self.sealed.clone(),
        })
    }

    async fn told(&self, lease: &Lease, told: Told) -> Option<Workflow> {
        let attempt = DeliveryAttempt {
            at: self.now(),
            status: Some(200),
            error: None,
            latency_ms: 3,
            answer: None,
        };
        let now = self.now();
        self.db
            .run(&RecordAttempt {
                lease,
                attempt,
                told,
                now,
            })
            .await
            .unwrap()
    }

    async fn status(&self, id: WorkflowId) -> Status {
        self.db
            .run(&AnyWorkflow(id))
            .await
            .unwrap()
            .unwrap()
            .status()
    }
}

#[tokio::test]
async fn one_key_makes_one_workflow_however_often_it_comes_at_once() {
    let bench = Arc::new(Bench::new());
    let answers = (0..50).map(|_| {
        let bench = bench.clone();
        tokio::spawn(async move { bench.db.run(&bench.accept("north", 1, 1, 1)).await.unwrap() })
    });
    let mut named = std::collections::HashSet::new();
    let mut new = 0;
    for answer in answers.collect::<Vec<_>>() {
        match answer.await.unwrap() {
            Accepted::New(workflow) => {
                new += 1;
                named.insert(workflow.id);
            }
            Accepted::Replay(workflow) => {
                named.insert(workflow.id);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((new, named.len()), (1, 1));
    let id = *named.iter().next().unwrap();

    let other_body = bench.db.run(&bench.accept("north", 1, 1, 2)).await.unwrap();
    assert_eq!(other_body, Accepted::KeyReused(id));
    let other_key = bench.db.run(&bench.accept("north", 1, 2, 2)).await.unwrap();
    assert_eq!(other_key, Accepted::InFlight(id));
    // Another customer's key and patient are nothing to this one.
    bench.accepted("south", 1, 1).await;

    // A day later the key is free, whether or not its record was removed yet.
    bench.clock.advance(Duration::from_hours(25));
    let accept = bench.accept("north", 1, 1, 9);
    let look_up = LookUp {
        customer: &accept.workflow.customer,
        idempotency: accept.idempotency,
        now: bench.now(),
    };
    assert_eq!(bench.db.run(&look_up).await.unwrap(), Seen::Never);
    assert_eq!(
        bench
            .db
            .run(&Expire {
                now: bench.now(),
                limit: 100
            })
            .await
            .unwrap(),
        2
    );
    assert_eq!(
        bench
            .db
            .run(&Expire {
                now: bench.now(),
                limit: 100
            })
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_lost_lease_changes_nothing() {
    let bench = Bench::new();
    let workflow = bench.accepted("north", 1, 1).await;
    let lost = bench.lease_one(QueueKind::Work).await;
    bench.clock.advance(LEASE + Duration::from_millis(1));
    let held = bench.lease_one(QueueKind::Work).await;
    assert_eq!(held.id, lost.id);

    assert!(matches!(
        bench.complete(&lost, bench.link(1), None).await,
        Completed::Lost
    ));
    let until = bench.now().after(LEASE);
    assert_eq!(
        bench
            .db
            .run(&Extend {
                lease: &lost,
                until
            })
            .await
            .unwrap(),
        None
    );
    let back = HandBack {
        lease: &lost,
        at: bench.now(),
        counts: true,
        cause: Cause::new(bench.now(), Actor::Worker, "test"),
    };
    assert!(!bench.db.run(&back).await.unwrap());

    let held = bench
        .db
        .run(&Extend {
            lease: &held,
            until: until.after(LEASE),
        })
        .await
        .unwrap();
    let held = held.expect("still ours");
    let event = Some(bench.event(EventKind::Linked));
    assert!(matches!(
        bench.complete(&held, bench.link(2), event).await,
        Completed::Done(..)
    ));
    assert_eq!(bench.status(workflow.id).await, Status::Linked);
    // The same completion again, as after a commit whose end was not known.
    assert!(matches!(
        bench.complete(&held, bench.link(2), None).await,
        Completed::Already(_)
    ));
}

#[tokio::test]
async fn a_patients_events_are_told_in_their_order() {
    let bench = Bench::new();
    let first = bench.accepted("north", 1, 1).await;
    let lease = bench.lease_one(QueueKind::Work).await;
    let failed = Verdict::Fail(Failure::new(Blame::Backend, "backend-rejected"));
    bench
        .complete(&lease, failed, Some(bench.event(EventKind::Failed)))
        .await;
    assert_eq!(bench.status(first.id).await, Status::Failed);

    let second = bench.accepted("north", 1, 2).await;
    let lease = bench.lease_one(QueueKind::Work).await;
    assert_eq!(lease.item.workflow, second.id);
    bench
        .complete(&lease, bench.link(1), Some(bench.event(EventKind::Linked)))
        .await;

    // Only the first may go, also when it has to be tried again.
    let delivery = bench.lease_one(QueueKind::Delivery).await;
    assert_eq!(delivery.item.workflow, first.id);
    let later = bench.now().after(Duration::from_mins(1));
    assert_eq!(bench.told(&delivery, Told::Again(later)).await, None);
    assert!(bench.lease(QueueKind::Delivery, 9).await.leases.is_empty());
    bench.clock.advance(Duration::from_secs(61));
    let delivery = bench.lease_one(QueueKind::Delivery).await;
    assert_eq!(delivery.item.workflow, first.id);
    // It fails for good: the workflow had failed anyway, and the next may go.
    let gone = Failure::new(Blame::CustomerEndpoint, "endpoint-gone");
    assert_eq!(bench.told(&delivery, Told::Dead(gone)).await, None);
    let delivery = bench.lease_one(QueueKind::Delivery).await;
    assert_eq!(delivery.item.workflow, second.id);
    let told = bench
        .told(&delivery, Told::Delivered)
        .await
        .expect("completed");
    assert_eq!(told.status(), Status::Completed);
    assert!(bench.lease(QueueKind::Delivery, 9).await.leases.is_empty());
}

#[tokio::test]
async fn a_retry_takes_the_patient_again_and_two_results_never_stand() {
    let bench = Bench::new();
    let failed = bench.accepted("north", 1, 1).await;
    let lease = bench.lease_one(QueueKind::Work).await;
    let verdict = Verdict::Fail(Failure::new(Blame::Plugin, "plugin-trapped"));
    bench.complete(&lease, verdict, None).await;
    let other = bench.accepted("north", 1, 2).await;

    let retry = |bench: &Bench| Retry {
        workflow: failed.id,
        pins: Pins::default(),
        actor: Actor::Operator("root".to_owned()),
        now: bench.now(),
    };
    assert_eq!(
        bench.db.run(&retry(&bench)).await.unwrap(),
        Retried::InFlight(other.id)
    );
    let lease = bench.lease_one(QueueKind::Work).await;
    bench.complete(&lease, bench.link(1), None).await;
    assert_eq!(
        bench.status(other.id).await,
        Status::Completed,
        "nobody is to be told"
    );
    assert_eq!(
        bench.db.run(&retry(&bench)).await.unwrap(),
        Retried::AlreadyLinked(other.id)
    );
    let linked = bench.db.run(&bench.accept("north", 1, 3, 3)).await.unwrap();
    assert_eq!(linked, Accepted::AlreadyLinked(other.id));

    let customer: CustomerId = "north".parse().unwrap();
    let counts: HashMap<Status, u64> = bench
        .db
        .run(&Counts(&customer))
        .await
        .unwrap()
        .into_iter()
        .collect();
    assert_eq!(
        (counts[&Status::Completed], counts[&Status::Failed]),
        (1, 1)
    );
    assert_eq!(counts.values().sum::<u64>(), 2);
    let list = List {
        customer: &customer,
        status: Status::Failed,
        before: None,
        limit: 10,
    };
    assert_eq!(bench.db.run(&list).await.unwrap().len(), 1);
}

/// Takes an item out of the queue behind everybody's back.
struct Steal(WorkflowId);

#[async_trait::async_trait]
impl Operation for Steal {
    type Output = ();
    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        queue::remove(tx, QueueKind::Work, self.0.as_uuid()).await
    }
}

#[tokio::test]
async fn a_missing_item_is_put_back_and_a_waiting_one_is_left_alone() {
    let bench = Bench::new();
    let workflow = bench.accepted("north", 1, 1).await;
    let mend = |bench: &Bench| Mend {
        workflow: workflow.id,
        now: bench.now(),
        most_executions: 5,
        again: Duration::from_mins(1),
    };
    assert_eq!(
        bench.db.run(&mend(&bench)).await.unwrap(),
        Finding::Moved,
        "not overdue yet"
    );
    bench.clock.advance(Duration::from_mins(8));
    assert_eq!(bench.db.run(&mend(&bench)).await.unwrap(), Finding::Waiting);

    bench.db.run(&Steal(workflow.id)).await.unwrap();
    assert!(bench.lease(QueueKind::Work, 9).await.leases.is_empty());
    bench.clock.advance(Duration::from_secs(61));
    assert_eq!(
        bench.db.run(&mend(&bench)).await.unwrap(),
        Finding::Requeued
    );
    assert_eq!(
        bench.lease_one(QueueKind::Work).await.item.workflow,
        workflow.id
    );
}

#[tokio::test]
async fn a_long_backlog_takes_no_more_of_a_batch_than_a_short_one() {
    let bench = Bench::new();
    for patient in 0..40 {
        bench.accepted("busy", patient, patient).await;
    }
    bench.accepted("quiet", 1, 1).await;
    bench.accepted("calm", 1, 1).await;
    let batch = bench.lease(QueueKind::Work, 3).await;
    let mut customers: Vec<_> = batch
        .leases
        .iter()
        .map(|l| l.customer.to_string())
        .collect();
    customers.sort();
    assert_eq!(customers, ["busy", "calm", "quiet"]);
}

/// The queue's invariant, for every zone: not empty → pointer at or before its first vesting time.
struct CheckQueue(Vec<CustomerId>);

#[async_trait::async_trait]
impl Operation for CheckQueue {
    type Output = Result<usize, String>;
    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        let mut items = 0;
        for customer in &self.0 {
            let all = RangeOptions {
                limit: 10_000,
                reverse: false,
                read: Read::Snapshot,
            };
            let zone = tx
                .get_range(&keys::zone(QueueKind::Work, customer), all)
                .await?;
            items += zone.len();
            let locator = keys::pointer_locator(QueueKind::Work, customer);
            let tick = tx.record::<Instant>(&locator, Read::Snapshot).await?;
            if let Some((key, _)) = zone.first() {
                let (first, _) = keys::parse_item(key).expect("an item's key");
                match tick {
                    Some(Instant(tick)) if tick <= first => {}
                    other => return Ok(Err(format!("{customer}: {first:?} before {other:?}"))),
                }
            }
            if let Some(Instant(tick)) = tick {
                let pointer = keys::pointer(QueueKind::Work, tick, customer);
                if tx.get(&pointer, Read::Snapshot).await?.is_none() {
                    return Ok(Err(format!("{customer}: its locator points nowhere")));
                }
            }
        }
        Ok(Ok(items))
    }
}

#[derive(Debug, Clone)]
enum Step {
    Accept { customer: usize, patient: u8 },
    Lease { max: usize },
    HandBack { wait_ms: u64, counts: bool },
    Finish,
    Forget,
    Tend { customer: usize },
    Wait { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..3_usize, 0..20_u8).prop_map(|(customer, patient)| Step::Accept { customer, patient }),
        4 => (1..5_usize).prop_map(|max| Step::Lease { max }),
        2 => (0..90_000_u64, any::<bool>())
            .prop_map(|(wait_ms, counts)| Step::HandBack { wait_ms, counts }),
        3 => Just(Step::Finish),
        1 => Just(Step::Forget),
        2 => (0..3_usize).prop_map(|customer| Step::Tend { customer }),
        3 => (0..40_000_u64).prop_map(|ms| Step::Wait { ms }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever is done to the queue, its invariant holds after each step, and in the end every
    /// workflow accepted can be found and finished.
    #[test]
    fn the_queue_loses_nothing(steps in proptest::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async move {
            let bench = Bench::new();
            let customers: Vec<CustomerId> =
                ["a", "b", "c"].map(|name| name.parse().unwrap()).to_vec();
            let mut held: Vec<Lease> = Vec::new();
            let mut open = 0_usize;
            let mut key = 0_u8;
            for step in steps {
                match step {
                    Step::Accept { customer, patient } => {
                        key = key.wrapping_add(1);
                        let accept = bench.accept(customers[customer].as_str(), patient, key, key);
                        if let Accepted::New(_) = bench.db.run(&accept).await.unwrap() {
                            open += 1;
                        }
                    }
                    Step::Lease { max } => held.extend(bench.lease(QueueKind::Work, max).await.leases),
                    Step::HandBack { wait_ms, counts } => if let Some(lease) = held.pop() {
                        let at = bench.now().after(Duration::from_millis(wait_ms));
                        let cause = Cause::new(bench.now(), Actor::Worker, "test");
                        bench.db.run(&HandBack { lease: &lease, at, counts, cause }).await.unwrap();
                    },
                    Step::Finish => if let Some(lease) = held.pop()
                        && let Completed::Done(..) = bench.complete(&lease, Verdict::NoResults, None).await
                    {
                        open -= 1;
                    },
                    Step::Forget => { held.pop(); }
                    Step::Tend { customer } => {
                        let customer = &customers[customer];
                        bench.db.run(&Tend { kind: QueueKind::Work, customer }).await.unwrap();
                    }
                    Step::Wait { ms } => bench.clock.advance(Duration::from_millis(ms)),
                }
                let items = bench.db.run(&CheckQueue(customers.clone())).await.unwrap();
                assert_eq!(items, Ok(open), "every open workflow has one item");
            }
            bench.clock.advance(Duration::from_mins(10));
            while open > 0 {
                let batch = bench.lease(QueueKind::Work, 8).await;
                assert!(!batch.leases.is_empty(), "{open} cannot be found");
                for lease in batch.leases {
                    let done = bench.complete(&lease, Verdict::NoResults, None).await;
                    assert!(matches!(done, Completed::Done(..)));
                    open -= 1;
                }
            }
        });
    }
}
