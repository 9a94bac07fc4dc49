//! Header fields whose value is a list: `If-None-Match` (RFC 9110, 13.1.2) and `Prefer` (RFC 7240).

use std::time::Duration;

use http::HeaderMap;
use http::header::IF_NONE_MATCH;

const PREFER: &str = "prefer";

/// Which revisions of a resource the client has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// It does not say.
    Unsaid,
    /// Whatever there is (`*`).
    Any,
    /// These; tags that were never given out are left out.
    Revisions(Vec<u64>),
}

impl Known {
    /// Reads `If-None-Match`. Tags are compared weakly, as RFC 9110 wants it here.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut revisions = Vec::new();
        let mut said = false;
        for item in items(headers, IF_NONE_MATCH.as_str()) {
            said = true;
            if item == "*" {
                return Self::Any;
            }
            let tag = item.strip_prefix("W/").unwrap_or(item);
            let opaque = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            revisions.extend(opaque.and_then(|opaque| opaque.parse::<u64>().ok()));
        }
        if said {
            Self::Revisions(revisions)
        } else {
            Self::Unsaid
        }
    }

    /// Whether the client has this revision.
    pub(crate) fn has(&self, revision: u64) -> bool {
        match self {
            Self::Unsaid => false,
            Self::Any => true,
            Self::Revisions(revisions) => revisions.contains(&revision),
        }
    }

    /// The revision from which a change is news; none where the client waits for the end. Tags that
    /// were never given out stand for a revision that there will never be.
    pub(crate) fn newest(&self) -> Option<u64> {
        match self {
            Self::Unsaid | Self::Any => None,
            Self::Revisions(revisions) => Some(revisions.iter().copied().max().unwrap_or(u64::MAX)),
        }
    }
}

/// The client's `Prefer: wait`, in whole seconds. As RFC 7240 wants it, one that cannot be read is
/// passed over, and the first one counts.
pub(crate) fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    items(headers, PREFER).find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("wait") {
            return None;
        }
        let seconds: u32 = value.trim().trim_matches('"').parse().ok()?;
        Some(Duration::from_secs(seconds.into()))
    })
}

/// The members of a list, over all fields of that name. What is not visible ASCII is left out.
fn items<'h>(headers: &'h HeaderMap, name: &'static str) -> impl Iterator<Item = &'h str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(split)
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

/// Splits at commas outside of quotes.
fn split(list: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    list.split(move |letter| {
        quoted ^= letter == '"';
        letter == ',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn headers(name: &'static str, values: &[&'static str]) -> HeaderMap {
        let values = values.iter().copied();
        values
            .map(|value| {
                let name = http::HeaderName::from_static(name);
                (name, HeaderValue::from_static(value))
            })
            .collect()
    }

    #[test]
    fn tags_are_read_as_a_list() {
        let known = |values| Known::of(&headers("if-none-match", values));
        assert_eq!(known(&[]), Known::Unsaid);
        assert_eq!(known(&[r#""3", W/"5""#]), Known::Revisions(vec![3, 5]));
        assert_eq!(known(&[r#""3""#, r#""4""#]).newest(), Some(4));
        assert_eq!(known(&[r#""a, 7", 3"#]).newest(), Some(u64::MAX));
        assert_eq!(known(&["*"]), Known::Any);
        assert!(known(&[r#"W/"3""#]).has(3));
    }

    #[test]
    fn a_wait_is_found_among_other_preferences() {
        let wait = |values| preferred_wait(&headers("prefer", values)).map(|wait| wait.as_secs());
        assert_eq!(wait(&["respond-async, Wait = 10; lenient"]), Some(10));
        assert_eq!(wait(&["respond-async", r#"wait="7", wait=9"#]), Some(7));
        assert_eq!(wait(&[r#"note="a, wait=3""#]), None);
        assert_eq!(wait(&["wait=soon, wait=-1, wait"]), None);
    }

    proptest! {
        #[test]
        fn any_header_is_read_without_harm(bytes in proptest::collection::vec(32_u8..=255, 0..80)) {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                let mut headers = HeaderMap::new();
                headers.insert(IF_NONE_MATCH, value.clone());
                headers.insert(PREFER, value);
                let known = Known::of(&headers);
                prop_assert!(known.newest().is_none_or(|one| one == u64::MAX || known.has(one)));
                let _ = preferred_wait(&headers);
            }
        }

        #[test]
        fn what_was_given_out_is_known(revisions in proptest::collection::vec(any::<u64>(), 1..5)) {
            let tags: Vec<_> = revisions.iter().map(|one| format!("\"{one}\"")).collect();
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_str(&tags.join(" ,")) {
                headers.insert(IF_NONE_MATCH, value);
            }
            prop_assert_eq!(Known::of(&headers), Known::Revisions(revisions));
        }
    }
}
