//! Sorted lists by search parameter, so that a search looks at what it finds and not at everybody.

use std::collections::HashMap;
use std::ops::Bound;

use jiff::civil::Date;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;
use uuid::Uuid;

use crate::people::Person;

/// People by their position, in order and without repetition.
pub(super) type Found = Vec<u32>;

/// A text without case and combining characters, with single blanks: what FHIR compares strings by.
pub(super) fn folded(text: &str) -> String {
    let plain: String = text
        .nfd()
        .filter(|letter| !is_combining_mark(*letter))
        .flat_map(char::to_lowercase)
        .collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// One string parameter: every value that it can match, folded and as it is.
#[derive(Default)]
pub(super) struct Strings {
    by_folded: Vec<(Box<str>, Box<str>, u32)>,
}

impl Strings {
    fn add(&mut self, value: Option<&String>, who: u32) {
        if let Some(value) = value {
            self.by_folded
                .push((folded(value).into(), value.as_str().into(), who));
        }
    }

    fn sort(&mut self) {
        self.by_folded.sort_unstable();
    }

    /// Whose value equals the text or starts with it.
    pub(super) fn starting_with(&self, text: &str) -> Found {
        let text = folded(text);
        distinct(self.from(&text).map(|(_, _, who)| *who).collect())
    }

    /// Whose value is the text, case and accents included.
    pub(super) fn exactly(&self, text: &str) -> Found {
        let plain = folded(text);
        distinct(
            self.from(&plain)
                .filter(|(_, value, _)| &**value == text)
                .map(|(_, _, who)| *who)
                .collect(),
        )
    }

    /// Whose value has the text somewhere. Looks at every value.
    pub(super) fn containing(&self, text: &str) -> Found {
        let text = folded(text);
        distinct(
            self.by_folded
                .iter()
                .filter(|(plain, _, _)| plain.contains(&text))
                .map(|(_, _, who)| *who)
                .collect(),
        )
    }

    fn from<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = &'a (Box<str>, Box<str>, u32)> + 'a {
        let start = self
            .by_folded
            .partition_point(|(plain, _, _)| &**plain < prefix);
        self.by_folded[start..]
            .iter()
            .take_while(move |(plain, _, _)| plain.starts_with(prefix))
    }
}

/// Everything that can be searched by.
#[derive(Default)]
pub(super) struct Index {
    /// Family names.
    pub(super) family: Strings,
    /// Given names, each of them.
    pub(super) given: Strings,
    /// Every part of a name.
    pub(super) name: Strings,
    /// Every part of an address.
    pub(super) address: Strings,
    /// Cities.
    pub(super) city: Strings,
    /// States.
    pub(super) state: Strings,
    /// Postal codes.
    pub(super) postal_code: Strings,
    /// Telephone numbers, as they are.
    phones: HashMap<String, Found>,
    /// E-mail addresses in lower case.
    emails: HashMap<String, Found>,
    births: Vec<(Date, u32)>,
    ids: HashMap<Uuid, u32>,
}

impl Index {
    pub(super) fn of(people: &[Person]) -> Self {
        let mut index = Self::default();
        for (who, person) in (0u32..).zip(people) {
            index.add(who, person);
        }
        for strings in [
            &mut index.family,
            &mut index.given,
            &mut index.name,
            &mut index.address,
            &mut index.city,
            &mut index.state,
            &mut index.postal_code,
        ] {
            strings.sort();
        }
        index.births.sort_unstable();
        index
    }

    fn add(&mut self, who: u32, person: &Person) {
        let address = &person.address;
        self.ids.insert(person.id, who);
        self.family.add(person.family.as_ref(), who);
        for given in [&person.given, &person.middle] {
            self.given.add(given.as_ref(), who);
        }
        for part in [
            &person.given,
            &person.middle,
            &person.family,
            &person.suffix,
        ] {
            self.name.add(part.as_ref(), who);
        }
        for line in &address.lines {
            self.address.add(Some(line), who);
        }
        for part in [&address.city, &address.state, &address.postal_code] {
            self.address.add(part.as_ref(), who);
        }
        self.city.add(address.city.as_ref(), who);
        self.state.add(address.state.as_ref(), who);
        self.postal_code.add(address.postal_code.as_ref(), who);
        if let Some(phone) = &person.phone {
            self.phones.entry(phone.clone()).or_default().push(who);
        }
        if let Some(email) = &person.email {
            self.emails
                .entry(email.to_ascii_lowercase())
                .or_default()
                .push(who);
        }
        if let Some(born) = person.born {
            self.births.push((born, who));
        }
    }

    /// Who has this telephone number.
    pub(super) fn phone(&self, number: &str) -> Found {
        self.phones.get(number).cloned().unwrap_or_default()
    }

    /// Who has this e-mail address.
    pub(super) fn email(&self, address: &str) -> Found {
        self.emails
            .get(&address.to_ascii_lowercase())
            .cloned()
            .unwrap_or_default()
    }

    /// Who was born within these bounds.
    pub(super) fn born(&self, from: Bound<Date>, to: Bound<Date>) -> Found {
        let start = match from {
            Bound::Included(day) => self.births.partition_point(|(born, _)| *born < day),
            Bound::Excluded(day) => self.births.partition_point(|(born, _)| *born <= day),
            Bound::Unbounded => 0,
        };
        let end = match to {
            Bound::Included(day) => self.births.partition_point(|(born, _)| *born <= day),
            Bound::Excluded(day) => self.births.partition_point(|(born, _)| *born < day),
            Bound::Unbounded => self.births.len(),
        };
        let within = self.births.get(start..end).unwrap_or_default();
        distinct(within.iter().map(|(_, who)| *who).collect())
    }

    /// Whose record this is.
    pub(super) fn id(&self, id: Uuid) -> Option<u32> {
        self.ids.get(&id).copied()
    }
}

/// In order, without repetition.
pub(super) fn distinct(mut found: Found) -> Found {
    found.sort_unstable();
    found.dedup();
    found
}

/// Who is in both.
pub(super) fn both(one: Found, other: &[u32]) -> Found {
    one.into_iter()
        .filter(|who| other.binary_search(who).is_ok())
        .collect()
}
