//! The queue loses nothing, whatever is done to it.

use std::time::Duration;

use patchbay_store::accept::Accepted;
use patchbay_store::complete::{Completed, HandBack, Verdict};
use patchbay_store::engine::{RangeOptions, Read};
use patchbay_store::keys::{self, QueueKind};
use patchbay_store::queue::{Lease, Tend};
use patchbay_store::records::Instant;
use patchbay_store::transition::Cause;
use patchbay_store::{Operation, StoreError, Tx};
use patchbay_workflow::{Actor, CustomerId};
use proptest::prelude::*;

use crate::bench::Bench;

/// The queue's invariant, for every zone: not empty → pointer at or before its first vesting time.
pub(crate) struct CheckQueue(pub(crate) Vec<CustomerId>);

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
