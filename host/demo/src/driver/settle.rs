//! Waiting until every accepted workflow is accounted for: its webhook came with a good signature, it
//! waits for a choice, or it failed and said so.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use parking_lot::Mutex;
use patchbay_api::workflows::Outcome;
use patchbay_api::{CustomerClient, Status, StatusAnswer, WorkflowId};
use tokio::sync::watch;
use uuid::Uuid;

use super::{CONCURRENCY, Case, Tokens};
use crate::progress::Progress;
use crate::sink::{Received, Sink, Told};
use crate::stopwatch;

/// Nothing at all happening for so long means that nothing will.
const STALLED_AFTER: Duration = Duration::from_mins(1);

/// How long one question for the status waits for a change.
const STATUS_WAIT: Duration = Duration::from_secs(20);

/// Between two questions that do not wait.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(250);

/// After the service says that the webhook was acknowledged, it can only be under way in this process.
const GRACE: Duration = Duration::from_secs(5);

/// What became of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// A webhook came: this is what it says, and how long it took from the request on.
    Told {
        /// What it says.
        told: Told,
        /// From the request to the first webhook.
        after: Duration,
        /// Whether webhooks contradicted each other.
        contradicted: bool,
    },
    /// It waits for a choice; the webhook that says so has not come yet.
    Ambiguous,
    /// The outcome is known, but its webhook was given up.
    DeliveryFailed,
    /// Nobody knows.
    Unaccounted,
}

pub(super) async fn settle_all(
    customers: &CustomerClient,
    tokens: &Tokens,
    cases: Vec<Case>,
    sink: &Sink,
    progress: &Progress,
) -> HashMap<Uuid, Settlement> {
    let bar = progress.bar("workflows accounted for", cases.len());
    let settled = Mutex::new(HashMap::with_capacity(cases.len()));
    let count = watch::Sender::new(0_usize);
    let everything = stream::iter(&cases).for_each_concurrent(CONCURRENCY, async |case| {
        let token = tokens.of(case.sender);
        let settlement = settle(customers, token, case, sink).await;
        settled.lock().insert(case.workflow, settlement);
        count.send_modify(|count| *count += 1);
        bar.inc(1);
    });
    tokio::select! {
        () = everything => {}
        () = stalled(sink.changes(), count.subscribe()) => {}
    }
    bar.finish();
    let mut settled = settled.into_inner();
    for case in &cases {
        settled.entry(case.workflow).or_insert_with(|| {
            sink.received(case.workflow)
                .map_or(Settlement::Unaccounted, |received| told(case, received))
        });
    }
    settled
}

/// Ends once neither a webhook came nor a workflow was settled for long.
async fn stalled(mut webhooks: watch::Receiver<u64>, mut settled: watch::Receiver<usize>) {
    loop {
        let news = async {
            tokio::select! {
                news = webhooks.changed() => news,
                news = settled.changed() => news,
            }
        };
        match tokio::time::timeout(STALLED_AFTER, news).await {
            Ok(Ok(())) => {}
            // The senders outlive this; were they gone, nothing would come any more either.
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

async fn settle(customers: &CustomerClient, token: &str, case: &Case, sink: &Sink) -> Settlement {
    tokio::select! {
        biased;
        received = sink.told(case.workflow) => told(case, received),
        settlement = follow(customers, token, case.workflow) => match settlement {
            Settlement::Unaccounted => {
                let late = tokio::time::timeout(GRACE, sink.told(case.workflow)).await;
                late.map_or(Settlement::Unaccounted, |received| told(case, received))
            }
            settlement => settlement,
        },
    }
}

fn told(case: &Case, received: Received) -> Settlement {
    Settlement::Told {
        told: received.told,
        after: received.at.saturating_duration_since(case.sent_at),
        contradicted: received.contradicted,
    }
}

/// Asks for the status until it says something that no webhook has to follow.
///
/// Only a question with a tag may wait: that waits for a change. One without waits for the end, which
/// a workflow that awaits a choice may not reach for days.
async fn follow(customers: &CustomerClient, token: &str, workflow: Uuid) -> Settlement {
    let id = WorkflowId::from_uuid(workflow);
    let mut tag: Option<String> = None;
    loop {
        let wait = tag.is_some().then_some(STATUS_WAIT);
        match customers.status(token, id, tag.as_deref(), wait).await {
            Ok(StatusAnswer::Known(status, new_tag)) => {
                match (status.status, status.outcome) {
                    (Status::Ambiguous, _) => return Settlement::Ambiguous,
                    (Status::Completed, _) => return Settlement::Unaccounted,
                    // What failed in processing still has to say so.
                    (Status::Failed, Outcome::None) => return std::future::pending().await,
                    (Status::Failed, _) => return Settlement::DeliveryFailed,
                    _ => tag = new_tag,
                }
            }
            Ok(StatusAnswer::Unchanged) => {}
            Err(_) => tag = None,
        }
        if tag.is_none() {
            // The next question will be answered at once.
            stopwatch::pause(BETWEEN_QUESTIONS).await;
        }
    }
}
