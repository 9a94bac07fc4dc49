//! Plugins that trap, loop, allocate without end, or answer garbage harm nobody but their customer.

use std::time::Duration;

use patchbay_api::StatusAnswer;
use patchbay_e2e::{Customer, Setup, body, guest, person};
use patchbay_workflow::{Blame, Role, Status, WorkflowId};
use serde_json::json;

/// Sends a request of a customer whose plugin misbehaves; gives the failed workflow.
async fn fails(setup: &Setup, customer: &Customer, patient: &str, key: &str) -> WorkflowId {
    let workflow = setup
        .accepted(customer, key, &body(patient, person(7)))
        .await;
    assert_eq!(ended(setup, customer, workflow).await, Status::Failed);
    workflow
}

async fn ended(setup: &Setup, customer: &Customer, workflow: WorkflowId) -> Status {
    let client = setup.host.customers();
    for _ in 0..6 {
        let wait = Some(Duration::from_secs(20));
        let answer = client
            .status(&customer.token, workflow, None, wait)
            .await
            .expect("a status");
        let StatusAnswer::Known(status, _) = answer else {
            panic!("{answer:?}")
        };
        if status.status.is_end() {
            return status.status;
        }
    }
    let found = setup
        .admin()
        .workflow(workflow, true)
        .await
        .expect("a workflow");
    panic!("workflow {workflow} does not end: {found:?}");
}

/// Whose fault the workflow's failure is, its code, and what guests wrote.
async fn told(setup: &Setup, workflow: WorkflowId) -> (Blame, String, String) {
    let detail = setup
        .admin()
        .workflow(workflow, true)
        .await
        .expect("a workflow");
    let failure = detail.summary.failure.expect("a failure");
    let words: String = detail
        .timeline
        .iter()
        .filter_map(|line| line.detail.as_ref())
        .map(|detail| detail.expose().as_str())
        .collect();
    (failure.blame, failure.code, words)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_misbehaviour_is_the_plugins_fault_and_its_words_stay_out_of_the_log() {
    let setup = Setup::start().await;
    let cases = [
        ("trap", "plugin-trapped"),
        ("spin", "plugin-timeout"),
        ("hog", "plugin-out-of-memory"),
        ("garbage", "plugin-garbage"),
    ];
    for (number, (name, code)) in cases.into_iter().enumerate() {
        setup.push(name, &guest(name)).await;
        setup.backend(&format!("with-{name}"), name).await;
        let customer = setup.customer(name, &format!("with-{name}")).await;
        let patient = format!("55555555-5555-4555-8555-{number:012}");

        // As a search adapter.
        let workflow = fails(&setup, &customer, &patient, "search").await;
        let (blame, found, words) = told(&setup, workflow).await;
        assert_eq!((blame, found.as_str()), (Blame::Plugin, code), "{name}");
        if name == "trap" {
            assert!(
                words.contains("marker-7f3a"),
                "the guest's words are in the timeline"
            );
        }
        // The customer is told that it failed.
        let webhook = setup.receiver.about(&workflow.to_string()).await;
        assert_eq!(webhook.body["type"], "link.failed");
        assert_eq!(webhook.body["data"]["failure"]["blame"], "plugin");

        // As a validator: nothing is accepted, and the answer says whose fault it is.
        setup.bind(name, Role::Validator, name, json!({})).await;
        let refused = setup
            .link(&customer, "validate", &body(&patient, person(7)))
            .await;
        let refused = refused.expect_err("not accepted");
        let problem = refused.problem().expect("a problem");
        assert_eq!(
            (problem.status, problem.code.as_str()),
            (503, "plugin-failed"),
            "{name}"
        );
    }
    assert!(
        !setup.host.log().contains("marker-7f3a"),
        "a guest's words are in the log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_formatter_that_fails_parks_the_delivery_and_the_link_stands() {
    let setup = Setup::start().await;
    setup.push("trap", &guest("trap")).await;
    let north = setup.customer("north", "fhir").await;
    setup
        .bind("north", Role::WebhookFormatter, "trap", json!({}))
        .await;
    let patient = "66666666-6666-4666-8666-666666666666";
    let workflow = setup.accepted(&north, "k", &body(patient, person(3))).await;
    assert_eq!(ended(&setup, &north, workflow).await, Status::Failed);
    let detail = setup
        .admin()
        .workflow(workflow, false)
        .await
        .expect("a workflow");
    assert_eq!(detail.summary.outcome.as_str(), "linked");
    let (blame, code, words) = told(&setup, workflow).await;
    assert_eq!((blame, code.as_str()), (Blame::Plugin, "plugin-trapped"));
    assert!(words.contains("marker-7f3a"));
    setup
        .host
        .customers()
        .patient(&north.token, patient)
        .await
        .expect("linked all the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_looping_guests_as_there_are_cores_hold_nobody_up() {
    let setup = Setup::start().await;
    let north = setup.customer("north", "fhir").await;
    setup.push("spin", &guest("spin")).await;
    setup.backend("with-spin", "spin").await;
    let spinner = setup.customer("spinner", "with-spin").await;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let mut looping = Vec::new();
    for number in 0..cores * 2 {
        let patient = format!("77777777-7777-4777-8777-{number:012}");
        let request = body(&patient, person(number));
        looping.push(
            setup
                .accepted(&spinner, &format!("s-{number}"), &request)
                .await,
        );
    }
    // Others' requests are accepted and linked while they loop.
    let mut workflows = Vec::new();
    for number in 0..20 {
        let patient = format!("88888888-8888-4888-8888-{number:012}");
        let request = body(&patient, person(number));
        workflows.push(
            setup
                .accepted(&north, &format!("n-{number}"), &request)
                .await,
        );
    }
    for workflow in workflows {
        assert_eq!(ended(&setup, &north, workflow).await, Status::Completed);
    }
    for workflow in looping {
        assert_eq!(ended(&setup, &spinner, workflow).await, Status::Failed);
        assert_eq!(told(&setup, workflow).await.1, "plugin-timeout");
    }
}
