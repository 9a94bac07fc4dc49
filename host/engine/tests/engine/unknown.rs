//! Work and events of a customer whom the registry does not know wait, and are done once it does.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use patchbay_ambient::{Clock as _, ManualClock};
use patchbay_registry::{CustomerSettings, NewCustomer};
use patchbay_store::accept::{Accept, Accepted, Idempotency};
use patchbay_store::engine::Read;
use patchbay_store::inspect::AnyWorkflow;
use patchbay_store::keys::{self, QueueKind};
use patchbay_store::records::QueueItem;
use patchbay_store::{Operation, StoreError, Tx, queue};
use patchbay_vault::Sealed;
use patchbay_workflow::{CustomerId, KeyedHash, Pins, RequestType, Status, Timestamp, Workflow};
use uuid::Uuid;

use crate::fixture::{Fixture, START, until};

/// What was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// How many warnings name this.
    fn warnings(&self, id: Uuid) -> usize {
        let log = self.0.lock().unwrap();
        let lines = String::from_utf8_lossy(&log);
        let named = |line: &&str| line.contains("WARN") && line.contains(&id.to_string());
        lines.lines().filter(named).count()
    }
}

/// When the only item of a zone vests; none once it is gone.
struct Vests<'a>(QueueKind, &'a CustomerId);

#[async_trait]
impl Operation for Vests<'_> {
    type Output = Option<Timestamp>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        let first = tx
            .first(&keys::zone(self.0, self.1), Read::Snapshot)
            .await?;
        Ok(first.and_then(|(key, _)| Some(keys::parse_item(&key)?.0)))
    }
}

/// Puts an event's item into the queue.
struct PutDelivery<'a>(&'a CustomerId, Uuid, QueueItem);

#[async_trait]
impl Operation for PutDelivery<'_> {
    type Output = ();

    async fn run(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let Self(customer, id, item) = self;
        queue::put(tx, QueueKind::Delivery, customer, *id, START, item).await
    }
}

#[tokio::test]
async fn what_is_an_unknown_customers_goes_back_until_the_customer_is_known() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _log = tracing::subscriber::set_default(subscriber);
    let clock = Arc::new(ManualClock::at(START));
    let fixture = Fixture::new(clock.clone());
    let service = fixture.service("only").await;

    let customer: CustomerId = "ghost".parse().unwrap();
    let workflow = Workflow::accepted(
        fixture.entropy.workflow_id(START),
        fixture.entropy.request_id(START),
        RequestType::Link,
        customer.clone(),
        KeyedHash::from_bytes([1; 16]),
        Pins::default(),
        START,
    );
    let accept = Accept {
        workflow: workflow.clone(),
        idempotency: Idempotency {
            key: KeyedHash::from_bytes([2; 16]),
            fingerprint: KeyedHash::from_bytes([3; 16]),
            expires_at: START.after(Duration::from_hours(24)),
        },
        request: Sealed::from_stored(b"opens with no key".to_vec()),
    };
    assert!(matches!(fixture.run(&accept).await, Accepted::New(_)));
    let event = fixture.entropy.event_id(START).as_uuid();
    let item = QueueItem {
        lease: None,
        queued_at: START,
        workflow: workflow.id,
        request: workflow.request,
        patient: workflow.patient,
        request_type: workflow.request_type,
    };
    fixture.run(&PutDelivery(&customer, event, item)).await;

    // Twice both are given back for a minute, with one warning each.
    let working = tokio::spawn(service.clone().run_worker());
    let both = [
        (QueueKind::Work, workflow.id.as_uuid()),
        (QueueKind::Delivery, event),
    ];
    for round in 1..=2 {
        let later = clock.now().after(Duration::from_mins(1));
        for (kind, id) in both {
            let back =
                async || (fixture.run(&Vests(kind, &customer)).await == Some(later)).then_some(());
            until(back).await;
            assert_eq!(log.warnings(id), round, "{kind:?}");
        }
        clock.advance(Duration::from_mins(1));
    }
    let waiting = fixture.run(&AnyWorkflow(workflow.id)).await.unwrap();
    assert_eq!(waiting.status(), Status::InProgress);

    // Once the customer is known, both are looked at as anybody's: neither opens, which ends them.
    let new = NewCustomer {
        id: customer,
        name: String::new(),
        settings: CustomerSettings::default(),
        webhook_url: None,
    };
    service.registry().add_customer("test", new).await.unwrap();
    until(async || {
        clock.advance(Duration::from_secs(5));
        let found = fixture.run(&AnyWorkflow(workflow.id)).await.unwrap();
        (found.status() == Status::Failed).then_some(())
    })
    .await;
    let ended = fixture.run(&AnyWorkflow(workflow.id)).await.unwrap();
    assert_eq!(
        ended.executions, 1,
        "only the execution that could be one counts"
    );
    service.stop().await;
    working.await.unwrap();
}
