//! First-party adapter for any JSON API: roles `search-adapter` and `patient-details`, told by its
//! configuration how to ask and how to read. The matching is the same as for a FHIR server.
//!
//! # Configuration
//!
//! ```json
//! {
//!   "searches": [
//!     {"path": "v1/people", "query": {"born": "{dob}"},
//!      "narrower": [
//!        {"path": "v1/people", "query": {"born": "{dob}", "surname": "{family:3}"}},
//!        {"path": "v1/people", "query": {"born": "{dob}", "forename": "{given:3}"}}
//!      ]},
//!     {"path": "v1/people", "query": {"surname": "{family:3}", "forename": "{given:3}"}},
//!     {"path": "v1/people/find", "method": "post", "body": {"zip": "{postal_code}", "q": "{given:1}"}}
//!   ],
//!   "results": "/people",
//!   "truncated": {"total": "/total"},
//!   "record": {
//!     "id": "/no",
//!     "given": "/forenames",
//!     "family": "/surname",
//!     "dob": "/born",
//!     "address_line": ["/home/street", "/home/extra"],
//!     "city": "/home/town",
//!     "postal_code": "/home/zip",
//!     "phone": ["/tel/mobile", "/tel/home"]
//!   },
//!   "date-format": "DD.MM.YYYY",
//!   "details": {"path": "v1/people/{id}", "root": "/person"}
//! }
//! ```
//!
//! - `searches`: asked in order, best first, until one certain candidate stands alone; six requests at
//!   most (`max-queries`, 1 to 6). A template names the patient's fields: `given`, `family`,
//!   `full_name`, `dob`, `dob.year`, `dob.month`, `dob.day`, `gender`, `address_line`, `city`,
//!   `state`, `postal_code`, `phone`, `email`, `identifier`; `{family:3}` is a field's first three
//!   characters. A search that names a field which the patient lacks is passed over. Let no single
//!   field stand in all of them: the one with the slip would hide the patient. `narrower` searches
//!   are asked in place of one that gave too many results.
//! - `results`: JSON pointer (RFC 6901) to the list in an answer; left out, the answer is the list.
//! - `truncated`: how an answer says that there is more: `{"total": pointer}` to a number larger than
//!   the list, `{"flag": pointer}` to something other than `false`, `null` or `""`, or
//!   `{"full-page": n}`: a list of `n` results or more.
//! - `record`: where in one result the fields are, each one pointer or several; `id` is required. A
//!   list there counts as several values.
//! - `date-format`: with `YYYY`, `MM` and `DD`; `YYYY-MM-DD` if left out. Used both ways.
//! - `details`: the request that fetches one record by `{id}`, and the pointer to it in the answer.
//! - `thresholds`: as for `search-fhir`.
//!
//! # Failures
//!
//! Those of `search-fhir`; `config-invalid` also for a pointer or template that cannot be read.

mod config;
mod record;
mod template;

use std::collections::VecDeque;

use patchbay_plugin::matching::{Demographics, Person, Ranking};
use patchbay_plugin::{
    Candidates, Failure, Host, Level, Outcome, PatientDetails, Query, Response, SearchAdapter,
};
use serde_json::Value;

use crate::config::{Config, Search};
use crate::template::Fields;

/// The adapter.
#[derive(Debug)]
pub struct SearchRest;

patchbay_plugin::export_search_adapter!(SearchRest);
patchbay_plugin::export_patient_details!(SearchRest);

impl SearchAdapter for SearchRest {
    fn search(query: Query, host: &Host) -> Result<Outcome, Failure> {
        let config: Config = host.config()?;
        let demographics = Demographics::from_request(&query.request);
        let patient = Person::from(&demographics);
        let fields = Fields::of(&demographics, &patient, &config.date_format);
        let mut waiting: VecDeque<(&Search, Breadth)> = config
            .searches
            .iter()
            .filter(|search| search.request(&fields).is_some())
            .map(|search| (search, Breadth::AsConfigured))
            .collect();
        if waiting.is_empty() {
            return Err(Failure::permanent(
                "patient-not-searchable",
                "the request has none of the fields that the configured searches ask for",
            ));
        }
        let mut ranking = Ranking::new(patient, config.thresholds);
        let mut truncated = false;
        let mut asked = 0;
        while asked < config.max_queries() {
            let Some((search, breadth)) = waiting.pop_front() else {
                break;
            };
            let Some(request) = search.request(&fields) else {
                continue;
            };
            asked += 1;
            let answer: Value = host.backend().send(request)?.error_for_status()?.json()?;
            let results = config.results(&answer)?;
            for result in results {
                if let Some(id) = config.record.id(result) {
                    let found = config.record.demographics(result, &config.date_format);
                    ranking.add(&id, &Person::from(&found));
                }
            }
            if config.has_more(&answer, results.len()) {
                let narrower: Vec<&Search> = search
                    .narrower
                    .iter()
                    .filter(|search| search.request(&fields).is_some())
                    .collect();
                truncated |= breadth == Breadth::Narrowed || narrower.is_empty();
                if breadth == Breadth::AsConfigured {
                    for search in narrower.into_iter().rev() {
                        waiting.push_front((search, Breadth::Narrowed));
                    }
                }
            }
            let narrowing = matches!(waiting.front(), Some((_, Breadth::Narrowed)));
            if !narrowing && ranking.is_settled() {
                break;
            }
        }
        // What should have replaced an overflowing search was not asked.
        truncated |= waiting
            .iter()
            .any(|(_, breadth)| *breadth == Breadth::Narrowed);
        host.log(
            Level::Debug,
            format!("{asked} searches, truncated: {truncated}"),
        );
        Ok(Outcome::Answered(Candidates {
            found: ranking.candidates(),
            truncated,
        }))
    }
}

/// Where a search comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breadth {
    /// From the list.
    AsConfigured,
    /// In place of one that gave too many results.
    Narrowed,
}

impl PatientDetails for SearchRest {
    fn fetch_patient(internal_id: &str, host: &Host) -> Result<Option<Value>, Failure> {
        let config: Config = host.config()?;
        let answer: Response = host.backend().send(config.details.request(internal_id))?;
        if matches!(answer.status, 404 | 410) {
            return Ok(None);
        }
        let answer: Value = answer.error_for_status()?.json()?;
        let record = config.details.record(&answer);
        if record.is_null() {
            return Ok(None);
        }
        let found = config.record.demographics(record, &config.date_format);
        Ok(Some(record::details(&found)))
    }
}
