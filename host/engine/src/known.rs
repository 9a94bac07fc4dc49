//! What a workflow names and this process may not have heard of yet: customers, plugins and backends that
//! were added elsewhere a moment ago.
//!
//! The registry is asked for changes every two seconds; whoever accepted the workflow may have been faster.
//! So nothing is called unknown before the registry was asked. What is an unknown customer's then waits: the
//! registry may be away, or behind the store, as after a backup was put back.

use std::sync::Arc;
use std::time::Duration;

use patchbay_registry::{Customer, Snapshot};
use patchbay_store::complete::HandBack;
use patchbay_store::keys::QueueKind;
use patchbay_store::queue::{Lease, Return};
use patchbay_store::transition::Cause;
use patchbay_workflow::{Actor, CustomerId, Workflow};

use crate::service::Service;

/// What is an unknown customer's is looked at again after as long as it has been in the queue already, within
/// these bounds.
const FIRST_PAUSE: Duration = Duration::from_mins(1);
const LONGEST_PAUSE: Duration = Duration::from_hours(1);

/// How long the registry is waited for, and after how long one that was asked in vain is asked again: a worker's
/// place is held meanwhile.
const ASK_FOR: Duration = Duration::from_secs(1);
const ASK_AGAIN: Duration = Duration::from_secs(2);

impl Service {
    /// A customer; none where the registry does not know it either.
    pub(crate) async fn known_customer(&self, id: &CustomerId) -> Option<Arc<Customer>> {
        if self.customer(id).is_none() {
            self.ask_the_registry().await;
        }
        self.customer(id)
    }

    /// Asks the registry where a plugin or a backend that the workflow is pinned to is not known here. False if
    /// it is still not known whether there is one.
    pub(crate) async fn get_to_know(&self, workflow: &Workflow) -> bool {
        knows(&self.parts.registry.snapshot(), workflow)
            || self.ask_the_registry().await
            || knows(&self.parts.registry.snapshot(), workflow)
    }

    /// Gives back what is an unknown customer's, or what needs something that only the registry, which is away,
    /// may know. No execution is counted: nothing was tried.
    pub(crate) async fn leave_for_later(&self, lease: &Lease, reason: &'static str) {
        let Lease { kind, customer, .. } = lease;
        let now = self.parts.clock.now();
        let pause = now.since(lease.item.queued_at);
        let pause = pause.clamp(FIRST_PAUSE, LONGEST_PAUSE);
        tracing::warn!(?kind, %customer, id = %lease.id, ?pause, reason, "left for later");
        let at = now.after(pause);
        let store = &self.parts.store;
        let returned = match kind {
            QueueKind::Work => {
                let cause = Cause::new(now, Actor::Worker, reason);
                let back = HandBack {
                    lease,
                    at,
                    counts: false,
                    cause,
                };
                store.run(&back).await.map(|_| ())
            }
            QueueKind::Delivery => store.run(&Return { lease, at }).await,
        };
        if let Err(error) = returned {
            // The lease expires, which is about as long.
            tracing::debug!(id = %lease.id, %error, "not given back");
        }
    }

    /// Whether the registry answered.
    async fn ask_the_registry(&self) -> bool {
        let now = self.parts.clock.monotonic();
        let in_vain = *self.registry_asked_in_vain.lock();
        if in_vain.is_some_and(|at| now.saturating_sub(at) < ASK_AGAIN) {
            return false;
        }
        let answered = tokio::select! {
            refreshed = self.parts.registry.refresh() => match refreshed {
                Ok(_) => true,
                Err(error) => {
                    tracing::warn!(code = error.code(), %error, "the registry could not be asked");
                    false
                }
            },
            () = self.parts.clock.sleep(ASK_FOR) => {
                tracing::warn!("the registry did not answer in time");
                false
            }
        };
        let now = self.parts.clock.monotonic();
        *self.registry_asked_in_vain.lock() = (!answered).then_some(now);
        answered
    }
}

fn knows(snapshot: &Snapshot, workflow: &Workflow) -> bool {
    let pins = &workflow.pins;
    let formatter = pins.formatter.iter();
    let mut plugins = pins
        .backends
        .iter()
        .map(|(_, digest)| digest)
        .chain(formatter);
    plugins.all(|digest| snapshot.plugin(digest).is_some())
        && pins
            .backends
            .iter()
            .all(|(backend, _)| snapshot.backend(backend).is_some())
}
