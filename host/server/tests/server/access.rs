//! Tokens, health, and paths that do not exist.

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use patchbay_registry::TokenKind;

use crate::fixture::{DAY, Fixture, NAME, PATIENT, body, id, not_in_the_log};

#[tokio::test]
async fn tokens_are_let_in_by_what_they_are() {
    let fixture = Fixture::new().await;
    let registry = fixture.service.registry();
    let north = id("north");
    let path = "/patient/p-1";
    let ask = |name: &str, value: &str| {
        let request = Request::get(path).header(name, value);
        fixture.customer(request.body(Body::empty()).unwrap())
    };
    let known = (404, "not-found".to_owned());

    let bearer = format!("bearer {}", fixture.token);
    assert_eq!(ask("authorization", &bearer).await.problem(), known);
    ask("authorization", "Basic bm9ydGg6")
        .await
        .is_problem(401, "token-missing");
    ask("authorization", "Bearer")
        .await
        .is_problem(401, "token-invalid");

    let test = registry
        .issue_token("test", &north, TokenKind::Test, DAY)
        .await
        .unwrap();
    let refused = ask("customer-token", test.token.expose()).await;
    refused.is_problem(401, "token-invalid");
    assert!(
        refused.json()["detail"]
            .as_str()
            .unwrap()
            .contains("test token")
    );

    let short = Duration::from_mins(1);
    let live = |life| registry.issue_token("test", &north, TokenKind::Live, life);
    let (revoked, brief) = (live(DAY).await.unwrap(), live(short).await.unwrap());
    assert_eq!(
        ask("customer-token", revoked.token.expose())
            .await
            .problem(),
        known
    );
    registry
        .revoke_token("test", revoked.token_id)
        .await
        .unwrap();
    ask("customer-token", revoked.token.expose())
        .await
        .is_problem(401, "token-revoked");

    fixture.clock.advance(short);
    ask("customer-token", brief.token.expose())
        .await
        .is_problem(401, "token-expired");

    // Too long without a look at the revocations: nobody is let in, and nobody should be sent here.
    fixture.clock.advance(Duration::from_hours(1));
    ask("customer-token", &fixture.token)
        .await
        .is_problem(503, "unavailable");
    fixture
        .customer(get("/readyz"))
        .await
        .is_problem(503, "not-ready");
    registry.refresh().await.unwrap();
    assert_eq!(ask("customer-token", &fixture.token).await.problem(), known);
    not_in_the_log(&[&fixture.token, brief.token.expose(), test.token.expose()]);
}

#[tokio::test]
async fn health_is_told_to_anybody_and_unknown_paths_to_nobody() {
    let fixture = Fixture::new().await;
    let unprepared = fixture.customer(get("/readyz")).await;
    unprepared.is_problem(503, "not-ready");
    fixture.service.warm_up().await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(fixture.customer(get(path)).await.status, StatusCode::OK);
        assert_eq!(fixture.admin(get(path)).await.status, StatusCode::OK);
    }
    for path in [
        "/",
        "/links",
        "/link/status",
        "/admin/v1/customers",
        "/patient/a/b",
    ] {
        fixture
            .customer(get(path))
            .await
            .is_problem(404, "route-unknown");
    }
    let put = Request::put("/link").body(Body::empty()).unwrap();
    let refused = fixture.customer(put).await;
    refused.is_problem(405, "method-not-allowed");
    assert_eq!(refused.header("allow"), "POST");

    let before = fixture
        .customer(fixture.link("key", &body(PATIENT, NAME)))
        .await;
    fixture.service.stop().await;
    assert_eq!(
        fixture.customer(get("/healthz")).await.status,
        StatusCode::OK
    );
    fixture
        .customer(get("/readyz"))
        .await
        .is_problem(503, "not-ready");
    // What still reaches a stopping process is answered as ever: whoever runs next does the work.
    let late = fixture
        .customer(fixture.link("key", &body(PATIENT, NAME)))
        .await;
    assert_eq!(late.problem(), before.problem());
}

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}
