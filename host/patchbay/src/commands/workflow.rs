//! `patchbay workflow …`

use clap::Subcommand;
use patchbay_api::workflows::{FailureView, WorkflowDetail, WorkflowQuery};
use patchbay_workflow::{CustomerId, Status, WorkflowId};

use crate::admin::AdminArgs;
use crate::output::{CommandError, show, table};

/// Workflows: list, show, retry.
#[derive(Debug, Subcommand)]
pub(crate) enum WorkflowCommand {
    /// List workflows, newest change first.
    List {
        /// Only this customer's.
        #[arg(long)]
        customer: Option<CustomerId>,
        /// Only those in this state, for example FAILED.
        #[arg(long)]
        status: Option<Status>,
        /// At most so many.
        #[arg(long)]
        limit: Option<u32>,
        /// Where the former page ended.
        #[arg(long)]
        cursor: Option<String>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Show a workflow with its timeline and delivery attempts.
    Show {
        /// Which.
        id: WorkflowId,
        /// Also what its plugins wrote; patient data may be in it, and looking is noted.
        #[arg(long)]
        detail: bool,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Process a failed workflow again, on the plugins bound now.
    Retry {
        /// Which.
        id: WorkflowId,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

pub(crate) async fn run(command: WorkflowCommand) -> Result<(), CommandError> {
    match command {
        WorkflowCommand::List {
            customer,
            status,
            limit,
            cursor,
            admin,
        } => {
            let query = WorkflowQuery {
                customer,
                status,
                limit,
                cursor,
            };
            let page = admin.connect()?.workflows(&query).await?;
            show(admin.json, &page, |page| {
                table(
                    [
                        "workflow", "customer", "status", "outcome", "changed", "failure",
                    ],
                    page.workflows.iter().map(|workflow| {
                        [
                            workflow.workflow_id.to_string(),
                            workflow.customer_id.to_string(),
                            workflow.status.to_string(),
                            workflow.outcome.as_str().to_owned(),
                            workflow.updated_at.clone(),
                            workflow.failure.as_ref().map(failure).unwrap_or_default(),
                        ]
                    }),
                );
                if let Some(next) = &page.next {
                    println!("more with --cursor {next}");
                }
            })
        }
        WorkflowCommand::Show { id, detail, admin } => {
            let found = admin.connect()?.workflow(id, detail).await?;
            show(admin.json, &found, people)
        }
        WorkflowCommand::Retry { id, admin } => {
            let found = admin.connect()?.retry(id).await?;
            show(admin.json, &found, |found| {
                println!(
                    "workflow {} is {} again",
                    found.summary.workflow_id, found.summary.status
                );
            })
        }
    }
}

fn people(found: &WorkflowDetail) {
    let summary = &found.summary;
    println!(
        "workflow {} of {}: {} {} (outcome {}, {} executions)",
        summary.workflow_id,
        summary.customer_id,
        summary.request_type.as_str(),
        summary.status,
        summary.outcome.as_str(),
        summary.executions
    );
    table(
        ["at", "from", "to", "who", "what", "failure"],
        found.timeline.iter().map(|entry| {
            [
                entry.at.clone(),
                entry
                    .from
                    .map(|status| status.to_string())
                    .unwrap_or_default(),
                entry.to.to_string(),
                entry.actor.to_string(),
                entry.reason.clone(),
                entry.failure.as_ref().map(failure).unwrap_or_default(),
            ]
        }),
    );
    for entry in &found.timeline {
        if let Some(detail) = &entry.detail {
            println!("{} {}:\n{}", entry.at, entry.reason, detail.expose());
        }
    }
    if !found.attempts.is_empty() {
        table(
            ["at", "event", "status", "error", "ms"],
            found.attempts.iter().map(|attempt| {
                [
                    attempt.at.clone(),
                    attempt.event_id.to_string(),
                    attempt
                        .status
                        .map(|status| status.to_string())
                        .unwrap_or_default(),
                    attempt.error.clone().unwrap_or_default(),
                    attempt.latency_ms.to_string(),
                ]
            }),
        );
    }
}

fn failure(failure: &FailureView) -> String {
    let plugin = failure
        .plugin
        .as_ref()
        .map(|plugin| format!(" in {}", plugin.name));
    format!(
        "{}: {}{}",
        failure.blame.as_str(),
        failure.code,
        plugin.unwrap_or_default()
    )
}
