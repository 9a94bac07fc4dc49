//! Bad input gets its status and code; nothing of it is stored, and nothing of the patient is written
//! anywhere in plain.

use std::fs;
use std::path::Path;

use patchbay_api::workflows::WorkflowQuery;
use patchbay_e2e::{Customer, Setup, body, http, person};
use reqwest::{RequestBuilder, Response};
use serde_json::{Value, json};

const PLANTED: [&str; 5] = [
    "Xanthippe",
    "Vogelsangsworth",
    "planted-mail@example.test",
    "Planted Lane 77",
    "99999999-aaaa-4bbb-8ccc-dddddddddddd",
];

fn planted() -> Value {
    json!({ "patient": {
        "id": PLANTED[4],
        "full_name": format!("{} {}", PLANTED[0], PLANTED[1]),
        "given_name": PLANTED[0],
        "family_name": PLANTED[1],
        "dob": "1971-01-31",
        "contact": { "email": PLANTED[2], "address": { "line": [PLANTED[3]] } },
    }})
}

struct Sender<'a> {
    setup: &'a Setup,
    customer: &'a Customer,
}

impl Sender<'_> {
    fn typed(&self, kind: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        let url = self.setup.host.customer_url().join("link").unwrap();
        http().post(url).header("content-type", kind).body(body)
    }

    fn post(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.typed("application/json", body)
    }

    fn full(&self, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.post(body)
            .header("idempotency-key", "bad")
            .header("customer-token", &self.customer.token)
    }
}

async fn problem(response: Response) -> (u16, String, Value) {
    let status = response.status().as_u16();
    let kind = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(kind, "application/problem+json");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["status"], status);
    (status, body["code"].as_str().unwrap().to_owned(), body)
}

async fn refused(request: RequestBuilder, status: u16, code: &str) -> Value {
    let (found, found_code, body) = problem(request.send().await.unwrap()).await;
    assert_eq!((found, found_code.as_str()), (status, code));
    for value in PLANTED {
        assert!(
            !body.to_string().contains(value),
            "{code} repeats what was sent"
        );
    }
    body
}

#[tokio::test]
async fn bad_input_is_refused_and_leaves_no_trace() {
    let setup = Setup::start().await;
    let north = setup.customer("north", "fhir").await;
    let south = setup.customer("south", "fhir").await;
    let send = Sender {
        setup: &setup,
        customer: &north,
    };
    let good = planted().to_string();

    let half = &good[..good.len() - 9];
    refused(send.full(half.to_owned()), 400, "malformed-json").await;
    refused(send.full(format!("[{good}]")), 400, "malformed-request").await;
    let mut wrong = planted();
    wrong["patient"]["id"] = json!(17);
    let found = refused(send.full(wrong.to_string()), 400, "malformed-request").await;
    assert_eq!(found["errors"][0]["pointer"], "/patient/id");
    let mut wrong = planted();
    wrong["patient"]["dob"] = json!({ "year": 1971 });
    wrong["patient"]["contact"]["email"] = json!("planted");
    let found = refused(send.full(wrong.to_string()), 422, "validation-failed").await;
    assert_eq!(found["errors"].as_array().unwrap().len(), 2, "{found}");
    let large = format!("{{\"pad\":\"{}\",{}", "x".repeat(5 << 20), &good[1..]);
    refused(send.full(large), 413, "body-too-large").await;
    let text = send
        .typed("text/plain", good.clone())
        .header("customer-token", &north.token);
    let text = text.header("idempotency-key", "bad");
    let (status, ..) = problem(text.send().await.unwrap()).await;
    assert_eq!(status, 415);

    let keyless = send
        .post(good.clone())
        .header("customer-token", &north.token);
    refused(keyless, 400, "idempotency-key-missing").await;
    refused(
        send.post(good.clone()).header("idempotency-key", "bad"),
        401,
        "token-missing",
    )
    .await;
    let unknown = send.post(good.clone()).header("idempotency-key", "bad");
    refused(
        unknown.header("customer-token", "v4.local.AAAA"),
        401,
        "token-invalid",
    )
    .await;

    // Another customer's workflow is as unknown as one that never was: to the byte.
    let workflow = setup
        .accepted(&north, "good", &body(PLANTED[4], person(5)))
        .await;
    setup.receiver.about(&workflow.to_string()).await;
    let mut answers = Vec::new();
    for id in [
        workflow.to_string(),
        "01890000-0000-7000-8000-000000000000".to_owned(),
    ] {
        let url = setup
            .host
            .customer_url()
            .join(&format!("link/status/{id}"))
            .unwrap();
        let answer = http()
            .get(url)
            .header("customer-token", &south.token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404);
        answers.push(answer.text().await.unwrap());
    }
    assert_eq!(answers[0], answers[1]);

    // Of all that, only the one good request left a workflow.
    let page = setup
        .admin()
        .workflows(&WorkflowQuery::default())
        .await
        .unwrap();
    assert_eq!(page.workflows.len(), 1);
    // The key of the refused ones is as good as new.
    let accepted = setup.link(&south, "bad", &planted()).await.unwrap();
    assert!(!accepted.replayed);
}

#[tokio::test]
async fn no_file_of_the_host_holds_a_patients_data_in_plain() {
    let mut setup = Setup::start().await;
    let north = setup.customer("north", "fhir").await;
    let workflow = setup.accepted(&north, "k-1", &planted()).await;
    setup.receiver.about(&workflow.to_string()).await;
    // One that is linked: its internal id and evidence are kept as well.
    let known = person(9);
    let id = "98989898-aaaa-4bbb-8ccc-dddddddddddd";
    let linked = setup.accepted(&north, "k-2", &body(id, known)).await;
    setup.receiver.about(&linked.to_string()).await;
    setup
        .host
        .customers()
        .patient(&north.token, id)
        .await
        .expect("linked");
    assert!(setup.host.stop());

    let family = known.family.as_deref().expect("a name").to_owned();
    let email = known
        .email
        .clone()
        .unwrap_or_else(|| "no such mail".to_owned());
    let own = [
        id.to_owned(),
        known.id.to_string(),
        email,
        north.token.clone(),
    ];
    let planted: Vec<String> = PLANTED.iter().map(ToString::to_string).chain(own).collect();
    let mut files = 0;
    search(&setup.host.data(), &planted, &mut files);
    assert!(files >= 4, "only {files} files were searched");
    let log = setup.host.log();
    for value in planted.iter().chain([&family]) {
        assert!(!log.contains(value.as_str()), "the log holds patient data");
    }
}

fn search(folder: &Path, values: &[String], files: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, values, files);
            continue;
        }
        *files += 1;
        let bytes = fs::read(&path).unwrap();
        for value in values {
            for form in [value.as_bytes().to_vec(), utf16(value)] {
                let found = bytes.windows(form.len()).any(|window| window == form);
                assert!(!found, "{} holds a planted value", path.display());
            }
        }
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}
