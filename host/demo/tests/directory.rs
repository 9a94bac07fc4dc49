//! The same people in another shape.

mod common;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::{TOKEN, ask, person};
use patchbay_demo::internal::router;
use patchbay_demo::people::generate;
use serde_json::{Value, json};

async fn search(router: &Router, criteria: Value) -> (StatusCode, Value) {
    let request = Request::post("/people/search")
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json")
        .body(Body::from(criteria.to_string()))
        .unwrap();
    ask(router, request).await
}

#[tokio::test]
async fn all_criteria_have_to_fit_by_their_beginning() {
    let people = vec![
        person(1, "José", "García", "1980-02-29", "Albany"),
        person(2, "Josefine", "Garcia Lorca", "1980-03-01", "Albany"),
    ];
    let router = router(people, TOKEN);
    let (status, answer) = search(&router, json!({"last": "GARCIA", "first": "jose"})).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(answer["hits"].as_array().unwrap().len(), 2);
    assert_eq!(answer["more"], false);
    let (_, answer) = search(&router, json!({"last": "gar", "born": "1980-02-29"})).await;
    let [hit] = &answer["hits"].as_array().unwrap()[..] else {
        panic!("one hit: {answer}")
    };
    assert_eq!(hit["lastName"], "García");
    assert_eq!(hit["born"], "29.02.1980");
    assert_eq!(hit["home"]["zip"], "12201");
    let (_, answer) = search(&router, json!({"last": "Garzia"})).await;
    assert_eq!(answer, json!({"hits": [], "more": false}));
}

#[tokio::test]
async fn a_long_answer_is_cut_and_says_so() {
    let router = router(generate(3, 3_000), TOKEN);
    let (_, answer) = search(&router, json!({"first": "j"})).await;
    assert_eq!(answer["hits"].as_array().unwrap().len(), 50);
    assert_eq!(answer["more"], true);
}

#[tokio::test]
async fn a_search_for_nothing_or_by_unknown_names_is_refused() {
    let router = router(generate(3, 10), TOKEN);
    for criteria in [json!({}), json!({"last": " "})] {
        assert_eq!(search(&router, criteria).await.0, StatusCode::BAD_REQUEST);
    }
    for criteria in [
        json!({"family": "x"}),
        json!({"last": 1}),
        json!({"born": "x"}),
    ] {
        let (status, answer) = search(&router, criteria).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer["error"].is_string());
    }
}
