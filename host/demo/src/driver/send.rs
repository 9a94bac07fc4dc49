//! Sending the plan.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use patchbay_api::{ClientError, CustomerClient, LinkCall};
use uuid::Uuid;

use super::{CONCURRENCY, Case, Tokens};
use crate::noise::{Chain, Planned, Token};
use crate::progress::Progress;
use crate::stopwatch;

/// How often a request is sent again, under the same key, where the service asks for patience.
const ATTEMPTS: u32 = 6;

/// A request and its answer.
#[derive(Debug)]
pub struct Exchange {
    /// The request.
    pub planned: Planned,
    /// The last answer to it.
    pub answer: Answer,
    /// When it was first sent.
    pub sent_at: Instant,
}

/// What `POST /link` answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A workflow will answer, or has answered.
    Workflow {
        /// Its id.
        id: Uuid,
        /// Whether the answer repeats an earlier one.
        replayed: bool,
    },
    /// A problem.
    Refused {
        /// Its status.
        status: u16,
        /// Its code.
        code: String,
    },
    /// No answer, or none that makes sense.
    Broken(String),
}

pub(super) async fn send_all(
    customers: &CustomerClient,
    tokens: &Tokens,
    plan: Vec<Chain>,
    progress: &Progress,
) -> Vec<Vec<Exchange>> {
    let total = plan.iter().map(Vec::len).sum();
    let bar = progress.bar("requests sent", total);
    let bar = &bar;
    let exchanges = stream::iter(plan)
        .map(|chain| async move {
            let mut exchanges = Vec::with_capacity(chain.len());
            for planned in chain {
                exchanges.push(send(customers, tokens, planned).await);
                bar.inc(1);
            }
            exchanges
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    bar.finish();
    exchanges
}

/// Every workflow that was accepted, once.
pub(super) fn cases(exchanges: &[Vec<Exchange>]) -> Vec<Case> {
    let mut seen = HashSet::new();
    exchanges
        .iter()
        .flatten()
        .filter_map(|exchange| match exchange.answer {
            Answer::Workflow { id, .. } => seen.insert(id).then_some(Case {
                workflow: id,
                sender: exchange.planned.sender,
                sent_at: exchange.sent_at,
            }),
            Answer::Refused { .. } | Answer::Broken(_) => None,
        })
        .collect()
}

async fn send(customers: &CustomerClient, tokens: &Tokens, planned: Planned) -> Exchange {
    let token = match planned.token {
        Token::Own => Some(tokens.of(planned.sender)),
        Token::Unknown => Some("v4.local.nobody-issued-this"),
        Token::Absent => None,
    };
    let sent_at = stopwatch::now();
    let mut wait = Duration::from_millis(100);
    let mut attempt = 1;
    let answer = loop {
        let call = LinkCall {
            token,
            idempotency_key: planned.key.as_deref(),
            body: planned.body.clone(),
        };
        let answer = match customers.link(call).await {
            Ok(answer) => Answer::Workflow {
                id: answer.workflow_id.as_uuid(),
                replayed: answer.replayed,
            },
            Err(ClientError::Refused(problem)) => Answer::Refused {
                status: problem.status,
                code: problem.code,
            },
            Err(error) => Answer::Broken(error.to_string()),
        };
        let patience = match &answer {
            Answer::Refused { status, .. } => matches!(status, 429 | 503),
            Answer::Broken(_) => true,
            Answer::Workflow { .. } => false,
        };
        if !patience || attempt == ATTEMPTS {
            break answer;
        }
        stopwatch::pause(wait).await;
        attempt += 1;
        wait *= 2;
    };
    Exchange {
        planned,
        answer,
        sent_at,
    }
}
