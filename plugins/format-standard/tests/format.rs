//! The formatter through its role, as the host calls it.

use format_standard::Standard;
use patchbay_plugin::testing::MockHost;
use patchbay_plugin::{Event, EventKind, WebhookFormatter};
use serde_json::{Value, json};

fn event() -> Event {
    Event {
        id: "0199a0c0-0000-7000-8000-000000000001".to_owned(),
        kind: EventKind::Linked,
        occurred_at: "2026-01-31T12:00:00.000Z".to_owned(),
        data: json!({
            "workflow-id": "w-1",
            "patient-id": "p-1",
            "outcome": "linked",
            "sequence": 3,
            "link": {
                "internal-patient-id": "i-1",
                "score": 0.97,
                "grade": "certain",
                "evidence": [{"field": "dob", "agreement": "equal", "similarity": 1.0, "weight": 4.5}],
            },
            "failure": null,
        }),
    }
}

fn formatted(config: Value) -> Value {
    let host = MockHost::new().config(config);
    let message = Standard::format(event(), &host).unwrap();
    assert_eq!(message.content_type, "application/json");
    assert_eq!(message.headers, []);
    serde_json::from_slice(&message.body).unwrap()
}

#[test]
fn an_event_is_sent_whole_unless_configured_otherwise() {
    assert_eq!(
        formatted(json!({})),
        json!({
            "type": "link.linked",
            "timestamp": "2026-01-31T12:00:00.000Z",
            "data": event().data,
        })
    );
}

#[test]
fn members_and_evidence_can_be_left_out() {
    let body = formatted(json!({"include": ["outcome", "link"], "omit-evidence": true}));
    assert_eq!(
        body["data"],
        json!({
            "outcome": "linked",
            "link": {"internal-patient-id": "i-1", "score": 0.97, "grade": "certain"},
        })
    );
    // No link to strip: nothing to do.
    assert_eq!(
        formatted(json!({"include": [], "omit-evidence": true}))["data"],
        json!({})
    );
}

#[test]
fn a_wrong_configuration_is_the_operators_to_correct() {
    for (config, named) in [
        (json!({"omit_evidence": true}), "omit_evidence"),
        (json!({"include": ["workflow_id"]}), "workflow_id"),
        (json!({"include": "outcome"}), "outcome"),
    ] {
        let host = MockHost::new().config(config);
        let failure = Standard::format(event(), &host).unwrap_err();
        assert_eq!(failure.code, "config-invalid");
        assert!(!failure.retryable);
        assert!(failure.message.contains(named), "{}", failure.message);
    }
}
