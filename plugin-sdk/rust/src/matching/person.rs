//! A person's demographics: as found ([`Demographics`]), and as compared ([`Person`]).
//!
//! Knows the shape of a link request; an adapter brings its backend's records into [`Demographics`].

use serde_json::Value;

use super::address::{Address, AddressParts};
use super::compare::PartialDate;
use super::name::Name;
use super::normalise::{email_key, fold, identifier_key, phone_key};

/// One name as it was found. Parts that are missing are read from `full`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameParts {
    /// Given names in order, middle names included.
    pub given: Vec<String>,
    /// The family name.
    pub family: Option<String>,
    /// A suffix such as `Jr`.
    pub suffix: Option<String>,
    /// The name as one text.
    pub full: Option<String>,
}

/// What is known of a person, as it was found. Everything may be missing, and most may be several.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demographics {
    /// Names, the current one first.
    pub names: Vec<NameParts>,
    /// A date, a date-time, or a year with or without its month.
    pub birth_date: Option<String>,
    /// In FHIR's codes or as one letter.
    pub gender: Option<String>,
    /// Addresses.
    pub addresses: Vec<AddressParts>,
    /// Telephone numbers.
    pub phones: Vec<String>,
    /// E-mail addresses.
    pub emails: Vec<String>,
    /// Identifiers that an institution gave: insurance, national, hospital.
    pub identifiers: Vec<String>,
}

/// Administrative gender. Values other than these two compare as missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gender {
    /// `female`, `f`
    Female,
    /// `male`, `m`
    Male,
}

/// A value with its key for comparing and its spelling for asking a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keyed {
    /// What is compared.
    pub key: String,
    /// What was written.
    pub written: String,
}

/// A person in the form that is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Person {
    /// Names that have at least one part.
    pub names: Vec<Name>,
    /// Date of birth.
    pub dob: Option<PartialDate>,
    /// Administrative gender.
    pub gender: Option<Gender>,
    /// Addresses that have at least one part.
    pub addresses: Vec<Address>,
    /// Telephone numbers.
    pub phones: Vec<Keyed>,
    /// E-mail addresses.
    pub emails: Vec<Keyed>,
    /// Identifiers.
    pub identifiers: Vec<Keyed>,
}

/// The members of `patient.insurance` (and of a FHIR-like `patient.identifier` entry) that identify.
const IDENTIFYING: &[&str] = &["member_id", "policy_number", "subscriber_id", "value"];

impl Demographics {
    /// Reads the body of a link request: its member `patient`. Whatever is missing or of another
    /// type than expected is missing.
    pub fn from_request(request: &Value) -> Self {
        let patient = &request["patient"];
        let contact = &patient["contact"];
        let given = match &patient["given_name"] {
            Value::Array(names) => names.iter().filter_map(text).collect(),
            other => text(other).into_iter().collect(),
        };
        let name = NameParts {
            given,
            family: text(&patient["family_name"]),
            suffix: text(&patient["suffix"]),
            full: text(&patient["full_name"]),
        };
        let insurance = match &patient["insurance"] {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        let identifiers = match &patient["identifier"] {
            Value::Array(all) => all.iter().collect(),
            one => vec![one],
        };
        Self {
            names: vec![name],
            birth_date: text(&patient["dob"]),
            gender: text(&patient["gender"]),
            addresses: match &contact["address"] {
                Value::Array(all) => all.iter().map(address).collect(),
                one => vec![address(one)],
            },
            phones: texts(&contact["phone"]),
            emails: texts(&contact["email"]),
            identifiers: insurance
                .into_iter()
                .chain(identifiers)
                .flat_map(|entry| IDENTIFYING.iter().filter_map(|key| text(&entry[*key])))
                .collect(),
        }
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().filter_map(text).collect(),
        one => text(one).into_iter().collect(),
    }
}

/// An address as one text or as an object with `line`, `city`, `state` and `postal_code` (FHIR's
/// `postalCode` is understood too).
fn address(value: &Value) -> AddressParts {
    match value {
        Value::Object(_) => AddressParts {
            lines: texts(&value["line"]),
            city: text(&value["city"]),
            state: text(&value["state"]),
            postal_code: text(&value["postal_code"]).or_else(|| text(&value["postalCode"])),
        },
        one => AddressParts {
            lines: texts(one),
            ..AddressParts::default()
        },
    }
}

impl Person {
    /// Reads and normalises the patient of a link request.
    pub fn from_request(request: &Value) -> Self {
        Self::from(&Demographics::from_request(request))
    }
}

impl From<&Demographics> for Person {
    fn from(found: &Demographics) -> Self {
        let keyed = |values: &[String], key: fn(&str) -> Option<String>| {
            let mut all: Vec<Keyed> = Vec::new();
            for written in values {
                if let Some(key) = key(written)
                    && !all.iter().any(|known| known.key == key)
                {
                    all.push(Keyed {
                        key,
                        written: written.trim().to_owned(),
                    });
                }
            }
            all
        };
        let names = found.names.iter().map(|parts| {
            Name::from_parts(
                &parts.given,
                parts.family.as_deref(),
                parts.suffix.as_deref(),
                parts.full.as_deref(),
            )
        });
        Self {
            names: names.filter(|name| !name.is_empty()).collect(),
            dob: found.birth_date.as_deref().and_then(PartialDate::parse),
            gender: match fold(found.gender.as_deref().unwrap_or_default()).as_str() {
                "female" | "f" => Some(Gender::Female),
                "male" | "m" => Some(Gender::Male),
                _ => None,
            },
            addresses: found
                .addresses
                .iter()
                .map(Address::from_parts)
                .filter(|address| !address.is_empty())
                .collect(),
            phones: keyed(&found.phones, phone_key),
            emails: keyed(&found.emails, email_key),
            identifiers: keyed(&found.identifiers, identifier_key),
        }
    }
}
