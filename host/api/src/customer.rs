//! What customers see: their workflows and their patients.

use patchbay_workflow::{RequestType, Sensitive, Status, Workflow, WorkflowId};
use serde::{Deserialize, Serialize};

use crate::Rfc3339;
use crate::workflows::{FailureView, Outcome};

/// The header with the customer's key of one request (the `Idempotency-Key` of its IETF draft).
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// The header with the customer's token; `Authorization: Bearer` is an alias.
pub const CUSTOMER_TOKEN: &str = "customer-token";
/// The header that says `true` where an answer is a replay of an earlier request.
pub const IDEMPOTENCY_REPLAYED: &str = "idempotency-replayed";

/// 202 of `POST /link`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Accepted {
    /// The workflow that will answer.
    pub workflow_id: WorkflowId,
}

/// 200 of `GET /link/status/{workflow-id}`, and of a replay whose workflow has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LinkStatus {
    /// The workflow.
    pub workflow_id: WorkflowId,
    /// Where it stands.
    pub status: Status,
    /// How it ended.
    pub outcome: Outcome,
    /// What was asked for.
    pub request_type: RequestType,
    /// When it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Rfc3339>,
    /// When it last changed.
    pub updated_at: Rfc3339,
    /// What ended it, where something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView>,
}

impl From<&Workflow> for LinkStatus {
    fn from(workflow: &Workflow) -> Self {
        Self {
            workflow_id: workflow.id,
            status: workflow.status(),
            outcome: workflow.outcome().into(),
            request_type: workflow.request_type,
            created_at: Some(workflow.created_at.to_string()),
            updated_at: workflow.updated_at.to_string(),
            failure: workflow.failure().map(FailureView::from),
        }
    }
}

/// 200 of `GET /patient/{patient-id}`: what the internal system knows, as its adapter gives it.
pub type PatientDetails = Sensitive<crate::Object>;
