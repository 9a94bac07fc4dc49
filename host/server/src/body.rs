//! Reading bodies within bounds.

use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http_body_util::BodyExt as _;

use crate::problem::{self, Refusal};
use crate::shared::Shared;

/// JSON, in UTF-8 (RFC 8259).
pub(crate) const JSON: &str = "application/json";
/// A WebAssembly component.
pub(crate) const WASM: &str = "application/wasm";

/// Why there is no body to work with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// It is larger than it may be, or says so.
    #[error("the body may have {most} bytes at most")]
    TooLarge {
        /// In bytes.
        most: usize,
    },
    /// It did not arrive in time.
    #[error("the body did not arrive within {0:?}")]
    TimedOut(Duration),
    /// The connection broke, or its framing did.
    #[error("the body ended before it was complete")]
    Incomplete,
    /// It is of another type, or encoded.
    #[error("send the body as `content-type: {expected}`, without a content-encoding")]
    MediaType {
        /// The only type there is.
        expected: &'static str,
    },
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        let kind = match &error {
            BodyError::TooLarge { .. } => problem::BODY_TOO_LARGE,
            BodyError::TimedOut(_) => problem::REQUEST_TIMEOUT,
            BodyError::Incomplete => problem::BODY_INCOMPLETE,
            BodyError::MediaType { .. } => problem::MEDIA_TYPE,
        };
        kind.because(error.to_string())
    }
}

/// Reads a body of `expected` type of at most `most` bytes.
pub(crate) async fn read(
    app: &Shared,
    headers: &HeaderMap,
    mut body: Body,
    expected: &'static str,
    most: usize,
) -> Result<Bytes, BodyError> {
    let said = content_length(headers);
    if said.is_some_and(|said| said > most as u64) {
        discard(app, headers, body).await;
        return Err(BodyError::TooLarge { most });
    }
    let within = app.settings.body_timeout;
    let bytes = tokio::select! {
        bytes = collect(&mut body, said, most) => bytes,
        () = app.clock().sleep(within) => Err(BodyError::TimedOut(within)),
    };
    if matches!(bytes, Err(BodyError::TooLarge { .. })) {
        discard(app, headers, body).await;
    }
    let bytes = bytes?;
    // Only now, so that a refused body is not left in the connection.
    if !is_of_type(headers, expected) {
        return Err(BodyError::MediaType { expected });
    }
    Ok(bytes)
}

async fn collect(body: &mut Body, said: Option<u64>, most: usize) -> Result<Bytes, BodyError> {
    /// What is set aside on the strength of a header alone.
    const TRUSTED: usize = 16 << 10;
    let said = said.and_then(|said| usize::try_from(said).ok());
    let mut bytes = BytesMut::with_capacity(said.unwrap_or(0).min(TRUSTED));
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Incomplete)?;
        if let Ok(data) = frame.into_data() {
            if data.len() > most - bytes.len() {
                return Err(BodyError::TooLarge { most });
            }
            bytes.extend_from_slice(&data);
        }
    }
    Ok(bytes.freeze())
}

/// Reads what is left of a body and drops it, within bounds. An answer that is sent while the client
/// still sends its body ends in a reset of the connection, which can take the answer with it. A client
/// that waits for `100 Continue` has not begun, and needs no more than the answer.
pub(crate) async fn discard(app: &Shared, headers: &HeaderMap, mut body: Body) {
    const MOST: u64 = 32 << 20;
    const WITHIN: Duration = Duration::from_secs(5);
    if headers.contains_key(EXPECT) || content_length(headers).is_some_and(|said| said > MOST) {
        return;
    }
    let drained = async {
        let mut left = MOST;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len) as u64;
            let Some(rest) = left.checked_sub(size) else {
                return;
            };
            left = rest;
        }
    };
    tokio::select! {
        () = drained => {}
        () = app.clock().sleep(WITHIN) => {}
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn is_of_type(headers: &HeaderMap, expected: &str) -> bool {
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let essence = text(CONTENT_TYPE)
        .and_then(|value| value.split(';').next())
        .unwrap_or("");
    let encoding = text(CONTENT_ENCODING).unwrap_or("identity");
    essence.trim().eq_ignore_ascii_case(expected)
        && encoding.trim().eq_ignore_ascii_case("identity")
}
