//! The admin API.

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, NAME, PATIENT, body, log, not_in_the_log, validator};

#[tokio::test]
async fn nobody_gets_in_without_an_admins_token() {
    let fixture = Fixture::new().await;
    let paths = [
        "/admin/v1/customers",
        "/admin/v1/workflows/x",
        "/admin/v1/nothing",
    ];
    let of_customer = format!("Bearer {}", fixture.token);
    for path in paths {
        for (token, code) in [
            (None, "token-missing"),
            (Some("Bearer pbadmin_guess"), "token-invalid"),
            (Some(of_customer.as_str()), "token-invalid"),
        ] {
            let mut request = Request::get(path);
            if let Some(token) = token {
                request = request.header("authorization", token);
            }
            let answer = fixture.admin(request.body(Body::empty()).unwrap()).await;
            answer.is_problem(401, code);
        }
    }
    let nothing = fixture
        .admin(fixture.operate("GET", "/nothing", None))
        .await;
    nothing.is_problem(404, "route-unknown");
    let method = fixture
        .admin(fixture.operate("DELETE", "/customers", None))
        .await;
    method.is_problem(405, "method-not-allowed");
}

#[tokio::test]
async fn a_customer_is_set_up_through_the_api_alone() {
    let fixture = Fixture::new().await;
    let call = async |method, path, body| fixture.admin(fixture.operate(method, path, body)).await;

    let pushed = push(&fixture, "echo", "application/wasm", validator()).await;
    assert_eq!(pushed.status, StatusCode::CREATED);
    assert_eq!(pushed.json()["roles"], json!(["validator"]));
    let digest = pushed.json()["digest"].as_str().unwrap().to_owned();
    fixture.add_adapter().await;

    let backend = json!({
        "id": "mpi", "base-url": "http://mpi.test/fhir/", "adapter": "adapter",
        "config": {"count": 20}, "limits": {"attempts": 2},
        "credentials": {"kind": "basic", "username": "patchbay", "password": "hunter-zq-2"},
    });
    let added = call("POST", "/backends", Some(backend.clone())).await;
    assert_eq!(added.status, StatusCode::CREATED);
    let listed = call("GET", "/backends", None).await;
    assert_eq!(listed.json()["backends"][0], added.json());
    assert_eq!(added.json()["credentials"], "basic");
    assert_eq!(added.json()["limits"]["attempts"], 2);
    assert_eq!(added.json()["limits"]["timeout-ms"], 10_000);
    assert!(!String::from_utf8_lossy(&listed.body).contains("hunter"));
    call("POST", "/backends", Some(backend))
        .await
        .is_problem(409, "backend-exists");

    let customer = json!({
        "id": "east", "settings": {"max-executions": 3}, "backends": ["mpi"],
        "webhook-url": "https://east.test/hook",
    });
    let created = call("POST", "/customers", Some(customer.clone())).await;
    assert_eq!(created.status, StatusCode::CREATED);
    assert_eq!(created.json()["backends"], json!(["mpi"]));
    assert_eq!(created.json()["settings"]["max-executions"], 3);
    let secret = created.json()["webhook-secret"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(secret.starts_with("whsec_"));
    call("POST", "/customers", Some(customer))
        .await
        .is_problem(409, "customer-exists");

    let bound = call(
        "PUT",
        "/customers/east/bindings/validator",
        Some(json!({"plugin": digest, "config": {"required": []}})),
    )
    .await;
    assert_eq!(
        bound.json()["plugin"],
        json!({"name": "echo", "digest": digest})
    );
    let choices = json!({"backends": [{"backend": "mpi", "config": {"count": null}}]});
    let chosen = call("PUT", "/customers/east/backends", Some(choices.clone())).await;
    assert_eq!(chosen.json(), choices);

    let issued = call(
        "POST",
        "/customers/east/tokens",
        Some(json!({"kind": "live"})),
    )
    .await;
    assert_eq!(issued.status, StatusCode::CREATED);
    assert_eq!(issued.json()["expires-at"], "2026-11-22T12:17:17.042Z");
    let token = issued.json()["token"].as_str().unwrap().to_owned();

    let all = call("GET", "/customers", None).await.json();
    let east = &all["customers"][0];
    assert_eq!(east["id"], "east");
    assert_eq!(east["webhook-url"], "https://east.test/hook");
    assert_eq!(east["bindings"][0]["role"], "validator");
    assert!(east.get("webhook-secret").is_none());

    let mut request = fixture.link("key", &body(PATIENT, NAME));
    request
        .headers_mut()
        .insert("customer-token", token.parse().unwrap());
    // It has an endpoint, and nothing yet that could format what is sent there.
    fixture
        .customer(request)
        .await
        .is_problem(503, "not-configured");

    let entries = fixture.service.registry().audit(0, 100).await.unwrap();
    let by_ada: Vec<_> = entries
        .iter()
        .filter(|entry| entry.actor == "ada")
        .collect();
    assert_eq!(
        by_ada.len(),
        7,
        "every change is noted under the admin's name"
    );
    not_in_the_log(&["hunter", &secret, &token, &fixture.admin_token]);
}

#[tokio::test]
async fn what_the_registry_refuses_says_what_and_where() {
    let fixture = Fixture::with_plugins().await;
    let id = "019aab3c-6e21-7d31-8a55-0c4f2f3b9e10";
    let live = json!({"kind": "live"});
    let refused = [
        (
            "POST",
            "/customers",
            json!({"id": "North"}),
            400,
            "malformed-request",
        ),
        (
            "POST",
            "/customers",
            json!({"id": "east", "color": 1}),
            400,
            "malformed-request",
        ),
        (
            "POST",
            "/customers",
            json!({"id": "east", "settings": {"link": {"margin": 2}}}),
            422,
            "settings-invalid",
        ),
        (
            "POST",
            "/customers",
            json!({"id": "east", "settings": {"marginn": 2}}),
            422,
            "settings-invalid",
        ),
        (
            "POST",
            "/customers",
            json!({"id": "east", "webhook-url": "nowhere"}),
            422,
            "url-invalid",
        ),
        (
            "POST",
            "/customers",
            json!({"id": "east", "backends": ["none"]}),
            422,
            "backend-unknown",
        ),
        (
            "POST",
            "/customers",
            json!({"id": "east", "backends": ["mpi", "mpi"]}),
            422,
            "backend-repeated",
        ),
        (
            "POST",
            "/customers/none/tokens",
            live.clone(),
            404,
            "customer-unknown",
        ),
        ("POST", "/customers/NONE/tokens", live, 404, "not-found"),
        (
            "POST",
            "/customers/north/tokens",
            json!({"kind": "live", "expires-in-seconds": 0}),
            422,
            "expiry-invalid",
        ),
        (
            "PUT",
            "/customers/north/bindings/validator",
            json!({"plugin": "none"}),
            422,
            "plugin-unknown",
        ),
        (
            "PUT",
            "/customers/north/bindings/webhook-formatter",
            json!({"plugin": "echo"}),
            422,
            "plugin-lacks-role",
        ),
        (
            "PUT",
            "/customers/north/bindings/search-adapter",
            json!({"plugin": "adapter"}),
            422,
            "role-of-backend",
        ),
        (
            "PUT",
            "/customers/north/bindings/barber",
            json!({"plugin": "echo"}),
            404,
            "not-found",
        ),
        (
            "PUT",
            "/customers/north/backends",
            json!({"backends": [{"backend": "none"}]}),
            422,
            "backend-unknown",
        ),
        (
            "POST",
            "/backends",
            json!({"id": "b", "base-url": "http://b.test", "adapter": "echo"}),
            422,
            "plugin-lacks-role",
        ),
    ];
    for (method, path, body, status, code) in refused {
        let answer = fixture
            .admin(fixture.operate(method, path, Some(body.clone())))
            .await;
        assert_eq!(
            answer.problem(),
            (status, code.to_owned()),
            "{method} {path} {body}"
        );
    }
    for (method, path, status, code) in [
        ("GET", format!("/workflows/{id}"), 404, "not-found"),
        ("GET", "/workflows/x".to_owned(), 404, "not-found"),
        (
            "GET",
            format!("/workflows/{id}?detail=perhaps"),
            400,
            "malformed-request",
        ),
        ("POST", format!("/workflows/{id}/retry"), 404, "not-found"),
        (
            "GET",
            "/workflows?cursor=x".to_owned(),
            400,
            "malformed-request",
        ),
        (
            "GET",
            "/workflows?status=LOST".to_owned(),
            400,
            "malformed-request",
        ),
        (
            "GET",
            "/workflows?stat=FAILED".to_owned(),
            400,
            "malformed-request",
        ),
    ] {
        let answer = fixture.admin(fixture.operate(method, &path, None)).await;
        assert_eq!(
            answer.problem(),
            (status, code.to_owned()),
            "{method} {path}"
        );
    }

    let settings = json!({"id": "east", "settings": {"link": {"margin": 2}}});
    let answer = fixture
        .admin(fixture.operate("POST", "/customers", Some(settings)))
        .await;
    assert_eq!(
        answer.json()["errors"][0]["pointer"],
        "/settings/link/margin"
    );
    let all = fixture
        .admin(fixture.operate("GET", "/customers", None))
        .await
        .json();
    assert_eq!(
        all["customers"].as_array().map(Vec::len),
        Some(2),
        "nothing was half added"
    );
}

#[tokio::test]
async fn only_a_component_within_bounds_is_taken() {
    let fixture = Fixture::new().await;
    let wasm = "application/wasm";
    let core = wat::parse_str("(module)").unwrap();
    for (name, media_type, bytes, status, code) in [
        (
            "echo",
            "application/json",
            validator(),
            415,
            "unsupported-media-type",
        ),
        ("echo", wasm, vec![0; (1 << 20) + 1], 413, "body-too-large"),
        (
            "echo",
            wasm,
            b"no component".to_vec(),
            422,
            "plugin-malformed",
        ),
        ("echo", wasm, core, 422, "plugin-not-a-component"),
        ("Ec%20ho", wasm, validator(), 422, "name-invalid"),
    ] {
        push(&fixture, name, media_type, bytes)
            .await
            .is_problem(status, code);
    }
    let mut nameless = fixture.operate("POST", "/plugins", None);
    nameless
        .headers_mut()
        .insert("content-type", wasm.parse().unwrap());
    fixture
        .admin(nameless)
        .await
        .is_problem(400, "malformed-request");
    let listed = fixture
        .admin(fixture.operate("GET", "/plugins", None))
        .await;
    assert_eq!(listed.json(), json!({"plugins": []}));
}

#[tokio::test]
async fn workflows_are_listed_page_by_page_and_shown() {
    let fixture = Fixture::with_plugins().await;
    let mut accepted = Vec::new();
    for number in 0..5 {
        let request = fixture.link(
            &format!("key-{number}"),
            &body(&format!("{PATIENT}-{number}"), NAME),
        );
        accepted.push(fixture.customer(request).await.workflow_id());
        fixture.clock.advance(std::time::Duration::from_millis(1));
    }
    accepted.reverse();

    let mut seen = Vec::new();
    let mut path = "/workflows?customer=north&status=RECEIVED&limit=2".to_owned();
    let mut pages = 0;
    loop {
        let page = fixture
            .admin(fixture.operate("GET", &path, None))
            .await
            .json();
        let workflows = page["workflows"].as_array().unwrap();
        seen.extend(
            workflows
                .iter()
                .map(|one| one["workflow-id"].as_str().unwrap().to_owned()),
        );
        pages += 1;
        let Value::String(next) = &page["next"] else {
            break;
        };
        path = format!("/workflows?customer=north&status=RECEIVED&limit=2&cursor={next}");
    }
    assert_eq!(
        (seen, pages),
        (accepted.clone(), 3),
        "newest first, each once"
    );

    let path = format!("/workflows/{}", accepted[0]);
    let shown = fixture
        .admin(fixture.operate("GET", &format!("{path}?detail=true"), None))
        .await;
    let shown = shown.json();
    assert_eq!(shown["customer-id"], "north");
    assert_eq!(shown["timeline"][0]["to"], "RECEIVED");
    assert_eq!(shown["timeline"][0]["actor"]["kind"], "customer");
    assert!(
        log().contains(&format!("admin=\"ada\" workflow={}", accepted[0])),
        "who looked is noted"
    );

    let retried = fixture
        .admin(fixture.operate("POST", &format!("{path}/retry"), None))
        .await;
    retried.is_problem(409, "not-failed");
    not_in_the_log(&[NAME, PATIENT]);
}

async fn push(fixture: &Fixture, name: &str, media_type: &str, bytes: Vec<u8>) -> Answer {
    let mut request = fixture.operate("POST", &format!("/plugins?name={name}"), None);
    let length = bytes.len().to_string();
    request
        .headers_mut()
        .insert("content-type", media_type.parse().unwrap());
    request
        .headers_mut()
        .insert("content-length", length.parse().unwrap());
    fixture.admin(request.map(|_| Body::from(bytes))).await
}
