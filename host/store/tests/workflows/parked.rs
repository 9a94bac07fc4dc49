//! An event whose formatter failed stands in its patient's order, and holds nobody up.

use patchbay_store::check::{CheckOptions, check};
use patchbay_store::complete::{NewEvent, Verdict};
use patchbay_store::deliver::Told;
use patchbay_store::keys::QueueKind;
use patchbay_store::lease::LoadEvent;
use patchbay_store::queue::Lease;
use patchbay_workflow::{Blame, EventKind, Failure, Workflow, WorkflowId};

use crate::bench::Bench;

/// Accepts a request of the patient and processes it with an event; it finds nobody.
async fn processed(bench: &Bench, patient: u8, key: u8, event: NewEvent) -> Workflow {
    let workflow = bench.accepted("north", patient, key).await;
    let lease = bench.lease_one(QueueKind::Work).await;
    assert_eq!(lease.item.workflow, workflow.id);
    bench
        .complete(&lease, Verdict::NoResults, Some(event))
        .await;
    workflow
}

/// What may be told now: whose event it is, and its number.
async fn due(bench: &Bench) -> Option<(Lease, WorkflowId, u64)> {
    let mut leases = bench.lease(QueueKind::Delivery, 9).await.leases;
    assert!(leases.len() <= 1, "two events of one patient are due");
    let lease = leases.pop()?;
    let (event, _) = bench.run(&LoadEvent(&lease)).await.expect("an event");
    Some((lease, event.workflow, event.number))
}

fn told(bench: &Bench) -> NewEvent {
    bench.event(EventKind::NoResults)
}

fn parked(bench: &Bench) -> NewEvent {
    NewEvent {
        message: Err(Failure::new(Blame::Plugin, "plugin-trapped")),
        ..told(bench)
    }
}

#[tokio::test]
async fn an_event_behind_a_parked_one_waits_for_the_first_and_is_told_after_it() {
    let bench = Bench::new();
    let first = processed(&bench, 1, 1, told(&bench)).await;
    let (lease, ..) = due(&bench).await.expect("the first");
    processed(&bench, 1, 2, parked(&bench)).await;
    processed(&bench, 1, 3, parked(&bench)).await;
    let fourth = processed(&bench, 1, 4, told(&bench)).await;
    assert!(due(&bench).await.is_none(), "the first is still under way");
    let repair = CheckOptions {
        repair: true,
        ..CheckOptions::default()
    };
    let report = check(&bench.db, repair, &()).await.unwrap();
    assert!(
        report.is_clean() && report.repaired.is_empty(),
        "{report:?}"
    );
    assert!(due(&bench).await.is_none(), "nor after a repair");
    let done = bench.told(&lease, Told::Delivered).await;
    assert_eq!(done.map(|workflow| workflow.id), Some(first.id));

    let (lease, workflow, number) = due(&bench).await.expect("the fourth");
    assert_eq!((workflow, number), (fourth.id, 4));
    bench.told(&lease, Told::Delivered).await;
    assert!(due(&bench).await.is_none());

    // The next ones go at once, also where all before them were parked.
    processed(&bench, 1, 5, parked(&bench)).await;
    let sixth = processed(&bench, 1, 6, told(&bench)).await;
    let (lease, workflow, number) = due(&bench).await.expect("the sixth");
    assert_eq!((workflow, number), (sixth.id, 6));

    // And where one was parked behind the last that was told, numbers go on behind it.
    processed(&bench, 1, 7, parked(&bench)).await;
    bench.told(&lease, Told::Delivered).await;
    let eighth = processed(&bench, 1, 8, told(&bench)).await;
    let (_, workflow, number) = due(&bench).await.expect("the eighth");
    assert_eq!((workflow, number), (eighth.id, 8));

    let report = check(&bench.db, CheckOptions::default(), &()).await;
    let report = report.unwrap();
    assert!(report.is_clean(), "{:?}", report.findings);
}
