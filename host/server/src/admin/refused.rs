//! What the registry refuses, as problems with the registry's own codes.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, rejection::QueryRejection};
use http::StatusCode;
use patchbay_api::{CustomerId, FieldProblem};
use patchbay_registry::{Fault, RegistryError};

use crate::problem::{self, Kind, Refusal};

/// Turns a refusal of the registry into a problem. What a path names and is not there is 404; what a
/// body names and is not there is 422, as is every broken rule.
pub(super) fn of_registry(error: &RegistryError) -> Refusal {
    use RegistryError as E;
    let status = match error {
        E::CustomerUnknown(_) | E::TokenUnknown(_) | E::AdminUnknown(_) => StatusCode::NOT_FOUND,
        E::CustomerExists(_) | E::BackendExists(_) | E::AdminExists(_) | E::LastAdmin(_) => {
            StatusCode::CONFLICT
        }
        E::PluginTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        E::SettingsInvalid { .. }
        | E::UrlInvalid { .. }
        | E::NameInvalid { .. }
        | E::ConfigInvalid { .. }
        | E::ExpiryInvalid
        | E::PluginUnknown(_)
        | E::PluginLacksRole { .. }
        | E::PluginWithoutRole
        | E::DigestMismatch { .. }
        | E::RoleOfBackend(_)
        | E::BackendUnknown(_)
        | E::BackendRepeated(_)
        | E::TooManyBackends(_)
        | E::LimitInvalid { .. }
        | E::CredentialsInvalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
        E::Database { .. } => StatusCode::SERVICE_UNAVAILABLE,
        E::AdminFile { .. }
        | E::LocationInvalid(_)
        | E::Migration(_)
        | E::Corrupt { .. }
        | E::Secret { .. }
        | E::AuditBroken { .. } => StatusCode::INTERNAL_SERVER_ERROR,
    };
    let title = match error.blame() {
        Fault::Caller => "The registry refuses this",
        Fault::Host => {
            tracing::error!(code = error.code(), %error, "the registry failed an operator");
            "The registry failed"
        }
    };
    let refusal = Kind::new(status, error.code(), title).because(error.to_string());
    match error {
        E::SettingsInvalid { pointer, reason } => refusal.errors([FieldProblem {
            pointer: format!("/settings{pointer}"),
            code: error.code().to_owned(),
            detail: reason.clone(),
        }]),
        _ => refusal,
    }
}

/// A part of the path that cannot name anything.
#[derive(Debug, thiserror::Error)]
#[error("the path names a {what} that cannot exist: {rule}")]
pub(super) struct BadPath {
    pub(super) what: &'static str,
    pub(super) rule: &'static str,
}

impl From<BadPath> for Refusal {
    fn from(error: BadPath) -> Self {
        problem::NOT_FOUND.because(error.to_string())
    }
}

/// The one parameter of a path, of a type with a rule for its text.
pub(super) fn named<T>(path: Result<Path<String>, PathRejection>) -> Result<T, BadPath>
where
    T: std::str::FromStr<Err = patchbay_api::InvalidId>,
{
    let Path(text) = path.map_err(|_| NOT_TEXT)?;
    parsed(&text)
}

/// The customer of a path and what comes after it.
pub(super) fn customer_and<T>(
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<(CustomerId, T), BadPath>
where
    T: std::str::FromStr<Err = patchbay_api::InvalidId>,
{
    let Path((customer, text)) = path.map_err(|_| NOT_TEXT)?;
    Ok((parsed(&customer)?, parsed(&text)?))
}

const NOT_TEXT: BadPath = BadPath {
    what: "thing",
    rule: "it is not UTF-8",
};

fn parsed<T>(text: &str) -> Result<T, BadPath>
where
    T: std::str::FromStr<Err = patchbay_api::InvalidId>,
{
    text.parse()
        .map_err(|invalid: patchbay_api::InvalidId| BadPath {
            what: invalid.kind,
            rule: invalid.rule,
        })
}

/// A query string that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("the query is not valid: {0}")]
pub(super) struct BadQuery(String);

impl From<QueryRejection> for BadQuery {
    fn from(rejection: QueryRejection) -> Self {
        Self(rejection.body_text())
    }
}

impl BadQuery {
    pub(super) const CURSOR: &str = "send the cursor exactly as `next` gave it";

    pub(super) fn because(rule: &str) -> Self {
        Self(rule.to_owned())
    }
}

impl From<BadQuery> for Refusal {
    fn from(error: BadQuery) -> Self {
        problem::MALFORMED_REQUEST.because(error.to_string())
    }
}
