//! Texts with the patient's fields in braces: `{family:3}`.

use std::collections::BTreeMap;

use patchbay_plugin::matching::normalise::prefix;
use patchbay_plugin::matching::{Demographics, Person};
use patchbay_plugin::path_segment;
use serde::Deserialize;
use serde_json::Value;

use crate::record::DateFormat;

/// The fields a search may name.
const FIELDS: [&str; 15] = [
    "given",
    "family",
    "full_name",
    "dob",
    "dob.year",
    "dob.month",
    "dob.day",
    "gender",
    "address_line",
    "city",
    "state",
    "postal_code",
    "phone",
    "email",
    "identifier",
];

/// The values that templates are filled with; a field without a value is absent.
#[derive(Debug, Default)]
pub(crate) struct Fields(BTreeMap<&'static str, String>);

impl Fields {
    pub(crate) fn of(found: &Demographics, patient: &Person, format: &DateFormat) -> Self {
        let mut fields = BTreeMap::new();
        let mut set = |key, value: Option<String>| {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                fields.insert(key, value);
            }
        };
        let name = patient.names.first();
        let parts = found.names.first();
        let given = parts.and_then(|parts| parts.given.first().cloned());
        set(
            "given",
            given.or_else(|| Some(name?.first_given()?.to_owned())),
        );
        let family = parts.and_then(|parts| parts.family.clone());
        set("family", family.or_else(|| Some(name?.family.clone())));
        set("full_name", parts.and_then(|parts| parts.full.clone()));
        if let Some(date) = patient
            .dob
            .and_then(patchbay_plugin::matching::PartialDate::date)
        {
            set("dob", Some(format.write(date)));
            set("dob.year", Some(format!("{:04}", date.year())));
            set("dob.month", Some(format!("{:02}", date.month())));
            set("dob.day", Some(format!("{:02}", date.day())));
        }
        set("gender", found.gender.clone());
        if let Some(address) = found.addresses.first() {
            set("address_line", address.lines.first().cloned());
        }
        // What the matching took out of an address in one piece is good enough to search by.
        let address = patient.addresses.first();
        set("city", address.and_then(|address| address.city.clone()));
        set("state", address.and_then(|address| address.state.clone()));
        set(
            "postal_code",
            address.and_then(|address| address.postal_code.clone()),
        );
        set("phone", found.phones.first().cloned());
        set("email", found.emails.first().cloned());
        set("identifier", found.identifiers.first().cloned());
        Self(fields)
    }
}

/// A text with placeholders for the patient's fields, checked when it was read.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone)]
enum Piece {
    Text(String),
    Field(&'static str, Option<usize>),
}

impl TryFrom<String> for Template {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text, &FIELDS)
    }
}

/// A path with `{id}`, and no other placeholder.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct IdPath(Template);

impl TryFrom<String> for IdPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let template = Template::parse(&text, &["id"])?;
        let names_it = |piece: &Piece| matches!(piece, Piece::Field("id", None));
        if template.0.iter().any(names_it) {
            Ok(Self(template))
        } else {
            Err(format!("`{text}` must hold `{{id}}`"))
        }
    }
}

impl IdPath {
    /// The path of a record.
    pub(crate) fn of(&self, internal_id: &str) -> String {
        let fields = Fields(BTreeMap::from([("id", internal_id.to_owned())]));
        self.0.fill_path(&fields).unwrap_or_default()
    }
}

/// A JSON document whose texts are templates.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Value")]
pub(crate) enum JsonTemplate {
    Text(Template),
    Array(Vec<JsonTemplate>),
    Object(Vec<(String, JsonTemplate)>),
    Other(Value),
}

impl TryFrom<Value> for JsonTemplate {
    type Error = String;

    fn try_from(document: Value) -> Result<Self, String> {
        Ok(match document {
            Value::String(text) => Self::Text(Template::try_from(text)?),
            Value::Array(all) => Self::Array(
                all.into_iter()
                    .map(Self::try_from)
                    .collect::<Result<_, _>>()?,
            ),
            Value::Object(members) => Self::Object(
                members
                    .into_iter()
                    .map(|(key, value)| Ok((key, Self::try_from(value)?)))
                    .collect::<Result<_, String>>()?,
            ),
            other => Self::Other(other),
        })
    }
}

impl JsonTemplate {
    /// The document with its fields; `None` if one has no value.
    pub(crate) fn fill(&self, fields: &Fields) -> Option<Value> {
        Some(match self {
            Self::Text(template) => Value::String(template.fill(fields)?),
            Self::Array(all) => {
                let filled = all.iter().map(|one| one.fill(fields));
                Value::Array(filled.collect::<Option<_>>()?)
            }
            Self::Object(members) => {
                let filled = members
                    .iter()
                    .map(|(key, value)| Some((key.clone(), value.fill(fields)?)));
                Value::Object(filled.collect::<Option<_>>()?)
            }
            Self::Other(value) => value.clone(),
        })
    }
}

impl Template {
    fn parse(text: &str, known: &[&'static str]) -> Result<Self, String> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (inside, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`{text}` has a `{{` without its `}}`"))?;
            let (name, length) = match inside.split_once(':') {
                Some((name, length)) => {
                    let length = length.parse().ok().filter(|length| *length > 0);
                    let length =
                        length.ok_or_else(|| format!("`{{{inside}}}` has no usable length"))?;
                    (name, Some(length))
                }
                None => (inside, None),
            };
            let field = known.iter().find(|known| **known == name);
            let field = field.ok_or_else(|| {
                let known = known.join(", ");
                format!("`{{{inside}}}` is no field here; there are: {known}")
            })?;
            pieces.push(Piece::Text(before.to_owned()));
            pieces.push(Piece::Field(field, length));
            rest = after;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        Ok(Self(pieces))
    }

    /// The text with its fields; `None` if one has no value.
    pub(crate) fn fill(&self, fields: &Fields) -> Option<String> {
        self.fill_with(fields, str::to_owned)
    }

    /// The same for a path: a value stays within its segment.
    pub(crate) fn fill_path(&self, fields: &Fields) -> Option<String> {
        self.fill_with(fields, path_segment)
    }

    fn fill_with(&self, fields: &Fields, escape: fn(&str) -> String) -> Option<String> {
        let mut filled = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => filled.push_str(text),
                Piece::Field(name, length) => {
                    let value = fields.0.get(name)?;
                    match length {
                        Some(length) => filled.push_str(&escape(&prefix(value, *length))),
                        None => filled.push_str(&escape(value)),
                    }
                }
            }
        }
        Some(filled)
    }
}
