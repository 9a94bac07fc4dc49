//! Person records in the layout of the Febrl data generator: `rec-N-org` rows are the internal people,
//! `rec-N-dup-K` rows are what is sent. The social security number is read by nobody.

use std::path::Path;

use jiff::civil::Date;
use serde::Deserialize;
use uuid::Uuid;

use super::{Address, Person};

/// Record ids become UUIDs of version 5 below this name.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d3a_5b6e_0f0e_4d0c_9a55_70a7_c4ba_1001);

/// A file that cannot be used. Names lines, never values.
#[derive(Debug, thiserror::Error)]
pub enum FebrlError {
    /// The file cannot be read, or is not CSV with the expected columns.
    #[error("{path} cannot be read as Febrl records: {source}")]
    Csv {
        /// The file.
        path: String,
        /// What the parser says.
        source: csv::Error,
    },
    /// A record id is neither `rec-N-org` nor `rec-N-dup-K`.
    #[error("{path}, line {line}: the record id must be rec-N-org or rec-N-dup-K")]
    RecordId {
        /// The file.
        path: String,
        /// The line, counted from 1.
        line: u64,
    },
    /// There is nobody in it.
    #[error("{path} has no rec-N-org row: there is nobody to link to")]
    Nobody {
        /// The file.
        path: String,
    },
}

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FebrlSet {
    /// The originals.
    pub internal: Vec<Person>,
    /// The duplicates.
    pub sent: Vec<Sent>,
}

/// A record to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The record; its id is the customer's id of the patient.
    pub person: Person,
    /// The internal record of the same person, if the file has one.
    pub truth: Option<Uuid>,
}

#[derive(Deserialize)]
struct Row {
    rec_id: String,
    given_name: Option<String>,
    surname: Option<String>,
    street_number: Option<String>,
    address_1: Option<String>,
    address_2: Option<String>,
    suburb: Option<String>,
    postcode: Option<String>,
    state: Option<String>,
    date_of_birth: Option<String>,
}

enum Kind {
    Original,
    Duplicate,
}

/// Reads a file.
pub fn read_febrl(path: &Path) -> Result<FebrlSet, FebrlError> {
    let shown = || path.display().to_string();
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|source| FebrlError::Csv {
            path: shown(),
            source,
        })?;
    let mut internal = Vec::new();
    let mut duplicates = Vec::new();
    let headers = reader
        .headers()
        .map_err(|source| FebrlError::Csv {
            path: shown(),
            source,
        })?
        .clone();
    for record in reader.records() {
        let parsed = record.and_then(|record| {
            let line = record.position().map_or(0, csv::Position::line);
            record
                .deserialize::<Row>(Some(&headers))
                .map(|row| (line, row))
        });
        let (line, row) = parsed.map_err(|source| FebrlError::Csv {
            path: shown(),
            source,
        })?;
        let (number, kind) = record_id(&row.rec_id).ok_or_else(|| FebrlError::RecordId {
            path: shown(),
            line,
        })?;
        let person = person(row);
        match kind {
            Kind::Original => internal.push((number, person)),
            Kind::Duplicate => duplicates.push((number, person)),
        }
    }
    if internal.is_empty() {
        return Err(FebrlError::Nobody { path: shown() });
    }
    let originals: std::collections::HashMap<u64, Uuid> = internal
        .iter()
        .map(|(number, person)| (*number, person.id))
        .collect();
    Ok(FebrlSet {
        internal: internal.into_iter().map(|(_, person)| person).collect(),
        sent: duplicates
            .into_iter()
            .map(|(number, person)| Sent {
                truth: originals.get(&number).copied(),
                person,
            })
            .collect(),
    })
}

fn record_id(text: &str) -> Option<(u64, Kind)> {
    let rest = text.strip_prefix("rec-")?;
    let (number, kind) = rest.split_once('-')?;
    let number = number.parse().ok()?;
    if kind == "org" {
        return Some((number, Kind::Original));
    }
    let copy: Result<u64, _> = kind.strip_prefix("dup-")?.parse();
    copy.is_ok().then_some((number, Kind::Duplicate))
}

fn person(row: Row) -> Person {
    let filled = |field: Option<String>| field.filter(|text| !text.is_empty());
    let street = [filled(row.street_number), filled(row.address_1)]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ");
    let lines = [Some(street), row.address_2]
        .into_iter()
        .filter_map(filled)
        .collect();
    Person {
        id: Uuid::new_v5(&NAMESPACE, row.rec_id.as_bytes()),
        given: filled(row.given_name),
        middle: None,
        family: filled(row.surname),
        suffix: None,
        gender: None,
        born: row.date_of_birth.as_deref().and_then(date),
        address: Address {
            lines,
            city: filled(row.suburb),
            state: filled(row.state),
            postal_code: filled(row.postcode),
        },
        phone: None,
        email: None,
    }
}

/// `YYYYMMDD`; none where that is not a day of the calendar.
fn date(text: &str) -> Option<Date> {
    if text.len() != 8 || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year = text.get(..4)?.parse().ok()?;
    let month = text.get(4..6)?.parse().ok()?;
    let day = text.get(6..)?.parse().ok()?;
    Date::new(year, month, day).ok()
}
