//! How the types look on the wire, and what the client makes of answers.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use patchbay_api::admin::{Credentials, NewBackend, NewBinding, NewCustomer};
use patchbay_api::workflows::{WorkflowDetail, WorkflowQuery};
use patchbay_api::{
    AdminClient, ClientError, CustomerClient, LinkCall, Role, Sensitive, Status, StatusAnswer,
    WorkflowId,
};
use serde_json::{Value, json};
use tokio::sync::Mutex;

const ID: &str = "0197b0c2-7d3e-7c11-8a55-3c1f4b5d6e7f";

/// A server that keeps the last request and always answers the same.
struct Scripted {
    status: StatusCode,
    headers: Vec<(&'static str, &'static str)>,
    body: String,
    seen: Mutex<Option<(Method, Uri, HeaderMap, Bytes)>>,
}

async fn answer(
    State(script): State<Arc<Scripted>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, String) {
    *script.seen.lock().await = Some((method, uri, headers, body));
    let mut headers = HeaderMap::new();
    for (name, value) in &script.headers {
        headers.insert(*name, value.parse().unwrap());
    }
    (script.status, headers, script.body.clone())
}

async fn scripted(
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: Value,
) -> (Arc<Scripted>, url::Url) {
    let script = Arc::new(Scripted {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.to_vec(),
        body: body.to_string(),
        seen: Mutex::default(),
    });
    let router = Router::new()
        .fallback(answer)
        .with_state(Arc::clone(&script));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    tokio::spawn(axum::serve(listener, router).into_future());
    (script, url)
}

#[allow(
    clippy::disallowed_methods,
    reason = "a test's own client of a test's own server"
)]
fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

fn workflow_id() -> WorkflowId {
    ID.parse().unwrap()
}

#[tokio::test]
async fn an_admin_call_is_authorised_and_encoded() {
    let answer = json!({"role": "validator", "plugin": {"name": "v", "digest": format!("sha256:{}", "ab".repeat(32))}});
    let (script, url) = scripted(200, &[], answer).await;
    let admin = AdminClient::new(http(), url, "t0ken".to_owned()).unwrap();
    assert!(!format!("{admin:?}").contains("t0ken"));
    let binding = NewBinding {
        plugin: "v".to_owned(),
        config: None,
    };
    let bound = admin
        .bind(&"north".parse().unwrap(), Role::Validator, &binding)
        .await
        .unwrap();
    assert_eq!(bound.plugin.name, "v");
    let (method, uri, headers, body) = script.seen.lock().await.take().unwrap();
    assert_eq!(
        (method, uri.path()),
        (Method::PUT, "/admin/v1/customers/north/bindings/validator")
    );
    assert_eq!(headers["authorization"], "Bearer t0ken");
    assert_eq!(body, r#"{"plugin":"v"}"#);

    let (script, url) = scripted(200, &[], json!({"workflows": []})).await;
    let admin = AdminClient::new(http(), url, "t0ken".to_owned()).unwrap();
    let query = WorkflowQuery {
        status: Some(Status::InProgress),
        cursor: Some("a&b=c".to_owned()),
        ..WorkflowQuery::default()
    };
    assert_eq!(admin.workflows(&query).await.unwrap().next, None);
    let (_, uri, ..) = script.seen.lock().await.take().unwrap();
    assert_eq!(uri.query(), Some("status=IN_PROGRESS&cursor=a%26b%3Dc"));
}

#[tokio::test]
async fn a_link_is_accepted_or_replayed_once_it_has_ended() {
    let (script, url) = scripted(202, &[], json!({"workflow-id": ID})).await;
    let client = CustomerClient::new(http(), url).unwrap();
    let call = LinkCall {
        token: Some("tok"),
        idempotency_key: Some("k"),
        body: Bytes::from_static(b"{}"),
    };
    let answer = client.link(call.clone()).await.unwrap();
    assert_eq!(
        (answer.workflow_id, answer.replayed, answer.ended),
        (workflow_id(), false, None)
    );
    let (_, uri, headers, _) = script.seen.lock().await.take().unwrap();
    assert_eq!(uri.path(), "/link");
    assert_eq!(
        (&headers["customer-token"], &headers["idempotency-key"]),
        (&"tok".parse().unwrap(), &"k".parse().unwrap())
    );

    let ended = json!({"workflow-id": ID, "status": "COMPLETED", "outcome": "no-results", "request-type": "LINK", "updated-at": "2026-01-31T12:00:00.000Z", "more": 1});
    let (_, url) = scripted(200, &[("idempotency-replayed", "true")], ended).await;
    let answer = CustomerClient::new(http(), url)
        .unwrap()
        .link(call)
        .await
        .unwrap();
    assert!(answer.replayed);
    assert_eq!(answer.ended.unwrap().status, Status::Completed);
}

#[tokio::test]
async fn a_status_is_asked_for_with_its_tag_and_patience() {
    let (script, url) = scripted(304, &[], Value::Null).await;
    let client = CustomerClient::new(http(), url).unwrap();
    let wait = Some(std::time::Duration::from_secs(20));
    let answer = client
        .status("tok", workflow_id(), Some("\"7\""), wait)
        .await
        .unwrap();
    assert_eq!(answer, StatusAnswer::Unchanged);
    let (_, uri, headers, _) = script.seen.lock().await.take().unwrap();
    assert_eq!(uri.path(), format!("/link/status/{ID}"));
    assert_eq!(headers["if-none-match"], "\"7\"");
    assert_eq!(headers["prefer"], "wait=20");
}

#[tokio::test]
async fn problems_are_told_and_other_servers_noticed() {
    let problem = json!({
        "type": "https://patchbay.example/problems/validation-failed",
        "title": "The request is not valid",
        "status": 422,
        "code": "validation-failed",
        "errors": [{"pointer": "/patient/dob", "code": "date-invalid", "detail": "give a date"}],
        "workflow-id": ID,
    });
    let (_, url) = scripted(422, &[], problem).await;
    let client = CustomerClient::new(http(), url).unwrap();
    let error = client.patient("tok", "a/b c").await.unwrap_err();
    let problem = error.problem().unwrap();
    assert_eq!(
        (problem.code.as_str(), problem.workflow_id),
        ("validation-failed", Some(workflow_id()))
    );
    let text = error.to_string();
    assert!(
        text.contains("/patient/dob: give a date") && text.contains(ID),
        "{text}"
    );

    let (script, url) = scripted(502, &[], json!("secret words")).await;
    let client = CustomerClient::new(http(), url).unwrap();
    let error = client.patient("tok", "a/b c").await.unwrap_err();
    assert!(matches!(error, ClientError::Unexpected { status: 502, .. }));
    assert!(!format!("{error} {error:?}").contains("secret words"));
    let (_, uri, ..) = script.seen.lock().await.take().unwrap();
    assert_eq!(uri.path(), "/patient/a%2Fb%20c");

    let nowhere = "data:text/plain,x".parse().unwrap();
    assert!(matches!(
        CustomerClient::new(http(), nowhere),
        Err(ClientError::BadBase(_))
    ));
}

#[test]
fn requests_refuse_what_they_do_not_know() {
    let customer = json!({"id": "north", "webhook-url": "http://x", "settings": {"anything": 1}});
    assert!(serde_json::from_value::<NewCustomer>(customer).is_ok());
    for wrong in [
        json!({"id": "north", "webhook_url": "http://x"}),
        json!({"id": "North"}),
    ] {
        assert!(serde_json::from_value::<NewCustomer>(wrong).is_err());
    }
    let backend = |credentials: Value| json!({"id": "b", "base-url": "http://x", "adapter": "a", "credentials": credentials});
    for (credentials, good) in [
        (json!({"kind": "none"}), true),
        (
            json!({"kind": "header", "name": "x-key", "value": "v"}),
            true,
        ),
        (json!({"kind": "bearer", "token": "t", "tokne": "t"}), false),
        (json!({"kind": "digest"}), false),
    ] {
        let read = serde_json::from_value::<NewBackend>(backend(credentials));
        assert_eq!(read.is_ok(), good, "{read:?}");
    }
}

#[test]
fn secrets_are_written_but_never_shown() {
    let credentials = Credentials::Bearer {
        token: Sensitive::new("hush".to_owned()),
    };
    assert_eq!(
        serde_json::to_value(&credentials).unwrap(),
        json!({"kind": "bearer", "token": "hush"})
    );
    assert!(!format!("{credentials:?}").contains("hush"));
}

#[test]
fn a_workflow_reads_back_what_it_writes() {
    let detail = json!({
        "workflow-id": ID,
        "customer-id": "north",
        "request-id": ID,
        "request-type": "LINK",
        "status": "FAILED",
        "outcome": "none",
        "created-at": "2026-01-31T12:00:00.000Z",
        "updated-at": "2026-01-31T12:00:01.000Z",
        "executions": 3,
        "failure": {"blame": "plugin", "code": "trap"},
        "timeline": [
            {"at": "2026-01-31T12:00:00.000Z", "to": "RECEIVED", "actor": {"kind": "customer"}, "reason": "accepted"},
            {"at": "2026-01-31T12:00:01.000Z", "from": "IN_PROGRESS", "to": "FAILED", "actor": {"kind": "worker"}, "reason": "failed", "failure": {"blame": "plugin", "code": "trap"}, "detail": "what the guest said"},
        ],
        "attempts": [{"event-id": ID, "at": "2026-01-31T12:00:02.000Z", "status": 500, "latency-ms": 12}],
    });
    let read: WorkflowDetail = serde_json::from_value(detail.clone()).unwrap();
    assert!(!format!("{read:?}").contains("what the guest said"));
    assert_eq!(serde_json::to_value(read).unwrap(), detail);
}
