//! How long the embedded store takes to open after `kill -9`, by the number of workflows in it.
//!
//! A child process takes workflows through their whole lives by the store's own operations, four durable
//! commits each, until there are enough; it goes on committing until it is killed. Then the file is opened.
//!
//! `cargo run --release -p patchbay-store --example reopen -- WORKFLOWS [FOLDER]`
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    missing_docs,
    reason = "a measurement: it reads the machine's clock and stops at the first thing that goes wrong"
)]

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use patchbay_ambient::{OsEntropy, SharedClock, SharedEntropy, SystemClock};
use patchbay_store::Database;
use patchbay_store::accept::{Accept, Idempotency};
use patchbay_store::complete::{Complete, Completed, NewEvent, NewMapping, ReadGround, Verdict};
use patchbay_store::deliver::{RecordAttempt, Told};
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use patchbay_store::inspect::{AnyWorkflow, Counts};
use patchbay_store::keys::QueueKind;
use patchbay_store::lease::{Cursor, LeaseBatch, Taken};
use patchbay_store::queue::Lease;
use patchbay_store::records::DeliveryAttempt;
use patchbay_store::transition::Cause;
use patchbay_vault::{Context, KeyRing, RecordKind, Sealed};
use patchbay_workflow::{
    Actor, CustomerId, Deadlines, EventKind, KeyedHash, LeaseToken, Pins, PluginDigest, PluginRef,
    RequestType, Status, Workflow, WorkflowId,
};

/// Workflows taken through their lives together.
const AT_ONCE: usize = 512;
const CUSTOMERS: usize = 100;
const LEASE: Duration = Duration::from_secs(30);
/// What a request's and a message's sealed bytes weigh.
const BODY_BYTES: usize = 2_000;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", count, file] => fill(count.parse().unwrap(), Path::new(file)).await,
        [count] => measure(count, tempfile::tempdir().unwrap().path()).await,
        [count, folder] => measure(count, Path::new(folder)).await,
        _ => eprintln!("reopen WORKFLOWS [FOLDER]"),
    }
}

async fn measure(count: &str, folder: &Path) {
    let file = folder.join("store.redb");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["fill", count])
        .arg(&file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        println!("{line}");
        if line == "full" {
            break;
        }
    }
    let filled = began.elapsed();
    child.kill().unwrap();
    child.wait().unwrap();

    let clock: SharedClock = Arc::new(SystemClock::new());
    let began = Instant::now();
    let engine = EmbeddedEngine::open(&file, EmbeddedOptions::new(clock.clone())).unwrap();
    let opened = began.elapsed();
    let database = store(engine.clone(), &clock);
    let mut stored = 0;
    for number in 0..CUSTOMERS {
        for (status, there) in database.run(&Counts(&customer(number))).await.unwrap() {
            stored += if status == Status::Completed {
                there
            } else {
                0
            };
        }
    }
    let bytes = std::fs::metadata(&file).unwrap().len();
    println!(
        "{stored} workflows completed, filled in {:.0} s, {:.2} GB; killed; opened in {:.1} ms (repaired: {}), \
         counted after {:.1} ms",
        filled.as_secs_f64(),
        bytes as f64 / 1e9,
        opened.as_secs_f64() * 1e3,
        engine.stats().repaired,
        began.elapsed().as_secs_f64() * 1e3,
    );
}

fn store(engine: Arc<EmbeddedEngine>, clock: &SharedClock) -> Database {
    let entropy: SharedEntropy = Arc::new(OsEntropy::new());
    Database::new(engine, clock.clone(), entropy, Deadlines::default())
}

fn customer(number: usize) -> CustomerId {
    format!("customer-{}", number % CUSTOMERS).parse().unwrap()
}

async fn fill(count: usize, file: &Path) {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let engine = EmbeddedEngine::open(file, EmbeddedOptions::new(clock.clone())).unwrap();
    let filling = Filling {
        sealed: sealed(),
        entropy: Arc::new(OsEntropy::new()),
        database: store(engine, &clock),
    };
    let (mut done, mut told) = (0, false);
    let began = Instant::now();
    loop {
        filling.lives().await;
        done += AT_ONCE;
        if done % (AT_ONCE * 100) == 0 {
            println!("{done} after {:.0} s", began.elapsed().as_secs_f64());
        }
        if done >= count && !told {
            println!("full");
            told = true;
        }
    }
}

fn sealed() -> Sealed {
    let entropy = OsEntropy::new();
    let ring = KeyRing::ephemeral(&entropy);
    let context = Context {
        owner: "",
        kind: RecordKind::Request,
        id: b"reopen",
    };
    ring.installation_key()
        .seal(&context, &[7; BODY_BYTES], &entropy)
}

struct Filling {
    database: Database,
    entropy: SharedEntropy,
    sealed: Sealed,
}

impl Filling {
    /// Many whole lives side by side, so that their commits share groups.
    async fn lives(&self) {
        join_all((0..AT_ONCE).map(|number| self.accept(number))).await;
        let mut leases = Vec::new();
        while leases.len() < AT_ONCE {
            leases.extend(self.lease().await);
        }
        join_all(leases.iter().map(|lease| self.finish(lease))).await;
    }

    fn hash(&self) -> KeyedHash {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        KeyedHash::from_bytes(bytes)
    }

    async fn accept(&self, number: usize) {
        let now = self.database.clock().now();
        let workflow = Workflow::accepted(
            self.entropy.workflow_id(now),
            self.entropy.request_id(now),
            RequestType::Link,
            customer(number),
            self.hash(),
            Pins::default(),
            now,
        );
        let idempotency = Idempotency {
            key: self.hash(),
            fingerprint: self.hash(),
            expires_at: now.after(Duration::from_hours(24)),
        };
        let accept = Accept {
            workflow,
            idempotency,
            request: self.sealed.clone(),
        };
        self.database.run(&accept).await.unwrap();
    }

    async fn lease(&self) -> Vec<Lease> {
        let now = self.database.clock().now();
        let tokens: Vec<LeaseToken> = (0..128).map(|_| self.entropy.lease_token(now)).collect();
        let batch = LeaseBatch {
            kind: QueueKind::Work,
            now,
            length: LEASE,
            max: tokens.len(),
            room: &HashMap::new(),
            default_room: tokens.len(),
            turn: self.entropy.next_u64(),
            tokens: &tokens,
            after: &Cursor::default(),
            taken: Taken::default(),
        };
        self.database.run(&batch).await.unwrap().leases
    }

    async fn finish(&self, lease: &Lease) {
        let id: WorkflowId = lease.item.workflow;
        let found = self.database.run(&AnyWorkflow(id)).await.unwrap().unwrap();
        let now = self.database.clock().now();
        let internal = self.hash();
        let candidates = [internal];
        let ground = ReadGround {
            customer: &found.customer,
            patient: found.patient,
            candidates: &candidates,
        };
        let complete = Complete {
            workflow: id,
            by: Ok(lease),
            verdict: Verdict::Link(NewMapping {
                internal,
                backend: "backend".parse().unwrap(),
                adapter: PluginRef {
                    name: "adapter".into(),
                    digest: PluginDigest::from_bytes([1; 32]),
                },
                sealed: self.sealed.clone(),
            }),
            event: Some(NewEvent {
                id: self.entropy.event_id(now),
                kind: EventKind::Linked,
                message: Ok(self.sealed.clone()),
                deliver_now: Some((self.entropy.lease_token(now), LEASE)),
            }),
            candidates: &candidates,
            ground: self.database.run(&ground).await.unwrap(),
            cause: Cause::new(now, Actor::Worker, "linked"),
        };
        let Completed::Done(_, Some(delivery)) = self.database.run(&complete).await.unwrap() else {
            panic!("the workflow was not completed");
        };
        let attempt = RecordAttempt {
            lease: &delivery,
            attempt: DeliveryAttempt {
                at: now,
                status: Some(204),
                error: None,
                latency_ms: 1,
                answer: None,
            },
            told: Told::Delivered,
            now,
        };
        self.database.run(&attempt).await.unwrap();
    }
}
