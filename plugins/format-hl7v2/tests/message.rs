//! The formatter through its role: which message, which fields, and nothing that breaks ER7.

mod common;

use common::{event, format, nasty, unescape};
use format_hl7v2::{dtm, er7};
use patchbay_plugin::EventKind;
use proptest::prelude::*;
use serde_json::{Value, json};

#[test]
fn a_link_is_a24_with_both_patients() {
    let message = format(event(EventKind::Linked, "P|1", "I^2"), json!({})).unwrap();
    assert_eq!(
        message,
        [
            r"MSH|^~\&|PATCHBAY||||20260131120000.123+0000||ADT^A24^ADT_A24|7c0080005eaf00d00001|P|2.5.1|||NE|NE||UNICODE UTF-8",
            r"EVN|A24|20260131120000.123+0000||||20260131120000.123+0000",
            r"PID|1||P\F\1^^^CUSTOMER^PI||^^^^^^U",
            r"PID|2||I\S\2^^^INTERNAL^PI||^^^^^^U",
            r"ZLK|1|0199a0c0-0000-7000-8000-00000000000a|link.linked|linked|I\S\2|0.97|0199a0c0-0000-7c00-8000-5eaf00d00001|LINK|3",
            "",
        ]
        .join("\r")
    );
}

#[test]
fn configuration_names_the_parties() {
    let config = json!({
        "version": "2.8",
        "processing-id": "T",
        "sending-application": {"namespace": "LINKS", "universal-id": "2.999.5", "universal-id-type": "ISO"},
        "sending-facility": "HQ",
        "receiving-application": "R&D",
        "receiving-facility": "NORTH",
        "customer-authority": {"universal-id": "north.example", "universal-id-type": "DNS"},
        "internal-authority": {"namespace": "MPI", "universal-id": "2.999.1", "universal-id-type": "ISO"},
        "identifier-type": "MR",
    });
    let message = format(event(EventKind::DeLinked, "p", "i"), config).unwrap();
    let segments: Vec<&str> = message.split('\r').collect();
    assert_eq!(
        segments[0],
        r"MSH|^~\&|LINKS^2.999.5^ISO|HQ|R\T\D|NORTH|20260131120000.123+0000||ADT^A37^ADT_A37|0199a0c0-0000-7c00-8000-5eaf00d00001|T|2.8|||NE|NE||UNICODE UTF-8"
    );
    assert_eq!(
        segments[1],
        "EVN||20260131120000.123+0000||||20260131120000.123+0000"
    );
    assert_eq!(segments[2], "PID|1||p^^^&north.example&DNS^MR||^^^^^^U");
    assert_eq!(segments[3], "PID|2||i^^^MPI&2.999.1&ISO^MR||^^^^^^U");
}

#[test]
fn what_changes_nobody_is_a_local_event() {
    let mut choice = event(EventKind::ChoiceRequired, "p", "i");
    choice.data["link"] = Value::Null;
    choice.data["outcome"] = json!("none");
    choice.data["candidates"] = json!(2);
    choice.data["expires-at"] = json!("2026-02-07T12:00:00+01:00");
    let mut failed = choice.clone();
    failed.kind = EventKind::Failed;
    failed.data["candidates"] = Value::Null;
    failed.data["expires-at"] = json!("never");
    failed.data["failure"] = json!({"blame": "backend", "code": "backend-timeout"});
    let mut unlinked = choice.clone();
    unlinked.kind = EventKind::DeLinked;
    let mut later = choice.clone();
    later.kind = EventKind::from("link.later");

    for (event, end) in [
        (choice, "LINK|3|2|20260207120000+0100"),
        (failed, "LINK|3|||backend^backend-timeout"),
        (unlinked, "LINK|3|2|20260207120000+0100"),
        (later, "LINK|3|2|20260207120000+0100"),
    ] {
        let message = format(event, json!({})).unwrap();
        assert!(message.contains("|ADT^Z24^ADT_Z24|"), "{message}");
        assert_eq!(message.matches("PID|").count(), 1, "{message}");
        assert!(message.ends_with(&format!("{end}\r")), "{message}");
    }
}

#[test]
fn what_cannot_be_told_is_a_permanent_failure() {
    let code = |event, config| {
        let failure = format(event, config).unwrap_err();
        assert!(!failure.retryable);
        failure.code
    };
    let sound = || event(EventKind::Linked, "p", "i");
    let mut unlinked = sound();
    unlinked.data["link"] = Value::Null;
    assert_eq!(code(unlinked, json!({})), "event-invalid");
    let mut nobody = sound();
    nobody.data["patient-id"] = json!(5);
    assert_eq!(code(nobody, json!({})), "event-invalid");
    let mut timeless = sound();
    timeless.occurred_at = "yesterday".to_owned();
    assert_eq!(code(timeless, json!({})), "event-invalid");
    for config in [
        json!({"versions": "2.5"}),
        json!({"version": "3.0"}),
        json!({"processing-id": "X"}),
        json!({"sending-facility": 5}),
        json!({"sending-facility": "x".repeat(21)}),
        json!({"internal-authority": {"universal-id": "2.999.1"}}),
        json!({"internal-authority": {"oid": "2.999.1"}}),
        json!({"identifier-type": "P"}),
    ] {
        assert_eq!(code(sound(), config), "config-invalid");
    }
}

#[test]
fn points_in_time_keep_their_offset() {
    for (text, dtm) in [
        ("2026-01-31T12:00:00Z", Some("20260131120000+0000")),
        (
            "2026-01-31t12:00:00.12345-03:30",
            Some("20260131120000.1234-0330"),
        ),
        ("2026-01-31T12:00:00", None),
        ("2026-01-31T12:00:00.Z", None),
        ("2026-01-31", None),
        ("2026-01-31T12:00:0é", None),
    ] {
        assert_eq!(dtm::from_rfc3339(text).as_deref(), dtm, "{text}");
    }
}

#[test]
fn a_text_is_never_the_null_value() {
    assert_eq!(er7::text("\"\"").as_str(), r"\X2222\");
    assert_eq!(er7::text("say \"\"").as_str(), "say \"\"");
}

proptest! {
    #[test]
    fn escaping_reads_back(text in prop_oneof![any::<String>(), nasty()]) {
        let encoded = er7::text(&text);
        let encoded = encoded.as_str();
        prop_assert!(!encoded.contains(['|', '^', '~', '&']));
        prop_assert!(!encoded.chars().any(char::is_control));
        prop_assert_eq!(unescape(encoded), text);
    }

    #[test]
    fn any_ids_leave_the_structure_alone(patient in nasty(), internal in any::<String>()) {
        let message = format(event(EventKind::Linked, &patient, &internal), json!({})).unwrap();
        let segments: Vec<Vec<&str>> = message
            .split_terminator('\r')
            .map(|segment| segment.split('|').collect())
            .collect();
        let names: Vec<&str> = segments.iter().map(|fields| fields[0]).collect();
        prop_assert_eq!(names, ["MSH", "EVN", "PID", "PID", "ZLK"]);
        let id = |pid: usize| unescape(segments[pid][3].split('^').next().unwrap());
        prop_assert_eq!(id(2), patient);
        prop_assert_eq!(id(3), internal.clone());
        prop_assert_eq!(unescape(segments[4][5]), internal);
    }

    #[test]
    fn any_time_gets_a_verdict(text in any::<String>()) {
        let _ = dtm::from_rfc3339(&text);
    }
}
