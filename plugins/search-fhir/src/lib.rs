//! First-party adapter for FHIR servers (R4 and R5): roles `search-adapter` and `patient-details`.
//!
//! It asks `GET Patient?…` with the search parameters that every server has (`birthdate`, `family`,
//! `given`, `address`, `address-postalcode`, `address-city`, `phone`, `email`, `identifier`), relies on
//! nothing but the standard's "starts with", and does the matching itself. `Patient/{id}` gives the
//! details.
//!
//! # Configuration
//!
//! ```json
//! {
//!   "max-queries": 6,
//!   "count": 50,
//!   "thresholds": {"certain": 0.99, "probable": 0.9, "possible": 0.5}
//! }
//! ```
//!
//! Everything may be left out; these are the defaults. `max-queries` (1 to 6): requests per search at
//! most; it stops earlier when one certain candidate stands alone. `count` (1 to 500): results per
//! query; a query with more is replaced by narrower ones, and if these overflow too, the search counts
//! as truncated. `thresholds`: the scores from which on a grade is given.
//!
//! # Failures
//!
//! | code | retryable | when |
//! | --- | --- | --- |
//! | `backend-unavailable` | yes | 408, 425, 429, 5xx, or an `OperationOutcome` that calls itself transient |
//! | `backend-timeout` | yes | no answer in time |
//! | `backend-rejected` | no | any other 4xx: credentials, or a parameter the server lacks |
//! | `backend-answer-invalid` | if it is no JSON | the answer is not the Bundle or Patient expected |
//! | `patient-not-searchable` | no | the request has neither a name, a birth date nor anything else to search by |
//! | `config-invalid` | no | see above |

mod bundle;
mod config;
mod parameters;
mod patient;

use std::collections::VecDeque;

use patchbay_plugin::matching::{BlockingQuery, Person, Ranking, plan};
use patchbay_plugin::{
    Candidates, Failure, Host, Level, Outcome, PatientDetails, Query, Request, SearchAdapter,
    path_segment,
};
use serde_json::Value;

use crate::bundle::Page;
use crate::config::Config;

/// The media type of every answer.
const FHIR_JSON: &str = "application/fhir+json";

/// The adapter.
#[derive(Debug)]
pub struct SearchFhir;

patchbay_plugin::export_search_adapter!(SearchFhir);
patchbay_plugin::export_patient_details!(SearchFhir);

impl SearchAdapter for SearchFhir {
    fn search(query: Query, host: &Host) -> Result<Outcome, Failure> {
        let config: Config = host.config()?;
        let patient = Person::from_request(&query.request);
        let mut waiting: VecDeque<(BlockingQuery, Breadth)> = plan(&patient, config.max_queries())
            .into_iter()
            .map(|query| (query, Breadth::AsPlanned))
            .collect();
        if waiting.is_empty() {
            return Err(Failure::permanent(
                "patient-not-searchable",
                "the request has nothing to search by: send a birth date and a name",
            ));
        }
        let mut ranking = Ranking::new(patient.clone(), config.thresholds);
        let mut truncated = false;
        let mut asked = 0;
        while asked < config.max_queries() {
            let Some((query, breadth)) = waiting.pop_front() else {
                break;
            };
            asked += 1;
            let page = ask(&query, &config, host)?;
            for record in &page.patients {
                if let Some(id) = patient::searchable_id(record) {
                    ranking.add(id, &Person::from(&patient::demographics(record)));
                }
            }
            if page.has_more {
                let narrower = query.narrower(&patient);
                if breadth == Breadth::Narrowed || narrower.is_empty() {
                    truncated = true;
                }
                if breadth == Breadth::AsPlanned {
                    for query in narrower.into_iter().rev() {
                        waiting.push_front((query, Breadth::Narrowed));
                    }
                }
            }
            let narrowing = matches!(waiting.front(), Some((_, Breadth::Narrowed)));
            if !narrowing && ranking.is_settled() {
                break;
            }
        }
        // What should have replaced an overflowing query was not asked.
        truncated |= waiting
            .iter()
            .any(|(_, breadth)| *breadth == Breadth::Narrowed);
        host.log(
            Level::Debug,
            format!("{asked} queries, truncated: {truncated}"),
        );
        Ok(Outcome::Answered(Candidates {
            found: ranking.candidates(),
            truncated,
        }))
    }
}

/// Where a query comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breadth {
    /// From the plan.
    AsPlanned,
    /// In place of one that overflowed.
    Narrowed,
}

fn ask(query: &BlockingQuery, config: &Config, host: &Host) -> Result<Page, Failure> {
    let mut request = Request::get("Patient")
        .header("accept", FHIR_JSON)
        // A server may else ignore a parameter it lacks, and answer with everybody.
        .header("prefer", "handling=strict");
    for criterion in &query.criteria {
        let (name, value) = parameters::of(criterion);
        request = request.param(name, value);
    }
    let request = request.param("_count", config.count().to_string());
    bundle::read(host.backend().send(request)?)
}

impl PatientDetails for SearchFhir {
    fn fetch_patient(internal_id: &str, host: &Host) -> Result<Option<Value>, Failure> {
        let path = format!("Patient/{}", path_segment(internal_id));
        let request = Request::get(path).header("accept", FHIR_JSON);
        let answer = host.backend().send(request)?;
        if matches!(answer.status, 404 | 410) {
            return Ok(None);
        }
        let record: Value = bundle::success(answer)?.json()?;
        if record["resourceType"] != "Patient" {
            return Err(Failure::permanent(
                "backend-answer-invalid",
                "the backend's answer is no Patient",
            ));
        }
        Ok(Some(patient::details(&record)))
    }
}
