//! The roles a plugin may play: one trait each, and one macro each that exports it.
//!
//! Knows nothing of the canonical ABI (`bindings`, `guest`) nor of matching.

use serde_json::Value;

use crate::{Event, Failure, FieldError, Host, Message, Outcome, Query};

/// Checks and normalises a customer's request before it is accepted.
///
/// A validator that cannot do its work (say, its configuration is wrong) has no way to say so but to
/// panic: the host then answers 503 `plugin-failed` and blames the plugin, not the customer. See
/// [`Host::config_or_trap`].
pub trait Validator {
    /// Gets the body of `POST /link` as the customer sent it; gives the normalised body.
    ///
    /// `/patient/id` must come back unchanged, and members unknown to the plugin should.
    ///
    /// # Errors
    /// Every fault found, addressed to the customer; [`crate::FieldErrors`] collects them.
    fn validate(request: Value, host: &Host) -> Result<Value, Vec<FieldError>>;
}

/// Searches the internal system for the patient.
pub trait SearchAdapter {
    /// Searches once. The call may be repeated for one workflow: give [`Query::attempt_id`] to a
    /// backend that understands idempotency keys.
    ///
    /// # Errors
    /// A [`Failure`] that says whether the same call may succeed later.
    fn search(query: Query, host: &Host) -> Result<Outcome, Failure>;
}

/// The rest of a search that a backend answers later ([`Outcome::Pending`]).
pub trait SearchAsync {
    /// Asks for the answer to an earlier search.
    ///
    /// # Errors
    /// A [`Failure`]; "not ready yet" is none, but [`Outcome::Pending`] again.
    fn poll(search_id: &str, host: &Host) -> Result<Outcome, Failure>;

    /// Reads the answer that the backend delivered to the host.
    ///
    /// # Errors
    /// A [`Failure`] if the body is not such an answer.
    fn parse_callback(search_id: &str, body: &[u8], host: &Host) -> Result<Outcome, Failure>;
}

/// Fetches the details of a linked patient.
pub trait PatientDetails {
    /// Gives the details as a JSON object; `None` if the internal system no longer knows the id.
    ///
    /// # Errors
    /// A [`Failure`] if the internal system could not be asked.
    fn fetch_patient(internal_id: &str, host: &Host) -> Result<Option<Value>, Failure>;
}

/// Turns an event into the body of a webhook.
pub trait WebhookFormatter {
    /// Formats once per event; the host signs and delivers the result, and repeats it byte for byte.
    ///
    /// # Errors
    /// A [`Failure`]: the delivery is parked and formatted again by a redelivery.
    fn format(event: Event, host: &Host) -> Result<Message, Failure>;
}

/// Exports a type's [`Validator`] as the component's role `validator`.
#[macro_export]
macro_rules! export_validator {
    ($ty:ty) => {
        $crate::__export_role!(validator, $crate::Validator, $ty);
    };
}

/// Exports a type's [`SearchAdapter`] as the component's role `search-adapter`.
#[macro_export]
macro_rules! export_search_adapter {
    ($ty:ty) => {
        $crate::__export_role!(search_adapter, $crate::SearchAdapter, $ty);
    };
}

/// Exports a type's [`SearchAsync`] as the component's role `search-async`. Such a component exports
/// `search-adapter` too: only a search that was begun can be continued.
#[macro_export]
macro_rules! export_search_async {
    ($ty:ty) => {
        $crate::__export_role!(search_async, $crate::SearchAsync, $ty);
    };
}

/// Exports a type's [`PatientDetails`] as the component's role `patient-details`.
#[macro_export]
macro_rules! export_patient_details {
    ($ty:ty) => {
        $crate::__export_role!(patient_details, $crate::PatientDetails, $ty);
    };
}

/// Exports a type's [`WebhookFormatter`] as the component's role `webhook-formatter`.
#[macro_export]
macro_rules! export_webhook_formatter {
    ($ty:ty) => {
        $crate::__export_role!(webhook_formatter, $crate::WebhookFormatter, $ty);
    };
}

// Off wasm32 nothing is exported: component symbols (`…@1.0.0#validate`) are not names that every
// native linker takes, and native tests call the trait. The trait is still demanded of the type.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_role {
    ($role:ident, $role_trait:path, $ty:ty) => {
        const _: () = {
            const fn plays_the_role<T: $role_trait>() {}
            plays_the_role::<$ty>();
        };
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code)]
        const _: () = {
            type Exported = $crate::guest::Component<$ty>;
    $crate::bindings::$role::export!(Exported with_types_in $crate::bindings::$role);
        };
    };
}
