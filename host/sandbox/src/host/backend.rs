//! `backend`: checks that a request stays below the base URL and leaves the host's headers alone, counts
//! it, and hands it to the gateway.

use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;

use crate::gateway::{BackendError, BackendRequest, BackendResponse};
use crate::state::CallState;

/// The longest path, in bytes.
const PATH_BYTES: usize = 2_048;
/// The most query parameters, and the most headers.
const PAIRS: usize = 64;

impl CallState {
    pub(crate) async fn send(
        &mut self,
        mut request: BackendRequest,
    ) -> Result<BackendResponse, BackendError> {
        self.backend_calls = self.backend_calls.saturating_add(1);
        if self.backend_calls > self.backend_limit {
            return Err(BackendError::Denied(format!(
                "a call may send {} requests; ask for more results at a time",
                self.backend_limit
            )));
        }
        check(&mut request).map_err(BackendError::Denied)?;
        let Some(gateway) = self.gateway.clone() else {
            return Err(BackendError::Denied(
                "this role has no backend: only search-adapter, search-async and patient-details have"
                    .to_owned(),
            ));
        };
        self.in_backend = true;
        let answer = gateway.send(request).await;
        self.in_backend = false;
        answer
    }
}

/// Says what is wrong with a request and what to change; lowers the names of its headers.
pub(crate) fn check(request: &mut BackendRequest) -> Result<(), String> {
    check_path(&request.path)?;
    if request.query.len() > PAIRS || request.headers.len() > PAIRS {
        return Err(format!(
            "at most {PAIRS} query parameters and {PAIRS} headers"
        ));
    }
    for (name, value) in &mut request.headers {
        let Ok(parsed) = HeaderName::from_bytes(name.as_bytes()) else {
            return Err("a header's name has characters that HTTP does not allow".to_owned());
        };
        parsed.as_str().clone_into(name);
        if is_hosts(name) {
            return Err(format!(
                "the header {name} is set by the host; leave it out"
            ));
        }
        if HeaderValue::from_str(value).is_err() {
            return Err(format!(
                "the value of the header {name} has characters that HTTP does not allow"
            ));
        }
    }
    Ok(())
}

fn check_path(path: &str) -> Result<(), String> {
    let refuse = |why: &str| Err(why.to_owned());
    if path.len() > PATH_BYTES {
        return Err(format!("the path is longer than {PATH_BYTES} bytes"));
    }
    if path.starts_with('/') {
        return refuse("paths are relative to the backend's base URL: leave out the leading slash");
    }
    if path.contains("//") {
        return refuse("the path has an empty segment (`//`)");
    }
    let first = path.split('/').next().unwrap_or_default();
    if first.contains(':') {
        return refuse("the URL is absolute: give a path relative to the backend's base URL");
    }
    let allowed = |byte: u8| byte.is_ascii_graphic() && !b"?#\\\"<>^`{|}".contains(&byte);
    if !path.bytes().all(allowed) {
        return refuse(
            "the path has characters that must be percent-encoded; query parameters go to `query`",
        );
    }
    // Some servers decode more than once: look below every layer.
    let mut text = path.to_owned();
    loop {
        if text
            .split(['/', '\\'])
            .any(|segment| segment == ".." || segment == ".")
        {
            return refuse("the path has a `.` or `..` segment");
        }
        if text.bytes().any(|byte| byte.is_ascii_control()) {
            return refuse("the path has an encoded control character");
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            return Ok(());
        }
        text = decoded;
    }
}

/// Headers that carry credentials, say where a request goes, or belong to one hop.
fn is_hosts(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "connection"
            | "content-length"
            | "cookie"
            | "expect"
            | "forwarded"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "te"
            | "traceparent"
            | "tracestate"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
            | "via"
    ) || name.starts_with("proxy-")
        || name.starts_with("x-forwarded-")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::check_path;

    proptest! {
        /// What is let through stays below the base, also for a server that decodes the path again.
        #[test]
        fn no_path_leaves_the_base(path in "([a-c]|[./%:;@\\\\?#]|%2[eEfF5]|%5[cC]|%252e|\\.\\.){0,12}") {
            if check_path(&path).is_ok() {
                let base = Url::parse("http://backend.example/base/")?;
                let mut url = base.join(&path)?;
                for _ in 0..4 {
                    prop_assert_eq!(url.host_str(), Some("backend.example"));
                    prop_assert!(url.path().starts_with("/base/"), "{}", url);
                    prop_assert!(url.query().is_none() && url.fragment().is_none());
                    let decoded = percent_encoding::percent_decode_str(url.path());
                    let decoded = decoded.decode_utf8_lossy().into_owned();
                    url.set_path(&decoded);
                }
            }
        }
    }

    #[test]
    fn paths_stay_below_the_base() {
        for good in [
            "",
            "Patient",
            "v1/search",
            "Patient/a%2Fb",
            "Patient/$match",
            "a/b:c",
            "a..b",
        ] {
            assert_eq!(check_path(good), Ok(()), "{good}");
        }
        for bad in [
            "/Patient",
            "//evil.example/x",
            "http://evil.example/",
            "mailto:x",
            "a//b",
            "../admin",
            "a/../../b",
            "a/%2e%2e/b",
            "a/%2E./b",
            "a/%252e%252e/b",
            "a%2f..%2fb",
            "a%5c..%5cb",
            "a\\..\\b",
            "./a",
            "a?b=c",
            "a#b",
            "a b",
            "a%0d%0ab",
            "ü",
        ] {
            assert!(check_path(bad).is_err(), "{bad}");
        }
    }
}
