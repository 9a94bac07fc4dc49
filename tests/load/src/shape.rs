//! What one workflow writes, found by taking one through the store's own operations.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use patchbay_ambient::{SeededEntropy, SharedClock, SharedEntropy, SystemClock};
use patchbay_store::Database;
use patchbay_store::accept::{Accept, Idempotency};
use patchbay_store::complete::{Complete, Completed, Ground, NewEvent, NewMapping, Verdict};
use patchbay_store::deliver::{RecordAttempt, Told};
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use patchbay_store::keys::QueueKind;
use patchbay_store::lease::{Cursor, LeaseBatch, Taken};
use patchbay_store::records::DeliveryAttempt;
use patchbay_store::transition::Cause;
use patchbay_vault::{Context, DataKey, KeyRing, RecordKind, Sealed};
use patchbay_workflow::{
    Actor, Deadlines, EventKind, KeyedHash, Pins, PluginDigest, PluginRef, RequestType, Workflow,
};

use crate::recorder::{Commits, Recorder, Write};

/// The writes of the four commits of a workflow: accept, lease, complete, acknowledge.
#[derive(Debug, Clone)]
pub(crate) struct Shape(pub(crate) Vec<Vec<Write>>);

impl Shape {
    /// Key writes per workflow, and their bytes.
    pub(crate) fn totals(&self) -> (usize, usize) {
        let all = || self.0.iter().flatten();
        (all().count(), all().map(Write::bytes).sum())
    }
}

/// The shape of a linked workflow with a body and a webhook of these sizes.
pub(crate) async fn measure(body: usize, webhook: usize) -> Shape {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let entropy: SharedEntropy = Arc::new(SeededEntropy::new(3));
    let inner = EmbeddedEngine::in_memory(EmbeddedOptions::new(clock.clone())).expect("in memory");
    let commits = Commits::default();
    let engine = Arc::new(Recorder {
        inner,
        commits: commits.clone(),
    });
    let db = Database::new(engine, clock.clone(), entropy.clone(), Deadlines::default());
    let key = KeyRing::ephemeral(&*entropy).installation_key();
    let sealed = |size: usize| seal(&key, size, &entropy);
    let now = clock.now();
    let digest = PluginDigest::from_bytes([7; 32]);
    let workflow = Workflow::accepted(
        entropy.workflow_id(now),
        entropy.request_id(now),
        RequestType::Link,
        "customer-0001".parse().expect("an id"),
        KeyedHash::from_bytes([1; 16]),
        Pins {
            validator: Some(digest),
            backends: vec![("fhir".parse().expect("an id"), digest)],
            formatter: Some(digest),
        },
        now,
    );
    let accept = Accept {
        workflow: workflow.clone(),
        idempotency: Idempotency {
            key: KeyedHash::from_bytes([2; 16]),
            fingerprint: KeyedHash::from_bytes([3; 16]),
            expires_at: now.after(Duration::from_hours(24)),
        },
        request: sealed(body),
    };
    db.run(&accept).await.expect("accepted");
    let lease = db
        .run(&LeaseBatch {
            kind: QueueKind::Work,
            now: clock.now(),
            length: Duration::from_secs(30),
            max: 1,
            room: &HashMap::new(),
            default_room: 1,
            turn: 0,
            tokens: &[entropy.lease_token(now)],
            after: &Cursor::default(),
            taken: Taken::default(),
        })
        .await
        .expect("leased")
        .leases
        .pop()
        .expect("one is due");
    let adapter = PluginRef {
        name: "search-fhir".to_owned(),
        digest,
    };
    let complete = Complete {
        workflow: workflow.id,
        by: Ok(&lease),
        verdict: Verdict::Link(NewMapping {
            internal: KeyedHash::from_bytes([4; 16]),
            backend: "fhir".parse().expect("an id"),
            adapter,
            sealed: sealed(600),
        }),
        event: Some(NewEvent {
            id: entropy.event_id(now),
            kind: EventKind::Linked,
            message: Ok(sealed(webhook)),
            deliver_now: Some((entropy.lease_token(now), Duration::from_secs(30))),
        }),
        candidates: &[KeyedHash::from_bytes([4; 16])],
        ground: Ground {
            last_event: 0,
            refused: vec![false],
        },
        cause: Cause::new(now, Actor::Worker, "linked"),
    };
    let Ok(Completed::Done(_, Some(delivery))) = db.run(&complete).await else {
        panic!("not completed");
    };
    let attempt = DeliveryAttempt {
        at: now,
        status: Some(204),
        error: None,
        latency_ms: 1,
        answer: None,
    };
    db.run(&RecordAttempt {
        lease: &delivery,
        attempt,
        told: Told::Delivered,
        now,
    })
    .await
    .expect("recorded");
    let shape = Shape(std::mem::take(&mut *commits.lock()));
    assert_eq!(shape.0.len(), 4, "a workflow is four commits");
    shape
}

fn seal(key: &DataKey, size: usize, entropy: &SharedEntropy) -> Sealed {
    let context = Context {
        owner: "",
        kind: RecordKind::Request,
        id: b"",
    };
    key.seal(&context, &vec![b'x'; size], &**entropy)
}
