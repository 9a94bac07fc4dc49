//! People out of a seed: households with couples, parents, children and twins, fathers and sons of one
//! name, of several origins.

use jiff::civil::{Date, date};
use jiff::{Span, ToSpan};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::words::{CITIES, City, EMAIL_HOSTS, ORIGINS, Origin, STREET_KINDS, STREETS};
use super::{Address, Gender, Person};

/// Makes `count` people. The same seed makes the same people, whatever the count: a longer list
/// begins with the shorter one.
pub fn generate(seed: u64, count: usize) -> Vec<Person> {
    let mut maker = Maker {
        rng: ChaCha8Rng::seed_from_u64(seed),
        people: Vec::with_capacity(count + 8),
    };
    while maker.people.len() < count {
        maker.household();
    }
    maker.people.truncate(count);
    maker.people
}

/// Nobody is born later, so that nobody is born in the future.
const LAST_BIRTH: Date = date(2023, 12, 31);

struct Maker {
    rng: ChaCha8Rng,
    people: Vec<Person>,
}

/// What the members of one household share.
struct Home {
    origin: &'static Origin,
    family: &'static str,
    address: Address,
    area_code: u16,
    /// A landline that all of them give.
    landline: Option<String>,
}

impl Maker {
    fn household(&mut self) {
        let origin = self.pick(&ORIGINS);
        let family = self.word(origin.families);
        let city = self.pick(&CITIES);
        let area_code = city.area_code;
        let landline = self
            .rng
            .random_bool(0.25)
            .then(|| phone(&mut self.rng, area_code));
        let home = Home {
            origin,
            family,
            address: self.address(city),
            area_code,
            landline,
        };
        let elder_born = self.day(date(1935, 1, 1), date(1985, 12, 31));
        match self.rng.random_range(0..100) {
            0..45 => {
                let gender = self.gender();
                let born = self.day(date(1935, 1, 1), date(2004, 12, 31));
                let given = self.given(&home, gender);
                self.member(&home, given, gender, born, None);
            }
            45..65 => self.couple(&home, elder_born),
            65..92 => self.family_with_children(&home, elder_born),
            _ => self.father_and_son(&home, elder_born),
        }
    }

    fn couple(&mut self, home: &Home, elder_born: Date) {
        let her = self.given(home, Gender::Female);
        let his = self.given(home, Gender::Male);
        let years = self.rng.random_range(-6..=6);
        self.member(home, her, Gender::Female, elder_born, None);
        let born = shifted(elder_born, years.years().days(97));
        self.member(home, his, Gender::Male, born, None);
    }

    fn family_with_children(&mut self, home: &Home, elder_born: Date) {
        self.couple(home, elder_born);
        let mut born = shifted(
            elder_born,
            self.rng.random_range(23..34).years().days(self.days()),
        );
        let children = self.rng.random_range(1..=3);
        for _ in 0..children {
            if born > LAST_BIRTH {
                return;
            }
            let gender = self.gender();
            let given = self.given(home, gender);
            self.member(home, given, gender, born, None);
            if self.rng.random_bool(0.08) {
                // Twins: only the given name, and sometimes the gender, tells them apart.
                let twin = self.gender();
                let mut other = self.given(home, twin);
                while other == given {
                    other = self.given(home, twin);
                }
                self.member(home, other, twin, born, None);
            }
            born = shifted(born, self.rng.random_range(1..5).years().days(self.days()));
        }
    }

    /// One name, one home: the suffix and the date of birth tell them apart.
    fn father_and_son(&mut self, home: &Home, elder_born: Date) {
        let given = self.given(home, Gender::Male);
        let born = shifted(
            elder_born,
            self.rng.random_range(21..33).years().days(self.days()),
        );
        self.member(home, given, Gender::Male, elder_born, Some("Sr"));
        self.member(home, given, Gender::Male, born, Some("Jr"));
    }

    fn member(
        &mut self,
        home: &Home,
        given: &str,
        gender: Gender,
        born: Date,
        suffix: Option<&str>,
    ) {
        let middle = self
            .rng
            .random_bool(0.3)
            .then(|| self.given(home, gender).to_owned())
            .filter(|middle| middle != given);
        let phone = match &home.landline {
            Some(landline) => Some(landline.clone()),
            None => self
                .rng
                .random_bool(0.92)
                .then(|| phone(&mut self.rng, home.area_code)),
        };
        let email = self
            .rng
            .random_bool(0.8)
            .then(|| self.email(given, home.family, born));
        self.people.push(Person {
            id: uuid::Builder::from_random_bytes(self.rng.random()).into_uuid(),
            given: Some(given.to_owned()),
            middle,
            family: Some(home.family.to_owned()),
            suffix: suffix.map(ToOwned::to_owned),
            gender: Some(gender),
            born: Some(born),
            address: home.address.clone(),
            phone,
            email,
        });
    }

    fn address(&mut self, city: &City) -> Address {
        let number = self.rng.random_range(1..=1999);
        let street = self.word(STREETS);
        let kind = self.word(STREET_KINDS);
        let mut lines = vec![format!("{number} {street} {kind}")];
        if self.rng.random_bool(0.2) {
            lines.push(format!("Apt {}", self.rng.random_range(1..=48)));
        }
        Address {
            lines,
            city: Some(city.name.to_owned()),
            state: Some(city.state.to_owned()),
            postal_code: Some(format!(
                "{:05}",
                city.first_postal_code + self.rng.random_range(0..40)
            )),
        }
    }

    fn email(&mut self, given: &str, family: &str, born: Date) -> String {
        let given = ascii(given);
        let family = ascii(family);
        let host = self.word(EMAIL_HOSTS);
        let number = self.rng.random_range(1..100);
        match self.rng.random_range(0..4) {
            0 => format!("{given}.{family}{number}@{host}"),
            1 => format!("{given}{family}{}@{host}", born.year()),
            2 => format!("{}{family}{number}@{host}", &given[..given.len().min(1)]),
            _ => format!("{family}.{given}.{number}@{host}"),
        }
    }

    fn given(&mut self, home: &Home, gender: Gender) -> &'static str {
        self.word(match gender {
            Gender::Female => home.origin.female,
            Gender::Male => home.origin.male,
        })
    }

    fn gender(&mut self) -> Gender {
        if self.rng.random() {
            Gender::Female
        } else {
            Gender::Male
        }
    }

    fn days(&mut self) -> i64 {
        self.rng.random_range(0..365)
    }

    fn day(&mut self, from: Date, to: Date) -> Date {
        let days = from.until(to).map_or(0, |span| span.get_days());
        shifted(from, self.rng.random_range(0..=days).days())
    }

    fn word(&mut self, list: &'static [&'static str]) -> &'static str {
        list.choose(&mut self.rng).copied().unwrap_or_default()
    }

    fn pick<T>(&mut self, list: &'static [T]) -> &'static T {
        &list[self.rng.random_range(0..list.len())]
    }
}

fn shifted(day: Date, by: Span) -> Date {
    day.saturating_add(by)
}

/// A number of the North American plan that no subscriber has: exchange 555.
fn phone(rng: &mut ChaCha8Rng, area_code: u16) -> String {
    format!("+1{area_code}555{:04}", rng.random_range(0..10_000))
}

/// The letters of a name, in lower case, without marks.
fn ascii(name: &str) -> String {
    use unicode_normalization::UnicodeNormalization;
    name.nfd()
        .filter(char::is_ascii_alphabetic)
        .map(|letter| letter.to_ascii_lowercase())
        .collect()
}
