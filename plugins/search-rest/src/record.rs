//! Where in a JSON record a person's fields are, and how its dates are written.

use patchbay_plugin::Date;
use patchbay_plugin::matching::{AddressParts, Demographics, NameParts};
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// A JSON pointer (RFC 6901), checked when it was read.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Pointer(String);

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.is_empty() || text.starts_with('/') {
            Ok(Self(text))
        } else {
            Err(format!(
                "`{text}` is no JSON pointer: it must begin with `/`"
            ))
        }
    }
}

impl Pointer {
    /// What it points to; null if there is nothing.
    pub(crate) fn get<'a>(&self, document: &'a Value) -> &'a Value {
        document.pointer(&self.0).unwrap_or(&Value::Null)
    }
}

/// One pointer or several.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Pointers {
    One(Pointer),
    Several(Vec<Pointer>),
}

impl Default for Pointers {
    fn default() -> Self {
        Self::Several(Vec::new())
    }
}

impl Pointers {
    /// The texts and numbers there, lists taken apart.
    fn texts(&self, record: &Value) -> Vec<String> {
        let pointers = match self {
            Self::One(pointer) => std::slice::from_ref(pointer),
            Self::Several(pointers) => pointers,
        };
        pointers
            .iter()
            .flat_map(|pointer| match pointer.get(record) {
                Value::Array(all) => all.iter().collect(),
                one => vec![one],
            })
            .filter_map(text)
            .collect()
    }

    fn text(&self, record: &Value) -> Option<String> {
        self.texts(record).into_iter().next()
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Where the fields of one record are.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    id: Pointer,
    #[serde(default)]
    given: Pointers,
    #[serde(default)]
    family: Pointers,
    #[serde(default)]
    suffix: Pointers,
    #[serde(default)]
    full_name: Pointers,
    #[serde(default)]
    dob: Pointers,
    #[serde(default)]
    gender: Pointers,
    #[serde(default)]
    address_line: Pointers,
    #[serde(default)]
    city: Pointers,
    #[serde(default)]
    state: Pointers,
    #[serde(default)]
    postal_code: Pointers,
    #[serde(default)]
    phone: Pointers,
    #[serde(default)]
    email: Pointers,
    #[serde(default)]
    identifier: Pointers,
}

impl Record {
    pub(crate) fn id(&self, record: &Value) -> Option<String> {
        text(self.id.get(record))
    }

    pub(crate) fn demographics(&self, record: &Value, format: &DateFormat) -> Demographics {
        Demographics {
            names: vec![NameParts {
                given: self.given.texts(record),
                family: self.family.text(record),
                suffix: self.suffix.text(record),
                full: self.full_name.text(record),
            }],
            birth_date: self.dob.text(record).map(|text| {
                // What is not in the configured form may still be a plain date or a year.
                format.read(&text).map_or(text, |date| date.to_string())
            }),
            gender: self.gender.text(record),
            addresses: vec![AddressParts {
                lines: self.address_line.texts(record),
                city: self.city.text(record),
                state: self.state.text(record),
                postal_code: self.postal_code.text(record),
            }],
            phones: self.phone.texts(record),
            emails: self.email.texts(record),
            identifiers: self.identifier.texts(record),
        }
    }
}

/// How the API writes dates: a text with `YYYY`, `MM` and `DD`.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct DateFormat(String);

impl Default for DateFormat {
    fn default() -> Self {
        Self("YYYY-MM-DD".to_owned())
    }
}

impl TryFrom<String> for DateFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let once = |part: &str| text.matches(part).count() == 1;
        if text.is_ascii() && once("YYYY") && once("MM") && once("DD") {
            Ok(Self(text))
        } else {
            Err(format!(
                "date-format `{text}` must hold YYYY, MM and DD, each once"
            ))
        }
    }
}

impl DateFormat {
    pub(crate) fn write(&self, date: Date) -> String {
        self.0
            .replace("YYYY", &format!("{:04}", date.year()))
            .replace("MM", &format!("{:02}", date.month()))
            .replace("DD", &format!("{:02}", date.day()))
    }

    pub(crate) fn read(&self, text: &str) -> Option<Date> {
        let part = |name: &str| {
            let at = self.0.find(name)?;
            text.get(at..at + name.len())
        };
        let date = Date::new(
            part("YYYY")?.parse().ok()?,
            part("MM")?.parse().ok()?,
            part("DD")?.parse().ok()?,
        )
        .ok()?;
        // The rest of the text must be the format's own, too.
        (self.write(date) == text.trim()).then_some(date)
    }
}

/// The details in the shape of a link request's `patient`, without any id; what the record lacks is
/// left out.
pub(crate) fn details(found: &Demographics) -> Value {
    let mut details = Map::new();
    let mut contact = Map::new();
    let mut address = Map::new();
    let set = |target: &mut Map<String, Value>, key: &str, value: Option<Value>| {
        if let Some(value) = value {
            target.insert(key.to_owned(), value);
        }
    };
    let first = |texts: &[String]| texts.first().cloned().map(Value::from);
    let owned = |text: &Option<String>| text.clone().map(Value::from);
    if let Some(name) = found.names.first() {
        let given = (!name.given.is_empty()).then(|| name.given.join(" "));
        let full = name.full.clone().or_else(|| {
            let parts: Vec<&str> = given
                .as_deref()
                .into_iter()
                .chain(name.family.as_deref())
                .collect();
            (!parts.is_empty()).then(|| parts.join(" "))
        });
        set(&mut details, "full_name", owned(&full));
        set(&mut details, "given_name", owned(&given));
        set(&mut details, "family_name", owned(&name.family));
    }
    set(&mut details, "dob", owned(&found.birth_date));
    set(&mut details, "gender", owned(&found.gender));
    if let Some(parts) = found.addresses.first() {
        let lines = (!parts.lines.is_empty()).then(|| json!(parts.lines));
        set(&mut address, "line", lines);
        set(&mut address, "city", owned(&parts.city));
        set(&mut address, "state", owned(&parts.state));
        set(&mut address, "postal_code", owned(&parts.postal_code));
    }
    if !address.is_empty() {
        contact.insert("address".to_owned(), Value::Object(address));
    }
    set(&mut contact, "phone", first(&found.phones));
    set(&mut contact, "email", first(&found.emails));
    if !contact.is_empty() {
        details.insert("contact".to_owned(), Value::Object(contact));
    }
    Value::Object(details)
}
