//! Rules for what people write: names, addresses, configurations.

use serde_json::Value;
use url::Url;

use crate::Object;
use crate::error::RegistryError;

const MAX_NAME_BYTES: usize = 200;
const MAX_URL_BYTES: usize = 2048;
const MAX_CONFIG_BYTES: usize = 256 * 1024;

/// A name for people: one line, of moderate length.
pub(crate) fn check_display_name(what: &'static str, name: &str) -> Result<(), RegistryError> {
    if name.len() <= MAX_NAME_BYTES && !name.chars().any(char::is_control) {
        return Ok(());
    }
    Err(RegistryError::NameInvalid {
        what,
        rule: "it must have at most 200 bytes and no control characters",
    })
}

/// A name for programs.
pub(crate) fn check_slug(what: &'static str, name: &str) -> Result<(), RegistryError> {
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=63).contains(&name.len())
        && name.bytes().all(letters)
        && !name.starts_with('-')
        && !name.ends_with('-')
    {
        return Ok(());
    }
    Err(RegistryError::NameInvalid {
        what,
        rule: "it must be 1 to 63 of a-z, 0-9 and '-', not at its ends",
    })
}

/// An address for the host to send to. Credentials have their own sealed place, so none may be in it.
pub(crate) fn parse_url(what: &'static str, text: &str) -> Result<Url, RegistryError> {
    let invalid = |reason| RegistryError::UrlInvalid { what, reason };
    if text.len() > MAX_URL_BYTES {
        return Err(invalid("it is longer than 2048 bytes"));
    }
    let url = Url::parse(text).map_err(|_| invalid("give an absolute URL: https://HOST/PATH"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid("its scheme must be http or https"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it must not hold a user or a password"));
    }
    if url.fragment().is_some() {
        return Err(invalid("it must not have a fragment (#)"));
    }
    Ok(url)
}

/// What may be shown of an address in the audit log: paths and queries can hold a secret.
pub(crate) fn origin(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// A configuration as text; nothing means an empty object.
pub(crate) fn parse_config(
    of: impl FnOnce() -> String,
    text: &str,
) -> Result<Object, RegistryError> {
    let reason = if text.len() > MAX_CONFIG_BYTES {
        format!("it is larger than {MAX_CONFIG_BYTES} bytes")
    } else if text.trim().is_empty() {
        return Ok(Object::new());
    } else {
        match serde_json::from_str(text) {
            Ok(Value::Object(object)) => return Ok(object),
            Ok(_) => "it must be a JSON object".to_owned(),
            Err(error) => format!(
                "it is not JSON: line {}, column {}",
                error.line(),
                error.column()
            ),
        }
    };
    Err(RegistryError::ConfigInvalid { of: of(), reason })
}

/// An object as text.
pub(crate) fn to_json(object: &Object) -> String {
    serde_json::to_string(object).unwrap_or_else(|_| "{}".to_owned())
}
