//! Postal addresses: from lines that people wrote to parts that can be compared.

use super::compare::{Likeness, digits as compare_digits, similarity, words};
use super::normalise::{compact, fold};

/// Abbreviations of street types and units, spelled out so that both spellings meet.
const ABBREVIATIONS: &[(&str, &str)] = &[
    ("ave", "avenue"),
    ("av", "avenue"),
    ("blvd", "boulevard"),
    ("bvd", "boulevard"),
    ("cct", "circuit"),
    ("cir", "circle"),
    ("cl", "close"),
    ("cres", "crescent"),
    ("cr", "crescent"),
    ("ct", "court"),
    ("crt", "court"),
    ("dr", "drive"),
    ("drv", "drive"),
    ("gdns", "gardens"),
    ("gr", "grove"),
    ("gve", "grove"),
    ("hwy", "highway"),
    ("la", "lane"),
    ("ln", "lane"),
    ("pde", "parade"),
    ("pl", "place"),
    ("pkwy", "parkway"),
    ("pwy", "parkway"),
    ("rd", "road"),
    ("sq", "square"),
    ("str", "street"),
    ("st", "street"),
    ("tce", "terrace"),
    ("terr", "terrace"),
    ("apt", "unit"),
    ("apartment", "unit"),
    ("flat", "unit"),
    ("ste", "suite"),
    ("mt", "mount"),
];

/// An address as it was found, in the shape of FHIR's `Address`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressParts {
    /// Street lines, or the whole address where nobody took it apart.
    pub lines: Vec<String>,
    /// Town or suburb.
    pub city: Option<String>,
    /// State, province or county.
    pub state: Option<String>,
    /// Postal code.
    pub postal_code: Option<String>,
}

/// An address in the form that is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// The lines, folded, abbreviations spelled out, without house numbers.
    pub streets: Vec<String>,
    /// The first number of the lines, in digits and letters (`12`, `12a`).
    pub house_number: Option<String>,
    /// Town or suburb, folded.
    pub city: Option<String>,
    /// State, folded.
    pub state: Option<String>,
    /// Postal code, compact.
    pub postal_code: Option<String>,
    /// Postal code as written: what a server's search for its start would see.
    pub postal_code_written: Option<String>,
    /// The lines as written, folded only: what a server's search for the start of a line would see.
    pub written: Vec<String>,
}

impl Address {
    /// Normalises an address. A single line with commas is taken apart; a postal code that stands in
    /// its last part is recognised.
    pub fn from_parts(parts: &AddressParts) -> Self {
        let mut parts = parts.clone();
        if parts.city.is_none() && parts.postal_code.is_none() {
            take_apart(&mut parts);
        }
        let folded = |text: &Option<String>| {
            let text = fold(text.as_deref().unwrap_or_default());
            (!text.is_empty()).then_some(text)
        };
        let mut address = Self {
            city: folded(&parts.city),
            state: folded(&parts.state),
            postal_code: folded(&parts.postal_code).map(|code| compact(&code)),
            postal_code_written: parts
                .postal_code
                .as_deref()
                .map(|code| code.trim().to_owned())
                .filter(|code| !code.is_empty()),
            ..Self::default()
        };
        for line in &parts.lines {
            let written = fold(line);
            let (number, street) = split_number(&written);
            if address.house_number.is_none() {
                address.house_number = number;
            }
            if !street.is_empty() {
                address.streets.push(street);
            }
            if !written.is_empty() {
                address.written.push(written);
            }
        }
        address
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self == &Self::default()
    }
}

/// `12 High St, Springfield, IL 62701` → line, city, state and postal code.
fn take_apart(parts: &mut AddressParts) {
    let [line] = parts.lines.as_slice() else {
        return;
    };
    let mut pieces: Vec<String> = line
        .split([',', '\n'])
        .map(|piece| piece.trim().to_owned())
        .filter(|piece| !piece.is_empty())
        .collect();
    if pieces.len() < 2 {
        return;
    }
    let is_code = |word: &str| {
        word.len() >= 3 && word.len() <= 10 && word.bytes().any(|b| b.is_ascii_digit())
    };
    let Some(at) = pieces
        .iter()
        .rposition(|piece| piece.split_whitespace().any(is_code))
        .filter(|at| *at > 0)
    else {
        parts.city = pieces.pop();
        parts.lines = pieces;
        return;
    };
    let coded = pieces.remove(at);
    let (code, other): (Vec<&str>, Vec<&str>) =
        coded.split_whitespace().partition(|word| is_code(word));
    parts.postal_code = Some(code.join(" "));
    if !other.is_empty() {
        if at >= 2 {
            parts.state = Some(other.join(" "));
        } else {
            parts.city = Some(other.join(" "));
        }
    }
    pieces.truncate(at.max(1));
    if parts.city.is_none() && pieces.len() >= 2 {
        parts.city = pieces.pop();
    }
    parts.lines = pieces;
}

/// Takes the house number off the front (or the back) of a folded line and spells abbreviations out.
fn split_number(line: &str) -> (Option<String>, String) {
    let mut words: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
    let has_digit = |word: &&str| word.bytes().any(|b| b.is_ascii_digit());
    let number = if words.first().is_some_and(has_digit) {
        Some(words.remove(0).to_owned())
    } else if words.last().is_some_and(has_digit) {
        words.pop().map(str::to_owned)
    } else {
        None
    };
    let street: Vec<&str> = words
        .iter()
        .enumerate()
        .map(|(at, word)| {
            ABBREVIATIONS
                .iter()
                // `st` at the front is a saint.
                .find(|(short, _)| short == word && (at > 0 || *short != "st"))
                .map_or(*word, |(_, long)| *long)
        })
        .collect();
    (number, street.join(" "))
}

/// Compares the street lines of two addresses, in whichever order they stand; `None` if one has none.
pub fn streets(a: &Address, b: &Address) -> Option<(Likeness, f64)> {
    let mut best: Option<(Likeness, f64)> = None;
    let mut consider = |x: &str, y: &str| {
        let (x, y) = (compact(x), compact(y));
        let found = (words(&x, &y), similarity(&x, &y));
        best = Some(best.map_or(found, |best| (best.0.max(found.0), best.1.max(found.1))));
    };
    for x in &a.streets {
        for y in &b.streets {
            consider(x, y);
        }
    }
    if a.streets.len() > 1 || b.streets.len() > 1 {
        let (x, y) = (a.streets.concat(), b.streets.concat());
        if !x.is_empty() && !y.is_empty() {
            consider(&x, &y);
        }
    }
    best
}

/// Compares two house numbers; `None` if one is missing.
pub fn house_numbers(a: &Address, b: &Address) -> Option<(Likeness, f64)> {
    let (a, b) = (a.house_number.as_deref()?, b.house_number.as_deref()?);
    Some((compare_digits(a, b), similarity(a, b)))
}

/// Compares two towns; `None` if one is missing.
pub fn cities(a: &Address, b: &Address) -> Option<(Likeness, f64)> {
    let (a, b) = (compact(a.city.as_deref()?), compact(b.city.as_deref()?));
    Some((words(&a, &b), similarity(&a, &b)))
}

/// Compares two states; `None` if one is missing.
pub fn states(a: &Address, b: &Address) -> Option<(Likeness, f64)> {
    let (a, b) = (compact(a.state.as_deref()?), compact(b.state.as_deref()?));
    let likeness = match super::compare::slips(&a, &b) {
        0 => Likeness::Equal,
        1 => Likeness::Close,
        _ => Likeness::Different,
    };
    Some((likeness, similarity(&a, &b)))
}

/// Compares two postal codes; `None` if one is missing. Where one is longer (`62701-1234`), what both
/// have is compared.
pub fn postal_codes(a: &Address, b: &Address) -> Option<(Likeness, f64)> {
    let (a, b) = (a.postal_code.as_deref()?, b.postal_code.as_deref()?);
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.len() >= 5 && long.starts_with(short) {
        return Some((Likeness::Equal, 1.0));
    }
    Some((compare_digits(a, b), similarity(a, b)))
}
