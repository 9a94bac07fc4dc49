//! A store in the middle of everything, and raw access to its rows.

use std::collections::BTreeMap;
use std::time::Duration;

use patchbay_store::Database;
use patchbay_store::complete::{HandBack, NewEvent, Verdict};
use patchbay_store::deliver::Told;
use patchbay_store::engine::{RangeOptions, Read};
use patchbay_store::keys::QueueKind;
use patchbay_store::keys::parsed;
use patchbay_store::queue::Lease;
use patchbay_store::transition::Cause;
use patchbay_workflow::{Actor, Blame, EventKind, Failure};

use crate::bench::Bench;

pub(crate) type Rows = BTreeMap<Vec<u8>, Vec<u8>>;

/// Everything in a store.
pub(crate) async fn rows(db: &Database) -> Rows {
    let mut tx = db.engine().begin().await.unwrap();
    let all = RangeOptions {
        limit: usize::MAX,
        reverse: false,
        read: Read::Snapshot,
    };
    let rows = tx.get_range(&parsed::everything(), all).await.unwrap();
    rows.into_iter()
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect()
}

/// Writes rows, or removes them, behind everybody's back.
pub(crate) async fn write(db: &Database, rows: Vec<(Vec<u8>, Option<Vec<u8>>)>) {
    let mut tx = db.engine().begin().await.unwrap();
    for (key, value) in rows {
        match value {
            Some(value) => tx.set(&key, &value),
            None => tx.clear(&key),
        }
    }
    tx.commit().await.unwrap();
}

fn failure(code: &str) -> Failure {
    Failure::new(Blame::Backend, code)
}

/// Accepts a request and leases it: nothing else may be due.
async fn leased(bench: &Bench, customer: &str, patient: u8, key: u8) -> Lease {
    let workflow = bench.accepted(customer, patient, key).await;
    let lease = bench.lease_one(QueueKind::Work).await;
    assert_eq!(lease.item.workflow, workflow.id);
    lease
}

/// Processes a request to its end.
async fn done(bench: &Bench, patient: u8, key: u8, verdict: Verdict, event: Option<NewEvent>) {
    let lease = leased(bench, "north", patient, key).await;
    bench.complete(&lease, verdict, event).await;
}

async fn told(bench: &Bench, told: Told) {
    let lease = bench.lease_one(QueueKind::Delivery).await;
    bench.told(&lease, told).await;
}

/// Workflows in every state that can be reached, and the queue with items waiting, leased and handed back.
pub(crate) async fn busy() -> Bench {
    let bench = Bench::new();
    let linked = || Some(bench.event(EventKind::Linked));

    // Told, never told, nothing to tell, not formatted.
    done(&bench, 1, 1, bench.link(1), linked()).await;
    told(&bench, Told::Delivered).await;
    done(&bench, 2, 2, bench.link(2), linked()).await;
    told(&bench, Told::Dead(failure("endpoint-gone"))).await;
    done(&bench, 3, 3, Verdict::NoResults, None).await;
    let parked = NewEvent {
        message: Err(failure("plugin-trapped")),
        ..bench.event(EventKind::Linked)
    };
    done(&bench, 4, 4, bench.link(4), Some(parked)).await;

    // One patient with an event that was told, one told in vain so far, and one that waits for it.
    let failed = || Verdict::Fail(failure("backend-rejected"));
    let event = Some(bench.event(EventKind::Failed));
    done(&bench, 5, 5, failed(), event).await;
    told(&bench, Told::Delivered).await;
    let event = Some(bench.event(EventKind::Failed));
    done(&bench, 5, 6, failed(), event).await;
    for _ in 0..2 {
        let again = bench.now().after(Duration::from_mins(5));
        told(&bench, Told::Again(again)).await;
        bench.clock.advance(Duration::from_mins(6));
    }
    done(&bench, 5, 7, bench.link(5), linked()).await;

    // A choice is awaited; one has expired.
    let expires_at = bench.now().after(Duration::from_hours(24));
    for (patient, key) in [(6, 8), (7, 9)] {
        let candidates = bench.sealed.clone();
        let ask = Verdict::Ask {
            candidates,
            expires_at,
        };
        let event = (patient == 6).then(|| bench.event(EventKind::ChoiceRequired));
        done(&bench, patient, key, ask, event).await;
        if patient == 7 {
            bench.choice_expired("north").await;
        }
    }

    // In hand, given back, waiting; and a webhook under way.
    let lease = leased(&bench, "north", 8, 10).await;
    let at = bench.now().after(Duration::from_mins(1));
    let cause = Cause::new(bench.now(), Actor::Worker, "to-be-tried-again");
    let back = HandBack {
        lease: &lease,
        at,
        counts: true,
        cause,
    };
    assert!(bench.db.run(&back).await.unwrap());
    let now = NewEvent {
        deliver_now: Some((lease.token, Duration::from_secs(30))),
        ..bench.event(EventKind::Linked)
    };
    done(&bench, 9, 11, bench.link(5), Some(now)).await;
    leased(&bench, "south", 1, 1).await;
    leased(&bench, "north", 10, 12).await;
    bench.accepted("south", 2, 2).await;
    bench.accepted("north", 11, 13).await;
    bench
}
