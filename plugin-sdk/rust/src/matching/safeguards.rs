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
    /// One side has a generation suffix, and the other was born half a generation or more apart.
    Generation,
    /// Given names that clearly differ: twins, siblings, couples. Nothing outweighs it.
    GivenName,
    /// Neither given name nor birth date agrees: what does agree, a household shares.
    Household,
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
            Self::Generation => "safeguard.generation",
            Self::GivenName => "safeguard.given-name",
            Self::Household => "safeguard.household",
        }
    }
}

/// Years between two births from which on they are of two generations.
const GENERATION_YEARS: u16 = 15;

/// How the generation suffixes of two names compare.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Suffixes {
    /// Both have the same, or neither has one.
    #[default]
    Same,
    /// Only one has one.
    OneSided,
    /// Both have one, and they differ.
    Differ,
}

/// What the safeguards look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) given: Option<NameLikeness>,
    pub(crate) family: Option<NameLikeness>,
    /// Two given names, both in common use, that are not forms of one: alike or not, no misspelling.
    pub(crate) two_known_given_names: bool,
    pub(crate) suffixes: Suffixes,
    pub(crate) birth_dates: Option<DateLikeness>,
    pub(crate) years_apart: u16,
    pub(crate) shares_identifier: bool,
}

impl Facts {
    /// The safeguards these facts meet.
    pub(crate) fn safeguards(&self) -> Vec<Safeguard> {
        let generations_apart = self.birth_dates == Some(DateLikeness::Different)
            && self.years_apart >= GENERATION_YEARS;
        let met = [
            (Safeguard::Suffix, self.suffixes == Suffixes::Differ),
            (
                Safeguard::Generation,
                self.suffixes == Suffixes::OneSided && generations_apart,
            ),
            (Safeguard::GivenName, self.given_names_conflict()),
            (
                Safeguard::Household,
                !self.given_names_agree() && !self.birth_dates_agree(),
            ),
        ];
        met.into_iter()
            .filter_map(|(safeguard, met)| met.then_some(safeguard))
            .collect()
    }

    /// Names and birth date, or an identifier, agree.
    pub(crate) fn bear_certainty(&self) -> bool {
        let close = |part: Option<NameLikeness>| part >= Some(NameLikeness::Close);
        let names = close(self.given) && close(self.family);
        names && (self.birth_dates == Some(DateLikeness::SameDay) || self.shares_identifier)
    }

    fn given_names_conflict(&self) -> bool {
        // Twins are often named alike (Jane and Jade): where all else agrees, a likeness that can be
        // no misspelling counts as a difference.
        let perhaps_twins = self.two_known_given_names
            && self.family >= Some(NameLikeness::Close)
            && self.birth_dates_agree();
        self.given == Some(NameLikeness::Different) || perhaps_twins
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
