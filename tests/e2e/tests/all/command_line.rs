//! The command line drives a running service.

use patchbay_e2e::{Host, Receiver, body, guest, http, internal_system, person, plugin};
use serde_json::Value;

#[tokio::test]
async fn a_customer_is_set_up_and_served_from_the_command_line() {
    let (host, receiver) = (Host::start().await, Receiver::start().await);
    let run = |arguments: &[&str]| host.command(arguments).unwrap();
    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&run(arguments)).unwrap() };

    for name in ["validator-standard", "search-fhir", "format-standard"] {
        let pushed = json(&["plugin", "push", plugin(name).to_str().unwrap(), "--json"]);
        assert_eq!(pushed["name"], name);
    }
    let base = internal_system().await.to_string();
    let secret = host.data().with_file_name("credentials.json");
    std::fs::write(
        &secret,
        r#"{"kind":"bearer","token":"internal-system-token"}"#,
    )
    .unwrap();
    let credentials = format!("@{}", secret.display());
    run(&[
        "backend",
        "add",
        "fhir",
        "--base-url",
        &base,
        "--adapter",
        "search-fhir",
        "--credentials",
        &credentials,
    ]);
    assert!(run(&["backend", "list"]).contains("search-fhir"));

    let webhook = receiver.url("north").to_string();
    let added = json(&["customer", "add", "north", "--webhook", &webhook, "--json"]);
    receiver.expect("north", added["webhook-secret"].as_str().unwrap());
    run(&[
        "plugin",
        "bind",
        "north",
        "--role",
        "validator",
        "--plugin",
        "validator-standard",
        "--config",
        r#"{"required":[]}"#,
    ]);
    run(&[
        "plugin",
        "bind",
        "north",
        "--role",
        "webhook-formatter",
        "--plugin",
        "format-standard",
    ]);
    run(&["plugin", "bind", "north", "--backend", "fhir"]);
    assert!(run(&["customer", "list"]).contains("north"));
    let token = run(&["customer", "token", "north"]).trim().to_owned();

    let answer = http()
        .post(host.customer_url().join("link").unwrap())
        .bearer_auth(&token)
        .header("idempotency-key", "k")
        .json(&body("12121212-1212-4212-8212-121212121212", person(20)))
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 202);
    let accepted: Value = answer.json().await.unwrap();
    let workflow = accepted["workflow-id"].as_str().unwrap();
    receiver.about(workflow).await;
    assert!(run(&["workflow", "list", "--customer", "north"]).contains(workflow));
    let shown = run(&["workflow", "show", workflow]);
    assert!(
        shown.contains("accepted") && shown.contains("leased"),
        "{shown}"
    );

    // One that failed is processed again once the plugin was replaced.
    run(&[
        "plugin",
        "push",
        guest("trap").to_str().unwrap(),
        "--name",
        "trap",
    ]);
    run(&[
        "backend",
        "add",
        "broken",
        "--base-url",
        &base,
        "--adapter",
        "trap",
        "--credentials",
        &credentials,
    ]);
    run(&["plugin", "bind", "north", "--backend", "broken"]);
    let answer = http()
        .post(host.customer_url().join("link").unwrap())
        .bearer_auth(&token)
        .header("idempotency-key", "k-2")
        .json(&body("13131313-1313-4313-8313-131313131313", person(21)))
        .send()
        .await
        .unwrap();
    let accepted: Value = answer.json().await.unwrap();
    let failed = accepted["workflow-id"].as_str().unwrap();
    assert_eq!(receiver.about(failed).await.body["type"], "link.failed");
    assert!(run(&["workflow", "list", "--status", "FAILED"]).contains(failed));
    let refused = host.command(&["workflow", "retry", workflow]).unwrap_err();
    assert!(refused.contains("COMPLETED"), "{refused}");
    run(&["plugin", "bind", "north", "--backend", "fhir"]);
    run(&["workflow", "retry", failed]);
    let linked = |webhook: &patchbay_e2e::Webhook| {
        webhook.workflow() == Some(failed) && webhook.body["type"] == "link.linked"
    };
    receiver.until(linked).await;
}
