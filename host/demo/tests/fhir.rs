//! The internal system searches as <https://hl7.org/fhir/R4/search.html> says, and no better.

mod common;

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::{TOKEN, ask, person};
use patchbay_demo::internal::router;
use patchbay_demo::people::generate;
use serde_json::Value;

fn five() -> Router {
    let mut people = vec![
        person(1, "José", "García", "1980-02-29", "Albany"),
        person(2, "Josefine", "Garcia Lorca", "1980-03-01", "New Albany"),
        person(3, "Anna", "O'Connor", "1979-12-31", "Cañon City"),
        person(4, "Maria", "Müller", "1981-01-01", "Albany"),
        person(5, "Joan", "Miller", "1980-12-31", "Albany"),
    ];
    people[3].middle = Some("Josefa".to_owned());
    people[4].gender = None;
    router(people, TOKEN)
}

async fn get(router: &Router, path: &str) -> (StatusCode, Value) {
    let request = Request::get(path)
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("host", "internal.test")
        .body(Body::empty())
        .unwrap();
    ask(router, request).await
}

/// The numbers of those found.
async fn found(router: &Router, query: &str) -> Vec<u128> {
    let (status, bundle) = get(router, &format!("/fhir/Patient?{query}")).await;
    assert_eq!(status, StatusCode::OK, "{query}: {bundle}");
    let entries = bundle["entry"].as_array().unwrap();
    assert_eq!(bundle["total"], entries.len());
    entries
        .iter()
        .map(|entry| {
            let id = entry["resource"]["id"].as_str().unwrap();
            uuid::Uuid::parse_str(id).unwrap().as_u128()
        })
        .collect()
}

#[tokio::test]
async fn strings_start_with_the_value_without_case_and_accents() {
    let router = five();
    for (query, expected) in [
        ("family=garcia", &[1, 2][..]),
        ("family=GARC%C3%8DA", &[1, 2]),
        ("family=arcia", &[]),
        ("family=Lorca", &[]),
        ("family=muller", &[4]),
        ("family=Mueller", &[]),
        ("family=mil", &[5]),
        ("family=Miler", &[]),
        ("given=jose", &[1, 2, 4]),
        ("name=jo", &[1, 2, 4, 5]),
        ("name=gar", &[1, 2]),
        ("address=canon", &[3]),
        ("address=maple", &[]),
        ("address=4%20maple", &[4]),
        ("address-city=albany", &[1, 4, 5]),
        ("address-city:contains=albany", &[1, 2, 4, 5]),
        ("address-postalcode=122", &[1, 2, 3, 4, 5]),
        ("address-state=ny&address-postalcode=12203", &[3]),
        ("family:exact=Garc%C3%ADa", &[1]),
        ("family:exact=garc%C3%ADa", &[]),
        ("family:contains=LLER", &[4, 5]),
    ] {
        assert_eq!(found(&router, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn dates_may_be_partial_and_compared() {
    let router = five();
    for (query, expected) in [
        ("birthdate=1980", &[1, 2, 5][..]),
        ("birthdate=1980-02", &[1]),
        ("birthdate=eq1980-02-29", &[1]),
        ("birthdate=ne1980", &[3, 4]),
        ("birthdate=ge1980", &[1, 2, 4, 5]),
        ("birthdate=gt1980", &[4]),
        ("birthdate=lt1980", &[3]),
        ("birthdate=le1980-02", &[1, 3]),
        ("birthdate=ge1980-03&birthdate=lt1981", &[2, 5]),
        ("birthdate=1979-12-31,1981-01-01", &[3, 4]),
    ] {
        assert_eq!(found(&router, query).await, expected, "{query}");
    }
    for query in [
        "birthdate=1980-02-30",
        "birthdate=80",
        "birthdate=ap1980",
        "birthdate=1980-2",
    ] {
        let (status, outcome) = get(&router, &format!("/fhir/Patient?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(outcome["resourceType"], "OperationOutcome");
    }
}

#[tokio::test]
async fn tokens_fit_whole_and_parameters_narrow_each_other() {
    let router = five();
    for (query, expected) in [
        ("phone=%2B15185550003", &[3][..]),
        ("phone=5550003", &[]),
        ("telecom=phone%7C%2B15185550003", &[3]),
        ("telecom=fax%7C%2B15185550003", &[]),
        ("email=ANNA@example.com", &[3]),
        ("email=anna", &[]),
        ("gender=female&family=m", &[4]),
        (
            "identifier=urn:patchbay:demo:record%7C00000000-0000-0000-0000-000000000002",
            &[2],
        ),
        ("_id=00000000-0000-0000-0000-000000000002", &[2]),
        ("family=garcia,miller&address-city=albany", &[1, 5]),
        ("family=o%27connor&birthdate=1980", &[]),
        ("family=", &[1, 2, 3, 4, 5]),
    ] {
        assert_eq!(found(&router, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn what_is_not_supported_is_refused_and_never_ignored() {
    let router = five();
    for query in [
        "familly=garcia",
        "family:sounds=garcia",
        "phone:contains=555",
        "_count=many",
    ] {
        let (status, outcome) = get(&router, &format!("/fhir/Patient?{query}")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        assert_eq!(outcome["issue"][0]["severity"], "error");
    }
}

#[tokio::test]
async fn the_next_links_lead_through_everybody_once() {
    let router = router(generate(3, 230), TOKEN);
    let mut path = "/fhir/Patient?address-state=N,C,M&_count=17".to_owned();
    let mut seen = BTreeSet::new();
    let mut pages = 0;
    let total = loop {
        let (status, bundle) = get(&router, &path).await;
        assert_eq!(status, StatusCode::OK);
        pages += 1;
        for entry in bundle["entry"].as_array().unwrap() {
            assert!(seen.insert(entry["fullUrl"].as_str().unwrap().to_owned()));
        }
        let next = bundle["link"]
            .as_array()
            .unwrap()
            .iter()
            .find(|link| link["relation"] == "next");
        match next {
            Some(next) => {
                let url = next["url"].as_str().unwrap();
                path = url.strip_prefix("http://internal.test").unwrap().to_owned();
            }
            None => break bundle["total"].as_u64().unwrap(),
        }
    };
    assert_eq!(seen.len() as u64, total);
    assert_eq!(pages, total.div_ceil(17));
    assert!(total > 17);
}

#[tokio::test]
async fn a_patient_is_read_with_what_is_known() {
    let router = five();
    let (status, patient) = get(
        &router,
        "/fhir/Patient/00000000-0000-0000-0000-000000000004",
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        patient["name"][0]["given"],
        serde_json::json!(["Maria", "Josefa"])
    );
    assert_eq!(patient["birthDate"], "1981-01-01");
    assert_eq!(patient["telecom"][0]["system"], "phone");
    let (status, outcome) = get(
        &router,
        "/fhir/Patient/00000000-0000-0000-0000-000000000009",
    )
    .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(outcome["issue"][0]["code"], "not-found");
    let (status, statement) = get(&router, "/fhir/metadata").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(statement["fhirVersion"], "4.0.1");
}

#[tokio::test]
async fn without_the_token_nobody_is_shown() {
    let router = five();
    for path in ["/fhir/Patient?family=garcia", "/fhir/metadata", "/people/x"] {
        for header in [None, Some("Bearer wrong"), Some(TOKEN)] {
            let mut request = Request::get(path);
            if let Some(header) = header {
                request = request.header("authorization", header);
            }
            let (status, answer) = ask(&router, request.body(Body::empty()).unwrap()).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} {header:?}");
            assert!(answer["entry"].is_null());
        }
    }
}
