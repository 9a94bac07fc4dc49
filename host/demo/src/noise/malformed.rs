//! Requests that no customer's system should send, and some do.

use bytes::Bytes;
use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::body::Draft;
use super::{Fate, Planned, Token, random_id};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    NotJson,
    NotAnObject,
    NoPatientId,
    IdOfWrongType,
    ImpossibleDate,
    DateInFuture,
    UnknownToken,
    NoToken,
    NoKey,
}

pub(super) const KINDS: [Kind; 9] = [
    Kind::NotJson,
    Kind::NotAnObject,
    Kind::NoPatientId,
    Kind::IdOfWrongType,
    Kind::ImpossibleDate,
    Kind::DateInFuture,
    Kind::UnknownToken,
    Kind::NoToken,
    Kind::NoKey,
];

pub(super) fn request(kind: Kind, draft: &Draft, rng: &mut ChaCha8Rng) -> Planned {
    let mut body = draft.json();
    let mut raw = None;
    let mut token = Token::Own;
    let mut key = Some(random_id(rng).to_string());
    let refused: &'static [u16] = match kind {
        Kind::NotJson => {
            raw = Some(Bytes::from_static(b"{\"patient\": {\"id\": "));
            &[400]
        }
        Kind::NotAnObject => {
            body = json!([body]);
            &[400, 422]
        }
        Kind::NoPatientId => {
            if let Some(patient) = body["patient"].as_object_mut() {
                patient.remove("id");
            }
            &[400, 422]
        }
        Kind::IdOfWrongType => {
            body["patient"]["id"] = json!(17);
            &[400, 422]
        }
        Kind::ImpossibleDate => {
            body["patient"]["dob"] = json!("1987-02-30");
            &[422]
        }
        Kind::DateInFuture => {
            body["patient"]["dob"] = json!("2987-02-28");
            &[422]
        }
        Kind::UnknownToken => {
            token = Token::Unknown;
            &[401]
        }
        Kind::NoToken => {
            token = Token::Absent;
            &[400, 401]
        }
        Kind::NoKey => {
            key = None;
            &[400]
        }
    };
    Planned {
        sender: draft.sender,
        patient_id: None,
        truth: None,
        fate: Fate::Refused(refused),
        key,
        token,
        body: raw.unwrap_or_else(|| Bytes::from(body.to_string())),
    }
}
