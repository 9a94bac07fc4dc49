//! What a workflow names and this process may not have heard of yet: customers, plugins and backends that
//! were added elsewhere a moment ago.
//!
//! The registry is asked for changes every two seconds; whoever accepted the workflow may have been faster.
//! So nothing is called unknown before the registry was asked.

use std::sync::Arc;

use patchbay_registry::{Customer, Snapshot};
use patchbay_workflow::{CustomerId, Workflow};

use crate::service::Service;

impl Service {
    /// A customer; none where the registry does not know it either.
    pub(crate) async fn known_customer(&self, id: &CustomerId) -> Option<Arc<Customer>> {
        if self.customer(id).is_none() {
            self.ask_the_registry().await;
        }
        self.customer(id)
    }

    /// Asks the registry where a plugin or a backend that the workflow is pinned to is not known here.
    pub(crate) async fn get_to_know(&self, workflow: &Workflow) {
        if !knows(&self.parts.registry.snapshot(), workflow) {
            self.ask_the_registry().await;
        }
    }

    async fn ask_the_registry(&self) {
        if let Err(error) = self.parts.registry.refresh().await {
            tracing::warn!(code = error.code(), %error, "the registry could not be asked");
        }
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
