//! The adapter's configuration; the crate's documentation describes it for people. Every pointer and
//! template is checked as it is read.

use std::collections::BTreeMap;

use patchbay_plugin::matching::Thresholds;
use patchbay_plugin::{Failure, Method, Request};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::record::{DateFormat, Pointer, Record};
use crate::template::{Fields, IdPath, JsonTemplate, Template};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Config {
    #[serde(deserialize_with = "at_least_one")]
    pub(crate) searches: Vec<Search>,
    #[serde(default)]
    results: Pointer,
    truncated: Option<Truncated>,
    pub(crate) record: Record,
    #[serde(default)]
    pub(crate) date_format: DateFormat,
    pub(crate) details: Details,
    #[serde(default)]
    max_queries: MaxQueries,
    #[serde(default)]
    pub(crate) thresholds: Thresholds,
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Search>, D::Error> {
    let searches = Vec::deserialize(deserializer)?;
    if searches.is_empty() {
        return Err(D::Error::custom(
            "`searches` is empty: nothing would be asked",
        ));
    }
    Ok(searches)
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u8")]
struct MaxQueries(u8);

impl Default for MaxQueries {
    fn default() -> Self {
        Self(6)
    }
}

impl TryFrom<u8> for MaxQueries {
    type Error = String;

    fn try_from(value: u8) -> Result<Self, String> {
        if (1..=6).contains(&value) {
            Ok(Self(value))
        } else {
            Err(format!("max-queries: {value} is not between 1 and 6"))
        }
    }
}

/// How an answer says that there is more than it holds.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Truncated {
    Total(Pointer),
    Flag(Pointer),
    FullPage(usize),
}

impl Config {
    pub(crate) fn max_queries(&self) -> usize {
        usize::from(self.max_queries.0)
    }

    /// The list of results; an answer that has nothing there found nobody.
    pub(crate) fn results<'a>(&self, answer: &'a Value) -> Result<&'a [Value], Failure> {
        match self.results.get(answer) {
            Value::Array(results) => Ok(results),
            Value::Null => Ok(&[]),
            _ => Err(Failure::permanent(
                "backend-answer-invalid",
                "what `results` points to in the backend's answer is no list",
            )),
        }
    }

    pub(crate) fn has_more(&self, answer: &Value, results: usize) -> bool {
        match &self.truncated {
            None => false,
            Some(Truncated::Total(pointer)) => {
                let total = pointer.get(answer).as_u64();
                total.is_some_and(|total| total > results as u64)
            }
            Some(Truncated::Flag(pointer)) => match pointer.get(answer) {
                Value::Null | Value::Bool(false) => false,
                Value::String(text) => !text.is_empty(),
                _ => true,
            },
            Some(Truncated::FullPage(size)) => results >= *size,
        }
    }
}

/// One request to search with.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Search {
    path: Template,
    #[serde(default)]
    method: SearchMethod,
    #[serde(default)]
    query: BTreeMap<String, Template>,
    body: Option<JsonTemplate>,
    #[serde(default)]
    pub(crate) narrower: Vec<Search>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SearchMethod {
    #[default]
    Get,
    Post,
}

impl Search {
    /// The request for a patient; `None` if it lacks a field that is asked for.
    pub(crate) fn request(&self, fields: &Fields) -> Option<Request> {
        let method = match self.method {
            SearchMethod::Get => Method::Get,
            SearchMethod::Post => Method::Post,
        };
        let mut request =
            Request::new(method, self.path.fill_path(fields)?).header("accept", "application/json");
        for (name, template) in &self.query {
            request = request.param(name, template.fill(fields)?);
        }
        match &self.body {
            Some(body) => request.json(&body.fill(fields)?).ok(),
            None => Some(request),
        }
    }
}

/// How one record is fetched.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Details {
    path: IdPath,
    #[serde(default)]
    root: Pointer,
}

impl Details {
    pub(crate) fn request(&self, internal_id: &str) -> Request {
        Request::get(self.path.of(internal_id)).header("accept", "application/json")
    }

    pub(crate) fn record<'a>(&self, answer: &'a Value) -> &'a Value {
        self.root.get(answer)
    }
}
