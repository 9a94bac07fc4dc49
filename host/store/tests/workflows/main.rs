//! What the store promises of workflows: one per idempotency key, one in flight per patient, no effect
//! of a lost lease, events in order, and a queue that loses nothing.

mod bench;
mod explore;
mod faulty;
mod parked;
mod queue;
#[path = "../world/mod.rs"]
mod world;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use patchbay_store::accept::{Accepted, LookUp, Seen};
use patchbay_store::complete::{Completed, HandBack, Verdict};
use patchbay_store::deliver::Told;
use patchbay_store::engine::Read;
use patchbay_store::inspect::{Counts, List};
use patchbay_store::keys::{self, BUCKETS, QueueKind};
use patchbay_store::lease::Cursor;
use patchbay_store::queue::Extend;
use patchbay_store::reconcile::{Expire, Finding, Mend, Overdue};
use patchbay_store::retry::{Retried, Retry};
use patchbay_store::transition::{self, Cause};
use patchbay_store::{Operation, StoreError, Tx};
use patchbay_workflow::{Actor, Blame, CustomerId, EventKind, Failure, Pins, Status, WorkflowId};

use crate::bench::{Bench, LEASE};

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
        let owner = transition::load(tx, self.0, Read::Serializable).await?;
        let owner = owner.expect("a workflow");
        let (customer, vests) = (owner.workflow.customer, owner.queued.expect("an item"));
        let id = self.0.as_uuid();
        tx.clear(&keys::item(QueueKind::Work, &customer, vests, id));
        Ok(())
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
async fn a_deadline_noted_too_early_is_moved_on() {
    let bench = Bench::new();
    let workflow = bench.accepted("north", 1, 1).await;
    bench.clock.advance(Duration::from_mins(5));
    bench.lease_one(QueueKind::Work).await;
    let sweep = async |bench: &Bench| {
        let now = bench.now();
        let overdue = (0..BUCKETS).map(|bucket| Overdue {
            bucket,
            after: None,
            now,
            limit: 9,
        });
        let mut found = Vec::new();
        for bucket in overdue {
            let page = bench.db.run(&bucket).await.unwrap();
            found.extend(page.into_iter().map(|(_, id)| id));
        }
        found
    };
    let mend = |bench: &Bench| Mend {
        workflow: workflow.id,
        now: bench.now(),
        most_executions: 5,
        again: Duration::from_mins(1),
    };
    // Seven minutes after acceptance it has been in progress for two.
    bench.clock.advance(Duration::from_mins(2));
    assert_eq!(sweep(&bench).await, [workflow.id]);
    assert_eq!(bench.db.run(&mend(&bench)).await.unwrap(), Finding::Moved);
    assert_eq!(sweep(&bench).await, []);
    bench.clock.advance(Duration::from_mins(5));
    assert_eq!(sweep(&bench).await, [workflow.id]);
    assert_eq!(bench.db.run(&mend(&bench)).await.unwrap(), Finding::Waiting);
}

/// What a cluster has to carry is known, and changes only when somebody means it to.
#[tokio::test]
async fn a_workflow_costs_few_key_writes() {
    let bench = Bench::new();
    let mut counted = Vec::new();
    let mut before = 0;
    let mut count = |bench: &Bench| {
        let writes = bench.db.stats().key_writes;
        counted.push(writes - before);
        before = writes;
    };
    // The customer's pointers are there once the first one has been accepted, and linked.
    for n in 1..=2 {
        bench.accepted("north", n, n).await;
        count(&bench);
        let lease = bench.lease_one(QueueKind::Work).await;
        count(&bench);
        let event = Some(bench.event(EventKind::Linked));
        bench.complete(&lease, bench.link(n), event).await;
        count(&bench);
        let delivery = bench.lease_one(QueueKind::Delivery).await;
        count(&bench);
        bench.told(&delivery, Told::Delivered).await;
        count(&bench);
    }
    assert_eq!(counted[..5], [13, 7, 17, 3, 10], "the first, with pointers");
    assert_eq!(counted[5..], [10, 7, 14, 3, 10]);
}

#[tokio::test]
async fn however_many_zones_are_due_each_has_its_turn() {
    const CUSTOMERS: usize = 400;
    let bench = Bench::new();
    for number in 0..CUSTOMERS {
        for patient in 0..2 {
            bench
                .accepted(&format!("c-{number}"), patient, patient)
                .await;
        }
    }
    let (mut after, mut served, mut batches) = (Cursor::default(), HashSet::new(), 0);
    while served.len() < CUSTOMERS {
        let batch = bench.lease_after(QueueKind::Work, 64, &after).await;
        served.extend(batch.leases.into_iter().map(|lease| lease.customer));
        after = batch.after;
        batches += 1;
        assert!(batches < 40, "{} were served", served.len());
    }
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
