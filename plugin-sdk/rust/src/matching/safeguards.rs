//! Where the sum of the weights must not have the last word.
//!
//! Weights treat fields as independent. Relatives are the exception that costs dearly: they share
//! surname, address, telephone and insurance, twins their birth date too, and a father and his son
//! their whole name. Each safeguard names one such constellation and leaves it at most *possible*: a
//! person decides.

use super::compare::DateLikeness;
use super::name::NameLikeness;

/// A constellation in which two persons look like one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Safeguard {
    /// Generation suffixes that differ: Jr and Sr are two persons.
    Suffix,
    /// Given names that clearly differ: twins, siblings, couples. No other field outweighs it.
    GivenName,
    /// Neither given name nor birth date agrees: what does agree, a household shares.
    Household,
    /// The same name and address, but born half a generation or more apart, and no slip explains it.
    Generation,
}

impl Safeguard {
    /// The most a score may be when a safeguard was met.
    pub const MOST: f64 = 0.6;

    /// The same in bits of odds.
    pub fn most_bits() -> f64 {
        (Self::MOST / (1.0 - Self::MOST)).log2()
    }

    /// The name under which it stands among the evidence.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Suffix => "safeguard.suffix",
            Self::GivenName => "safeguard.given-name",
            Self::Household => "safeguard.household",
            Self::Generation => "safeguard.generation",
        }
    }
}

/// Years between two births from which on they are of two generations.
const GENERATION_YEARS: u16 = 15;

/// What the safeguards look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) given: Option<NameLikeness>,
    pub(crate) family: Option<NameLikeness>,
    pub(crate) names_exchanged: bool,
    pub(crate) suffixes_differ: bool,
    pub(crate) birth_dates: Option<DateLikeness>,
    pub(crate) years_apart: u16,
    pub(crate) address_bits: f64,
    pub(crate) shares_identifier: bool,
}

impl Facts {
    /// The safeguards these facts meet.
    pub(crate) fn safeguards(&self) -> Vec<Safeguard> {
        let mut met = Vec::new();
        if self.suffixes_differ {
            met.push(Safeguard::Suffix);
        }
        if self.given_names_conflict() {
            met.push(Safeguard::GivenName);
        }
        if !self.given_names_agree() && !self.birth_dates_agree() {
            met.push(Safeguard::Household);
        }
        if self.birth_dates == Some(DateLikeness::Different) && self.years_apart >= GENERATION_YEARS
        {
            met.push(Safeguard::Generation);
        }
        met
    }

    /// Names and birth date, or an identifier, agree.
    pub(crate) fn bear_certainty(&self) -> bool {
        let close = |part: Option<NameLikeness>| part >= Some(NameLikeness::Close);
        let names = close(self.given) && close(self.family);
        names && (self.birth_dates == Some(DateLikeness::SameDay) || self.shares_identifier)
    }

    fn given_names_conflict(&self) -> bool {
        let different = |part: Option<NameLikeness>| part == Some(NameLikeness::Different);
        // Where names were exchanged, either half may be the given name.
        let clearly = different(self.given) || self.names_exchanged && different(self.family);
        // Twins are often given names alike: where everything else agrees, likeness is not enough.
        let perhaps_twins = self.given == Some(NameLikeness::Near)
            && self.birth_dates == Some(DateLikeness::SameDay)
            && self.family >= Some(NameLikeness::Close);
        clearly || perhaps_twins
    }

    fn given_names_agree(&self) -> bool {
        matches!(
            self.given,
            Some(NameLikeness::Initial | NameLikeness::Close | NameLikeness::Equal)
        )
    }

    fn birth_dates_agree(&self) -> bool {
        matches!(
            self.birth_dates,
            Some(DateLikeness::SameDay | DateLikeness::SameMonth | DateLikeness::Slip)
        )
    }
}
