//! The Patient resource: as demographics to compare, and as details for the customer.

use patchbay_plugin::matching::{AddressParts, Demographics, NameParts};
use serde_json::{Map, Value, json};

/// The id of a record that may be linked: not one marked as inactive or as replaced by another.
pub(crate) fn searchable_id(record: &Value) -> Option<&str> {
    let replaced = list(&record["link"]).any(|link| link["type"] == "replaced-by");
    if replaced || record["active"] == false {
        return None;
    }
    record["id"].as_str().filter(|id| !id.is_empty())
}

/// What can be compared. Old and secondary names, addresses and numbers count too.
pub(crate) fn demographics(record: &Value) -> Demographics {
    Demographics {
        names: list(&record["name"])
            .map(|name| NameParts {
                given: texts(&name["given"]),
                family: text(&name["family"]),
                suffix: texts(&name["suffix"]).into_iter().next(),
                full: text(&name["text"]),
            })
            .collect(),
        birth_date: text(&record["birthDate"]),
        gender: text(&record["gender"]),
        addresses: list(&record["address"])
            .map(|address| {
                let mut lines = texts(&address["line"]);
                let postal_code = text(&address["postalCode"]);
                let city = text(&address["city"]);
                if lines.is_empty() && postal_code.is_none() && city.is_none() {
                    lines.extend(text(&address["text"]));
                }
                AddressParts {
                    lines,
                    city,
                    state: text(&address["state"]),
                    postal_code,
                }
            })
            .collect(),
        phones: telecom(record, "phone"),
        emails: telecom(record, "email"),
        identifiers: list(&record["identifier"])
            .filter_map(|identifier| text(&identifier["value"]))
            .collect(),
    }
}

/// The details in the shape of a link request's `patient`, without any id: the customer has their own.
/// Of names, addresses and numbers the first in use; what the record lacks is left out.
pub(crate) fn details(record: &Value) -> Value {
    let mut details = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            details.insert(key.to_owned(), value);
        }
    };
    let name = in_use(&record["name"], &["official", "usual"]);
    let given = texts(&name["given"]);
    let family = text(&name["family"]);
    let full = text(&name["text"]).or_else(|| {
        let parts: Vec<&str> = given
            .iter()
            .map(String::as_str)
            .chain(family.as_deref())
            .collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    });
    set("full_name", full.map(Value::from));
    set(
        "given_name",
        (!given.is_empty()).then(|| given.join(" ").into()),
    );
    set("family_name", family.map(Value::from));
    set("dob", text(&record["birthDate"]).map(Value::from));
    set("gender", text(&record["gender"]).map(Value::from));
    let deceased = match (&record["deceasedBoolean"], &record["deceasedDateTime"]) {
        (Value::Bool(deceased), _) => Some(Value::Bool(*deceased)),
        (_, Value::String(_)) => Some(Value::Bool(true)),
        _ => None,
    };
    set("deceased", deceased);

    let mut contact = Map::new();
    let address = in_use(&record["address"], &["home"]);
    let address: Map<String, Value> = [
        (
            "line",
            (!texts(&address["line"]).is_empty()).then(|| json!(texts(&address["line"]))),
        ),
        ("city", text(&address["city"]).map(Value::from)),
        ("state", text(&address["state"]).map(Value::from)),
        ("postal_code", text(&address["postalCode"]).map(Value::from)),
        ("country", text(&address["country"]).map(Value::from)),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect();
    if !address.is_empty() {
        contact.insert("address".to_owned(), Value::Object(address));
    }
    for kind in ["phone", "email"] {
        if let Some(value) = telecom(record, kind).into_iter().next() {
            contact.insert(kind.to_owned(), value.into());
        }
    }
    set(
        "contact",
        (!contact.is_empty()).then_some(Value::Object(contact)),
    );
    Value::Object(details)
}

/// The first entry with one of these uses, best first; else the first that is not old; else null.
fn in_use<'a>(entries: &'a Value, uses: &[&str]) -> &'a Value {
    let by_use = |wanted: &&str| list(entries).find(|entry| entry["use"] == **wanted);
    uses.iter()
        .find_map(by_use)
        .or_else(|| list(entries).find(|entry| entry["use"] != "old"))
        .unwrap_or(&Value::Null)
}

fn telecom(record: &Value, system: &str) -> Vec<String> {
    list(&record["telecom"])
        .filter(|point| point["system"] == system && point["use"] != "old")
        .filter_map(|point| text(&point["value"]))
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> Option<String> {
    value
        .as_str()
        .filter(|text| !text.trim().is_empty())
        .map(str::to_owned)
}

fn texts(value: &Value) -> Vec<String> {
    list(value).filter_map(text).collect()
}
