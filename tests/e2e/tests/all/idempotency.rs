//! One key, one workflow; one request in flight per patient.

use std::collections::HashSet;
use std::sync::Arc;

use patchbay_api::ClientError;
use patchbay_e2e::{Customer, Setup, body, person};
use serde_json::Value;

async fn at_once(
    setup: &Arc<Setup>,
    customer: &Customer,
    requests: Vec<(String, Value)>,
) -> Vec<Result<patchbay_api::LinkAnswer, ClientError>> {
    let sent: Vec<_> = requests
        .into_iter()
        .map(|(key, body)| {
            let (setup, customer) = (setup.clone(), customer.clone());
            tokio::spawn(async move { setup.link(&customer, &key, &body).await })
        })
        .collect();
    let mut answers = Vec::new();
    for answer in sent {
        answers.push(answer.await.expect("no panic"));
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_fifty_times_at_once_is_one_workflow() {
    let setup = Arc::new(Setup::start().await);
    let north = setup.customer("north", "fhir").await;
    let request = body("11111111-1111-4111-8111-111111111111", person(1));
    let requests = vec![("one-key".to_owned(), request.clone()); 50];
    let answers = at_once(&setup, &north, requests).await;
    let answers: Vec<_> = answers.into_iter().map(|a| a.expect("accepted")).collect();
    let named: HashSet<_> = answers.iter().map(|answer| answer.workflow_id).collect();
    assert_eq!((answers.len(), named.len()), (50, 1));
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);

    let other = body("22222222-2222-4222-8222-222222222222", person(2));
    let reused = setup.link(&north, "one-key", &other).await.unwrap_err();
    let problem = reused.problem().expect("a problem");
    assert_eq!(
        (problem.status, problem.code.as_str()),
        (422, "idempotency-key-reused")
    );

    // Once it has ended, the replay tells how.
    let workflow = answers[0].workflow_id;
    setup.receiver.about(&workflow.to_string()).await;
    let wait = Some(std::time::Duration::from_secs(20));
    setup
        .host
        .customers()
        .status(&north.token, workflow, None, wait)
        .await
        .expect("ended");
    let replay = setup
        .link(&north, "one-key", &request)
        .await
        .expect("replayed");
    assert_eq!((replay.workflow_id, replay.replayed), (workflow, true));
    assert_eq!(replay.ended.expect("ended").outcome.as_str(), "linked");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_keys_for_one_patient_at_once_are_one_workflow_and_one_conflict() {
    let setup = Arc::new(Setup::start().await);
    let north = setup.customer("north", "fhir").await;
    for round in 0..10 {
        let patient = format!("33333333-3333-4333-8333-{round:012}");
        let request = body(&patient, person(100 + round));
        let requests = ["a", "b"]
            .map(|key| (format!("{key}-{round}"), request.clone()))
            .to_vec();
        let answers = at_once(&setup, &north, requests).await;
        let accepted: Vec<_> = answers.iter().filter_map(|a| a.as_ref().ok()).collect();
        let refused: Vec<_> = answers.iter().filter_map(|a| a.as_ref().err()).collect();
        assert_eq!((accepted.len(), refused.len()), (1, 1));
        let problem = refused[0].problem().expect("a problem");
        assert_eq!(problem.status, 409);
        assert_eq!(problem.workflow_id, Some(accepted[0].workflow_id));
    }
}
