//! Reading a JSON body into one of the API's types.

use axum::body::Body;
use http::HeaderMap;
use patchbay_api::FieldProblem;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::body::{self, BodyError, JSON};
use crate::problem::{self, Refusal};
use crate::shared::Shared;

/// Why a body is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JsonError {
    /// There is none.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// It is not JSON.
    #[error("error at line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A member is missing, unknown or of another type.
    #[error("{pointer}: {rule}")]
    Shape {
        /// JSON pointer (RFC 6901).
        pointer: String,
        /// What it has to be; never what it is.
        rule: String,
    },
}

impl From<JsonError> for Refusal {
    fn from(error: JsonError) -> Self {
        match error {
            JsonError::Body(error) => error.into(),
            JsonError::Syntax { .. } => problem::MALFORMED_JSON.because(error.to_string()),
            JsonError::Shape { pointer, rule } => problem::MALFORMED_REQUEST
                .because("the body does not have the form that the API's reference shows")
                .errors([malformed(pointer, rule)]),
        }
    }
}

/// A member that is not of the right form.
pub(crate) fn malformed(pointer: impl Into<String>, rule: impl Into<String>) -> FieldProblem {
    FieldProblem {
        pointer: pointer.into(),
        code: "malformed".to_owned(),
        detail: rule.into(),
    }
}

/// Reads a body.
pub(crate) async fn read<T: DeserializeOwned>(
    app: &Shared,
    headers: &HeaderMap,
    body: Body,
) -> Result<T, JsonError> {
    let bytes = body::read(app, headers, body, JSON, app.settings.max_body).await?;
    parse(&bytes)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let value: Value = serde_json::from_slice(bytes).map_err(|error| JsonError::Syntax {
        line: error.line(),
        column: error.column(),
    })?;
    serde_path_to_error::deserialize(value).map_err(|error| JsonError::Shape {
        pointer: pointer(error.path()),
        rule: rule(&error.inner().to_string()),
    })
}

fn pointer(path: &Path) -> String {
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { .. } | Segment::Unknown => String::new(),
        })
        .collect()
}

/// What was expected, without what was found: that may be a secret.
fn rule(message: &str) -> String {
    let repeats = message.starts_with("invalid ") || message.starts_with("unknown variant");
    match message.rfind(", expected ") {
        Some(at) if repeats => format!("must be {}", &message[at + ", expected ".len()..]),
        _ if repeats => "is not of the right type".to_owned(),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use patchbay_api::admin::NewBackend;

    fn fault(text: &str) -> String {
        parse::<NewBackend>(text.as_bytes())
            .map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn a_fault_is_pointed_at_and_nothing_is_repeated() {
        assert_eq!(fault("{\n  \"id\": "), "error at line 2, column 8");
        let start = r#"{"id": "fhir", "base-url": "http://x", "adapter": "a", "#;
        let faults = [
            (
                r#""limits": {"attempts": "4711"}}"#,
                "/limits/attempts: must be u32",
            ),
            (
                r#""limits": {"attempt": 4711}}"#,
                "/limits/attempt: unknown field",
            ),
            (
                r#""credentials": {"kind": "bearer", "token": 4711}}"#,
                "must be",
            ),
            (r#""credentials": {"kind": "4711"}}"#, "must be one of"),
        ];
        for (rest, expected) in faults {
            let fault = fault(&format!("{start}{rest}"));
            assert!(fault.contains(expected), "{fault}");
            assert!(!fault.contains("4711"), "{fault}");
        }
        assert!(fault("{}").contains("missing field `id`"));
        assert!(fault(r#"{"id": "A B"}"#).contains("must be 1 to 63 of"));
    }
}
