//! The FoundationDB cluster is away when a service starts, goes away in the middle, and comes back: the
//! service says so, loses nothing, and is never restarted.

use std::time::Duration;

use patchbay_cluster::cannot_run;
use patchbay_e2e::{Customer, Host, Place, Setup, body, http, person};
use patchbay_test_servers::foundationdb::{Cluster, Redundancy};
use patchbay_test_servers::{look_for, pass_over};
use reqwest::{Response, StatusCode};
use url::Url;

const PATIENCE: Duration = Duration::from_mins(1);

async fn health(base: &Url, path: &str) -> StatusCode {
    let answer = http().get(base.join(path).unwrap()).send().await;
    answer.unwrap().status()
}

async fn until_ready(base: &Url) {
    let ready = look_for(PATIENCE, async || {
        (health(base, "readyz").await == StatusCode::OK).then_some(())
    });
    let ((), took) = ready.await.expect("it recovers by itself");
    println!("ready {took:?} after the cluster was started");
}

async fn ask(setup: &Setup, customer: &Customer, number: usize) -> Response {
    let patient = format!("55555555-4444-4444-8444-{number:012}");
    http()
        .post(setup.host.customer_url().join("link").unwrap())
        .header("customer-token", &customer.token)
        .header("idempotency-key", format!("key-{number}"))
        .json(&body(&patient, person(number)))
        .send()
        .await
        .unwrap()
}

/// Refused in a way that says to come back, and by a process that says it is alive but not ready.
async fn is_away(setup: &Setup, customer: &Customer, number: usize) {
    let refused = ask(setup, customer, number).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    let after = refused.headers().get("retry-after").expect("Retry-After");
    assert!(after.to_str().unwrap().parse::<u32>().unwrap() > 0);
    let base = setup.host.customer_url();
    assert_eq!(
        health(base, "readyz").await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(health(base, "healthz").await, StatusCode::OK);
}

/// The same key, again: it is accepted, and the customer is told.
async fn is_back(setup: &Setup, customer: &Customer, number: usize) {
    until_ready(setup.host.customer_url()).await;
    let accepted = ask(setup, customer, number).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let answer: serde_json::Value = accepted.json().await.unwrap();
    let workflow = answer["workflow-id"].as_str().unwrap();
    setup.receiver.about(workflow).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_goes_away_and_comes_back() {
    if let Some(line) = cannot_run() {
        pass_over(&line);
        return;
    }
    let mut cluster = Cluster::start(1, Redundancy::Single).await.unwrap();
    let file = cluster.cluster_file();
    cluster.kill(0);

    let host = Host::start_at(Place::cluster(&file.to_string_lossy())).await;
    let setup = Setup::on(host).await;
    let north = setup.customer("north", "fhir").await;
    is_away(&setup, &north, 1).await;
    cluster.restart(0).unwrap();
    is_back(&setup, &north, 1).await;

    cluster.kill(0);
    is_away(&setup, &north, 2).await;
    cluster.restart(0).unwrap();
    is_back(&setup, &north, 2).await;
    assert!(setup.receiver.bad().is_empty());
}
