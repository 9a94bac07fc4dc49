//! Webhook formatter `format-hl7v2`: an event as an HL7 v2 message in ER7.
//!
//! Content type `application/hl7-v2; charset=utf-8`. It owns the choice of message and its encoding;
//! it knows nothing of delivery or signing, and the same event always gives the same bytes.
//!
//! # Messages
//!
//! | event | MSH-9 | why |
//! | --- | --- | --- |
//! | `link.linked` | `ADT^A24^ADT_A24` | Link patient information (v2.5.1, 3.3.24): the first PID is linked to the second, both records stay distinct. A merge (A40) would give one of them up, A28 would add a person. |
//! | `link.de-linked` | `ADT^A37^ADT_A37` | Unlink patient information (3.3.37): the reverse of A24. |
//! | every other | `ADT^Z24^ADT_Z24` | Nothing about the person changed. A31 (update person information, 3.3.31) would claim that something did, with a PID that has no name; so a local trigger (2.11: codes beginning with `Z` are the site's own). |
//!
//! A `link.de-linked` whose data names no internal id is sent as `Z24`, since A37 needs both PIDs.
//!
//! Segments: `MSH`, `EVN`, `PID` (the customer's id), `PID` (the internal id; A24 and A37 only) and
//! the local `ZLK`. Each ends with CR. An event names nobody, so PID-5, which is required, is
//! `^^^^^^U` (name type *unspecified*). MSH-15 and MSH-16 are `NE`: no ACK message is expected, the
//! HTTP status is the answer. MSH-7, EVN-2 and EVN-6 are the instant of the event, so that a
//! redelivery reads the same.
//!
//! | ZLK | content |
//! | --- | --- |
//! | 1 | `1` |
//! | 2 | workflow id |
//! | 3 | kind of the event, for example `link.linked` |
//! | 4 | outcome: `linked`, `no-results`, `de-linked` or `none` |
//! | 5 | internal id |
//! | 6 | score, 0 to 1 |
//! | 7 | the event's id in full (the header `webhook-id`) |
//! | 8 | request type, `LINK` or `DE-LINK` |
//! | 9 | sequence among this patient's events |
//! | 10 | number of candidates to choose from |
//! | 11 | when the choice expires |
//! | 12 | blame `^` code of a failure |
//!
//! # Lengths
//!
//! MSH-10 holds 20 characters before v2.7 (2.15.9.10), and an event's id has 36. Up to v2.6 it is
//! therefore the last 20 hexadecimal digits of the id (74 of them random bits), from v2.7 the id
//! itself. Identifiers in PID-3 are never cut, though CX.1 has 15 characters before v2.7: a UUID in
//! its place is a site agreement (2.5.3.2).
//!
//! # Configuration
//!
//! ```json
//! {
//!   "version": "2.5.1",
//!   "processing-id": "P",
//!   "sending-application": "PATCHBAY",
//!   "sending-facility": "",
//!   "receiving-application": "",
//!   "receiving-facility": "",
//!   "customer-authority": "CUSTOMER",
//!   "internal-authority": {"namespace": "MPI", "universal-id": "2.999.1", "universal-id-type": "ISO"},
//!   "identifier-type": "PI"
//! }
//! ```
//!
//! These are the defaults (the internal authority's is `INTERNAL`). `version` is one of 2.5, 2.5.1,
//! 2.6, 2.7, 2.7.1, 2.8, 2.8.1 and 2.8.2; `processing-id` one of `P`, `T`, `D`. Applications,
//! facilities and authorities are a text or an object as shown. An unknown member is an error.
//!
//! # Failures (all permanent)
//!
//! | code | meaning |
//! | --- | --- |
//! | `config-invalid` | the configuration is not as above; the message says where |
//! | `event-invalid` | the event lacks what the message needs |
#![deny(missing_docs)]

pub mod config;
pub mod dtm;
pub mod er7;
pub mod message;

use patchbay_plugin::{Event, Failure, Host, Message, WebhookFormatter};

use crate::config::Config;

/// The plugin.
#[derive(Debug)]
pub struct Hl7V2;

impl WebhookFormatter for Hl7V2 {
    fn format(event: Event, host: &Host) -> Result<Message, Failure> {
        let config: Config = host.config()?;
        message::format(&event, &config)
    }
}

patchbay_plugin::export_webhook_formatter!(Hl7V2);
