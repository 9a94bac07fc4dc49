//! The customer API.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, StatusCode};
use patchbay_ambient::{Clock as _, Entropy as _, SeededEntropy};
use patchbay_store::keys::QueueKind;
use patchbay_store::lease::{Cursor, LeaseBatch, Taken};

use crate::fixture::{Answer, Fixture, NAME, PATIENT, body, log, not_in_the_log};

/// Everything that is refused before anybody is asked, and leaves nothing behind.
#[tokio::test]
async fn bad_input_is_refused_and_leaves_nothing() {
    let fixture = Fixture::with_plugins().await;
    let good = body(PATIENT, NAME);
    let link = |text: &str| fixture.link("key", text);
    let without = |name: &str| {
        let mut request = link(&good);
        request.headers_mut().remove(name);
        request
    };
    let with = |name: &'static str, value: &str| {
        let mut request = link(&good);
        request.headers_mut().insert(name, value.parse().unwrap());
        request
    };
    let twice = |name: &'static str| {
        let mut request = link(&good);
        let value = request.headers()[name].clone();
        request.headers_mut().append(name, value);
        request
    };
    let name = format!(r#"{{"patient": "{NAME}"}}"#);
    let id_of_number = format!(r#"{{"patient": {{"id": 7, "full_name": "{NAME}"}}}}"#);
    let long_id = body(&"x".repeat(257), NAME);

    let refused = [
        (link(""), 400, "malformed-json"),
        (link(NAME), 400, "malformed-json"),
        (link(&good[..good.len() - 1]), 400, "malformed-json"),
        (link("[1]"), 400, "malformed-request"),
        (link("{}"), 400, "malformed-request"),
        (link(&name), 400, "malformed-request"),
        (link(&id_of_number), 400, "malformed-request"),
        (link(&long_id), 400, "malformed-request"),
        (without("idempotency-key"), 400, "idempotency-key-missing"),
        (with("idempotency-key", ""), 400, "idempotency-key-invalid"),
        (
            with("idempotency-key", "a b"),
            400,
            "idempotency-key-invalid",
        ),
        (
            with("idempotency-key", &"k".repeat(256)),
            400,
            "idempotency-key-invalid",
        ),
        (twice("idempotency-key"), 400, "idempotency-key-invalid"),
        (without("customer-token"), 401, "token-missing"),
        (with("customer-token", NAME), 401, "token-invalid"),
        (
            with("customer-token", &format!("v4.local.{}", fixture.token)),
            401,
            "token-invalid",
        ),
        (twice("customer-token"), 401, "token-invalid"),
        (without("content-type"), 415, "unsupported-media-type"),
        (
            with("content-type", "text/plain"),
            415,
            "unsupported-media-type",
        ),
        (
            with("content-encoding", "gzip"),
            415,
            "unsupported-media-type",
        ),
    ];
    for (number, (request, status, code)) in refused.into_iter().enumerate() {
        let answer = fixture.customer(request).await;
        assert_eq!(
            answer.problem(),
            (status, code.to_owned()),
            "request {number}"
        );
        assert!(
            !String::from_utf8_lossy(&answer.body).contains(NAME),
            "request {number}"
        );
        if code == "malformed-request" {
            assert!(answer.json()["errors"][0]["pointer"].is_string());
        }
    }

    // Syntax is looked at before the token.
    let mut nobodys = link(NAME);
    nobodys.headers_mut().remove("customer-token");
    fixture
        .customer(nobodys)
        .await
        .is_problem(400, "malformed-json");

    assert_eq!(fixture.stored().await, []);
    let accepted = fixture.customer(link(&good)).await;
    assert_eq!(
        accepted.status,
        StatusCode::ACCEPTED,
        "the key is still free"
    );
    assert_eq!(fixture.stored().await.len(), 1);
    not_in_the_log(&[NAME, PATIENT, &fixture.token]);
}

#[tokio::test]
async fn a_body_of_five_megabytes_is_refused_whether_or_not_it_says_its_size() {
    let fixture = Fixture::with_plugins().await;
    let large = body(PATIENT, &NAME.repeat(5_000_000 / NAME.len()));

    let mut sized = fixture.link("key", &large);
    let length = large.len().to_string();
    sized
        .headers_mut()
        .insert("content-length", length.parse().unwrap());
    fixture
        .customer(sized)
        .await
        .is_problem(413, "body-too-large");

    let chunks: Vec<_> = large
        .as_bytes()
        .chunks(64 << 10)
        .map(|chunk| Ok::<_, std::io::Error>(Bytes::copy_from_slice(chunk)))
        .collect();
    let stream = Body::from_stream(futures_util::stream::iter(chunks));
    let unsized_ = fixture.link("key", "").map(|_| stream);
    fixture
        .customer(unsized_)
        .await
        .is_problem(413, "body-too-large");

    // The size is looked at before the token.
    let mut nobodys = fixture.link("key", &large);
    nobodys.headers_mut().remove("customer-token");
    fixture
        .customer(nobodys)
        .await
        .is_problem(413, "body-too-large");

    assert_eq!(fixture.stored().await, []);
    not_in_the_log(&[NAME, PATIENT]);
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_not_waited_for() {
    let fixture = Arc::new(Fixture::new().await);
    let pending =
        Body::from_stream(futures_util::stream::pending::<Result<Bytes, std::io::Error>>());
    let request = fixture.link("key", "").map(|_| pending);
    let answer = while_time_passes(&fixture, request).await;
    answer.is_problem(408, "request-timeout");
}

#[tokio::test]
async fn a_request_is_accepted_once() {
    let fixture = Fixture::with_plugins().await;
    let request = body(PATIENT, NAME);
    let accepted = fixture.customer(fixture.link("zq-key-1", &request)).await;
    assert_eq!(accepted.status, StatusCode::ACCEPTED);
    let workflow = accepted.workflow_id();
    assert_eq!(
        accepted.header("location"),
        format!("/link/status/{workflow}")
    );
    assert_eq!(accepted.header("retry-after"), "1");
    assert!(!accepted.headers.contains_key("idempotency-replayed"));

    let replayed = fixture.customer(fixture.link("zq-key-1", &request)).await;
    assert_eq!(replayed.status, StatusCode::ACCEPTED);
    assert_eq!(replayed.workflow_id(), workflow);
    assert_eq!(replayed.header("idempotency-replayed"), "true");

    let reused = fixture
        .customer(fixture.link("zq-key-1", &body(PATIENT, "Someone Else")))
        .await;
    reused.is_problem(422, "idempotency-key-reused");

    let second = fixture.customer(fixture.link("zq-key-2", &request)).await;
    second.is_problem(409, "in-progress");
    assert_eq!(second.workflow_id(), workflow);

    // Another customer's key and patient of the same names are others.
    let mut others = fixture.link("zq-key-1", &request);
    let token = fixture.other_token.parse().unwrap();
    others.headers_mut().insert("customer-token", token);
    let others = fixture.customer(others).await;
    assert_eq!(others.status, StatusCode::ACCEPTED);
    assert_ne!(others.workflow_id(), workflow);

    assert_eq!(fixture.stored().await.len(), 2);
    not_in_the_log(&[NAME, PATIENT, "zq-key-1", &fixture.token]);
}

#[tokio::test]
async fn a_validators_words_go_to_the_customer_and_its_failure_to_nobody() {
    let fixture = Fixture::with_plugins().await;
    let wrong = format!("{NAME}!");
    let invalid = fixture
        .customer(fixture.link("key", &body(PATIENT, &wrong)))
        .await;
    invalid.is_problem(422, "validation-failed");
    let fault = &invalid.json()["errors"][0];
    assert_eq!(fault["pointer"], "/patient/full_name");
    assert_eq!(fault["code"], "not-a-name");
    assert!(fault["detail"].as_str().unwrap().contains(&wrong));

    let trapped = fixture
        .customer(fixture.link("key", &body(PATIENT, "~")))
        .await;
    trapped.is_problem(503, "plugin-failed");
    let failure = &trapped.json()["failure"];
    assert_eq!(failure["blame"], "plugin");
    assert_eq!(failure["code"], "plugin-trapped");
    assert_eq!(failure["plugin"]["name"], "echo");
    assert!(
        failure["plugin"]["digest"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );

    assert_eq!(fixture.stored().await, []);
    not_in_the_log(&[NAME, PATIENT]);
}

#[tokio::test]
async fn what_is_not_set_up_is_said() {
    let fixture = Fixture::new().await;
    let answer = fixture
        .customer(fixture.link("key", &body(PATIENT, NAME)))
        .await;
    answer.is_problem(503, "not-configured");
    assert_eq!(fixture.stored().await, []);
}

#[tokio::test]
async fn a_status_is_cheap_to_ask_for_again() {
    let fixture = Fixture::with_plugins().await;
    let accepted = fixture
        .customer(fixture.link("key", &body(PATIENT, NAME)))
        .await;
    let path = format!("/link/status/{}", accepted.workflow_id());

    let first = fixture.customer(fixture.get(&path)).await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.header("cache-control"), "private, no-cache");
    let status = first.json();
    assert_eq!(status["status"], "RECEIVED");
    assert_eq!(status["outcome"], "none");
    assert_eq!(status["request-type"], "LINK");
    assert_eq!(status["created-at"], "2025-11-22T12:17:17.042Z");

    let etag = first.header("etag");
    for known in [etag, &format!("\"77\", W/{etag}"), "*"] {
        let same = fixture
            .customer(fixture.get_with(&path, &[("if-none-match", known)]))
            .await;
        assert_eq!(same.status, StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(same.header("etag"), etag);
        assert!(same.body.is_empty());
    }
    lease(&fixture).await;
    let changed = fixture
        .customer(fixture.get_with(&path, &[("if-none-match", etag)]))
        .await;
    assert_eq!(changed.json()["status"], "IN_PROGRESS");
    assert_ne!(changed.header("etag"), etag);
}

#[tokio::test]
async fn a_long_poll_ends_with_the_first_change_or_with_its_time() {
    let fixture = Arc::new(Fixture::with_plugins().await);
    let accepted = fixture
        .customer(fixture.link("key", &body(PATIENT, NAME)))
        .await;
    let path = format!("/link/status/{}", accepted.workflow_id());
    let etag = fixture
        .customer(fixture.get(&path))
        .await
        .header("etag")
        .to_owned();

    // A tag that is no longer the newest is answered at once: the clock stands still.
    let headers = [("prefer", "wait=20"), ("if-none-match", "\"99\"")];
    let stale = fixture.customer(fixture.get_with(&path, &headers)).await;
    assert_eq!(stale.status, StatusCode::OK);

    let headers = [
        ("prefer", "respond-async, wait=9999"),
        ("if-none-match", &*etag),
    ];
    let began = fixture.clock.now();
    let over = while_time_passes(&fixture, fixture.get_with(&path, &headers)).await;
    assert_eq!(over.status, StatusCode::NOT_MODIFIED);
    assert_eq!(over.header("preference-applied"), "wait=60");
    assert!(fixture.clock.now().since(began) >= Duration::from_mins(1));

    let waiting = tokio::spawn({
        let fixture = Arc::clone(&fixture);
        let request = fixture.get_with(&path, &[("prefer", "wait=60"), ("if-none-match", &etag)]);
        async move { fixture.customer(request).await }
    });
    // Whether the change comes before the question or after it, it ends the wait.
    tokio::task::yield_now().await;
    lease(&fixture).await;
    let changed = waiting.await.unwrap();
    assert_eq!(changed.status, StatusCode::OK);
    assert_eq!(changed.json()["status"], "IN_PROGRESS");
}

#[tokio::test]
async fn another_customers_workflow_is_as_unknown_as_none() {
    let fixture = Fixture::with_plugins().await;
    let mut others = fixture.link("key", &body(PATIENT, NAME));
    let token = fixture.other_token.parse().unwrap();
    others.headers_mut().insert("customer-token", token);
    let others = fixture.customer(others).await.workflow_id();

    let unknown = fixture
        .customer(fixture.get("/link/status/019aab3c-6e21-7d31-8a55-0c4f2f3b9e10"))
        .await;
    unknown.is_problem(404, "not-found");
    let paths = [
        format!("/link/status/{others}"),
        format!("/link/status/{NAME}").replace(' ', "%20"),
        "/link/status/%FF".to_owned(),
    ];
    for path in paths {
        for headers in [&[][..], &[("prefer", "wait=5")]] {
            let answer = fixture.customer(fixture.get_with(&path, headers)).await;
            assert_eq!(answer.status, unknown.status, "{path}");
            assert_eq!(answer.body, unknown.body, "{path}");
            assert_eq!(answer.headers, unknown.headers, "{path}");
        }
    }
    not_in_the_log(&[NAME, "Quagmire"]);
}

#[tokio::test]
async fn a_patient_who_is_not_linked_is_not_there() {
    let fixture = Fixture::with_plugins().await;
    for patient in [PATIENT.to_owned(), "x".repeat(300), "%FF".to_owned()] {
        let answer = fixture
            .customer(fixture.get(&format!("/patient/{patient}")))
            .await;
        answer.is_problem(404, "not-found");
    }
    let log = log();
    assert!(log.contains("/patient/{patient_id}"));
    assert!(log.contains("customer=\"north\""));
    not_in_the_log(&[PATIENT]);
}

/// Moves the clock a second at a time until there is an answer.
async fn while_time_passes(fixture: &Arc<Fixture>, request: Request<Body>) -> Answer {
    let task = tokio::spawn({
        let fixture = Arc::clone(fixture);
        async move { fixture.customer(request).await }
    });
    while !task.is_finished() {
        tokio::task::yield_now().await;
        fixture.clock.advance(Duration::from_secs(1));
    }
    task.await.unwrap()
}

/// Takes the one workflow there is, as a worker would.
async fn lease(fixture: &Fixture) {
    let now = fixture.clock.now();
    let room = HashMap::new();
    let batch = LeaseBatch {
        kind: QueueKind::Work,
        now,
        length: Duration::from_secs(30),
        max: 1,
        room: &room,
        default_room: 1,
        turn: 0,
        tokens: &[SeededEntropy::new(1).lease_token(now)],
        after: &Cursor::default(),
        taken: Taken::default(),
    };
    assert_eq!(fixture.store.run(&batch).await.unwrap().leases.len(), 1);
}
