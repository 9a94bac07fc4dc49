//! What the tests share: an event, the call, and a reader of escapes that owes nothing to the writer.

// Each test binary uses its part of this.
#![allow(dead_code)]

use format_hl7v2::Hl7V2;
use patchbay_plugin::testing::MockHost;
use patchbay_plugin::{Event, EventKind, Failure, WebhookFormatter};
use proptest::prelude::*;
use serde_json::{Value, json};

pub(crate) fn event(kind: EventKind, patient_id: &str, internal_id: &str) -> Event {
    Event {
        id: "0199a0c0-0000-7c00-8000-5eaf00d00001".to_owned(),
        kind,
        occurred_at: "2026-01-31T12:00:00.123Z".to_owned(),
        data: json!({
            "workflow-id": "0199a0c0-0000-7000-8000-00000000000a",
            "request-id": "0199a0c0-0000-7000-8000-00000000000b",
            "request-type": "LINK",
            "patient-id": patient_id,
            "outcome": "linked",
            "sequence": 3,
            "link": {
                "internal-patient-id": internal_id,
                "score": 0.97,
                "grade": "certain",
                "evidence": [],
            },
            "failure": null,
        }),
    }
}

pub(crate) fn format(event: Event, config: Value) -> Result<String, Failure> {
    let message = Hl7V2::format(event, &MockHost::new().config(config))?;
    assert_eq!(message.content_type, "application/hl7-v2; charset=utf-8");
    Ok(String::from_utf8(message.body).unwrap())
}

/// Texts full of what ER7 gives a meaning to.
pub(crate) fn nasty() -> impl Strategy<Value = String> {
    "[|^~\\\\&\r\n\t\u{0}\u{b}\u{1c}\u{7f}\u{85}\u{2028}\"#FSTREX0Dé猫]{0,24}"
}

/// Reads escapes back (HL7 v2.5.1, section 2.7), taking hexadecimal as bytes of UTF-8.
pub(crate) fn unescape(encoded: &str) -> String {
    let mut bytes = Vec::new();
    // Between backslashes, plain text and escape sequences take turns.
    for (turn, part) in encoded.split('\\').enumerate() {
        match (turn % 2, part) {
            (0, plain) => bytes.extend(plain.bytes()),
            (_, "F") => bytes.push(b'|'),
            (_, "S") => bytes.push(b'^'),
            (_, "T") => bytes.push(b'&'),
            (_, "R") => bytes.push(b'~'),
            (_, "E") => bytes.push(b'\\'),
            (_, sequence) => {
                let digits = sequence.strip_prefix('X').unwrap();
                for at in (0..digits.len()).step_by(2) {
                    bytes.push(u8::from_str_radix(&digits[at..at + 2], 16).unwrap());
                }
            }
        }
    }
    String::from_utf8(bytes).unwrap()
}
