//! A request becomes a mapping and a webhook.

use std::time::Duration;

use patchbay_api::StatusAnswer;
use patchbay_e2e::{Setup, body, person};
use serde_json::json;

#[tokio::test]
async fn somebody_known_is_linked_and_a_stranger_is_not() {
    let setup = Setup::start().await;
    let north = setup.customer("north", "fhir").await;
    let south = setup.customer("south", "fhir").await;
    let known = person(42);
    let patient = "5c0b3b1e-8f0a-4d0e-9a57-0c8f3f7d2b11";
    let workflow = setup.accepted(&north, "k-1", &body(patient, known)).await;

    let webhook = setup.receiver.about(&workflow.to_string()).await;
    assert_eq!(webhook.customer, "north");
    assert_eq!(webhook.body["type"], "link.linked");
    let told = webhook
        .body
        .pointer("/data/link/internal-patient-id")
        .cloned();
    assert_eq!(told, Some(json!(known.id.to_string())));

    let client = setup.host.customers();
    let wait = Some(Duration::from_secs(20));
    let status = client
        .status(&north.token, workflow, None, wait)
        .await
        .unwrap();
    let StatusAnswer::Known(status, Some(etag)) = status else {
        panic!("{status:?}")
    };
    assert_eq!(
        (status.status.as_str(), status.outcome.as_str()),
        ("COMPLETED", "linked")
    );
    let again = client
        .status(&north.token, workflow, Some(&etag), None)
        .await
        .unwrap();
    assert_eq!(again, StatusAnswer::Unchanged);

    // The details are the linked customer's alone.
    let details = client.patient(&north.token, patient).await.unwrap();
    let family = known.family.clone().expect("a name");
    assert!(serde_json::to_string(&details).unwrap().contains(&family));
    assert_eq!(
        code(client.patient(&south.token, patient).await),
        "not-found"
    );
    assert_eq!(
        code(client.status(&south.token, workflow, None, None).await),
        "not-found"
    );

    // Linked is linked: another key is told so, and by which workflow.
    let linked = setup
        .link(&north, "k-2", &body(patient, known))
        .await
        .unwrap_err();
    let problem = linked.problem().expect("a problem");
    assert_eq!(
        (problem.status, problem.code.as_str()),
        (409, "already-linked")
    );
    assert_eq!(problem.workflow_id, Some(workflow));

    let stranger = json!({ "patient": {
        "id": "6c0b3b1e-8f0a-4d0e-9a57-0c8f3f7d2b12",
        "full_name": "Zebedee Quillfeather",
        "given_name": "Zebedee",
        "family_name": "Quillfeather",
        "dob": "1931-02-03",
    }});
    let workflow = setup.accepted(&north, "k-3", &stranger).await;
    let webhook = setup.receiver.about(&workflow.to_string()).await;
    assert_eq!(webhook.body["type"], "link.no-results");
    assert!(setup.receiver.bad().is_empty());
}

fn code<T: std::fmt::Debug>(answer: Result<T, patchbay_api::ClientError>) -> String {
    answer
        .unwrap_err()
        .problem()
        .expect("a problem")
        .code
        .clone()
}
