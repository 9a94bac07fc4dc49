//! Turns a guest's answer into the host's types, or says what the contract forbids in it. Everything in
//! an answer is the work of somebody else: nothing is taken on trust.

use http::{HeaderName, HeaderValue};
use patchbay_workflow::{
    Agreement, Candidate, FieldEvidence, Grade, InternalId, SearchAnswer, Sensitive,
};
use serde::de::IgnoredAny;

use crate::contract::v1_0_0 as wit;
use crate::outcome::{CallError, FieldError, GuestFailure};
use crate::roles::{Message, SearchOutcome};

/// The most candidates of one answer.
const CANDIDATES: usize = 200;
/// The most pieces of evidence per candidate.
const EVIDENCE: usize = 64;
/// The most faults of one request, and the most headers of one message.
const ITEMS: usize = 100;
/// The longest code, field name, pointer, search id and text for a person, in bytes.
const CODE_BYTES: usize = 64;
const FIELD_BYTES: usize = 128;
const POINTER_BYTES: usize = 512;
const SEARCH_ID_BYTES: usize = 1_024;
const MESSAGE_BYTES: usize = 1_024;

type Checked<T> = Result<T, CallError>;

const fn garbage<T>(what: &'static str) -> Checked<T> {
    Err(CallError::Garbage(what))
}

pub(crate) fn validated(
    answer: Result<String, Vec<wit::FieldError>>,
) -> Checked<Result<Sensitive<String>, Vec<FieldError>>> {
    match answer {
        Ok(request) if is_json_object(&request) => Ok(Ok(Sensitive::new(request))),
        Ok(_) => garbage("the normalised request is not a JSON object"),
        Err(faults) if faults.is_empty() => garbage("it refused the request without a reason"),
        Err(faults) if faults.len() > ITEMS => garbage("more than 100 field errors"),
        Err(faults) => Ok(Err(faults
            .into_iter()
            .map(fault)
            .collect::<Checked<_>>()?)),
    }
}

fn fault(fault: wit::FieldError) -> Checked<FieldError> {
    let pointer = fault.pointer;
    if !(pointer.is_empty() || pointer.starts_with('/')) || pointer.len() > POINTER_BYTES {
        return garbage("a field error's pointer is not a JSON pointer");
    }
    Ok(FieldError {
        pointer,
        code: code_of(&fault.code, "invalid"),
        message: Sensitive::new(text_of(fault.message)),
    })
}

pub(crate) fn searched(
    answer: Result<wit::Outcome, wit::Failure>,
) -> Checked<Result<SearchOutcome, GuestFailure>> {
    match answer {
        Ok(wit::Outcome::Answered(found)) => Ok(Ok(SearchOutcome::Answered(candidates(found)?))),
        Ok(wit::Outcome::Pending(id)) if (1..=SEARCH_ID_BYTES).contains(&id.len()) => {
            Ok(Ok(SearchOutcome::Pending(Sensitive::new(id))))
        }
        Ok(wit::Outcome::Pending(_)) => garbage("a search id must have 1 to 1024 bytes"),
        Err(failure) => Ok(Err(failure_of(failure))),
    }
}

fn candidates(answer: wit::Candidates) -> Checked<SearchAnswer> {
    if answer.found.len() > CANDIDATES {
        return garbage("more than 200 candidates; give the best and say that it is truncated");
    }
    let candidates = answer.found.into_iter().map(|found| {
        if !(0.0..=1.0).contains(&found.score) {
            return garbage("a score must be from 0 to 1");
        }
        if found.evidence.len() > EVIDENCE {
            return garbage("more than 64 pieces of evidence for a candidate");
        }
        let Some(internal_id) = InternalId::parse(found.internal_id) else {
            return garbage("an internal id must have 1 to 1024 bytes");
        };
        let evidence = found.evidence.into_iter().map(|evidence| {
            if !(0.0..=1.0).contains(&evidence.similarity) {
                return garbage("a similarity must be from 0 to 1");
            }
            if !evidence.weight.is_finite() {
                return garbage("a weight must be finite");
            }
            if evidence.field.is_empty() || evidence.field.len() > FIELD_BYTES {
                return garbage("the field of a piece of evidence must have 1 to 128 bytes");
            }
            Ok(FieldEvidence {
                field: evidence.field,
                agreement: match evidence.agreement {
                    wit::Agreement::Equal => Agreement::Equal,
                    wit::Agreement::Similar => Agreement::Similar,
                    wit::Agreement::Different => Agreement::Different,
                    wit::Agreement::Missing => Agreement::Missing,
                },
                similarity: evidence.similarity,
                weight: evidence.weight,
            })
        });
        Ok(Candidate {
            internal_id,
            score: found.score,
            grade: match found.grade {
                wit::Grade::Certain => Grade::Certain,
                wit::Grade::Probable => Grade::Probable,
                wit::Grade::Possible => Grade::Possible,
                wit::Grade::CertainlyNot => Grade::CertainlyNot,
            },
            evidence: evidence.collect::<Checked<_>>()?,
        })
    });
    Ok(SearchAnswer {
        candidates: candidates.collect::<Checked<_>>()?,
        truncated: answer.truncated,
    })
}

pub(crate) fn fetched(
    answer: Result<Option<String>, wit::Failure>,
) -> Checked<Result<Option<Sensitive<String>>, GuestFailure>> {
    match answer {
        Ok(Some(details)) if is_json_object(&details) => Ok(Ok(Some(Sensitive::new(details)))),
        Ok(Some(_)) => garbage("the patient's details are not a JSON object"),
        Ok(None) => Ok(Ok(None)),
        Err(failure) => Ok(Err(failure_of(failure))),
    }
}

pub(crate) fn formatted(
    answer: Result<wit::Message, wit::Failure>,
) -> Checked<Result<Message, GuestFailure>> {
    let message = match answer {
        Ok(message) => message,
        Err(failure) => return Ok(Err(failure_of(failure))),
    };
    if !is_media_type(&message.content_type) {
        return garbage("the content type is not a media type");
    }
    if message.headers.len() > ITEMS {
        return garbage("more than 100 headers");
    }
    let headers = message.headers.into_iter().map(|(name, value)| {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            return garbage("a header's name has characters that HTTP does not allow");
        };
        if is_hosts(name.as_str()) {
            return garbage("a header that is the host's to set (see the contract)");
        }
        if HeaderValue::from_str(&value).is_err() {
            return garbage("a header's value has characters that HTTP does not allow");
        }
        Ok((name.as_str().to_owned(), value))
    });
    Ok(Ok(Message {
        headers: headers.collect::<Checked<_>>()?,
        content_type: message.content_type,
        body: Sensitive::new(message.body),
    }))
}

/// Headers of a webhook that the host sets, or that belong to one hop.
fn is_hosts(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "content-length"
            | "content-type"
            | "expect"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "user-agent"
    ) || name.starts_with("webhook-")
        || name.starts_with("proxy-")
}

/// `type/subtype`, perhaps with parameters (RFC 9110, section 8.3.1).
fn is_media_type(text: &str) -> bool {
    let token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    let essence = text.split(';').next().unwrap_or_default().trim_end();
    let well_formed = essence
        .split_once('/')
        .is_some_and(|(kind, sub)| token(kind) && token(sub));
    well_formed && text.len() <= 256 && HeaderValue::from_str(text).is_ok()
}

fn is_json_object(text: &str) -> bool {
    text.trim_start().starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn failure_of(failure: wit::Failure) -> GuestFailure {
    GuestFailure {
        retryable: failure.retryable,
        code: code_of(&failure.code, "plugin-failure"),
        message: Sensitive::new(text_of(failure.message)),
    }
}

/// Makes a guest's code fit for logs and metrics.
fn code_of(text: &str, otherwise: &str) -> String {
    let letters: String = text
        .chars()
        .take(CODE_BYTES)
        .map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_lowercase() || c.is_ascii_digit() => c,
            _ => '-',
        })
        .collect();
    let code = letters.trim_matches('-');
    if code.is_empty() { otherwise } else { code }.to_owned()
}

/// Cuts a guest's text for a person, and takes control characters out of it.
fn text_of(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MESSAGE_BYTES));
    text.retain(|c| c == '\n' || !c.is_control());
    text
}
