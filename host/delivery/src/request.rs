//! One webhook attempt as a request.

use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST,
    PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, Method};
use patchbay_ambient::{Destination, HttpLimits, HttpRequest};
use patchbay_workflow::{EventId, Timestamp};
use url::Url;

use crate::sign::{SigningSecret, signature_headers};

/// How much of an endpoint's answer is read and kept, in bytes.
pub const ANSWER_KEPT: usize = 16 * 1024;

/// Headers that belong to the connection or to the client, not to whoever writes a request (RFC 9110,
/// section 7.6.1).
const CLIENTS_OWN: [HeaderName; 13] = [
    ACCEPT_ENCODING,
    CONNECTION,
    CONTENT_LENGTH,
    EXPECT,
    HOST,
    HeaderName::from_static("keep-alive"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

pub(crate) fn remove_clients_own(headers: &mut HeaderMap) {
    for name in &CLIENTS_OWN {
        headers.remove(name);
    }
}

/// The request of one attempt: the formatted event, signed now, to an address that a customer chose.
///
/// Of the formatter's `headers`, those that start with `webhook-`, those of the connection and
/// `content-encoding` are dropped: a signature is the host's word alone, and it is over the bytes as
/// they are sent. Only the first [`ANSWER_KEPT`] bytes of the answer are read.
pub fn webhook_request(
    endpoint: &Url,
    mut headers: HeaderMap,
    body: Bytes,
    secrets: &[SigningSecret],
    id: &EventId,
    at: Timestamp,
    timeout: Duration,
) -> HttpRequest {
    let forged: Vec<HeaderName> = headers
        .keys()
        .filter(|name| name.as_str().starts_with("webhook-"))
        .cloned()
        .collect();
    for name in forged {
        headers.remove(name);
    }
    headers.remove(CONTENT_ENCODING);
    remove_clients_own(&mut headers);
    headers.extend(signature_headers(secrets, id, at, &body));
    HttpRequest {
        method: Method::POST,
        url: endpoint.clone(),
        headers,
        body,
        limits: HttpLimits {
            timeout,
            max_body: ANSWER_KEPT,
            truncate: true,
        },
        destination: Destination::Customer,
    }
}
