//! `store check` finds nothing where nothing is wrong, and whatever is; and what it mends is mended.

#[allow(dead_code, reason = "shared with other tests")]
#[path = "workflows/bench.rs"]
mod bench;
#[path = "check/busy.rs"]
mod busy;
#[path = "check/corruptions.rs"]
mod corruptions;

use std::sync::Arc;
use std::time::Duration;

use patchbay_store::check::{CheckOptions, Class, Code, Report, check};
use patchbay_store::complete::Verdict;
use patchbay_store::counter;
use patchbay_store::deliver::Told;
use patchbay_store::keys::parsed::{Key, subspace_of};
use patchbay_store::keys::{self, QueueKind};
use patchbay_store::queue::Tend;
use patchbay_workflow::{EventKind, Status};
use proptest::prelude::*;
use tokio::task::JoinSet;

use crate::bench::Bench;
use crate::busy::{Rows, busy, rows, write};

/// Pages as small as they get, so that their ends are everywhere.
const SMALL: CheckOptions = CheckOptions {
    repair: false,
    listed: 1_000,
    page_rows: 3,
    counted_at_once: 2,
};

async fn checked(bench: &Bench, options: CheckOptions) -> Report {
    check(&bench.db, options, &()).await.unwrap()
}

async fn repaired(bench: &Bench, options: CheckOptions) -> Report {
    let repair = true;
    checked(bench, CheckOptions { repair, ..options }).await
}

#[tokio::test]
async fn nothing_is_found_in_the_middle_of_everything() {
    let bench = busy().await;
    for options in [CheckOptions::default(), SMALL] {
        let report = checked(&bench, options).await;
        assert!(report.is_clean(), "{:#?}", report.findings);
        assert!(report.unsettled.is_empty());
        assert_eq!(
            report.rows.values().sum::<u64>(),
            rows(&bench.db).await.len() as u64
        );
    }
    // Leases lost, deliveries overdue, idempotency keys expired: still nothing.
    bench.clock.advance(Duration::from_hours(30));
    bench.lease(QueueKind::Work, 3).await;
    let report = repaired(&bench, SMALL).await;
    assert!(report.is_clean(), "{:#?}", report.findings);
    assert_eq!((report.walks, report.repaired.len()), (1, 0));
}

#[tokio::test]
async fn each_invariant_is_watched() {
    for code in Code::ALL.iter().copied() {
        let bench = busy().await;
        let before = rows(&bench.db).await;
        write(&bench.db, corruptions::corruption(code, &before)).await;
        let broken = rows(&bench.db).await;
        let report = checked(&bench, SMALL).await;
        assert!(report.found.contains_key(&code), "{code}: {report:#?}");
        let finding = report.findings.iter().find(|found| found.code == code);
        assert!(finding.is_some_and(|found| found.ids.get("in").is_some()));
        assert_eq!(rows(&bench.db).await, broken, "a check only reads");

        let report = repaired(&bench, CheckOptions::default()).await;
        if code.class() == Class::Lost {
            assert!(report.found.contains_key(&code), "{code}: {report:#?}");
            continue;
        }
        assert!(report.repaired.contains_key(&code), "{code}: {report:#?}");
        assert!(report.is_clean(), "{code}: {report:#?}");
        let left = checked(&bench, SMALL).await;
        assert!(left.is_clean(), "{code}: {left:#?}");
    }
}

#[test]
fn every_code_is_in_the_book() {
    let page = include_str!("../../../docs/reference/store-check.md");
    for code in Code::ALL {
        let line = format!("| `{code}` |");
        let line = page.lines().find(|found| found.starts_with(&line));
        let line = line.unwrap_or_else(|| panic!("{code} is not in the book"));
        let repaired = if code.class() == Class::Derived {
            "yes"
        } else {
            "no"
        };
        assert!(line.contains(&format!("| {repaired} |")), "{line}");
        assert!(line.contains(code.meaning()), "{line}");
    }
}

/// Subspaces that can be made again from the records, to the byte.
const EXACT: [&str; 7] = ["CS", "S", "#", "F", "J", "E", "U"];
/// Those of the queue, where what is made again has another time.
const QUEUE: [&str; 3] = ["Z", "P", "PL"];

fn exact(rows: &Rows) -> Rows {
    let zero = counter::change(&[]);
    rows.iter()
        .filter(|(key, _)| EXACT.contains(&subspace_of(key).unwrap()))
        // A counter that is not there counts nothing.
        .filter(|(key, value)| subspace_of(key) != Some("#") || value[..] != zero)
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever derived rows are lost or garbled, a repair makes them again.
    #[test]
    fn whatever_is_derived_is_made_again(
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..8),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async move {
            let bench = busy().await;
            let before = rows(&bench.db).await;
            let derived: Vec<&Vec<u8>> = before
                .keys()
                .filter(|key| {
                    let subspace = subspace_of(key).unwrap();
                    EXACT.contains(&subspace) || QUEUE.contains(&subspace)
                })
                .collect();
            let mut hit = Vec::new();
            for (index, garbled) in hits {
                let key = (*index.get(&derived)).clone();
                let garbled = garbled && !before[&key].is_empty();
                hit.push((key, garbled.then(|| vec![0xff])));
            }
            write(&bench.db, hit).await;
            repaired(&bench, SMALL).await;
            let left = checked(&bench, SMALL).await;
            assert!(left.is_clean(), "{:#?}", left.findings);
            assert_eq!(exact(&rows(&bench.db).await), exact(&before));
        });
    }

    /// Every key reads back what made it.
    #[test]
    fn keys_read_back(noise in proptest::collection::vec(any::<u8>(), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let rows = runtime.block_on(async { rows(&busy().await.db).await });
        for key in rows.keys() {
            let parsed = Key::parse(key).expect("a key of the layout");
            assert_eq!(&parsed.bytes(), key);
            // Damaged keys are told from whole ones, or are other whole ones.
            let mut damaged = key.clone();
            damaged.extend_from_slice(&noise);
            if let Some(parsed) = Key::parse(&damaged) {
                assert_eq!(parsed.bytes(), damaged);
            }
        }
    }
}

/// A store in use raises no alarm, and a counter is set right in the middle of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_use_is_checked_and_mended() {
    let bench = Arc::new(busy().await);
    let counter = keys::counter(&"use".parse().unwrap(), 0);
    let wrong = counter::change(&[(Status::Completed, 41)]).to_vec();
    write(&bench.db, vec![(counter, Some(wrong))]).await;
    let user = Arc::clone(&bench);
    let using = tokio::spawn(async move {
        for n in 0..250 {
            user.accepted("use", n, n).await;
            for lease in user.lease(QueueKind::Work, 4).await.leases {
                let event = Some(user.event(EventKind::NoResults));
                user.complete(&lease, Verdict::NoResults, event).await;
            }
            for lease in user.lease(QueueKind::Delivery, 4).await.leases {
                user.told(&lease, Told::Delivered).await;
            }
        }
    });
    let mut mended = 0;
    while mended == 0 || !using.is_finished() {
        let report = repaired(&bench, CheckOptions::default()).await;
        assert!(report.is_clean(), "{:#?}", report.findings);
        let counters = report.repaired.get(&Code::CounterWrong);
        mended += counters.copied().unwrap_or(0);
    }
    using.await.unwrap();
    assert_eq!(mended, 1);
    let report = checked(&bench, SMALL).await;
    assert!(report.is_clean(), "{:#?}", report.findings);
}

/// Workers that look after the same zones at once leave them whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn zones_looked_after_by_many_at_once_stay_whole() {
    let bench = Arc::new(Bench::new());
    let mut workers = JoinSet::new();
    for worker in 0..4_u8 {
        let bench = Arc::clone(&bench);
        workers.spawn(async move {
            for n in 0..60_u8 {
                let customer = if n % 3 == 0 { "quiet" } else { "busy" };
                let patient = worker * 60 + n;
                bench.accepted(customer, patient, patient).await;
                for kind in [QueueKind::Work, QueueKind::Delivery] {
                    let batch = bench.lease(kind, 2).await;
                    for customer in &batch.idle_zones {
                        bench.run(&Tend { kind, customer }).await;
                    }
                    for lease in &batch.leases {
                        if kind == QueueKind::Work {
                            let event = Some(bench.event(EventKind::NoResults));
                            bench.complete(lease, Verdict::NoResults, event).await;
                        } else {
                            bench.told(lease, Told::Delivered).await;
                        }
                    }
                }
            }
        });
    }
    // Who meets a conflict often waits by the clock.
    while !workers.is_empty() {
        bench.clock.advance(Duration::from_millis(1));
        tokio::task::yield_now().await;
        while let Some(worker) = workers.try_join_next() {
            worker.unwrap();
        }
    }
    let report = checked(&bench, CheckOptions::default()).await;
    assert!(report.is_clean(), "{:#?}", report.findings);
}
