//! A store in memory with a clock that is moved by hand, and the steps of a workflow.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use patchbay_ambient::{Clock, ManualClock, SeededEntropy, SharedEntropy};
use patchbay_store::accept::{Accept, Accepted, Idempotency};
use patchbay_store::complete::{
    Complete, Completed, Ground, NewEvent, NewMapping, ReadGround, Verdict,
};
use patchbay_store::deliver::{RecordAttempt, Told};
use patchbay_store::engine::SharedEngine;
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use patchbay_store::inspect::{AnyWorkflow, List};
use patchbay_store::keys::QueueKind;
use patchbay_store::lease::{Batch, Cursor, LeaseBatch, Taken};
use patchbay_store::queue::Lease;
use patchbay_store::records::DeliveryAttempt;
use patchbay_store::transition::Cause;
use patchbay_store::{Database, Operation, StoreError};
use patchbay_vault::{Context, KeyRing, RecordKind, Sealed};
use patchbay_workflow::{
    Actor, Deadlines, EventKind, KeyedHash, LeaseToken, Pins, PluginDigest, PluginRef, RequestType,
    Status, Timestamp, Workflow, WorkflowId,
};

pub(crate) const LEASE: Duration = Duration::from_secs(30);

pub(crate) struct Bench {
    pub(crate) db: Database,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) entropy: SharedEntropy,
    pub(crate) sealed: Sealed,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_800_000_000_000)));
        let entropy: SharedEntropy = Arc::new(SeededEntropy::new(7));
        let engine = EmbeddedEngine::in_memory(EmbeddedOptions::new(clock.clone())).unwrap();
        Self::over(engine, clock, entropy)
    }

    /// A store on any engine.
    pub(crate) fn over(
        engine: SharedEngine,
        clock: Arc<ManualClock>,
        entropy: SharedEntropy,
    ) -> Self {
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

    /// Runs an operation, again for as long as the store cannot do it.
    pub(crate) async fn run<O: Operation>(&self, operation: &O) -> O::Output {
        for _ in 0..1000 {
            match self.db.run(operation).await {
                Ok(output) => return output,
                Err(StoreError::Unavailable(_) | StoreError::Contended { .. }) => {
                    self.clock.sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the store does not come back");
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn accept(&self, customer: &str, patient: u8, key: u8, body: u8) -> Accept {
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

    pub(crate) async fn accepted(&self, customer: &str, patient: u8, key: u8) -> Workflow {
        match self.run(&self.accept(customer, patient, key, key)).await {
            Accepted::New(workflow) => workflow,
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub(crate) async fn lease(&self, kind: QueueKind, max: usize) -> Batch {
        self.lease_after(kind, max, &Cursor::default()).await
    }

    pub(crate) async fn lease_after(&self, kind: QueueKind, max: usize, after: &Cursor) -> Batch {
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
            after,
            taken: Taken::default(),
        };
        self.run(&operation).await
    }

    pub(crate) async fn lease_one(&self, kind: QueueKind) -> Lease {
        self.lease(kind, 1)
            .await
            .leases
            .pop()
            .expect("something is due")
    }

    pub(crate) async fn ground(&self, workflow: &Workflow) -> Ground {
        let (customer, patient) = (&workflow.customer, workflow.patient);
        self.run(&ReadGround {
            customer,
            patient,
            candidates: &[],
        })
        .await
    }

    pub(crate) fn event(&self, kind: EventKind) -> NewEvent {
        let id = self.entropy.event_id(self.now());
        NewEvent {
            id,
            kind,
            message: Ok(self.sealed.clone()),
            deliver_now: None,
        }
    }

    pub(crate) async fn complete(
        &self,
        lease: &Lease,
        verdict: Verdict,
        event: Option<NewEvent>,
    ) -> Completed {
        let found = self.run(&AnyWorkflow(lease.item.workflow)).await.unwrap();
        let operation = Complete {
            workflow: found.id,
            by: Ok(lease),
            verdict,
            event,
            candidates: &[],
            ground: self.ground(&found).await,
            cause: Cause::new(self.now(), Actor::Worker, "test"),
        };
        self.run(&operation).await
    }

    /// Settles the customer's workflow whose choice was awaited last, as the reconciler does.
    #[allow(dead_code, reason = "not every test file that shares this needs it")]
    pub(crate) async fn choice_expired(&self, customer: &str) {
        let list = List {
            customer: &customer.parse().unwrap(),
            status: Status::Ambiguous,
            before: None,
            limit: 1,
        };
        let found = self.db.run(&list).await.unwrap().remove(0);
        let operation = Complete {
            workflow: found.id,
            by: Err(Status::Ambiguous),
            verdict: Verdict::NoResults,
            event: None,
            candidates: &[],
            ground: self.ground(&found).await,
            cause: Cause::new(self.now(), Actor::Reconciler, "choice-expired"),
        };
        let completed = self.db.run(&operation).await.unwrap();
        assert!(matches!(completed, Completed::Done(..)));
    }

    pub(crate) fn link(&self, internal: u8) -> Verdict {
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

    pub(crate) async fn told(&self, lease: &Lease, told: Told) -> Option<Workflow> {
        let attempt = DeliveryAttempt {
            at: self.now(),
            status: Some(200),
            error: None,
            latency_ms: 3,
            answer: None,
        };
        let now = self.now();
        self.run(&RecordAttempt {
            lease,
            attempt,
            told,
            now,
        })
        .await
    }

    pub(crate) async fn status(&self, id: WorkflowId) -> Status {
        self.run(&AnyWorkflow(id)).await.unwrap().status()
    }
}
