//! What the internal system knows of a linked patient.

use std::sync::Arc;

use patchbay_sandbox::Call;
use patchbay_store::StoreError;
use patchbay_store::inspect::PatientMapping;
use patchbay_store::records::MappingStatus;
use patchbay_vault::RecordKind;
use patchbay_workflow::{CustomerId, Failure, PatientId, Sensitive};

use crate::seal::{MappingContent, open};
use crate::service::Service;
use crate::verdict::Trouble;

/// A JSON object, as the adapter gave it.
pub type PatientDetails = Sensitive<String>;

/// Why there are no details.
#[derive(Debug, thiserror::Error)]
pub enum DetailsError {
    /// The patient is not linked, or the internal system no longer knows the record.
    #[error("there is no linked patient with this id")]
    NotFound,
    /// The adapter or its backend failed.
    #[error("the patient's details could not be fetched")]
    Failed {
        /// Whose fault it is.
        failure: Failure,
        /// Whether the same call may succeed later.
        retryable: bool,
    },
    /// The store cannot be read now.
    #[error("the service cannot answer now")]
    Unavailable,
}

impl From<StoreError> for DetailsError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a mapping could not be read");
        Self::Unavailable
    }
}

impl From<Trouble> for DetailsError {
    fn from(trouble: Trouble) -> Self {
        Self::Failed {
            failure: trouble.failure,
            retryable: trouble.retryable,
        }
    }
}

impl Service {
    /// Fetches the details of a customer's patient, if that patient is linked.
    pub async fn patient_details(
        &self,
        customer: &CustomerId,
        patient: &PatientId,
    ) -> Result<PatientDetails, DetailsError> {
        let hash = self.patient_hash(customer, patient);
        let mapping = PatientMapping {
            customer,
            patient: hash,
        };
        let mapping = self.parts.store.run(&mapping).await?;
        let Some(mapping) = mapping.filter(|mapping| mapping.status == MappingStatus::Linked)
        else {
            return Err(DetailsError::NotFound);
        };
        let snapshot = self.parts.registry.snapshot();
        let owner = snapshot.customer(customer).ok_or(DetailsError::NotFound)?;
        let content: MappingContent = open(
            owner,
            RecordKind::Mapping,
            mapping.workflow.as_bytes(),
            &mapping.sealed,
        )
        .map_err(|_| DetailsError::Unavailable)?;
        let backend = snapshot
            .backend(&mapping.backend)
            .ok_or(DetailsError::NotFound)?;
        let adapter = &backend.adapter;
        let failed = |failure| Trouble {
            failure,
            retryable: true,
        };
        let plugin = self.plugin(adapter).await.map_err(failed)?;
        let config = owner.backend(&backend.id).map_or_else(
            || Arc::clone(&backend.config),
            |bound| bound.effective_config(backend),
        );
        let gateway = self.gateway(backend);
        let call = Call {
            config,
            gateway: Some(gateway.clone()),
        };
        let internal = &content.candidate.internal_id;
        let outcome = self
            .parts
            .sandbox
            .fetch_patient(&plugin, call, internal)
            .await;
        match outcome.result {
            Ok(Ok(Some(details))) => Ok(details),
            Ok(Ok(None)) => Err(DetailsError::NotFound),
            Ok(Err(guest)) => {
                Err(Trouble::of_guest(&guest, gateway.was_troubled(), adapter).into())
            }
            Err(error) => Err(Trouble::of_call(&error, adapter).into()),
        }
    }
}
