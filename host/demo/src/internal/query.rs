//! The query of a FHIR search on `Patient`, with the standard's meaning
//! (<https://hl7.org/fhir/R4/search.html>): repeated parameters are *and*, commas are *or*.

use std::ops::Bound;

use jiff::civil::Date;
use uuid::Uuid;

use super::System;
use super::fhir::RECORD_SYSTEM;
use super::index::{Found, Strings, both, distinct};
use crate::people::Gender;

/// What can be wrong with a query. The text names parameters, never values.
#[derive(Debug, thiserror::Error)]
pub(super) enum QueryError {
    /// No such parameter. Ignoring it would find everybody.
    #[error("the search parameter `{0}` is not supported")]
    Unknown(String),
    /// The parameter does not take this modifier.
    #[error("`{0}` does not support the modifier `:{1}`")]
    Modifier(String, String),
    /// The value is not of the parameter's type.
    #[error("`{0}` needs {1}")]
    Value(String, &'static str),
}

/// One page of a search.
#[derive(Debug)]
pub(super) struct Page {
    /// Everybody found.
    pub(super) found: Found,
    /// How many to show.
    pub(super) count: usize,
    /// How many to skip.
    pub(super) offset: usize,
}

const DEFAULT_COUNT: usize = 20;
const MAX_COUNT: usize = 200;

/// Runs a query given as decoded pairs.
pub(super) fn search<'a>(
    system: &System,
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Page, QueryError> {
    let mut sets: Vec<Found> = Vec::new();
    let mut count = DEFAULT_COUNT;
    let mut offset = 0;
    for (key, value) in pairs {
        let (name, modifier) = match key.split_once(':') {
            Some((name, modifier)) => (name, Some(modifier)),
            None => (key, None),
        };
        match name {
            "_count" => count = number(name, value)?.min(MAX_COUNT),
            "_offset" => offset = number(name, value)?,
            "_format" => {}
            // FHIR: a parameter without a value is as if it were not there.
            _ if value.is_empty() => {}
            _ => sets.push(any_of(system, name, modifier, value)?),
        }
    }
    sets.sort_by_key(Vec::len);
    let mut sets = sets.into_iter();
    let found = match sets.next() {
        Some(smallest) => sets.fold(smallest, |found, other| both(found, &other)),
        None => (0u32..).take(system.people.len()).collect(),
    };
    Ok(Page {
        found,
        count,
        offset,
    })
}

fn number(name: &str, value: &str) -> Result<usize, QueryError> {
    value
        .parse()
        .map_err(|_| QueryError::Value(name.to_owned(), "a whole number"))
}

fn any_of(
    system: &System,
    name: &str,
    modifier: Option<&str>,
    values: &str,
) -> Result<Found, QueryError> {
    let mut found = Vec::new();
    for value in alternatives(values) {
        found.extend(one(system, name, modifier, &value)?);
    }
    Ok(distinct(found))
}

/// Splits at commas; `\,`, `\$`, `\|` and `\\` stand for themselves.
fn alternatives(values: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    let mut letters = values.chars();
    while let Some(letter) = letters.next() {
        match letter {
            ',' => all.push(String::new()),
            '\\' => all.last_mut().into_iter().for_each(|last| {
                last.extend(letters.next());
            }),
            _ => all
                .last_mut()
                .into_iter()
                .for_each(|last| last.push(letter)),
        }
    }
    all.retain(|value| !value.is_empty());
    all
}

fn one(
    system: &System,
    name: &str,
    modifier: Option<&str>,
    value: &str,
) -> Result<Found, QueryError> {
    let index = &system.index;
    let strings = match name {
        "family" => Some(&index.family),
        "given" => Some(&index.given),
        "name" => Some(&index.name),
        "address" => Some(&index.address),
        "address-city" => Some(&index.city),
        "address-state" => Some(&index.state),
        "address-postalcode" => Some(&index.postal_code),
        _ => None,
    };
    if let Some(strings) = strings {
        return string(strings, name, modifier, value);
    }
    if let Some(modifier) = modifier {
        return Err(match name {
            "birthdate" | "phone" | "email" | "telecom" | "identifier" | "gender" | "_id" => {
                QueryError::Modifier(name.to_owned(), modifier.to_owned())
            }
            _ => QueryError::Unknown(name.to_owned()),
        });
    }
    match name {
        "birthdate" => birthdate(system, value),
        "phone" => Ok(token(value, "phone", |number| index.phone(number))),
        "email" => Ok(token(value, "email", |address| index.email(address))),
        "telecom" => {
            let mut found = token(value, "phone", |number| index.phone(number));
            found.extend(token(value, "email", |address| index.email(address)));
            Ok(distinct(found))
        }
        "identifier" => Ok(token(value, RECORD_SYSTEM, |id| by_id(system, id))),
        "_id" => Ok(by_id(system, value)),
        "gender" => gender(system, value),
        _ => Err(QueryError::Unknown(name.to_owned())),
    }
}

fn string(
    strings: &Strings,
    name: &str,
    modifier: Option<&str>,
    value: &str,
) -> Result<Found, QueryError> {
    match modifier {
        None => Ok(strings.starting_with(value)),
        Some("exact") => Ok(strings.exactly(value)),
        Some("contains") => Ok(strings.containing(value)),
        Some(other) => Err(QueryError::Modifier(name.to_owned(), other.to_owned())),
    }
}

/// `code` or `system|code`; another system has nobody.
fn token(value: &str, system: &str, find: impl Fn(&str) -> Found) -> Found {
    match value.split_once('|') {
        None => find(value),
        Some((given, code)) if given == system => find(code),
        Some(_) => Found::new(),
    }
}

fn by_id(system: &System, id: &str) -> Found {
    Uuid::try_parse(id)
        .ok()
        .and_then(|id| system.index.id(id))
        .into_iter()
        .collect()
}

fn gender(system: &System, value: &str) -> Result<Found, QueryError> {
    let code = value.rsplit_once('|').map_or(value, |(_, code)| code);
    let wanted = match code {
        "female" => Some(Gender::Female),
        "male" => Some(Gender::Male),
        "other" | "unknown" => return Ok(Found::new()),
        _ => None,
    };
    let wanted = wanted.ok_or_else(|| {
        QueryError::Value(
            "gender".to_owned(),
            "a code of FHIR's administrative gender",
        )
    })?;
    Ok((0u32..)
        .zip(&system.people)
        .filter(|(_, person)| person.gender == Some(wanted))
        .map(|(who, _)| who)
        .collect())
}

fn birthdate(system: &System, value: &str) -> Result<Found, QueryError> {
    let wrong = || {
        QueryError::Value(
            "birthdate".to_owned(),
            "YYYY, YYYY-MM or YYYY-MM-DD, perhaps after eq, ne, gt, lt, ge, le, sa or eb",
        )
    };
    let (prefix, text) = match value.as_bytes() {
        [first, second, ..] if first.is_ascii_lowercase() && second.is_ascii_lowercase() => {
            value.split_at(2)
        }
        _ => ("eq", value),
    };
    let (first, last) = span(text).ok_or_else(wrong)?;
    let born = |from, to| system.index.born(from, to);
    Ok(match prefix {
        "eq" => born(Bound::Included(first), Bound::Included(last)),
        "ne" => {
            let mut found = born(Bound::Unbounded, Bound::Excluded(first));
            found.extend(born(Bound::Excluded(last), Bound::Unbounded));
            distinct(found)
        }
        "gt" | "sa" => born(Bound::Excluded(last), Bound::Unbounded),
        "lt" | "eb" => born(Bound::Unbounded, Bound::Excluded(first)),
        "ge" => born(Bound::Included(first), Bound::Unbounded),
        "le" => born(Bound::Unbounded, Bound::Included(last)),
        _ => return Err(wrong()),
    })
}

/// The first and the last day of a year, a month or a day.
fn span(text: &str) -> Option<(Date, Date)> {
    let digits = |part: &str, length: usize| {
        (part.len() == length && part.bytes().all(|byte| byte.is_ascii_digit())).then_some(())
    };
    let mut parts = text.split('-');
    let year = parts.next()?;
    digits(year, 4)?;
    let year = year.parse().ok()?;
    let Some(month) = parts.next() else {
        return Some((Date::new(year, 1, 1).ok()?, Date::new(year, 12, 31).ok()?));
    };
    digits(month, 2)?;
    let first = Date::new(year, month.parse().ok()?, 1).ok()?;
    let Some(day) = parts.next() else {
        return Some((first, first.last_of_month()));
    };
    digits(day, 2)?;
    if parts.next().is_some() {
        return None;
    }
    let day = Date::new(year, first.month(), day.parse().ok()?).ok()?;
    Some((day, day))
}
