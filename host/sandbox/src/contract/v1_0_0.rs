//! `patchbay:plugin@1.0.0`: bindings, linker, and the calls of its roles.

use std::collections::BTreeSet;

use patchbay_workflow::Role;
use wasmtime::component::{Component, HasSelf, Instance, InstancePre, Linker};
use wasmtime::{Engine, Store};

use crate::call::Ask;
use crate::gateway::{BackendError, BackendMethod, BackendRequest};
use crate::outcome::LogLevel;
use crate::state::CallState;
use crate::wasi;

mod bindings {
    #![allow(
        missing_docs,
        missing_debug_implementations,
        unreachable_pub,
        clippy::all,
        clippy::pedantic,
        reason = "generated; the contract is documented in its WIT files"
    )]
    wasmtime::component::bindgen!({
        path: "../../wit/1.0.0",
        world: "everything",
        imports: { "patchbay:plugin/backend.send": async },
        exports: { default: async },
    });
}

use bindings::exports::patchbay::plugin::{
    patient_details, search_adapter, search_async, validator, webhook_formatter,
};
use bindings::patchbay::plugin::{backend, clock, config, log, search_types, types};

pub(crate) use bindings::exports::patchbay::plugin::search_adapter::Query;
pub(crate) use bindings::exports::patchbay::plugin::webhook_formatter::{Event, Message};
pub(crate) use bindings::patchbay::plugin::search_types::{Agreement, Candidates, Grade, Outcome};
pub(crate) use bindings::patchbay::plugin::types::{Failure, FieldError};

pub(crate) const VERSION: &str = "1.0.0";

/// Everything a guest of this version may import.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<CallState>> {
    let mut linker = Linker::new(engine);
    wasi::add_to_linker(&mut linker)?;
    bindings::Everything::add_to_linker::<CallState, HasSelf<CallState>>(&mut linker, |state| {
        state
    })?;
    Ok(linker)
}

/// Where a component's roles are: looked up once, when it is loaded.
#[derive(Clone)]
pub(crate) struct Roles {
    pub(crate) validator: Option<validator::GuestIndices>,
    pub(crate) search_adapter: Option<search_adapter::GuestIndices>,
    pub(crate) search_async: Option<search_async::GuestIndices>,
    pub(crate) patient_details: Option<patient_details::GuestIndices>,
    pub(crate) webhook_formatter: Option<webhook_formatter::GuestIndices>,
}

impl Roles {
    /// Finds the roles that a component exports. An error: an interface lacks one of its functions.
    pub(crate) fn find(pre: &InstancePre<CallState>) -> wasmtime::Result<Self> {
        fn exported(component: &Component, role: Role) -> bool {
            let name = super::export_name(role.as_str(), VERSION);
            component.get_export_index(None, &name).is_some()
        }
        let has = |role| exported(pre.component(), role);
        Ok(Self {
            validator: has(Role::Validator)
                .then(|| validator::GuestIndices::new(pre))
                .transpose()?,
            search_adapter: has(Role::SearchAdapter)
                .then(|| search_adapter::GuestIndices::new(pre))
                .transpose()?,
            search_async: has(Role::SearchAsync)
                .then(|| search_async::GuestIndices::new(pre))
                .transpose()?,
            patient_details: has(Role::PatientDetails)
                .then(|| patient_details::GuestIndices::new(pre))
                .transpose()?,
            webhook_formatter: has(Role::WebhookFormatter)
                .then(|| webhook_formatter::GuestIndices::new(pre))
                .transpose()?,
        })
    }

    pub(crate) fn names(&self) -> BTreeSet<Role> {
        let mut names = BTreeSet::new();
        let mut add = |present: bool, role| {
            if present {
                names.insert(role);
            }
        };
        add(self.validator.is_some(), Role::Validator);
        add(self.search_adapter.is_some(), Role::SearchAdapter);
        add(self.search_async.is_some(), Role::SearchAsync);
        add(self.patient_details.is_some(), Role::PatientDetails);
        add(self.webhook_formatter.is_some(), Role::WebhookFormatter);
        names
    }
}

/// Checks that every role's functions have the types of the contract.
pub(crate) struct Probe<'a>(pub(crate) &'a Roles);

impl Ask for Probe<'_> {
    type Answer = ();

    async fn ask(
        self,
        store: &mut Store<CallState>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Answer> {
        let roles = self.0;
        if let Some(role) = &roles.validator {
            role.load(&mut *store, instance)?;
        }
        if let Some(role) = &roles.search_adapter {
            role.load(&mut *store, instance)?;
        }
        if let Some(role) = &roles.search_async {
            role.load(&mut *store, instance)?;
        }
        if let Some(role) = &roles.patient_details {
            role.load(&mut *store, instance)?;
        }
        if let Some(role) = &roles.webhook_formatter {
            role.load(&mut *store, instance)?;
        }
        Ok(())
    }
}

/// `validator.validate`
pub(crate) struct Validate<'a> {
    pub(crate) role: &'a validator::GuestIndices,
    pub(crate) request: String,
}

impl Ask for Validate<'_> {
    type Answer = Result<String, Vec<FieldError>>;

    async fn ask(
        self,
        store: &mut Store<CallState>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Answer> {
        let guest = self.role.load(&mut *store, instance)?;
        guest.call_validate(store, &self.request).await
    }
}

/// `search-adapter.search`
pub(crate) struct Search<'a> {
    pub(crate) role: &'a search_adapter::GuestIndices,
    pub(crate) query: Query,
}

impl Ask for Search<'_> {
    type Answer = Result<Outcome, Failure>;

    async fn ask(
        self,
        store: &mut Store<CallState>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Answer> {
        let guest = self.role.load(&mut *store, instance)?;
        guest.call_search(store, &self.query).await
    }
}

/// `search-async.poll`
pub(crate) struct PollSearch<'a> {
    pub(crate) role: &'a search_async::GuestIndices,
    pub(crate) search_id: &'a str,
}

impl Ask for PollSearch<'_> {
    type Answer = Result<Outcome, Failure>;

    async fn ask(
        self,
        store: &mut Store<CallState>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Answer> {
        let guest = self.role.load(&mut *store, instance)?;
        guest.call_poll(store, self.search_id).await
    }
}

/// `search-async.parse-callback`
pub(crate) struct ParseCallback<'a> {
    pub(crate) role: &'a search_async::GuestIndices,
    pub(crate) search_id: &'a str,
    pub(crate) body: &'a [u8],
}

impl Ask for ParseCallback<'_> {
    type Answer = Result<Outcome, Failure>;

    async fn ask(
        self,
        store: &mut Store<CallState>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Answer> {
        let guest = self.role.load(&mut *store, instance)?;
        guest
            .call_parse_callback(store, self.search_id, self.body)
            .await
    }
}

/// `patient-details.fetch-patient`
pub(crate) struct FetchPatient<'a> {
    pub(crate) role: &'a patient_details::GuestIndices,
    pub(crate) internal_id: &'a str,
}

impl Ask for FetchPatient<'_> {
    type Answer = Result<Option<String>, Failure>;

    async fn ask(
        self,
        store: &mut Store<CallState>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Answer> {
        let guest = self.role.load(&mut *store, instance)?;
        guest.call_fetch_patient(store, self.internal_id).await
    }
}

/// `webhook-formatter.format`
pub(crate) struct Format<'a> {
    pub(crate) role: &'a webhook_formatter::GuestIndices,
    pub(crate) event: Event,
}

impl Ask for Format<'_> {
    type Answer = Result<Message, Failure>;

    async fn ask(
        self,
        store: &mut Store<CallState>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Answer> {
        let guest = self.role.load(&mut *store, instance)?;
        guest.call_format(store, &self.event).await
    }
}

impl types::Host for CallState {}

impl search_types::Host for CallState {}

impl log::Host for CallState {
    fn log(&mut self, level: log::Level, message: String) {
        let level = match level {
            log::Level::Trace => LogLevel::Trace,
            log::Level::Debug => LogLevel::Debug,
            log::Level::Info => LogLevel::Info,
            log::Level::Warn => LogLevel::Warn,
            log::Level::Error => LogLevel::Error,
        };
        Self::log(self, level, &message);
    }
}

impl config::Host for CallState {
    fn get(&mut self) -> String {
        self.config()
    }
}

impl clock::Host for CallState {
    fn now(&mut self) -> u64 {
        self.now_millis()
    }

    fn today(&mut self) -> String {
        Self::today(self)
    }
}

impl backend::Host for CallState {
    async fn send(
        &mut self,
        request: backend::Request,
    ) -> Result<backend::Response, backend::Error> {
        let request = BackendRequest {
            method: match request.method {
                backend::Method::Get => BackendMethod::Get,
                backend::Method::Post => BackendMethod::Post,
                backend::Method::Put => BackendMethod::Put,
            },
            path: request.path,
            query: request.query,
            headers: request.headers,
            body: request.body,
        };
        match Self::send(self, request).await {
            Ok(response) => Ok(backend::Response {
                status: response.status,
                headers: response.headers,
                body: response.body,
            }),
            Err(BackendError::Denied(why)) => Err(backend::Error::Denied(why)),
            Err(BackendError::Timeout) => Err(backend::Error::Timeout),
            Err(BackendError::Unavailable(why)) => Err(backend::Error::Unavailable(why)),
            Err(BackendError::TooLarge(limit)) => Err(backend::Error::TooLarge(limit)),
        }
    }
}
