//! The queue's invariant for a small case, exhaustively: one zone, two workflows, two workers. From every
//! state that can be reached, every step is taken; and every two transactions at once, one of them held open
//! between its reads and its commit while the other is committed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use patchbay_ambient::{ManualClock, SeededEntropy};
use patchbay_store::accept::{Accept, Accepted};
use patchbay_store::complete::{Complete, Completed, Ground, HandBack, Verdict};
use patchbay_store::engine::simulated::{Faults, SimulatedEngine};
use patchbay_store::engine::{RangeOptions, Read};
use patchbay_store::keys::{self, QueueKind};
use patchbay_store::lease::{Cursor, LeaseBatch, Taken};
use patchbay_store::queue::{Extend, Lease, Tend};
use patchbay_store::records::{Instant, QueueItem};
use patchbay_store::transition::{self, Cause};
use patchbay_store::{Database, Operation, StoreError, Tx};
use patchbay_workflow::{Actor, CustomerId, LeaseToken, Status, Timestamp, WorkflowId};

use crate::bench::{Bench, LEASE};

const CUSTOMER: &str = "north";
/// Workflows, and leases that workers remember.
const MOST: usize = 2;
const SHORT: Duration = Duration::from_secs(10);
/// A state that takes more steps than this is not looked at.
const DEPTH: usize = 7;

/// What one transaction does.
#[derive(Debug, Clone, Copy)]
enum Move {
    Accept,
    Lease,
    HandBack { held: usize, later: bool },
    Extend { held: usize },
    Finish { held: usize },
    Tend,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    One(Move),
    /// The first reads, the second happens, the first commits.
    Across(Move, Move),
    /// A worker forgets a lease: it died.
    Forget(usize),
    Wait(Duration),
}

/// A move, made up for the moment it is made in.
enum Act {
    Accept(Box<Accept>),
    Lease([LeaseToken; 1], Timestamp, u64),
    HandBack(Lease, Timestamp, Timestamp),
    Extend(Lease, Timestamp),
    Finish(Lease, Timestamp),
    Tend(CustomerId),
}

/// What became of it.
enum Outcome {
    Accepted(WorkflowId),
    Leased(Vec<Lease>),
    /// The lease is over.
    Over(Lease),
    Longer(Lease, Lease),
    Finished(Lease),
    Nothing,
}

#[async_trait::async_trait]
impl Operation for Act {
    type Output = Outcome;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Outcome, StoreError> {
        let cause = |at| Cause::new(at, Actor::Worker, "test");
        Ok(match self {
            Self::Accept(accept) => match accept.run(tx).await? {
                Accepted::New(workflow) => Outcome::Accepted(workflow.id),
                _ => Outcome::Nothing,
            },
            Self::Lease(tokens, now, turn) => {
                let batch = LeaseBatch {
                    kind: QueueKind::Work,
                    now: *now,
                    length: LEASE,
                    max: 1,
                    room: &HashMap::new(),
                    default_room: 9,
                    turn: *turn,
                    tokens,
                    after: &Cursor::default(),
                    taken: Taken::default(),
                };
                Outcome::Leased(batch.run(tx).await?.leases)
            }
            Self::HandBack(lease, now, at) => {
                let hand_back = HandBack {
                    lease,
                    at: *at,
                    counts: true,
                    cause: cause(*now),
                };
                hand_back.run(tx).await?;
                Outcome::Over(lease.clone())
            }
            Self::Extend(lease, until) => {
                let extend = Extend {
                    lease,
                    until: *until,
                };
                match extend.run(tx).await? {
                    Some(longer) => Outcome::Longer(lease.clone(), longer),
                    None => Outcome::Over(lease.clone()),
                }
            }
            Self::Finish(lease, now) => {
                let complete = Complete {
                    workflow: lease.item.workflow,
                    by: Ok(lease),
                    verdict: Verdict::NoResults,
                    event: None,
                    candidates: &[],
                    ground: Ground {
                        last_event: 0,
                        refused: Vec::new(),
                    },
                    cause: cause(*now),
                };
                match complete.run(tx).await? {
                    Completed::Done(..) => Outcome::Finished(lease.clone()),
                    _ => Outcome::Over(lease.clone()),
                }
            }
            Self::Tend(customer) => {
                let tend = Tend {
                    kind: QueueKind::Work,
                    customer,
                };
                tend.run(tx).await?;
                Outcome::Nothing
            }
        })
    }
}

/// A transaction in the middle of which another is committed.
struct Across<'a> {
    first: &'a Act,
    second: &'a Act,
    db: &'a Database,
    between: Mutex<Option<Outcome>>,
}

#[async_trait::async_trait]
impl Operation for Across<'_> {
    type Output = Outcome;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Outcome, StoreError> {
        let outcome = self.first.run(tx).await?;
        if self.between.lock().is_none() {
            let second = self.db.run(self.second).await?;
            *self.between.lock() = Some(second);
        }
        Ok(outcome)
    }
}

/// What stands in the zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Shape {
    /// Of each workflow: its status, its item's vesting time seen from now, the number of the lease held.
    workflows: Vec<(Status, Option<i64>, Option<usize>)>,
    pointer: Option<i64>,
    held: usize,
}

/// Reads the zone and checks it.
struct Survey<'a> {
    customer: &'a CustomerId,
    accepted: &'a [WorkflowId],
    held: &'a [Lease],
    now: Timestamp,
}

fn seen_from(now: Timestamp, at: Timestamp) -> i64 {
    // How long something has been due makes no difference.
    (at.as_millis().cast_signed() - now.as_millis().cast_signed()).max(0)
}

#[async_trait::async_trait]
impl Operation for Survey<'_> {
    type Output = Shape;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Shape, StoreError> {
        let all = RangeOptions {
            limit: 9,
            reverse: false,
            read: Read::Snapshot,
        };
        let zone = keys::zone(QueueKind::Work, self.customer);
        let mut items = HashMap::new();
        for (key, value) in tx.get_range(&zone, all).await? {
            let (vests, id) = keys::parse_item(&key).expect("an item's key");
            let item: QueueItem = patchbay_store::codec::decode(&value)?;
            let twice = items.insert(id, (vests, item));
            assert!(twice.is_none(), "two items of one workflow");
        }
        let locator = keys::pointer_locator(QueueKind::Work, self.customer);
        let tick = tx.record::<Instant>(&locator, Read::Snapshot).await?;
        let first = items.values().map(|(vests, _)| *vests).min();
        if let Some(first) = first {
            let early = tick.is_some_and(|Instant(tick)| tick <= first);
            assert!(early, "the pointer {tick:?} is not before {first:?}");
        }
        let mut pointers = Vec::new();
        for shard in 0..keys::SHARDS {
            let range = keys::pointers(QueueKind::Work, shard);
            let rows = tx.get_range(&range, all).await?;
            pointers.extend(rows.iter().filter_map(|(key, _)| keys::parse_pointer(key)));
        }
        let live = tick.map(|Instant(tick)| (tick, self.customer.clone()));
        assert_eq!(
            pointers,
            Vec::from_iter(live),
            "one live pointer, and no other"
        );
        let mut workflows = Vec::new();
        for id in self.accepted {
            let stored = transition::load(tx, *id, Read::Snapshot).await?;
            let stored = stored.expect("what was accepted is there");
            let item = items.remove(&id.as_uuid());
            let vests = item.as_ref().map(|(vests, _)| *vests);
            assert_eq!(stored.queued, vests, "the workflow knows where its item is");
            let status = stored.workflow.status();
            assert_eq!(vests.is_none(), status == Status::Completed, "{status}");
            let lease = item.and_then(|(_, item)| item.lease);
            let held = self.held.iter().position(|held| Some(held.token) == lease);
            workflows.push((status, vests.map(|at| seen_from(self.now, at)), held));
        }
        assert!(items.is_empty(), "an item of nobody");
        Ok(Shape {
            workflows,
            pointer: tick.map(|Instant(tick)| seen_from(self.now, tick)),
            held: self.held.len(),
        })
    }
}

struct World {
    bench: Bench,
    customer: CustomerId,
    accepted: Vec<WorkflowId>,
    held: Vec<Lease>,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let engine = SimulatedEngine::new(1, clock.clone(), Faults::none());
        Self {
            bench: Bench::over(engine, clock, Arc::new(SeededEntropy::new(1))),
            customer: CUSTOMER.parse().unwrap(),
            accepted: Vec::new(),
            held: Vec::new(),
        }
    }

    fn act(&self, what: Move) -> Act {
        let now = self.bench.now();
        match what {
            Move::Accept => {
                let number = u8::try_from(self.accepted.len()).unwrap();
                Act::Accept(Box::new(
                    self.bench.accept(CUSTOMER, number, number, number),
                ))
            }
            Move::Lease => Act::Lease([self.bench.entropy.lease_token(now)], now, 0),
            Move::HandBack { held, later } => {
                let at = if later { now.after(SHORT) } else { now };
                Act::HandBack(self.held[held].clone(), now, at)
            }
            Move::Extend { held } => Act::Extend(self.held[held].clone(), now.after(LEASE)),
            Move::Finish { held } => Act::Finish(self.held[held].clone(), now),
            Move::Tend => Act::Tend(self.customer.clone()),
        }
    }

    fn learn(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Accepted(id) => self.accepted.push(id),
            Outcome::Leased(leases) => self.held.extend(leases),
            Outcome::Over(lease) | Outcome::Finished(lease) => {
                self.held.retain(|held| held.token != lease.token);
            }
            Outcome::Longer(lease, longer) => {
                for held in &mut self.held {
                    if *held == lease {
                        *held = longer.clone();
                    }
                }
            }
            Outcome::Nothing => {}
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::One(what) => {
                let act = self.act(what);
                let outcome = self.bench.run(&act).await;
                self.learn(outcome);
            }
            Step::Across(first, second) => {
                let (first, second) = (self.act(first), self.act(second));
                let across = Across {
                    first: &first,
                    second: &second,
                    db: &self.bench.db,
                    between: Mutex::new(None),
                };
                let outcome = self.bench.run(&across).await;
                let between = across.between.into_inner().expect("it was run");
                self.learn(between);
                self.learn(outcome);
            }
            Step::Forget(held) => {
                self.held.remove(held);
            }
            Step::Wait(length) => self.bench.clock.advance(length),
        }
    }

    async fn shape(&self) -> Shape {
        let survey = Survey {
            customer: &self.customer,
            accepted: &self.accepted,
            held: &self.held,
            now: self.bench.now(),
        };
        self.bench.run(&survey).await
    }

    /// All that can be done next.
    fn steps(&self) -> Vec<Step> {
        let mut moves = vec![Move::Tend];
        if self.accepted.len() < MOST {
            moves.push(Move::Accept);
        }
        if self.held.len() < MOST {
            moves.push(Move::Lease);
        }
        for held in 0..self.held.len() {
            moves.extend([false, true].map(|later| Move::HandBack { held, later }));
            moves.extend([Move::Extend { held }, Move::Finish { held }]);
        }
        let mut steps: Vec<Step> = moves.iter().map(|what| Step::One(*what)).collect();
        for first in &moves {
            // Two acceptances at once would be told apart by their number only.
            let pairs = moves.iter().filter(|second| {
                !matches!((first, second), (Move::Accept, Move::Accept))
                    && !matches!((first, second), (Move::Lease, Move::Lease) if self.held.len() + 1 == MOST)
            });
            steps.extend(pairs.map(|second| Step::Across(*first, *second)));
        }
        steps.extend((0..self.held.len()).map(Step::Forget));
        steps.extend([SHORT, LEASE].map(Step::Wait));
        steps
    }

    /// Whatever came before, in the end everything is found and finished.
    async fn drain(mut self) {
        self.held.clear();
        self.bench.clock.advance(LEASE * 2);
        for _ in 0..self.accepted.len() {
            let act = self.act(Move::Lease);
            let outcome = self.bench.run(&act).await;
            self.learn(outcome);
            if !self.held.is_empty() {
                self.take(Step::One(Move::Finish { held: 0 })).await;
            }
        }
        for (status, ..) in self.shape().await.workflows {
            assert_eq!(status, Status::Completed, "it cannot be found");
        }
    }
}

async fn replay(path: &[Step]) -> World {
    let mut world = World::new();
    for step in path {
        world.take(*step).await;
    }
    world
}

#[tokio::test]
async fn from_every_state_every_step_keeps_the_queue_whole() {
    let mut seen = HashSet::new();
    let mut open = VecDeque::from([Vec::new()]);
    let (mut taken, mut deepest) = (0, 0);
    while let Some(path) = open.pop_front() {
        let steps = replay(&path).await.steps();
        deepest = deepest.max(path.len());
        for step in steps {
            let mut path = path.clone();
            path.push(step);
            let world = replay(&path).await;
            taken += 1;
            if seen.insert(world.shape().await) {
                world.drain().await;
                if path.len() < DEPTH {
                    open.push_back(path);
                }
            }
        }
    }
    println!("{} states, {taken} steps, {deepest} deep", seen.len());
    assert!(seen.len() > 100, "only {} states", seen.len());
}
