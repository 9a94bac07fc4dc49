//! The plain JSON API: the same people in another shape, with other names and another form of dates.

use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::System;
use super::index::both;
use crate::people::Person;

/// The most hits of one answer; `more` says that there were others.
const MAX_HITS: usize = 50;

pub(super) fn routes() -> Router<Arc<System>> {
    Router::new()
        .route("/people/search", post(search))
        .route("/people/{ref}", get(read))
}

/// An error in this API's own form.
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"error": self.error}))).into_response()
    }
}

/// What to search by: all that is given must fit. Texts fit their beginning, without regard to case
/// and accents.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Criteria {
    last: Option<String>,
    first: Option<String>,
    born: Option<Date>,
    zip: Option<String>,
}

#[derive(Serialize)]
struct Answer<'a> {
    hits: Vec<Hit<'a>>,
    more: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Hit<'a> {
    r#ref: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    middle: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suffix: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sex: Option<&'static str>,
    /// `DD.MM.YYYY`.
    #[serde(skip_serializing_if = "Option::is_none")]
    born: Option<String>,
    home: Home<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tel: Option<&'a str>,
}

#[derive(Serialize)]
struct Home<'a> {
    street: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    town: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    zip: Option<&'a str>,
}

async fn search(
    State(system): State<Arc<System>>,
    criteria: Result<Json<Criteria>, JsonRejection>,
) -> Response {
    let criteria = match criteria {
        Ok(Json(criteria)) => criteria,
        Err(rejection) => {
            let error = "the body must be a JSON object with last, first, born (YYYY-MM-DD) or zip";
            return Refusal::new(rejection.status(), error).into_response();
        }
    };
    let index = &system.index;
    let filled = |text: Option<String>| text.filter(|text| !text.trim().is_empty());
    let sets = [
        filled(criteria.last).map(|text| index.family.starting_with(&text)),
        filled(criteria.first).map(|text| index.given.starting_with(&text)),
        filled(criteria.zip).map(|text| index.postal_code.starting_with(&text)),
        criteria.born.map(|day| {
            index.born(
                std::ops::Bound::Included(day),
                std::ops::Bound::Included(day),
            )
        }),
    ];
    let found = sets
        .into_iter()
        .flatten()
        .reduce(|found, other| both(found, &other));
    let Some(found) = found else {
        let error = "give at least one of last, first, born and zip";
        return Refusal::new(StatusCode::BAD_REQUEST, error).into_response();
    };
    let hits = found
        .iter()
        .take(MAX_HITS)
        .filter_map(|who| system.people.get(*who as usize))
        .map(hit)
        .collect();
    Json(Answer {
        hits,
        more: found.len() > MAX_HITS,
    })
    .into_response()
}

async fn read(State(system): State<Arc<System>>, Path(reference): Path<String>) -> Response {
    let person = Uuid::try_parse(&reference)
        .ok()
        .and_then(|id| system.index.id(id))
        .and_then(|who| system.people.get(who as usize));
    match person {
        Some(person) => Json(hit(person)).into_response(),
        None => Refusal::new(StatusCode::NOT_FOUND, "nobody has this ref").into_response(),
    }
}

fn hit(person: &Person) -> Hit<'_> {
    Hit {
        r#ref: person.id,
        last_name: person.family.as_deref(),
        first_name: person.given.as_deref(),
        middle: person.middle.as_deref(),
        suffix: person.suffix.as_deref(),
        sex: person.gender.map(|gender| match gender {
            crate::people::Gender::Female => "F",
            crate::people::Gender::Male => "M",
        }),
        born: person
            .born
            .map(|day| format!("{:02}.{:02}.{:04}", day.day(), day.month(), day.year())),
        home: Home {
            street: &person.address.lines,
            town: person.address.city.as_deref(),
            region: person.address.state.as_deref(),
            zip: person.address.postal_code.as_deref(),
        },
        mail: person.email.as_deref(),
        tel: person.phone.as_deref(),
    }
}
