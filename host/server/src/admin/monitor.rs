//! `GET /store` and `GET /queue`: counters and scaling signals.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use patchbay_api::monitor::{QueueDepth, QueueReport, StoreReport};
use patchbay_engine::OperateError;

use crate::problem::{self, Refusal};
use crate::shared::App;

#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct RouteError(#[from] OperateError);

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        // Whatever else an operation can be refused for does not apply to looking.
        let refusal: Refusal = problem::UNAVAILABLE.because(self.to_string());
        refusal.into_response()
    }
}

pub(crate) async fn store(State(app): State<App>) -> Json<StoreReport> {
    let (engine, stats) = app.service.store_stats();
    Json(StoreReport {
        engine: engine.to_owned(),
        operations: stats.operations,
        commits: stats.commits,
        conflicts: stats.conflicts,
        too_old: stats.too_old,
        busy: stats.busy,
        maybe_committed: stats.maybe_committed,
        unavailable: stats.unavailable,
        key_writes: stats.key_writes,
        bytes_written: stats.bytes_written,
    })
}

pub(crate) async fn queue(State(app): State<App>) -> Result<Json<QueueReport>, RouteError> {
    let state = app.service.queue_state().await?;
    Ok(Json(QueueReport {
        work: view(&state.work),
        delivery: view(&state.delivery),
    }))
}

fn view(depth: &patchbay_engine::QueueDepth) -> QueueDepth {
    QueueDepth {
        waiting: depth.waiting,
        begun: depth.begun,
        oldest_due_seconds: depth.oldest_due.as_secs_f64(),
    }
}
