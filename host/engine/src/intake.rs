//! Intake: from the bytes of a request to a durable workflow.
//!
//! The order of checks: size (the server's) and syntax, token (the server's), idempotent replay,
//! validator, already linked or in progress, accept. Nothing is stored before the last.

use std::sync::Arc;
use std::time::Duration;

use patchbay_registry::{Customer, Snapshot};
use patchbay_sandbox::Call;
use patchbay_store::StoreError;
use patchbay_store::accept::{Accept, Accepted, Idempotency, LookUp, Seen};
use patchbay_vault::{HashDomain, RecordKind};
use patchbay_workflow::{
    Blame, CustomerId, Failure, PatientId, Pins, RequestType, Role, Sensitive, Timestamp, Workflow,
    WorkflowId,
};
use serde_json::Value;
use url::Url;

use crate::seal::{RequestContent, seal};
use crate::service::Service;

/// A request's body, as far as the host itself looks into it.
#[derive(Debug)]
pub struct LinkRequest {
    /// The body with the patient's id in canonical form, JSON.
    body: Sensitive<String>,
    patient: PatientId,
    endpoint: Option<String>,
    /// The bytes as they came, for the fingerprint.
    raw: Sensitive<Vec<u8>>,
}

/// Why a body is refused before anybody is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MalformedRequest {
    /// Not JSON.
    #[error("the body is not JSON: error at line {line}, column {column}")]
    Syntax {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A member that the host itself needs is missing or of the wrong type.
    #[error("{pointer}: {rule}")]
    Shape {
        /// JSON pointer.
        pointer: &'static str,
        /// What it has to be.
        rule: &'static str,
    },
}

impl LinkRequest {
    /// Reads a body.
    pub fn parse(raw: &[u8]) -> Result<Self, MalformedRequest> {
        let shape = |pointer, rule| MalformedRequest::Shape { pointer, rule };
        let mut body: Value =
            serde_json::from_slice(raw).map_err(|error| MalformedRequest::Syntax {
                line: error.line(),
                column: error.column(),
            })?;
        let Some(object) = body.as_object_mut() else {
            return Err(shape("", "must be a JSON object"));
        };
        let endpoint = match object.get("webhook") {
            None | Some(Value::Null) => None,
            Some(Value::String(url)) => Some(url.clone()),
            Some(_) => return Err(shape("/webhook", "must be a URL as a string")),
        };
        let Some(patient) = object.get_mut("patient") else {
            return Err(shape("/patient", "is required"));
        };
        let Some(patient) = patient.as_object_mut() else {
            return Err(shape("/patient", "must be a JSON object"));
        };
        let id = match patient.get("id") {
            None | Some(Value::Null) => return Err(shape("/patient/id", "is required")),
            Some(Value::String(id)) => PatientId::parse(id)
                .map_err(|_| shape("/patient/id", "must be a string of 1 to 256 bytes"))?,
            Some(_) => return Err(shape("/patient/id", "must be a string of 1 to 256 bytes")),
        };
        patient.insert("id".to_owned(), Value::String(id.expose().to_owned()));
        Ok(Self {
            body: Sensitive::new(body.to_string()),
            patient: id,
            endpoint,
            raw: Sensitive::new(raw.to_vec()),
        })
    }
}

/// A request that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkAnswer {
    /// It is durable.
    Accepted(Workflow),
    /// It was taken before; this is the workflow as it now stands.
    Replayed(Workflow),
}

/// One fault in the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldFault {
    /// JSON pointer into the body.
    pub pointer: String,
    /// A stable code.
    pub code: String,
    /// For the customer.
    pub message: Sensitive<String>,
}

/// Why a request was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The validator found faults.
    #[error("the request is not valid")]
    Invalid(Vec<FieldFault>),
    /// The idempotency key stands for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused(WorkflowId),
    /// Another request holds the patient.
    #[error("a request for this patient is in progress")]
    InProgress(WorkflowId),
    /// The patient is linked already.
    #[error("the patient is linked already")]
    AlreadyLinked(WorkflowId),
    /// The customer's validator failed.
    #[error("the customer's plugin failed")]
    PluginFailed(Failure),
    /// Something was never set up for this customer.
    #[error("{0}")]
    NotConfigured(&'static str),
    /// The store or the host cannot take it now.
    #[error("the service cannot take requests now")]
    Unavailable,
}

impl From<StoreError> for LinkError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "a request could not be stored");
        Self::Unavailable
    }
}

impl Service {
    /// Takes a request of a customer. When it returns [`LinkAnswer::Accepted`], the workflow is durable
    /// and queued.
    pub async fn link(
        &self,
        customer: &CustomerId,
        idempotency_key: &str,
        request: LinkRequest,
    ) -> Result<LinkAnswer, LinkError> {
        // A stopping process that is still asked accepts: what is stored is processed by whoever runs next.
        let snapshot = self.parts.registry.snapshot();
        let Some(customer) = snapshot.customer(customer).cloned() else {
            return Err(LinkError::NotConfigured("there is no such customer"));
        };
        let now = self.parts.clock.now();
        let idempotency = self.idempotency(&customer, idempotency_key, &request, now);
        let look_up = LookUp {
            customer: &customer.id,
            idempotency,
            now,
        };
        match self.parts.store.run(&look_up).await? {
            Seen::Before(workflow) => return Ok(LinkAnswer::Replayed(*workflow)),
            Seen::OtherRequest(workflow) => return Err(LinkError::KeyReused(workflow)),
            Seen::Never => {}
        }

        let pins = pins(&customer, &snapshot)?;
        let endpoint = request_endpoint(&customer, request.endpoint.as_deref())?;
        let body = self.validate(&customer, &request).await?;

        let id = self.parts.entropy.workflow_id(now);
        let content = RequestContent {
            body,
            patient: request.patient,
            endpoint,
        };
        let patient = self.patient_hash(&customer.id, &content.patient);
        let sealed = seal(
            &customer,
            RecordKind::Request,
            id.as_bytes(),
            &content,
            &*self.parts.entropy,
        )
        .map_err(|_| LinkError::Unavailable)?;
        let workflow = Workflow::accepted(
            id,
            self.parts.entropy.request_id(now),
            RequestType::Link,
            customer.id.clone(),
            patient,
            pins,
            now,
        );
        let accept = Accept {
            workflow,
            idempotency,
            request: sealed,
        };
        match self.parts.store.run(&accept).await? {
            Accepted::New(workflow) => {
                tracing::debug!(workflow = %workflow.id, customer = %workflow.customer, "accepted");
                Ok(LinkAnswer::Accepted(workflow))
            }
            Accepted::Replay(workflow) => Ok(LinkAnswer::Replayed(workflow)),
            Accepted::KeyReused(workflow) => Err(LinkError::KeyReused(workflow)),
            Accepted::InFlight(workflow) => Err(LinkError::InProgress(workflow)),
            Accepted::AlreadyLinked(workflow) => Err(LinkError::AlreadyLinked(workflow)),
        }
    }

    fn idempotency(
        &self,
        customer: &Customer,
        key: &str,
        request: &LinkRequest,
        now: Timestamp,
    ) -> Idempotency {
        let owner = customer.id.as_str().as_bytes();
        let hasher = &self.parts.hasher;
        let hours = u64::from(customer.settings.idempotency_hours);
        Idempotency {
            key: hasher.hash(HashDomain::IdempotencyKey, &[owner, key.as_bytes()]),
            fingerprint: hasher.hash(
                HashDomain::Fingerprint,
                &[owner, b"POST", b"/link", request.raw.expose()],
            ),
            expires_at: now.after(Duration::from_hours(hours)),
        }
    }

    /// The normalised body.
    async fn validate(
        &self,
        customer: &Customer,
        request: &LinkRequest,
    ) -> Result<Sensitive<String>, LinkError> {
        let Some(binding) = customer.binding(Role::Validator) else {
            return Err(LinkError::NotConfigured(
                "no validator is bound for this customer",
            ));
        };
        let plugin = self
            .plugin(&binding.plugin)
            .await
            .map_err(LinkError::PluginFailed)?;
        let call = Call {
            config: Arc::clone(&binding.config),
            gateway: None,
        };
        let outcome = self
            .parts
            .sandbox
            .validate(&plugin, call, request.body.expose())
            .await;
        let normalised = match outcome.result {
            Ok(Ok(normalised)) => normalised,
            Ok(Err(faults)) => {
                let faults = faults.into_iter().map(|fault| FieldFault {
                    pointer: fault.pointer,
                    code: fault.code,
                    message: fault.message,
                });
                return Err(LinkError::Invalid(faults.collect()));
            }
            Err(error) => {
                let failure = error.to_failure(&binding.plugin);
                tracing::warn!(
                    customer = %customer.id,
                    plugin = %binding.plugin.digest,
                    code = failure.code,
                    "a validator failed"
                );
                return Err(LinkError::PluginFailed(failure));
            }
        };
        let same = serde_json::from_str::<Value>(normalised.expose()).is_ok_and(|body| {
            body.pointer("/patient/id").and_then(Value::as_str) == Some(request.patient.expose())
        });
        if !same {
            let failure = Failure::new(Blame::Plugin, "patient-id-changed");
            return Err(LinkError::PluginFailed(
                failure.in_plugin(binding.plugin.clone()),
            ));
        }
        Ok(normalised)
    }

    /// The plugins bound now, for a retry.
    pub(crate) fn current_pins(&self, customer: &CustomerId) -> Result<Pins, LinkError> {
        let snapshot = self.parts.registry.snapshot();
        let Some(customer) = snapshot.customer(customer) else {
            return Err(LinkError::NotConfigured("there is no such customer"));
        };
        pins(customer, &snapshot)
    }
}

/// The plugins that a workflow stays on, or what is missing.
fn pins(customer: &Customer, snapshot: &Snapshot) -> Result<Pins, LinkError> {
    let validator = customer
        .binding(Role::Validator)
        .map(|binding| binding.plugin.digest);
    let formatter = customer
        .binding(Role::WebhookFormatter)
        .map(|binding| binding.plugin.digest);
    let backends: Vec<_> = customer
        .backends
        .iter()
        .filter_map(|bound| snapshot.backend(&bound.backend))
        .map(|backend| (backend.id.clone(), backend.adapter.digest))
        .collect();
    if validator.is_none() {
        return Err(LinkError::NotConfigured(
            "no validator is bound for this customer",
        ));
    }
    if backends.is_empty() {
        return Err(LinkError::NotConfigured(
            "no search backend is bound for this customer",
        ));
    }
    let tells = customer.webhook.is_some() || customer.settings.request_webhook;
    if tells && formatter.is_none() {
        return Err(LinkError::NotConfigured(
            "no webhook formatter is bound for this customer",
        ));
    }
    Ok(Pins {
        validator,
        backends,
        formatter,
    })
}

/// The endpoint that the request itself gives, where the customer's settings allow it.
fn request_endpoint(customer: &Customer, given: Option<&str>) -> Result<Option<Url>, LinkError> {
    let Some(given) = given else { return Ok(None) };
    let fault = |code: &str, message: &str| {
        LinkError::Invalid(vec![FieldFault {
            pointer: "/webhook".to_owned(),
            code: code.to_owned(),
            message: Sensitive::new(message.to_owned()),
        }])
    };
    if !customer.settings.request_webhook {
        return Err(fault(
            "webhook-not-allowed",
            "requests of this customer go to the endpoint that was set up; leave this member out",
        ));
    }
    match Url::parse(given) {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(Some(url)),
        _ => Err(fault(
            "webhook-invalid",
            "must be an absolute http or https URL",
        )),
    }
}
