//! What a FHIR server answers: a searchset, or an `OperationOutcome`.

use patchbay_plugin::{Failure, Response};
use serde_json::Value;

/// One page of a search.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The Patient resources that matched.
    pub(crate) patients: Vec<Value>,
    /// The server has more matches than these.
    pub(crate) has_more: bool,
}

/// Reads the answer to a search.
///
/// A server that finds a search `too-costly` has more matches than it cares to give.
pub(crate) fn read(answer: Response) -> Result<Page, Failure> {
    if !answer.is_success() && issue_codes(&outcome(&answer)).any(|code| code == "too-costly") {
        return Ok(Page {
            patients: Vec::new(),
            has_more: true,
        });
    }
    let mut bundle: Value = success(answer)?.json()?;
    if bundle["resourceType"] != "Bundle" {
        return Err(Failure::permanent(
            "backend-answer-invalid",
            "the backend's answer to a search is no Bundle: is the base URL a FHIR endpoint?",
        ));
    }
    let has_next = bundle["link"]
        .as_array()
        .is_some_and(|links| links.iter().any(|link| link["relation"] == "next"));
    let entries = match bundle["entry"].take() {
        Value::Array(entries) => entries,
        _ => Vec::new(),
    };
    let patients: Vec<Value> = entries
        .into_iter()
        .filter(|entry| {
            entry["search"]["mode"]
                .as_str()
                .is_none_or(|mode| mode == "match")
        })
        .map(|mut entry| entry["resource"].take())
        .filter(|resource| resource["resourceType"] == "Patient")
        .collect();
    let total = bundle["total"].as_u64();
    let has_more = has_next || total.is_some_and(|total| total > patients.len() as u64);
    Ok(Page { patients, has_more })
}

/// Passes a 2xx answer on; else says why not, with what the `OperationOutcome` adds.
pub(crate) fn success(answer: Response) -> Result<Response, Failure> {
    /// The codes below `transient` in the value set issue-type, without `exception`.
    const TRANSIENT: [&str; 6] = [
        "transient",
        "lock-error",
        "no-store",
        "timeout",
        "incomplete",
        "throttled",
    ];
    if answer.is_success() {
        return Ok(answer);
    }
    let outcome = outcome(&answer);
    let status = answer.status;
    let mut failure = match answer.error_for_status() {
        Ok(answer) => return Ok(answer),
        Err(failure) => failure,
    };
    let codes: Vec<&str> = issue_codes(&outcome).take(5).collect();
    if !failure.retryable && codes.iter().any(|code| TRANSIENT.contains(code)) {
        failure = Failure::retryable(
            "backend-unavailable",
            format!("the backend answered {status} for a passing reason"),
        );
    }
    if !codes.is_empty() {
        failure.message = format!("{} ({})", failure.message, codes.join(", "));
    }
    Err(failure)
}

/// The answer's `OperationOutcome`; null if it is none.
fn outcome(answer: &Response) -> Value {
    serde_json::from_slice(&answer.body)
        .ok()
        .filter(|body: &Value| body["resourceType"] == "OperationOutcome")
        .unwrap_or_default()
}

/// The codes of its issues. Their texts are left out: servers quote the request in them.
fn issue_codes(outcome: &Value) -> impl Iterator<Item = &str> {
    outcome["issue"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|issue| issue["code"].as_str())
        .filter(|code| code.len() <= 40)
}
