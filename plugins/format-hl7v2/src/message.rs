//! From an event to a message: which trigger, which segments, which fields.

use patchbay_plugin::{Event, EventKind, Failure, Message};
use serde_json::Value;

use crate::config::{Config, Designator};
use crate::dtm;
use crate::er7::{self, Encoded};

/// The media type under which HL7 v2 travels over HTTP.
pub const CONTENT_TYPE: &str = "application/hl7-v2; charset=utf-8";

/// Formats one event.
///
/// # Errors
/// `event-invalid`, permanent, where the event lacks what the message needs.
pub fn format(event: &Event, config: &Config) -> Result<Message, Failure> {
    let data = Data::read(event)?;
    let trigger = Trigger::of(&event.kind, data.internal_id.is_some())?;
    let time = dtm::from_rfc3339(&event.occurred_at)
        .map(|time| er7::text(&time))
        .ok_or_else(|| invalid("`occurred-at` is not an RFC 3339 date-time"))?;

    let mut out = String::with_capacity(512);
    er7::header(&mut out, header(event, config, trigger, &time));
    let repeated = if config.version.repeats_trigger_in_evn() {
        er7::text(trigger.code())
    } else {
        Encoded::empty()
    };
    // EVN-2, recorded, and EVN-6, occurred, are one instant here: the event is its own record.
    let none = Encoded::empty;
    er7::segment(
        &mut out,
        "EVN",
        [repeated, time.clone(), none(), none(), none(), time],
    );
    patient(
        &mut out,
        "1",
        data.patient_id,
        &config.customer_authority,
        config,
    );
    if let (Trigger::Link | Trigger::Unlink, Some(internal_id)) = (trigger, data.internal_id) {
        patient(
            &mut out,
            "2",
            internal_id,
            &config.internal_authority,
            config,
        );
    }
    er7::segment(&mut out, "ZLK", link(event, &data));

    Ok(Message {
        content_type: CONTENT_TYPE.to_owned(),
        headers: Vec::new(),
        body: out.into_bytes(),
    })
}

/// What happened, in HL7's terms; the crate's documentation says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trigger {
    Link,
    Unlink,
    Unchanged,
}

impl Trigger {
    fn of(kind: &EventKind, names_both: bool) -> Result<Self, Failure> {
        match kind {
            EventKind::Linked if names_both => Ok(Self::Link),
            EventKind::Linked => Err(invalid("`link.internal-patient-id` is missing")),
            EventKind::DeLinked if names_both => Ok(Self::Unlink),
            _ => Ok(Self::Unchanged),
        }
    }

    const fn code(self) -> &'static str {
        match self {
            Self::Link => "A24",
            Self::Unlink => "A37",
            Self::Unchanged => "Z24",
        }
    }

    const fn structure(self) -> &'static str {
        match self {
            Self::Link => "ADT_A24",
            Self::Unlink => "ADT_A37",
            Self::Unchanged => "ADT_Z24",
        }
    }
}

/// MSH from MSH-3 on.
fn header(event: &Event, config: &Config, trigger: Trigger, time: &Encoded) -> [Encoded; 16] {
    let none = Encoded::empty;
    [
        er7::components(designator(&config.sending_application)),
        er7::components(designator(&config.sending_facility)),
        er7::components(designator(&config.receiving_application)),
        er7::components(designator(&config.receiving_facility)),
        time.clone(),
        none(),
        er7::components(["ADT", trigger.code(), trigger.structure()].map(er7::text)),
        er7::text(&control_id(&event.id, config)),
        er7::text(config.processing_id.as_str()),
        er7::text(config.version.as_str()),
        none(),
        none(),
        // MSH-15 and MSH-16, never: the answer to a webhook is its HTTP status, not an ACK message.
        er7::text("NE"),
        er7::text("NE"),
        none(),
        er7::text("UNICODE UTF-8"),
    ]
}

/// MSH-10, unique per message and stable over its redeliveries.
fn control_id(event_id: &str, config: &Config) -> String {
    if config.version.has_long_control_ids() {
        return event_id.chars().take(199).collect();
    }
    let digits: Vec<char> = event_id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    digits[digits.len().saturating_sub(20)..].iter().collect()
}

/// PID with the identifier alone.
fn patient(out: &mut String, set_id: &str, id: &str, authority: &Designator, config: &Config) {
    let none = Encoded::empty;
    let identifier = er7::components([
        er7::text(id),
        none(),
        none(),
        er7::subcomponents(designator(authority)),
        er7::text(config.identifier_type.as_str()),
    ]);
    // PID-5 is required, but an event names nobody: name type U, unspecified (HL7 table 0200).
    let unspecified = er7::components([
        none(),
        none(),
        none(),
        none(),
        none(),
        none(),
        er7::text("U"),
    ]);
    er7::segment(
        out,
        "PID",
        [er7::text(set_id), none(), identifier, none(), unspecified],
    );
}

fn designator(designator: &Designator) -> [Encoded; 3] {
    [
        er7::text(&designator.namespace),
        er7::text(&designator.universal_id),
        er7::text(&designator.universal_id_type),
    ]
}

/// ZLK from ZLK-1 on; the crate's documentation has the table.
fn link(event: &Event, data: &Data<'_>) -> [Encoded; 12] {
    let or_empty = |value: Option<&str>| value.map(er7::text).unwrap_or_default();
    [
        er7::text("1"),
        er7::text(data.workflow_id),
        er7::text(event.kind.as_str()),
        er7::text(data.outcome),
        or_empty(data.internal_id),
        or_empty(data.score.as_deref()),
        er7::text(&event.id),
        or_empty(data.request_type),
        or_empty(data.sequence.as_deref()),
        or_empty(data.candidates.as_deref()),
        or_empty(data.expires_at.as_deref()),
        er7::components([or_empty(data.blame), or_empty(data.failure_code)]),
    ]
}

/// What the message needs of the event's data.
struct Data<'e> {
    workflow_id: &'e str,
    patient_id: &'e str,
    outcome: &'e str,
    request_type: Option<&'e str>,
    sequence: Option<String>,
    internal_id: Option<&'e str>,
    score: Option<String>,
    candidates: Option<String>,
    expires_at: Option<String>,
    blame: Option<&'e str>,
    failure_code: Option<&'e str>,
}

impl<'e> Data<'e> {
    fn read(event: &'e Event) -> Result<Self, Failure> {
        let data = &event.data;
        let required = |name: &str| {
            data.get(name)
                .and_then(Value::as_str)
                .ok_or_else(|| invalid(&format!("`{name}` is missing or not a text")))
        };
        let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str);
        // serde_json prints numbers without a locale; HL7's NM is the same, but for exponents.
        let number = |pointer: &str| {
            let number = data.pointer(pointer)?.as_number()?;
            Some(match number.as_f64() {
                Some(value) if number.is_f64() => value.to_string(),
                _ => number.to_string(),
            })
        };
        Ok(Self {
            workflow_id: required("workflow-id")?,
            patient_id: required("patient-id")?,
            outcome: required("outcome")?,
            request_type: text("/request-type"),
            sequence: number("/sequence"),
            internal_id: text("/link/internal-patient-id"),
            score: number("/link/score"),
            candidates: number("/candidates"),
            expires_at: text("/expires-at").and_then(dtm::from_rfc3339),
            blame: text("/failure/blame"),
            failure_code: text("/failure/code"),
        })
    }
}

fn invalid(what: &str) -> Failure {
    Failure::permanent(
        "event-invalid",
        format!("The event cannot be told in HL7 v2: {what}."),
    )
}
