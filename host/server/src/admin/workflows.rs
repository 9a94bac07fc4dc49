//! `GET /workflows`, `GET /workflows/{id}` and `POST /workflows/{id}/retry`.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use patchbay_api::WorkflowId;
use patchbay_api::workflows::{
    AttemptLine, TimelineLine, WorkflowDetail, WorkflowPage, WorkflowQuery, WorkflowSummary,
};
use patchbay_engine::{ListQuery, OperateError, WorkflowHistory};
use patchbay_registry::AdminIdentity;
use patchbay_workflow::{Timestamp, Workflow};
use serde::Deserialize;

use super::refused::{self, BadPath, BadQuery};
use crate::problem::{self, Refusal};
use crate::shared::App;

/// A page, where the query does not say, and the longest there is.
const PAGE: u32 = 50;
const MOST: u32 = 500;

#[derive(Debug, thiserror::Error)]
pub(crate) enum RouteError {
    #[error(transparent)]
    Path(#[from] BadPath),
    #[error(transparent)]
    Query(#[from] BadQuery),
    #[error(transparent)]
    Operate(#[from] OperateError),
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let text = self.to_string();
        let refusal = match self {
            Self::Path(error) => Refusal::from(error),
            Self::Query(error) => Refusal::from(error),
            Self::Operate(OperateError::NotFound) => problem::NOT_FOUND.because(text),
            Self::Operate(OperateError::NotFailed(_)) => problem::NOT_FAILED.because(text),
            Self::Operate(OperateError::InProgress(other)) => {
                problem::IN_PROGRESS.because(text).workflow(other)
            }
            Self::Operate(OperateError::AlreadyLinked(other)) => {
                problem::ALREADY_LINKED.because(text).workflow(other)
            }
            Self::Operate(OperateError::NotConfigured(_)) => {
                problem::NOT_READY_FOR_RETRY.because(text)
            }
            Self::Operate(OperateError::Unavailable) => problem::UNAVAILABLE.because(text),
        };
        refusal.into_response()
    }
}

pub(crate) async fn list(
    State(app): State<App>,
    query: Result<Query<WorkflowQuery>, QueryRejection>,
) -> Result<Json<WorkflowPage>, RouteError> {
    let Query(query) = query.map_err(BadQuery::from)?;
    let limit = query.limit.unwrap_or(PAGE).clamp(1, MOST) as usize;
    let cursor = query.cursor.as_deref().map(read_cursor);
    let mut workflows = app
        .service
        .list_workflows(&ListQuery {
            customer: query.customer,
            status: query.status,
            before: cursor.transpose()?,
            // One more tells whether there is another page.
            limit: limit + 1,
        })
        .await?;
    let more = workflows.len() > limit;
    workflows.truncate(limit);
    let next = workflows.last().filter(|_| more).map(cursor_after);
    Ok(Json(WorkflowPage {
        workflows: workflows.iter().map(WorkflowSummary::from).collect(),
        next,
    }))
}

fn cursor_after(last: &Workflow) -> String {
    format!("{}.{}", last.updated_at.as_millis(), last.id)
}

fn read_cursor(text: &str) -> Result<(Timestamp, WorkflowId), BadQuery> {
    let read = || {
        let (millis, id) = text.split_once('.')?;
        Some((
            Timestamp::from_millis(millis.parse().ok()?),
            id.parse().ok()?,
        ))
    };
    read().ok_or_else(|| BadQuery::because(BadQuery::CURSOR))
}

/// The query of one workflow.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Show {
    /// Whether to tell what guests and endpoints said: it may name the patient.
    #[serde(default)]
    detail: bool,
}

pub(crate) async fn show(
    State(app): State<App>,
    Extension(admin): Extension<AdminIdentity>,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Show>, QueryRejection>,
) -> Result<Json<WorkflowDetail>, RouteError> {
    let id: WorkflowId = refused::named(path)?;
    let Query(Show { detail }) = query.map_err(BadQuery::from)?;
    let history = app.service.workflow_history(id, detail).await?;
    if detail {
        tracing::info!(admin = admin.name, workflow = %id, "guests' words were shown");
    }
    Ok(Json(view(&history)))
}

pub(crate) async fn retry(
    State(app): State<App>,
    Extension(admin): Extension<AdminIdentity>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<WorkflowDetail>, RouteError> {
    let id: WorkflowId = refused::named(path)?;
    let workflow = app.service.retry_workflow(id, &admin.name).await?;
    // It is retried, whether or not its past can be read just now.
    let detail = match app.service.workflow_history(id, false).await {
        Ok(history) => view(&history),
        Err(_) => WorkflowDetail {
            summary: WorkflowSummary::from(&workflow),
            timeline: Vec::new(),
            attempts: Vec::new(),
        },
    };
    Ok(Json(detail))
}

fn view(history: &WorkflowHistory) -> WorkflowDetail {
    let timeline = history.timeline.iter().map(|line| TimelineLine {
        detail: line.detail.clone(),
        ..TimelineLine::from(&line.entry)
    });
    let attempts = history.attempts.iter().map(|made| AttemptLine {
        event_id: made.event,
        at: made.attempt.at.to_string(),
        status: made.attempt.status,
        error: made.attempt.error.clone(),
        latency_ms: made.attempt.latency_ms,
    });
    WorkflowDetail {
        summary: WorkflowSummary::from(&history.workflow),
        timeline: timeline.collect(),
        attempts: attempts.collect(),
    }
}
