//! Asking a router without sockets.

#![allow(dead_code, reason = "each test uses a part of it")]

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use patchbay_demo::people::{Address, Gender, Person};
use serde_json::Value;
use tower::ServiceExt as _;
use uuid::Uuid;

pub(crate) const TOKEN: &str = "only-the-host-knows";

/// Somebody with a name, a birth day and a city.
pub(crate) fn person(number: u128, given: &str, family: &str, born: &str, city: &str) -> Person {
    Person {
        id: Uuid::from_u128(number),
        given: Some(given.to_owned()),
        middle: None,
        family: Some(family.to_owned()),
        suffix: None,
        gender: Some(Gender::Female),
        born: Some(born.parse().unwrap()),
        address: Address {
            lines: vec![format!("{number} Maple Street")],
            city: Some(city.to_owned()),
            state: Some("NY".to_owned()),
            postal_code: Some(format!("122{number:02}")),
        },
        phone: Some(format!("+151855500{number:02}")),
        email: Some(format!("{}@example.com", given.to_lowercase())),
    }
}

/// Sends a request and reads the answer as JSON (null where it is not).
pub(crate) async fn ask(router: &Router, request: Request<Body>) -> (StatusCode, Value) {
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}
