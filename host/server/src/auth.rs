//! Who is calling.

use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use patchbay_api::CustomerId;
use patchbay_api::customer::CUSTOMER_TOKEN;
use patchbay_registry::{AdminIdentity, TokenError, TokenKind};

use crate::observe::Caller;
use crate::problem::{self, Refusal};
use crate::shared::Shared;

/// Why nobody is let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AuthError {
    /// There are no credentials.
    #[error("send the token in the header `{0}`")]
    Missing(&'static str),
    /// The header is there several times, or is not text.
    #[error("send the token once, exactly as it was issued")]
    Unreadable,
    /// The registry does not accept it.
    #[error(transparent)]
    Refused(#[from] TokenError),
    /// It is a customer's test token.
    #[error("this is a test token, and this installation has no sandbox for it; use a live token")]
    Test,
}

impl From<AuthError> for Refusal {
    fn from(error: AuthError) -> Self {
        let kind = match &error {
            AuthError::Missing(_) => problem::TOKEN_MISSING,
            AuthError::Refused(TokenError::Expired) => problem::TOKEN_EXPIRED,
            AuthError::Refused(TokenError::Revoked) => problem::TOKEN_REVOKED,
            AuthError::Refused(TokenError::Stale) => problem::UNAVAILABLE,
            AuthError::Refused(
                TokenError::Malformed
                | TokenError::UnknownKey
                | TokenError::Invalid
                | TokenError::UnknownCustomer,
            )
            | AuthError::Unreadable
            | AuthError::Test => problem::TOKEN_INVALID,
        };
        kind.because(error.to_string())
    }
}

/// The customer whose token came along: in `customer-token` or, where that is not there, as
/// `Authorization: Bearer`. Notes it for the log.
pub(crate) fn customer(app: &Shared, head: &Parts) -> Result<CustomerId, AuthError> {
    let own = only(&head.headers, CUSTOMER_TOKEN)?;
    let token = match own {
        Some(value) => value.to_str().map_err(|_| AuthError::Unreadable)?,
        None => bearer(&head.headers)?.ok_or(AuthError::Missing(CUSTOMER_TOKEN))?,
    };
    let verified = app.registry().verify_token(token.trim())?;
    if verified.kind == TokenKind::Test {
        return Err(AuthError::Test);
    }
    if let Some(caller) = head.extensions.get::<Caller>() {
        caller.is(&verified.customer);
    }
    Ok(verified.customer)
}

/// The admin whose token came along as `Authorization: Bearer`.
pub(crate) fn admin(app: &Shared, headers: &HeaderMap) -> Result<AdminIdentity, AuthError> {
    let token = bearer(headers)?.ok_or(AuthError::Missing("authorization: Bearer"))?;
    Ok(app.registry().verify_admin(token)?)
}

/// RFC 6750; the scheme's case does not matter. Other schemes are somebody else's.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let Some(value) = only(headers, AUTHORIZATION.as_str())? else {
        return Ok(None);
    };
    let text = value.to_str().map_err(|_| AuthError::Unreadable)?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    Ok(scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim()))
}

fn only<'h>(
    headers: &'h HeaderMap,
    name: &'static str,
) -> Result<Option<&'h HeaderValue>, AuthError> {
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(AuthError::Unreadable),
        (one, None) => Ok(one),
    }
}
