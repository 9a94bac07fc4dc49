//! The rules of the whole request: which field has which rule.

use patchbay_plugin::{FieldErrors, pointer};
use serde_json::Value;

use crate::config::{CallingCode, Config, IdFormat, MemberPath};
use crate::fields;
use crate::members::{Fault, Members, as_is, note, wrong_type};

const LONGEST_NAME: usize = 200;
const LONGEST_TEXT: usize = 200;
const LONGEST_ADDRESS: usize = 500;
const LONGEST_PHONE: usize = 50;
const LONGEST_DATE: usize = 64;
const MOST_ADDRESS_LINES: usize = 8;

pub(crate) fn check(request: &mut Value, config: &Config, now: u64, errors: &mut FieldErrors) {
    let Value::Object(body) = &mut *request else {
        wrong_type(errors, "", "an object with the member `patient`");
        return;
    };
    if !matches!(
        body.get("webhook"),
        None | Some(Value::Null | Value::String(_))
    ) {
        wrong_type(errors, "/webhook", "a URL");
    }
    match body.get_mut("patient") {
        None | Some(Value::Null) => {
            note(errors, "/patient".to_owned(), required());
            return;
        }
        Some(value) => {
            let Some(mut patient) = Members::open(value, "/patient".to_owned(), errors) else {
                return;
            };
            check_patient(&mut patient, config, now);
        }
    }
    // After normalisation, which has taken out what is blank.
    for path in &config.required {
        if !is_given(&request["patient"], path) {
            let at = path
                .names()
                .fold("/patient".to_owned(), |parent, name| pointer(&parent, name));
            note(errors, at, required());
        }
    }
}

fn check_patient(patient: &mut Members<'_>, config: &Config, now: u64) {
    check_id(patient, config.id_format);
    for name in ["full_name", "given_name", "family_name"] {
        patient.text(name, LONGEST_NAME, fields::name);
    }
    patient.text("dob", LONGEST_DATE, |text| {
        fields::birth_date(text, config.today(now))
    });
    patient.text("gender", LONGEST_TEXT, fields::gender);

    if let Some(mut contact) = patient.object("contact") {
        let calling_code = config.phone_country.as_ref().map(CallingCode::as_str);
        contact.text("phone", LONGEST_PHONE, |text| {
            fields::phone(text, calling_code)
        });
        contact.text("email", LONGEST_ADDRESS, fields::email);
        check_address(&mut contact);
    }
    if let Some(mut insurance) = patient.object("insurance") {
        for name in ["provider", "policy_number", "group_number"] {
            insurance.text(name, LONGEST_TEXT, as_is);
        }
        insurance.text("valid_until", LONGEST_DATE, |text| {
            fields::date(text).map(|date| date.to_string())
        });
    }
}

/// The id is the customer's key: it is checked, never touched.
fn check_id(patient: &mut Members<'_>, format: IdFormat) {
    let fault = match patient.raw("id") {
        None | Some(Value::Null) => required(),
        Some(Value::String(id)) if id.trim().is_empty() => required(),
        Some(Value::String(id)) if format == IdFormat::Any || fields::is_uuid(id) => return,
        Some(Value::String(_)) => Fault::new(
            "id-invalid",
            "Use a UUID with hyphens, as 00000000-0000-0000-0000-000000000000.",
        ),
        Some(_) => Fault::new("wrong-type", "This must be a text."),
    };
    patient.fault("id", fault);
}

/// An address is one text, or an object of parts.
fn check_address(contact: &mut Members<'_>) {
    if !matches!(contact.raw("address"), Some(Value::Object(_))) {
        contact.text("address", LONGEST_ADDRESS, as_is);
    } else if let Some(mut address) = contact.object("address") {
        address.texts("line", MOST_ADDRESS_LINES, LONGEST_TEXT);
        for name in ["city", "state", "postal_code", "country"] {
            address.text(name, LONGEST_TEXT, as_is);
        }
    }
}

/// Given and family name together are a full name.
fn is_given(patient: &Value, path: &MemberPath) -> bool {
    says_something(patient, path.names())
        || (path.as_str() == "full_name"
            && says_something(patient, ["given_name"])
            && says_something(patient, ["family_name"]))
}

fn says_something<'n>(patient: &Value, names: impl IntoIterator<Item = &'n str>) -> bool {
    let value = names
        .into_iter()
        .try_fold(patient, |value, name| value.get(name));
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.trim().is_empty(),
        Some(_) => true,
    }
}

fn required() -> Fault {
    Fault::new("required", "This is required.")
}
