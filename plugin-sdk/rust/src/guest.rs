//! The seam between the role traits and the generated bindings: lifts and lowers records, parses and
//! writes JSON, and offers the component's imports as a [`Host`]. Reached only through the macros.

use std::marker::PhantomData;

use serde_json::Value;

use crate::backend::{BackendError, Method, Request, Response, Transport};
use crate::bindings::imports::patchbay::plugin::{
    backend as wit_backend, clock, config, log, search_types as wit_search, types as wit,
};
use crate::bindings::{
    patient_details, search_adapter, search_async, validator, webhook_formatter,
};
use crate::host::{Host, Imports, Level};
use crate::{
    Agreement, Candidates, Event, EventKind, Failure, FieldError, Grade, Outcome, PatientDetails,
    Query, SearchAdapter, SearchAsync, Validator, WebhookFormatter,
};

/// Plays for the host the roles that `T` plays in Rust.
#[derive(Debug)]
pub struct Component<T>(PhantomData<T>);

struct GuestImports;

impl Imports for GuestImports {
    fn config(&self) -> String {
        config::get()
    }
    fn log(&self, level: Level, message: &str) {
        let level = match level {
            Level::Trace => log::Level::Trace,
            Level::Debug => log::Level::Debug,
            Level::Info => log::Level::Info,
            Level::Warn => log::Level::Warn,
            Level::Error => log::Level::Error,
        };
        log::log(level, message);
    }
    fn now(&self) -> u64 {
        clock::now()
    }
    fn today(&self) -> String {
        clock::today()
    }
}

struct GuestTransport;

impl Transport for GuestTransport {
    fn send(&self, request: Request) -> Result<Response, BackendError> {
        let request = wit_backend::Request {
            method: match request.method {
                Method::Get => wit_backend::Method::Get,
                Method::Post => wit_backend::Method::Post,
                Method::Put => wit_backend::Method::Put,
            },
            path: request.path,
            query: request.query,
            headers: request.headers,
            body: request.body,
        };
        match wit_backend::send(&request) {
            Ok(answer) => Ok(Response {
                status: answer.status,
                headers: answer.headers,
                body: answer.body,
            }),
            Err(wit_backend::Error::Denied(why)) => Err(BackendError::Denied(why)),
            Err(wit_backend::Error::Timeout) => Err(BackendError::Timeout),
            Err(wit_backend::Error::Unavailable(why)) => Err(BackendError::Unavailable(why)),
            Err(wit_backend::Error::TooLarge(limit)) => Err(BackendError::TooLarge(limit)),
        }
    }
}

fn plain_host() -> Host {
    Host::new(Box::new(GuestImports), None)
}

fn adapter_host() -> Host {
    Host::new(Box::new(GuestImports), Some(Box::new(GuestTransport)))
}

impl<T: Validator> validator::exports::patchbay::plugin::validator::Guest for Component<T> {
    fn validate(request: String) -> Result<String, Vec<wit::FieldError>> {
        let lower = |error: FieldError| wit::FieldError {
            pointer: error.pointer,
            code: error.code,
            message: error.message,
        };
        let request: Value = serde_json::from_str(&request).map_err(|_| {
            vec![lower(FieldError::new(
                "",
                "json-invalid",
                "The request is not a JSON document.",
            ))]
        })?;
        match T::validate(request, &plain_host()) {
            Ok(normalised) => Ok(normalised.to_string()),
            Err(errors) => Err(errors.into_iter().map(lower).collect()),
        }
    }
}

impl<T: SearchAdapter> search_adapter::exports::patchbay::plugin::search_adapter::Guest
    for Component<T>
{
    fn search(
        query: search_adapter::exports::patchbay::plugin::search_adapter::Query,
    ) -> Result<wit_search::Outcome, wit::Failure> {
        let query = Query {
            request: parse(&query.request)?,
            attempt_id: query.attempt_id,
            callback_url: query.callback_url,
        };
        lower_outcome(T::search(query, &adapter_host()))
    }
}

impl<T: SearchAsync> search_async::exports::patchbay::plugin::search_async::Guest for Component<T> {
    fn poll(search_id: String) -> Result<wit_search::Outcome, wit::Failure> {
        lower_outcome(T::poll(&search_id, &adapter_host()))
    }

    fn parse_callback(
        search_id: String,
        body: Vec<u8>,
    ) -> Result<wit_search::Outcome, wit::Failure> {
        lower_outcome(T::parse_callback(&search_id, &body, &adapter_host()))
    }
}

impl<T: PatientDetails> patient_details::exports::patchbay::plugin::patient_details::Guest
    for Component<T>
{
    fn fetch_patient(internal_id: String) -> Result<Option<String>, wit::Failure> {
        match T::fetch_patient(&internal_id, &adapter_host()) {
            Ok(details) => Ok(details.map(|details| details.to_string())),
            Err(failure) => Err(lower_failure(failure)),
        }
    }
}

impl<T: WebhookFormatter> webhook_formatter::exports::patchbay::plugin::webhook_formatter::Guest
    for Component<T>
{
    fn format(
        event: webhook_formatter::exports::patchbay::plugin::webhook_formatter::Event,
    ) -> Result<
        webhook_formatter::exports::patchbay::plugin::webhook_formatter::Message,
        wit::Failure,
    > {
        let event = Event {
            data: parse(&event.data)?,
            id: event.id,
            kind: EventKind::from(event.kind.as_str()),
            occurred_at: event.occurred_at,
        };
        match T::format(event, &plain_host()) {
            Ok(message) => Ok(
                webhook_formatter::exports::patchbay::plugin::webhook_formatter::Message {
                    content_type: message.content_type,
                    headers: message.headers,
                    body: message.body,
                },
            ),
            Err(failure) => Err(lower_failure(failure)),
        }
    }
}

fn parse(json: &str) -> Result<Value, wit::Failure> {
    serde_json::from_str(json).map_err(|error| {
        lower_failure(Failure::permanent(
            "request-invalid",
            format!(
                "the host passed no JSON document: {:?} error at line {}, column {}",
                error.classify(),
                error.line(),
                error.column()
            ),
        ))
    })
}

fn lower_failure(failure: Failure) -> wit::Failure {
    wit::Failure {
        retryable: failure.retryable,
        code: failure.code,
        message: failure.message,
    }
}

fn lower_outcome(outcome: Result<Outcome, Failure>) -> Result<wit_search::Outcome, wit::Failure> {
    match outcome {
        Ok(Outcome::Answered(candidates)) => {
            Ok(wit_search::Outcome::Answered(lower_candidates(candidates)))
        }
        Ok(Outcome::Pending(search_id)) => Ok(wit_search::Outcome::Pending(search_id)),
        Err(failure) => Err(lower_failure(failure)),
    }
}

fn lower_candidates(candidates: Candidates) -> wit_search::Candidates {
    let found = candidates.found.into_iter().map(|candidate| {
        let evidence = candidate
            .evidence
            .into_iter()
            .map(|evidence| wit_search::FieldEvidence {
                field: evidence.field,
                agreement: match evidence.agreement {
                    Agreement::Equal => wit_search::Agreement::Equal,
                    Agreement::Similar => wit_search::Agreement::Similar,
                    Agreement::Different => wit_search::Agreement::Different,
                    Agreement::Missing => wit_search::Agreement::Missing,
                },
                similarity: evidence.similarity,
                weight: evidence.weight,
            });
        wit_search::Candidate {
            internal_id: candidate.internal_id,
            score: candidate.score,
            grade: match candidate.grade {
                Grade::Certain => wit_search::Grade::Certain,
                Grade::Probable => wit_search::Grade::Probable,
                Grade::Possible => wit_search::Grade::Possible,
                Grade::CertainlyNot => wit_search::Grade::CertainlyNot,
            },
            evidence: evidence.collect(),
        }
    });
    wit_search::Candidates {
        found: found.collect(),
        truncated: candidates.truncated,
    }
}
