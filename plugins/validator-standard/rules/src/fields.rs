//! The rules of single fields: from a text (trimmed, composed, single spaces) to its normal form.
//!
//! Each gives what to write in the text's place, or the [`Fault`].

use patchbay_plugin::contact::{self, PhoneError};
use patchbay_plugin::{Date, DateError};
use unicode_normalization::char::is_combining_mark;

use crate::members::Fault;

/// Nobody is known to have grown older than 122; 150 leaves room for records never closed.
const OLDEST_YEARS: u16 = 150;

/// A person's name: letters of any script with their marks, digits, spaces and the punctuation that
/// names are written with; at least one letter. Directional marks, which paste brings along and
/// nobody sees, are taken out.
pub fn name(text: &str) -> Result<String, Fault> {
    let name: String = text.chars().filter(|c| !is_directional(*c)).collect();
    if !name.chars().all(is_name_character) {
        return Err(Fault::new(
            "name-character",
            "Use letters, spaces, hyphens, apostrophes, dots and commas only.",
        ));
    }
    if !name.chars().any(char::is_alphabetic) {
        return Err(Fault::new(
            "name-without-letter",
            "A name has at least one letter.",
        ));
    }
    // What was taken out may have stood between two spaces.
    Ok(contact::name(&name))
}

fn is_name_character(c: char) -> bool {
    c.is_alphanumeric()
        || is_combining_mark(c)
        || matches!(
            c,
            // Hyphens and apostrophes as keyboards, typesetters and the Hawaiian ʻokina have them;
            // the dot between the parts of Catalan, Chinese and Japanese names; the joiners that
            // Persian and Indic spellings need.
            ' ' | '-'
                | '\u{2010}'
                | '\u{2011}'
                | '\''
                | '\u{2018}'
                | '\u{2019}'
                | '.'
                | ','
                | '\u{B7}'
                | '\u{30FB}'
                | '\u{200C}'
                | '\u{200D}'
        )
}

fn is_directional(c: char) -> bool {
    matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

/// A date, or a date-time whose date counts as written.
pub fn date(text: &str) -> Result<Date, Fault> {
    Date::parse_date_or_date_time(text)
        .map_err(|error: DateError| Fault::new("date-invalid", error.to_string()))
}

/// A birth date, as `YYYY-MM-DD`.
pub fn birth_date(text: &str, today: Date) -> Result<String, Fault> {
    let date = date(text)?;
    if date > today {
        return Err(Fault::new(
            "date-in-future",
            "A birth date cannot lie in the future.",
        ));
    }
    let earliest = (
        today.year().saturating_sub(OLDEST_YEARS),
        today.month(),
        today.day(),
    );
    if (date.year(), date.month(), date.day()) < earliest {
        return Err(Fault::new(
            "date-too-early",
            format!("A birth date cannot lie more than {OLDEST_YEARS} years back."),
        ));
    }
    Ok(date.to_string())
}

/// Administrative gender, as FHIR spells it; HL7 v2's letters (table 0001) are understood.
pub fn gender(text: &str) -> Result<String, Fault> {
    let gender = match text.to_ascii_lowercase().as_str() {
        "male" | "m" => "male",
        "female" | "f" => "female",
        "other" | "o" => "other",
        "unknown" | "u" => "unknown",
        _ => {
            return Err(Fault::new(
                "gender-invalid",
                "Use male, female, other or unknown.",
            ));
        }
    };
    Ok(gender.to_owned())
}

/// An e-mail address; its domain in lower case.
pub fn email(text: &str) -> Result<String, Fault> {
    contact::email(text).map_err(|error| Fault::new("email-invalid", error.to_string()))
}

/// A telephone number in E.164 (and `;ext=`). Without a calling code of its own or a default one, a
/// number stays as it is: a guess would make it somebody else's.
pub fn phone(text: &str, calling_code: Option<&str>) -> Result<String, Fault> {
    match contact::phone(text, calling_code) {
        Ok(phone) => Ok(phone.to_string()),
        Err(PhoneError::NoCountry) => {
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            if (5..=20).contains(&digits) {
                Ok(text.to_owned())
            } else {
                Err(Fault::new(
                    "phone-invalid",
                    "A telephone number has at least 5 digits.",
                ))
            }
        }
        Err(error) => Err(Fault::new("phone-invalid", error.to_string())),
    }
}

/// Whether a text is a UUID as RFC 9562 writes it: 8-4-4-4-12 hexadecimal digits.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}
