//! kill -9 in the middle of a thousand requests: whoever was answered 202 gets an answer. On a store that
//! ends with its process, a smaller crowd without the kills.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use patchbay_api::{ClientError, StatusAnswer};
use patchbay_e2e::{Customer, Setup, body, is_passed_over, person};
use patchbay_workflow::{Status, WorkflowId};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const AT_ONCE: usize = 32;

type Accepted = Arc<Mutex<HashMap<usize, WorkflowId>>>;

/// Sends the requests not yet accepted; stops at the first that finds nobody.
async fn send(setup: &Arc<Setup>, customer: &Customer, requests: usize, accepted: &Accepted) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut sending = JoinSet::new();
    for number in 0..requests {
        if accepted.lock().contains_key(&number) {
            continue;
        }
        let place = places.clone().acquire_owned().await.expect("open");
        let (setup, customer, accepted) = (setup.clone(), customer.clone(), accepted.clone());
        sending.spawn(async move {
            let _place = place;
            let request = body(&patient(number), person(number));
            match setup
                .link(&customer, &format!("key-{number}"), &request)
                .await
            {
                Ok(answer) => {
                    let known = accepted.lock().insert(number, answer.workflow_id);
                    assert!(known.is_none_or(|known| known == answer.workflow_id));
                }
                // The process is gone, or going: nothing was promised.
                Err(ClientError::Unreachable { .. } | ClientError::Unexpected { .. }) => {}
                Err(other) => panic!("request {number}: {other}"),
            }
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.expect("no panic");
    }
}

fn patient(number: usize) -> String {
    format!("44444444-4444-4444-8444-{number:012}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_kill_9_reaches_its_end_after_it() {
    let (requests, kills): (usize, &[usize]) = if is_passed_over("kill -9") {
        (200, &[])
    } else {
        (1_000, &[150, 400, 750])
    };
    let setup = Setup::start().await;
    let north = setup.customer("north", "fhir").await;
    let mut setup = Arc::new(setup);
    let accepted = Accepted::default();
    for kill_after in kills {
        let sender = {
            let (setup, north, accepted) = (setup.clone(), north.clone(), accepted.clone());
            tokio::spawn(async move { send(&setup, &north, requests, &accepted).await })
        };
        while accepted.lock().len() < *kill_after && !sender.is_finished() {
            tokio::task::yield_now().await;
        }
        let pid = setup.host.pid();
        std::process::Command::new("kill")
            .args(["-9", &pid.to_string()])
            .status()
            .expect("killed");
        sender.await.expect("no panic");
        let host = &mut Arc::get_mut(&mut setup).expect("nobody else holds it").host;
        host.kill();
        host.restart().await;
    }
    send(&setup, &north, requests, &accepted).await;
    let accepted = accepted.lock().clone();
    assert_eq!(
        accepted.len(),
        requests,
        "in the end every request is accepted"
    );

    // Every workflow reaches an end, or waits for a choice.
    let client = setup.host.customers();
    let wait = Some(Duration::from_secs(20));
    let mut linked = 0;
    for (number, workflow) in &accepted {
        let mut tries = 0;
        let status = loop {
            let answer = client
                .status(&north.token, *workflow, None, wait)
                .await
                .expect("a status");
            let StatusAnswer::Known(status, _) = answer else {
                panic!("{answer:?}")
            };
            if status.status.is_end() || status.status == Status::Ambiguous {
                break status;
            }
            tries += 1;
            assert!(tries < 15, "request {number} is still {}", status.status);
        };
        assert_ne!(
            status.status,
            Status::Failed,
            "request {number}: {:?}",
            status.failure
        );
        linked += usize::from(status.outcome.as_str() == "linked");
    }
    assert!(linked > requests / 2, "only {linked} were linked");

    // No patient was told two things, and everybody who was to be told was.
    let mut told: HashMap<String, String> = HashMap::new();
    for webhook in setup.receiver.received() {
        let patient = webhook
            .body
            .pointer("/data/patient-id")
            .and_then(|id| id.as_str());
        let result = format!(
            "{} {:?}",
            webhook.body["type"],
            webhook.body.pointer("/data/link/internal-patient-id")
        );
        let before = told.insert(patient.expect("a patient").to_owned(), result.clone());
        assert!(
            before.is_none_or(|before| before == result),
            "contradicting webhooks"
        );
    }
    for (number, workflow) in &accepted {
        if !told.contains_key(&patient(*number)) {
            let answer = client
                .status(&north.token, *workflow, None, None)
                .await
                .expect("a status");
            let StatusAnswer::Known(status, _) = answer else {
                panic!("{answer:?}")
            };
            assert_eq!(
                status.status,
                Status::Ambiguous,
                "request {number} was never told"
            );
        }
    }
    assert!(setup.receiver.bad().is_empty());
    let host = &mut Arc::get_mut(&mut setup).expect("nobody else holds it").host;
    assert!(host.stop(), "an orderly stop after all that");
}
