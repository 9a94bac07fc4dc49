//! What went wrong, as every endpoint tells it (RFC 9457).

use patchbay_workflow::WorkflowId;
use serde::{Deserialize, Serialize};

use crate::workflows::FailureView;

/// The media type of a [`Problem`].
pub const PROBLEM_JSON: &str = "application/problem+json";

/// The body of every answer from 400 on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Problem {
    /// A URI that names the kind of problem: the page of its code in the book.
    #[serde(rename = "type", default = "about_blank")]
    pub kind: String,
    /// The kind in a few words; the same for every occurrence.
    #[serde(default)]
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time and what to do. Never repeats the caller's data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// A stable code in kebab case.
    #[serde(default)]
    pub code: String,
    /// Every fault found in the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// The workflow that stands in the way, where one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_id: Option<WorkflowId>,
    /// Whose fault it is and in which plugin, where something failed on the way to the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureView>,
}

/// One fault in the request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct FieldProblem {
    /// JSON pointer (RFC 6901) into the request's body; empty for the whole of it.
    pub pointer: String,
    /// A stable code in kebab case.
    pub code: String,
    /// What is wrong with it. Never repeats the value.
    pub detail: String,
}

fn about_blank() -> String {
    "about:blank".to_owned()
}
