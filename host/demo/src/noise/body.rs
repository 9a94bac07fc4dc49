//! From a person to the body of a request, in the ways in which customers write things down.

use bytes::Bytes;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::Sender;
use crate::people::Person;

/// The insurers that [`Sender::HarbourInsurance`] accepts.
pub(crate) const PROVIDERS: [&str; 3] = ["Harbour Mutual", "Anchor Health", "Lighthouse Insurance"];

/// What its policy numbers look like, as a mask of the validator.
pub(crate) const POLICY_MASK: &str = "AA-999999";

/// How a telephone number is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneForm {
    /// `+12125550123`
    E164,
    /// `+1 212 555 0123`
    International,
    /// `(212) 555-0123`
    National,
    /// `212-555-0123`
    Dashes,
}

/// A request about to be written.
#[derive(Clone)]
pub struct Draft {
    /// Who writes it.
    pub sender: Sender,
    /// The customer's id of the patient.
    pub patient_id: Uuid,
    /// The patient as the customer knows them.
    pub person: Person,
    /// How the telephone number is written.
    pub phone_form: PhoneForm,
    /// Whether the name is given as one text.
    pub full_name: bool,
    /// Whether the date of birth is given as a date-time.
    pub timed: bool,
    /// Insurer and policy number, where they are given.
    pub insurance: Option<(String, String)>,
    /// The last day of the policy.
    pub valid_until: &'static str,
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft")
            .field("sender", &self.sender)
            .finish_non_exhaustive()
    }
}

impl Draft {
    /// The person as they stand, in the plainest form.
    pub fn plain(sender: Sender, patient_id: Uuid, person: Person) -> Self {
        Self {
            sender,
            patient_id,
            person,
            phone_form: PhoneForm::E164,
            full_name: false,
            timed: false,
            insurance: None,
            valid_until: "2099-12-31",
        }
    }

    /// The person in one of the forms that the sender uses.
    pub(super) fn random(
        sender: Sender,
        patient_id: Uuid,
        person: Person,
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let mut draft = Self::plain(sender, patient_id, person);
        draft.phone_form = match rng.random_range(0..4) {
            0 => PhoneForm::E164,
            1 => PhoneForm::International,
            2 => PhoneForm::National,
            _ => PhoneForm::Dashes,
        };
        draft.full_name = rng.random_bool(0.2);
        draft.timed = rng.random_bool(0.1);
        if sender == Sender::HarbourInsurance || rng.random_bool(0.4) {
            let provider = PROVIDERS[rng.random_range(0..PROVIDERS.len())];
            let mut letter = || char::from(b'A' + rng.random_range(0..26));
            let letters = [letter(), letter()].into_iter().collect::<String>();
            let number = rng.random_range(0..1_000_000);
            draft.insurance = Some((provider.to_owned(), format!("{letters}-{number:06}")));
        }
        draft
    }

    /// Takes away something without which the sender's validator must refuse.
    pub(super) fn drop_required(&mut self) {
        match self.sender {
            Sender::NorthClinic => self.person.born = None,
            Sender::HarbourInsurance => self.valid_until = "2019-12-31",
            Sender::ValleyHospital | Sender::Records => {
                self.person.address = crate::people::Address::default();
            }
        }
    }

    /// The body of `POST /link`.
    pub fn body(&self) -> Bytes {
        Bytes::from(self.json().to_string())
    }

    /// The same, before it becomes text.
    pub(super) fn json(&self) -> Value {
        let person = &self.person;
        let mut patient = Map::new();
        patient.insert("id".into(), json!(self.patient_id));
        self.name(&mut patient);
        if let Some(born) = person.born {
            // What counts is the date as written, whatever the offset makes of it.
            let time = if self.timed { "T00:00:00+02:00" } else { "" };
            patient.insert("dob".into(), json!(format!("{born}{time}")));
        }
        if let Some(gender) = person.gender {
            patient.insert("gender".into(), json!(gender.as_str()));
        }
        let contact = self.contact();
        if !contact.is_empty() {
            patient.insert("contact".into(), contact.into());
        }
        if let Some((provider, policy_number)) = &self.insurance {
            patient.insert(
                "insurance".into(),
                json!({
                    "provider": provider,
                    "policy_number": policy_number,
                    "valid_until": self.valid_until,
                }),
            );
        }
        json!({"patient": patient})
    }

    fn name(&self, patient: &mut Map<String, Value>) {
        let person = &self.person;
        let given = joined([&person.given, &person.middle]);
        let family = joined([&person.family, &person.suffix]);
        if self.full_name && !given.is_empty() && !family.is_empty() {
            patient.insert("full_name".into(), json!(format!("{given} {family}")));
            return;
        }
        if !given.is_empty() {
            patient.insert("given_name".into(), json!(given));
        }
        if !family.is_empty() {
            patient.insert("family_name".into(), json!(family));
        }
    }

    fn contact(&self) -> Map<String, Value> {
        let person = &self.person;
        let mut address = Map::new();
        if !person.address.lines.is_empty() {
            address.insert("line".into(), json!(person.address.lines));
        }
        for (member, value) in [
            ("city", &person.address.city),
            ("state", &person.address.state),
            ("postal_code", &person.address.postal_code),
        ] {
            if let Some(value) = value {
                address.insert(member.into(), json!(value));
            }
        }
        let mut contact = Map::new();
        if !address.is_empty() {
            contact.insert("address".into(), address.into());
        }
        if let Some(phone) = &person.phone {
            contact.insert("phone".into(), json!(written(phone, self.phone_form)));
        }
        if let Some(email) = &person.email {
            contact.insert("email".into(), json!(email));
        }
        contact
    }
}

fn joined(parts: [&Option<String>; 2]) -> String {
    parts
        .into_iter()
        .flatten()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Writes a number of the North American plan; any other stays as it is.
fn written(e164: &str, form: PhoneForm) -> String {
    let parts = e164.strip_prefix("+1").and_then(|national| {
        let (area, rest) = national.split_at_checked(3)?;
        let (exchange, line) = rest.split_at_checked(3)?;
        Some((area, exchange, line))
    });
    match (parts, form) {
        (Some((area, exchange, line)), PhoneForm::International) => {
            format!("+1 {area} {exchange} {line}")
        }
        (Some((area, exchange, line)), PhoneForm::National) => {
            format!("({area}) {exchange}-{line}")
        }
        (Some((area, exchange, line)), PhoneForm::Dashes) => format!("{area}-{exchange}-{line}"),
        (None, _) | (_, PhoneForm::E164) => e164.to_owned(),
    }
}
