//! The sink believes nothing that is not signed.

mod common;

use axum::body::Body;
use axum::http::{Request, StatusCode};
use common::ask;
use patchbay_demo::sink::{Sink, SinkCounts, Told};
use serde_json::json;
use standardwebhooks::Webhook;
use uuid::Uuid;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn sink(refusals: u64) -> Sink {
    let sink = Sink::new(refusals);
    assert!(sink.expect("north", SECRET));
    sink
}

fn signed(secret: &str, id: &str, kind: &str, body: &str) -> Request<Body> {
    let now = jiff::Timestamp::now().as_second();
    let signature = Webhook::new(secret)
        .unwrap()
        .sign(id, now, body.as_bytes())
        .unwrap();
    Request::post("/hooks/north")
        .header("content-type", kind)
        .header("webhook-id", id)
        .header("webhook-timestamp", now)
        .header("webhook-signature", signature)
        .body(Body::from(body.to_owned()))
        .unwrap()
}

fn linked(workflow: Uuid, internal: &str) -> String {
    json!({
        "type": "link.linked",
        "timestamp": "2026-01-31T12:00:00.000Z",
        "data": {
            "workflow-id": workflow,
            "outcome": "linked",
            "link": {"internal-patient-id": internal, "score": 0.98},
        },
    })
    .to_string()
}

#[tokio::test]
async fn a_bad_signature_is_refused_counted_and_not_believed() {
    let sink = sink(0);
    let router = sink.router();
    let workflow = Uuid::from_u128(1);
    let body = linked(workflow, "someone");
    let forged = signed(OTHER, "evt-1", "application/json", &body);
    let mut stale = signed(SECRET, "evt-1", "application/json", &body);
    stale
        .headers_mut()
        .insert("webhook-timestamp", "1700000000".parse().unwrap());
    let mut changed = signed(SECRET, "evt-1", "application/json", &body);
    *changed.body_mut() = Body::from(linked(workflow, "someone else"));
    let mut elsewhere = signed(SECRET, "evt-1", "application/json", &body);
    *elsewhere.uri_mut() = "/hooks/south".parse().unwrap();
    let unsigned = Request::post("/hooks/north")
        .body(Body::from(body))
        .unwrap();
    for request in [forged, stale, changed, elsewhere, unsigned] {
        assert_eq!(ask(&router, request).await.0, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(
        sink.counts(),
        SinkCounts {
            bad_signatures: 5,
            ..SinkCounts::default()
        }
    );
    assert!(sink.received(workflow).is_none());
}

#[tokio::test]
async fn an_event_is_refused_once_then_taken_and_repetitions_are_only_counted() {
    let sink = sink(1);
    let router = sink.router();
    let workflow = Uuid::from_u128(1);
    let body = linked(workflow, "someone");
    let send = || ask(&router, signed(SECRET, "evt-1", "application/json", &body));
    assert_eq!(send().await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(sink.received(workflow).is_none());
    for _ in 0..2 {
        assert_eq!(send().await.0, StatusCode::NO_CONTENT);
    }
    let received = sink.told(workflow).await;
    assert_eq!(received.told, Told::Linked("someone".to_owned()));
    assert!(!received.contradicted);
    let counts = sink.counts();
    assert_eq!(
        (counts.good, counts.repeated, counts.refused_once),
        (3, 1, 1)
    );
}

#[tokio::test]
async fn hl7_is_read_by_its_own_separator() {
    let sink = sink(0);
    let router = sink.router();
    let workflow = Uuid::from_u128(2);
    for (number, separator) in [(1, "|"), (2, "#")] {
        let body = format!(
            "MSH|^~\\&|PATCHBAY|||\rEVN|A24|\rZLK|1|{workflow}|link.linked|linked|abc|0.99\r"
        )
        .replace('|', separator);
        let request = signed(
            SECRET,
            &format!("evt-{number}"),
            "application/hl7-v2; charset=utf-8",
            &body,
        );
        assert_eq!(ask(&router, request).await.0, StatusCode::NO_CONTENT);
    }
    let received = sink.received(workflow).unwrap();
    assert_eq!(received.told, Told::Linked("abc".to_owned()));
    assert_eq!(sink.counts().unreadable, 0);
    assert!(!received.contradicted);
}

#[tokio::test]
async fn a_second_answer_that_differs_is_a_contradiction_but_a_choice_may_follow() {
    let sink = sink(0);
    let router = sink.router();
    let event = |kind: &str, workflow: Uuid| {
        json!({"type": kind, "timestamp": "", "data": {"workflow-id": workflow, "outcome": "none", "link": null}})
            .to_string()
    };
    let (chosen, torn) = (Uuid::from_u128(3), Uuid::from_u128(4));
    for (id, body) in [
        ("1", event("link.choice-required", chosen)),
        ("2", linked(chosen, "someone")),
        ("3", event("link.no-results", torn)),
        ("4", linked(torn, "someone")),
        ("5", "{}".to_owned()),
    ] {
        ask(&router, signed(SECRET, id, "application/json", &body)).await;
    }
    let chosen = sink.received(chosen).unwrap();
    assert_eq!(chosen.told, Told::Linked("someone".to_owned()));
    assert!(!chosen.contradicted);
    assert!(sink.received(torn).unwrap().contradicted);
    assert_eq!(sink.counts().unreadable, 1);
}
