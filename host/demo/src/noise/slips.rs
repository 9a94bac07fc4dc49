//! The errors that people make when they write somebody down.

use jiff::civil::Date;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::body::Draft;
use crate::people::{generate, nicknames};

/// One kind of error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slip {
    /// A letter is wrong, missing or doubled in the family name.
    FamilyTypo,
    /// The same in the given name.
    GivenTypo,
    /// The same in the street.
    StreetTypo,
    /// Two neighbouring letters of the family name changed places.
    Transposition,
    /// What friends call them.
    Nickname,
    /// Day and month changed places.
    SwappedDate,
    /// The day is off by a few.
    DayOff,
    /// The middle name is left out.
    NoMiddle,
    /// No telephone number.
    NoPhone,
    /// No e-mail address.
    NoEmail,
    /// They took another family name.
    OtherFamily,
    /// They moved.
    Moved,
    /// Written in capitals.
    Capitals,
    /// Written without accents.
    NoAccents,
}

impl Slip {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::FamilyTypo,
        Self::GivenTypo,
        Self::StreetTypo,
        Self::Transposition,
        Self::Nickname,
        Self::SwappedDate,
        Self::DayOff,
        Self::NoMiddle,
        Self::NoPhone,
        Self::NoEmail,
        Self::OtherFamily,
        Self::Moved,
        Self::Capitals,
        Self::NoAccents,
    ];

    /// Makes the error, where the draft has what it needs. It never changes who is meant.
    pub fn make(self, draft: &mut Draft, rng: &mut ChaCha8Rng) {
        let person = &mut draft.person;
        match self {
            Self::FamilyTypo => on(&mut person.family, |name| typo(name, rng)),
            Self::GivenTypo => on(&mut person.given, |name| typo(name, rng)),
            Self::StreetTypo => {
                if let Some(line) = person.address.lines.first_mut() {
                    *line = typo(line, rng);
                }
            }
            Self::Transposition => on(&mut person.family, |name| transposed(name, rng)),
            Self::Nickname => on(&mut person.given, |name| nickname(name, rng)),
            Self::SwappedDate => {
                person.born = person
                    .born
                    .map(|day| Date::new(day.year(), day.day(), day.month()).unwrap_or(day));
            }
            Self::DayOff => {
                person.born = person.born.map(|day| {
                    let other = rng.random_range(1..=28);
                    Date::new(day.year(), day.month(), other).unwrap_or(day)
                });
            }
            Self::NoMiddle => person.middle = None,
            Self::NoPhone => person.phone = None,
            Self::NoEmail => person.email = None,
            Self::OtherFamily | Self::Moved => {
                let Some(other) = generate(rng.random(), 1).pop() else {
                    return;
                };
                if self == Self::Moved {
                    person.address = other.address;
                } else {
                    person.family = other.family;
                }
            }
            Self::Capitals => {
                on(&mut person.given, str::to_uppercase);
                on(&mut person.family, str::to_uppercase);
            }
            Self::NoAccents => {
                on(&mut person.given, plain);
                on(&mut person.family, plain);
                on(&mut person.address.city, plain);
            }
        }
    }
}

/// Makes a common error now and then and a rare one seldom.
pub fn slip(draft: &mut Draft, rng: &mut ChaCha8Rng) {
    let kind = Slip::ALL[rng.random_range(0..Slip::ALL.len())];
    // Few people marry or move between two visits; most errors are of the pen.
    let rare = matches!(kind, Slip::OtherFamily | Slip::Moved | Slip::SwappedDate);
    let kind = if rare && rng.random_bool(0.5) {
        Slip::Capitals
    } else {
        kind
    };
    kind.make(draft, rng);
}

fn on(field: &mut Option<String>, change: impl FnOnce(&str) -> String) {
    if let Some(text) = field {
        *text = change(text);
    }
}

/// Wrong, missing or doubled: one letter after the first, which people get right.
fn typo(text: &str, rng: &mut ChaCha8Rng) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    let places: Vec<usize> = (1..letters.len())
        .filter(|place| letters[*place].is_alphabetic())
        .collect();
    if places.len() < 2 {
        return text.to_owned();
    }
    let place = places[rng.random_range(0..places.len())];
    match rng.random_range(0..3) {
        0 => letters[place] = char::from(b'a' + rng.random_range(0..26)),
        1 => drop(letters.remove(place)),
        _ => letters.insert(place, letters[place]),
    }
    letters.into_iter().collect()
}

fn transposed(text: &str, rng: &mut ChaCha8Rng) -> String {
    let mut letters: Vec<char> = text.chars().collect();
    if letters.len() > 3 {
        let place = rng.random_range(1..letters.len() - 1);
        letters.swap(place, place + 1);
    }
    letters.into_iter().collect()
}

fn nickname(given: &str, rng: &mut ChaCha8Rng) -> String {
    let names = nicknames(given);
    if names.is_empty() {
        return given.to_owned();
    }
    names[rng.random_range(0..names.len())].to_owned()
}

fn plain(text: &str) -> String {
    text.nfd()
        .filter(|letter| !is_combining_mark(*letter))
        .nfc()
        .collect()
}
