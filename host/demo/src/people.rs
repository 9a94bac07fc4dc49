//! The people of the demonstration: generated, or read from a Febrl file. Nobody in here exists.

mod febrl;
mod generate;
#[rustfmt::skip] // Word lists read better packed than one to a line.
mod words;

pub use febrl::{FebrlError, FebrlSet, Sent, read_febrl};
pub use generate::generate;

use jiff::civil::Date;
use uuid::Uuid;

/// How many people the generated internal system knows.
pub const DEFAULT_COUNT: usize = 10_000;

/// The sex that is on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gender {
    /// Female.
    Female,
    /// Male.
    Male,
}

impl Gender {
    /// The code of FHIR's administrative gender.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Female => "female",
            Self::Male => "male",
        }
    }
}

/// One person. Whatever is not known is absent.
#[derive(Clone, PartialEq, Eq)]
pub struct Person {
    /// The id of the record.
    pub id: Uuid,
    /// The first given name.
    pub given: Option<String>,
    /// A second given name.
    pub middle: Option<String>,
    /// The family name.
    pub family: Option<String>,
    /// `Jr` or `Sr`.
    pub suffix: Option<String>,
    /// The sex.
    pub gender: Option<Gender>,
    /// The date of birth.
    pub born: Option<Date>,
    /// Where they live.
    pub address: Address,
    /// A telephone number in E.164.
    pub phone: Option<String>,
    /// An e-mail address.
    pub email: Option<String>,
}

impl std::fmt::Debug for Person {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Person")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A postal address.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Address {
    /// Street and number, and what else comes before the city.
    pub lines: Vec<String>,
    /// The city.
    pub city: Option<String>,
    /// The state's abbreviation.
    pub state: Option<String>,
    /// The postal code.
    pub postal_code: Option<String>,
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").finish_non_exhaustive()
    }
}

/// What people with this given name are called.
pub(crate) fn nicknames(given: &str) -> &'static [&'static str] {
    words::NICKNAMES
        .iter()
        .find(|(name, _)| *name == given)
        .map_or(&[], |(_, names)| names)
}
