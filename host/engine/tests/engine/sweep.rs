//! A sweep goes on behind what it cannot read.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use patchbay_ambient::ManualClock;
use patchbay_store::accept::{Accept, Accepted, Idempotency};
use patchbay_store::{Operation, StoreError, Tx, keys};
use patchbay_vault::Sealed;
use patchbay_workflow::{KeyedHash, Pins, RequestType, Workflow, WorkflowId};

use crate::fixture::{Fixture, START};

/// Damages a workflow's record.
struct Damage(WorkflowId);

#[async_trait]
impl Operation for Damage {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        tx.set(&keys::workflow(self.0), b"\x63");
        Ok(())
    }
}

#[tokio::test]
async fn one_damaged_workflow_stops_no_sweep() {
    const WORKFLOWS: u8 = 20;
    let clock = Arc::new(ManualClock::at(START));
    let fixture = Fixture::new(clock.clone());
    let service = fixture.service("only").await;
    for number in 0..WORKFLOWS {
        let workflow = Workflow::accepted(
            fixture.entropy.workflow_id(START),
            fixture.entropy.request_id(START),
            RequestType::Link,
            "north".parse().unwrap(),
            KeyedHash::from_bytes([number; 16]),
            Pins::default(),
            START,
        );
        let accept = Accept {
            workflow: workflow.clone(),
            idempotency: Idempotency {
                key: KeyedHash::from_bytes([number; 16]),
                fingerprint: KeyedHash::from_bytes([number; 16]),
                expires_at: START.after(Duration::from_hours(24)),
            },
            request: Sealed::from_stored(b"opens with no key".to_vec()),
        };
        assert!(matches!(fixture.run(&accept).await, Accepted::New(_)));
        if number % 2 == 0 {
            fixture.run(&Damage(workflow.id)).await;
        }
    }
    clock.advance(Duration::from_hours(26));
    let sweep = service.reconcile_once().await.unwrap();
    let all = u64::from(WORKFLOWS);
    assert_eq!((sweep.looked_at, sweep.waiting), (all, all / 2));
    assert_eq!(sweep.forgotten_keys, all);
}
