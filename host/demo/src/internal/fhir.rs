//! The FHIR R4 API: `Patient` search and read, the capability statement, and errors as
//! `OperationOutcome`.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use super::System;
use super::query::{self, Page, QueryError};
use crate::people::Person;

/// The identifier system of the records' own ids.
pub(super) const RECORD_SYSTEM: &str = "urn:patchbay:demo:record";

const FHIR_JSON: &str = "application/fhir+json";

pub(super) fn routes() -> Router<Arc<System>> {
    Router::new()
        .route("/fhir/metadata", get(metadata))
        .route("/fhir/Patient", get(search))
        .route("/fhir/Patient/{id}", get(read))
        .route("/fhir/{*rest}", get(no_such_thing))
}

/// An error as FHIR tells it.
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    diagnostics: String,
}

impl Refusal {
    pub(super) fn new(
        status: StatusCode,
        code: &'static str,
        diagnostics: impl Into<String>,
    ) -> Self {
        Self {
            status,
            code,
            diagnostics: diagnostics.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let outcome = json!({
            "resourceType": "OperationOutcome",
            "issue": [{
                "severity": "error",
                "code": self.code,
                "diagnostics": self.diagnostics,
            }],
        });
        (self.status, fhir(&outcome)).into_response()
    }
}

impl From<QueryError> for Refusal {
    fn from(error: QueryError) -> Self {
        let code = match error {
            QueryError::Unknown(_) | QueryError::Modifier(..) => "not-supported",
            QueryError::Value(..) => "invalid",
        };
        Self::new(StatusCode::BAD_REQUEST, code, error.to_string())
    }
}

fn fhir(resource: &Value) -> impl IntoResponse + use<> {
    ([(CONTENT_TYPE, FHIR_JSON)], resource.to_string())
}

async fn metadata() -> impl IntoResponse {
    let parameter = |(name, kind): &(&str, &str)| json!({"name": name, "type": kind});
    let parameters: Vec<Value> = [
        ("_id", "token"),
        ("identifier", "token"),
        ("name", "string"),
        ("family", "string"),
        ("given", "string"),
        ("birthdate", "date"),
        ("gender", "token"),
        ("address", "string"),
        ("address-city", "string"),
        ("address-state", "string"),
        ("address-postalcode", "string"),
        ("telecom", "token"),
        ("phone", "token"),
        ("email", "token"),
    ]
    .iter()
    .map(parameter)
    .collect();
    fhir(&json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2025-01-01",
        "kind": "instance",
        "implementation": {"description": "Patchbay's sample internal system"},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{
            "mode": "server",
            "resource": [{
                "type": "Patient",
                "interaction": [{"code": "read"}, {"code": "search-type"}],
                "searchParam": parameters,
            }],
        }],
    }))
}

async fn no_such_thing() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "not-supported",
        "this server has Patient and metadata",
    )
}

async fn read(State(system): State<Arc<System>>, Path(id): Path<String>) -> Response {
    let person = Uuid::try_parse(&id)
        .ok()
        .and_then(|id| system.index.id(id))
        .and_then(|who| system.people.get(who as usize));
    match person {
        Some(person) => fhir(&patient(person)).into_response(),
        None => Refusal::new(StatusCode::NOT_FOUND, "not-found", "no such patient").into_response(),
    }
}

async fn search(
    State(system): State<Arc<System>>,
    headers: HeaderMap,
    RawQuery(raw): RawQuery,
) -> Result<impl IntoResponse, Refusal> {
    let raw = raw.unwrap_or_default();
    let pairs: Vec<(String, String)> = form_urlencoded::parse(raw.as_bytes())
        .into_owned()
        .collect();
    let page = query::search(
        &system,
        pairs
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    )?;
    let host = headers
        .get(HOST)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("localhost");
    Ok(fhir(&bundle(&system, &page, &pairs, host)))
}

fn bundle(system: &System, page: &Page, pairs: &[(String, String)], host: &str) -> Value {
    let base = format!("http://{host}/fhir/Patient");
    let url = |offset: usize| {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(
            pairs
                .iter()
                .filter(|(key, _)| key != "_offset" && key != "_count"),
        );
        query.append_pair("_count", &page.count.to_string());
        if offset > 0 {
            query.append_pair("_offset", &offset.to_string());
        }
        format!("{base}?{}", query.finish())
    };
    let shown: Vec<&Person> = page
        .found
        .iter()
        .skip(page.offset)
        .take(page.count)
        .filter_map(|who| system.people.get(*who as usize))
        .collect();
    let mut links = vec![json!({"relation": "self", "url": url(page.offset)})];
    let next = page.offset.saturating_add(shown.len());
    if !shown.is_empty() && next < page.found.len() {
        links.push(json!({"relation": "next", "url": url(next)}));
    }
    let entries: Vec<Value> = shown
        .into_iter()
        .map(|person| {
            json!({
                "fullUrl": format!("{base}/{}", person.id),
                "resource": patient(person),
                "search": {"mode": "match"},
            })
        })
        .collect();
    json!({
        "resourceType": "Bundle",
        "type": "searchset",
        "total": page.found.len(),
        "link": links,
        "entry": entries,
    })
}

fn patient(person: &Person) -> Value {
    let mut name = json!({"use": "official"});
    let given: Vec<&String> = [&person.given, &person.middle]
        .into_iter()
        .flatten()
        .collect();
    if !given.is_empty() {
        name["given"] = json!(given);
    }
    if let Some(family) = &person.family {
        name["family"] = json!(family);
    }
    if let Some(suffix) = &person.suffix {
        name["suffix"] = json!([suffix]);
    }
    let address = &person.address;
    let mut home = json!({"use": "home"});
    if !address.lines.is_empty() {
        home["line"] = json!(address.lines);
    }
    for (member, value) in [
        ("city", &address.city),
        ("state", &address.state),
        ("postalCode", &address.postal_code),
    ] {
        if let Some(value) = value {
            home[member] = json!(value);
        }
    }
    let telecom: Vec<Value> = [("phone", &person.phone), ("email", &person.email)]
        .into_iter()
        .filter_map(|(system, value)| {
            let value = value.as_ref()?;
            Some(json!({"system": system, "value": value}))
        })
        .collect();
    let mut patient = json!({
        "resourceType": "Patient",
        "id": person.id,
        "identifier": [{"system": RECORD_SYSTEM, "value": person.id}],
        "active": true,
        "name": [name],
        "address": [home],
    });
    if !telecom.is_empty() {
        patient["telecom"] = json!(telecom);
    }
    if let Some(gender) = person.gender {
        patient["gender"] = json!(gender.as_str());
    }
    if let Some(born) = person.born {
        patient["birthDate"] = json!(born.to_string());
    }
    patient
}
