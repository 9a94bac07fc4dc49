//! What an answer, or the lack of one, means for the next attempt.

use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use patchbay_ambient::{HttpError, HttpResponse};
use patchbay_workflow::Timestamp;

/// What becomes of a delivery after one attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The endpoint acknowledged it: any 2xx.
    Delivered,
    /// The endpoint says that it is gone for good (410): it is to be disabled, and nothing is tried again.
    Gone,
    /// It is to be tried again.
    Retry {
        /// How long the endpoint asked to be left alone (429 and 503 with `Retry-After`).
        after: Option<Duration>,
        /// What went wrong.
        failure: AttemptFailure,
    },
}

/// Why one attempt did not deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttemptFailure {
    /// An answer that is neither a success nor a redirect.
    Status(StatusCode),
    /// A redirect; none is followed, because its target was checked by nobody.
    Redirect(StatusCode),
    /// The address may not be asked.
    Refused,
    /// The name has no address.
    Unresolved,
    /// The connection, TLS or the protocol failed.
    Connection,
    /// No complete answer in time.
    Timeout,
    /// The answer was larger than allowed.
    TooLarge,
}

impl AttemptFailure {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Status(_) => "endpoint-status",
            Self::Redirect(_) => "endpoint-redirected",
            Self::Refused => "endpoint-address-refused",
            Self::Unresolved => "endpoint-unresolved",
            Self::Connection => "endpoint-unreachable",
            Self::Timeout => "endpoint-timeout",
            Self::TooLarge => "endpoint-answer-too-large",
        }
    }

    /// The status of the answer, where there was one.
    pub const fn status(self) -> Option<StatusCode> {
        match self {
            Self::Status(status) | Self::Redirect(status) => Some(status),
            _ => None,
        }
    }
}

impl From<&HttpError> for AttemptFailure {
    fn from(error: &HttpError) -> Self {
        match error {
            HttpError::Refused(_) => Self::Refused,
            HttpError::Unresolved(_) => Self::Unresolved,
            HttpError::Connection(_) => Self::Connection,
            HttpError::Timeout(_) => Self::Timeout,
            HttpError::TooLarge(_) => Self::TooLarge,
        }
    }
}

/// Judges one attempt. `now` is what a `Retry-After` given as a date is measured from, unless the
/// answer has a `Date` of its own (which spares both sides from agreeing on the time).
pub fn classify(result: Result<&HttpResponse, &HttpError>, now: Timestamp) -> Verdict {
    let response = match result {
        Ok(response) => response,
        Err(error) => {
            return Verdict::Retry {
                after: None,
                failure: error.into(),
            };
        }
    };
    match response.status {
        status if status.is_success() => Verdict::Delivered,
        StatusCode::GONE => Verdict::Gone,
        status if status.is_redirection() => Verdict::Retry {
            after: None,
            failure: AttemptFailure::Redirect(status),
        },
        status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => {
            Verdict::Retry {
                after: retry_after(&response.headers, now),
                failure: AttemptFailure::Status(status),
            }
        }
        status => Verdict::Retry {
            after: None,
            failure: AttemptFailure::Status(status),
        },
    }
}

/// `Retry-After` in either of its forms (RFC 9110, section 10.2.3); none where it cannot be read.
pub fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit mean a very long time.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let until = http_date(text)?;
    let from = headers
        .get(DATE)
        .and_then(|date| date.to_str().ok())
        .and_then(http_date)
        .unwrap_or(now);
    Some(until.since(from))
}

fn http_date(text: &str) -> Option<Timestamp> {
    let since_epoch = httpdate::parse_http_date(text)
        .ok()?
        .duration_since(std::time::UNIX_EPOCH)
        .ok()?;
    Some(Timestamp::from_millis(
        u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
    ))
}
