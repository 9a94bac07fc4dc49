//! A customer's program, as the guide tells customers to write it: it repeats what was not answered, with
//! the same key, and waits as long as a 503 says.

use std::time::Duration;

use axum::body::Bytes;
use patchbay_api::customer::{
    Accepted, CUSTOMER_TOKEN, IDEMPOTENCY_KEY, IDEMPOTENCY_REPLAYED, LinkStatus,
};
use patchbay_api::{Problem, WorkflowId};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode};

use crate::journal::Journal;

/// How long a client tries before it takes the service for lost.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long it waits after a call that got no answer.
const PAUSE: Duration = Duration::from_millis(250);
/// How long it waits for one answer.
const LIMIT: Duration = Duration::from_secs(40);

/// A connection that ended before its answer.
pub(crate) const BROKEN_OFF: &str = "connection broken off";

/// What became of a link request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 202, or 200 where the workflow has ended.
    Accepted {
        workflow: WorkflowId,
        replayed: bool,
    },
    /// 409.
    Conflict { workflow: Option<WorkflowId> },
    /// Anything else that is not to be repeated.
    Refused { status: u16, code: String },
}

#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    journal: Journal,
}

struct Raw {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

#[allow(clippy::disallowed_methods, reason = "the test is a client")]
pub(crate) fn http() -> reqwest::Client {
    // e2e's client installs the process's cryptography, too; the first one wins.
    drop(patchbay_e2e::http());
    reqwest::Client::builder()
        .no_proxy()
        .timeout(LIMIT)
        .build()
        .expect("a client")
}

impl Client {
    pub(crate) fn new(base: String, journal: Journal) -> Self {
        Self {
            http: http(),
            base,
            journal,
        }
    }

    /// Asks for a link until there is an answer; none if there is none for minutes.
    pub(crate) async fn link(&self, token: &str, key: &str, body: &Bytes) -> Option<Answer> {
        let answer = self
            .persist(|| {
                self.journal.count("link calls");
                self.journal.sent();
                self.http
                    .post(format!("{}/link", self.base))
                    .header("content-type", "application/json")
                    .header(CUSTOMER_TOKEN, token)
                    .header(IDEMPOTENCY_KEY, key)
                    .body(body.clone())
            })
            .await?;
        let replayed = answer.headers.contains_key(IDEMPOTENCY_REPLAYED);
        let workflow = match answer.status {
            StatusCode::ACCEPTED => serde_json::from_slice::<Accepted>(&answer.body)
                .ok()
                .map(|accepted| accepted.workflow_id),
            StatusCode::OK => serde_json::from_slice::<LinkStatus>(&answer.body)
                .ok()
                .map(|status| status.workflow_id),
            _ => None,
        };
        if let Some(workflow) = workflow {
            return Some(Answer::Accepted { workflow, replayed });
        }
        let problem = serde_json::from_slice::<Problem>(&answer.body).ok();
        if answer.status == StatusCode::CONFLICT {
            let workflow = problem.and_then(|problem| problem.workflow_id);
            return Some(Answer::Conflict { workflow });
        }
        Some(Answer::Refused {
            status: answer.status.as_u16(),
            code: problem.map_or_else(String::new, |problem| problem.code),
        })
    }

    /// Asks where a workflow stands.
    pub(crate) async fn status(
        &self,
        token: &str,
        workflow: WorkflowId,
        wait: Duration,
    ) -> Option<LinkStatus> {
        let answer = self
            .persist(|| {
                self.journal.count("status calls");
                let request = self
                    .http
                    .get(format!("{}/link/status/{workflow}", self.base))
                    .header(CUSTOMER_TOKEN, token);
                match wait.as_secs() {
                    0 => request,
                    seconds => request.header("prefer", format!("wait={seconds}")),
                }
            })
            .await?;
        let status = serde_json::from_slice(&answer.body).ok();
        if status.is_none() {
            self.journal
                .broken(format!("status of {workflow}: {}", answer.status));
        }
        status
    }

    /// Sends until there is an answer that is not to be repeated.
    async fn persist(&self, request: impl Fn() -> RequestBuilder) -> Option<Raw> {
        let clock = self.journal.clock();
        let end = clock.now() + PATIENCE;
        while clock.now() < end {
            let pause = match send(request()).await {
                Err(error) => {
                    self.journal.trouble(transport(&error).to_owned(), true);
                    PAUSE
                }
                Ok(answer) if answer.status.is_server_error() => self.refused(&answer),
                Ok(answer) => return Some(answer),
            };
            clock.pause(pause).await;
        }
        None
    }

    /// How long to wait after this answer.
    fn refused(&self, answer: &Raw) -> Duration {
        let problem = serde_json::from_slice::<Problem>(&answer.body).ok();
        let code = problem.as_ref().map_or("", |problem| &problem.code);
        let detail = problem
            .as_ref()
            .and_then(|problem| problem.detail.as_deref());
        // The words of the documented configuration of the proxy.
        let proxys = detail.is_some_and(|detail| detail.starts_with("no intake"));
        let status = answer.status.as_u16();
        let kind = if proxys {
            format!("{status} of the proxy")
        } else {
            format!("{status} {code}")
        };
        self.journal.trouble(kind, proxys || status != 503);
        if status != 503 {
            return PAUSE;
        }
        let seconds = answer.headers.get(RETRY_AFTER);
        let seconds = seconds.and_then(|value| value.to_str().ok()?.parse().ok());
        if seconds.is_none() {
            self.journal.broken("a 503 without Retry-After".to_owned());
        }
        seconds.map_or(PAUSE, Duration::from_secs)
    }
}

async fn send(request: RequestBuilder) -> Result<Raw, reqwest::Error> {
    let response = request.send().await?;
    Ok(Raw {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await?,
    })
}

fn transport(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "no answer in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        BROKEN_OFF
    }
}
