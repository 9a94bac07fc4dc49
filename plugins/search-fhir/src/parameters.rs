//! Conditions as FHIR search parameters (R4, 3.1.1).

use patchbay_plugin::matching::{Criterion, PartialDate};

/// A condition's parameter and its value.
pub(crate) fn of(criterion: &Criterion) -> (&'static str, String) {
    match criterion {
        Criterion::BirthDate(date) => ("birthdate", birth_date(*date)),
        Criterion::Family(text) => ("family", escape(text)),
        Criterion::Given(text) => ("given", escape(text)),
        Criterion::AddressLine(text) => ("address", escape(text)),
        Criterion::PostalCode(text) => ("address-postalcode", escape(text)),
        Criterion::City(text) => ("address-city", escape(text)),
        Criterion::Phone(text) => ("phone", escape(text)),
        Criterion::Email(text) => ("email", escape(text)),
        Criterion::Identifier(text) => ("identifier", escape(text)),
    }
}

/// A partial date stands for the whole interval.
fn birth_date(date: PartialDate) -> String {
    match date {
        PartialDate::Year(year) => format!("{year:04}"),
        PartialDate::Month(year, month) => format!("{year:04}-{month:02}"),
        PartialDate::Day(date) => date.to_string(),
    }
}

/// `\`, `,`, `$` and `|` have a meaning in values (R4, 3.1.1.4.0.2).
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | ',' | '$' | '|') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}
