//! The calls of every role, in the host's own types.

use patchbay_workflow::{InternalId, Role, SearchAnswer, Sensitive};

use crate::call::without_a_guest;
use crate::contract::{check, v1_0_0 as wit};
use crate::outcome::{CallError, CallOutcome, FieldError, GuestFailure};
use crate::{Call, Plugin, Sandbox};

/// What a search adapter is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchQuery {
    /// The normalised request body, JSON.
    pub request: Sensitive<String>,
    /// Unique to this attempt: the backend's idempotency key.
    pub attempt_id: String,
    /// Where the backend may deliver its answer. The URL holds a token, so keep it out of logs.
    pub callback_url: Option<String>,
}

/// What a search gave.
#[derive(Debug, Clone, PartialEq)]
pub enum SearchOutcome {
    /// The backend's answer: scores and similarities are within 0 and 1, ids are usable.
    Answered(SearchAnswer),
    /// The backend will answer later, under this id (1 to 1024 bytes).
    Pending(Sensitive<String>),
}

/// An event to be turned into a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormatEvent {
    /// The event's id.
    pub id: String,
    /// Its kind, such as `link.linked`.
    pub kind: String,
    /// RFC 3339.
    pub occurred_at: String,
    /// Its data, JSON.
    pub data: Sensitive<String>,
}

/// A webhook's content, as the formatter made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// A media type.
    pub content_type: String,
    /// Names in lower case; valid in HTTP, and none that is the host's to set.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Sensitive<Vec<u8>>,
}

impl Sandbox {
    /// Asks a validator. The inner error: what is wrong with the request, for the customer.
    pub async fn validate(
        &self,
        plugin: &Plugin,
        call: Call,
        request: &str,
    ) -> CallOutcome<Result<Sensitive<String>, Vec<FieldError>>> {
        let Some(role) = &plugin.roles.validator else {
            return without_a_guest(CallError::RoleMissing(Role::Validator));
        };
        let ask = wit::Validate {
            role,
            request: request.to_owned(),
        };
        self.runner
            .run(&plugin.pre, call, ask, check::validated)
            .await
    }

    /// Asks a search adapter for the patient of a request.
    pub async fn search(
        &self,
        plugin: &Plugin,
        call: Call,
        query: SearchQuery,
    ) -> CallOutcome<Result<SearchOutcome, GuestFailure>> {
        let Some(role) = &plugin.roles.search_adapter else {
            return without_a_guest(CallError::RoleMissing(Role::SearchAdapter));
        };
        let ask = wit::Search {
            role,
            query: wit::Query {
                request: query.request.into_inner(),
                attempt_id: query.attempt_id,
                callback_url: query.callback_url,
            },
        };
        self.runner
            .run(&plugin.pre, call, ask, check::searched)
            .await
    }

    /// Asks an adapter for the answer to an earlier search.
    pub async fn poll(
        &self,
        plugin: &Plugin,
        call: Call,
        search_id: &str,
    ) -> CallOutcome<Result<SearchOutcome, GuestFailure>> {
        let Some(role) = &plugin.roles.search_async else {
            return without_a_guest(CallError::RoleMissing(Role::SearchAsync));
        };
        let ask = wit::PollSearch { role, search_id };
        self.runner
            .run(&plugin.pre, call, ask, check::searched)
            .await
    }

    /// Asks an adapter to read the answer that the backend delivered.
    pub async fn parse_callback(
        &self,
        plugin: &Plugin,
        call: Call,
        search_id: &str,
        body: &[u8],
    ) -> CallOutcome<Result<SearchOutcome, GuestFailure>> {
        let Some(role) = &plugin.roles.search_async else {
            return without_a_guest(CallError::RoleMissing(Role::SearchAsync));
        };
        let ask = wit::ParseCallback {
            role,
            search_id,
            body,
        };
        self.runner
            .run(&plugin.pre, call, ask, check::searched)
            .await
    }

    /// Asks for the details of a linked patient, a JSON object; none if the id is no longer known.
    pub async fn fetch_patient(
        &self,
        plugin: &Plugin,
        call: Call,
        internal: &InternalId,
    ) -> CallOutcome<Result<Option<Sensitive<String>>, GuestFailure>> {
        let Some(role) = &plugin.roles.patient_details else {
            return without_a_guest(CallError::RoleMissing(Role::PatientDetails));
        };
        let ask = wit::FetchPatient {
            role,
            internal_id: internal.expose(),
        };
        self.runner
            .run(&plugin.pre, call, ask, check::fetched)
            .await
    }

    /// Asks a formatter for an event's webhook.
    pub async fn format(
        &self,
        plugin: &Plugin,
        call: Call,
        event: FormatEvent,
    ) -> CallOutcome<Result<Message, GuestFailure>> {
        let Some(role) = &plugin.roles.webhook_formatter else {
            return without_a_guest(CallError::RoleMissing(Role::WebhookFormatter));
        };
        let ask = wit::Format {
            role,
            event: wit::Event {
                id: event.id,
                kind: event.kind,
                occurred_at: event.occurred_at,
                data: event.data.into_inner(),
            },
        };
        self.runner
            .run(&plugin.pre, call, ask, check::formatted)
            .await
    }
}
