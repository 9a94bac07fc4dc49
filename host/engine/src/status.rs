//! Asking how a workflow stands.

use std::time::Duration;

use patchbay_store::StoreError;
use patchbay_store::inspect::{CustomersWorkflow, WatchWorkflow};
use patchbay_workflow::{CustomerId, Workflow, WorkflowId};

use crate::service::Service;

/// Why there is no status.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// There is no such workflow, or it is another customer's: the answer is the same.
    #[error("there is no such workflow")]
    NotFound,
    /// The store cannot be read now.
    #[error("the service cannot answer now")]
    Unavailable,
}

impl From<StoreError> for StatusError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a status could not be read");
        Self::Unavailable
    }
}

impl Service {
    /// The workflow as it stands; never older than the revision that the caller knows.
    pub async fn status(
        &self,
        customer: &CustomerId,
        workflow: WorkflowId,
        known: Option<u64>,
    ) -> Result<Workflow, StatusError> {
        let operation = CustomersWorkflow { customer, workflow };
        // A look, which may be a little behind; but one accepted a moment ago elsewhere is not unknown, and
        // nobody who asks again is told of the past.
        if let Some(found) = self.parts.store.look(&operation).await?
            && known.is_none_or(|known| found.revision >= known)
        {
            return Ok(found);
        }
        let found = self.parts.store.run(&operation).await?;
        found.ok_or(StatusError::NotFound)
    }

    /// The workflow once it has ended or, after `wait` at the latest, as it then stands. Where the
    /// caller knows a revision, any newer one is answered at once.
    pub async fn await_status(
        &self,
        customer: &CustomerId,
        workflow: WorkflowId,
        known: Option<u64>,
        wait: Duration,
    ) -> Result<Workflow, StatusError> {
        let until = self.parts.clock.now().after(wait);
        let mut current = self.status(customer, workflow, known).await?;
        loop {
            let news = known.is_some_and(|revision| current.revision != revision);
            let over = self.parts.clock.now() >= until || self.is_stopping();
            if current.status().is_end() || news || over {
                return Ok(current);
            }
            let operation = WatchWorkflow {
                customer,
                workflow,
                revision: current.revision,
            };
            let found = self.parts.store.run(&operation).await?;
            let (next, watch) = found.ok_or(StatusError::NotFound)?;
            if let Some(watch) = watch {
                tokio::select! {
                    changed = watch => if let Err(error) = changed {
                        tracing::debug!(%error, "a watch ended early");
                        return Ok(next);
                    },
                    () = self.parts.clock.sleep_until(until) => {}
                    () = self.stopping.cancelled() => {}
                }
                let seen = Some(next.revision);
                current = self.status(customer, workflow, seen).await?;
            } else {
                current = next;
            }
        }
    }
}
