//! The weights: what each outcome of a comparison says for or against a match, in bits.
//!
//! After Fellegi and Sunter, "A Theory for Record Linkage" (JASA 64, 1969): an outcome that occurs with
//! probability *m* among records of one person and *u* among records of two weighs log2(*m* / *u*).
//!
//! The *m* are rates of agreement counted in the third Febrl data set (Christen 2005; 3,000 corrupted
//! copies of 2,000 persons), rounded, with one correction towards real registers: people move, so that
//! a wholly different address or telephone number is commoner than there. The *u* were counted over
//! pairs of two of its persons, or reasoned, as noted beside each.
//!
//! Febrl's other two sets were looked at while the limits below and the safeguards were chosen: what is
//! measured on them is not what unseen data would give.

use super::compare::{DateLikeness, Likeness};
use super::name::NameLikeness;

/// What is known before anything is compared: one in 100,000 of the records that a search brings up is
/// the patient's. It stands for a register of a large town; in a larger one names repeat more often, but
/// a search brings up no more records.
pub const PRIOR_BITS: f64 = -16.6;

/// The probabilities of one outcome.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// Among pairs of records of one person.
    pub m: f64,
    /// Among pairs of records of two persons.
    pub u: f64,
}

impl Outcome {
    const fn new(m: f64, u: f64) -> Self {
        Self { m, u }
    }

    /// The weight in bits.
    pub fn bits(self) -> f64 {
        (self.m / self.u).log2()
    }
}

/// Given names. *u*: 0.004 in Febrl, 0.005 to 0.01 in census tables; initials agree once in twelve,
/// but few registers hold initials.
pub const fn given(likeness: NameLikeness) -> Outcome {
    match likeness {
        NameLikeness::Equal => Outcome::new(0.74, 0.006),
        NameLikeness::Close => Outcome::new(0.13, 0.004),
        NameLikeness::Initial => Outcome::new(0.02, 0.012),
        NameLikeness::Near => Outcome::new(0.006, 0.006),
        NameLikeness::Different => Outcome::new(0.10, 0.97),
    }
}

/// Family names. *u* as for given names. A different one says little against: people marry.
pub const fn family(likeness: NameLikeness) -> Outcome {
    match likeness {
        NameLikeness::Equal => Outcome::new(0.72, 0.005),
        NameLikeness::Close => Outcome::new(0.16, 0.0015),
        NameLikeness::Initial => Outcome::new(0.01, 0.01),
        NameLikeness::Near => Outcome::new(0.006, 0.003),
        NameLikeness::Different => Outcome::new(0.10, 0.98),
    }
}

/// What it costs to suppose that given and family name were exchanged: 6 records in 100.
pub const EXCHANGED_NAMES_BITS: f64 = -4.1;

/// Birth dates. *u*: 70 years of 365 days; about 35 days lie within one slip of a date. *m* of a slip
/// is raised, since Febrl's copies lose most of theirs: a slip that leaves no date leaves no value.
pub const fn birth_date(likeness: DateLikeness) -> Outcome {
    match likeness {
        DateLikeness::SameDay => Outcome::new(0.94, 4.0e-5),
        DateLikeness::SameMonth => Outcome::new(0.96, 1.2e-3),
        DateLikeness::SameYear => Outcome::new(0.97, 1.5e-2),
        DateLikeness::Slip => Outcome::new(0.025, 1.3e-3),
        DateLikeness::Overlap => Outcome::new(0.005, 3.0e-3),
        DateLikeness::Different => Outcome::new(0.03, 0.99),
    }
}

/// Street lines, without house numbers. *u*: chance that two persons of one register share a street
/// or an estate.
pub const fn street(likeness: Likeness) -> Outcome {
    match likeness {
        Likeness::Equal => Outcome::new(0.80, 1.0e-3),
        Likeness::Close => Outcome::new(0.08, 5.0e-4),
        Likeness::Near => Outcome::new(0.006, 6.0e-3),
        Likeness::Different => Outcome::new(0.11, 0.99),
    }
}

/// House numbers. *u*: numbers are small; about one in seventy agrees.
pub const fn house_number(likeness: Likeness) -> Outcome {
    match likeness {
        Likeness::Equal => Outcome::new(0.80, 0.015),
        Likeness::Close => Outcome::new(0.02, 0.005),
        Likeness::Near | Likeness::Different => Outcome::new(0.18, 0.98),
    }
}

/// Postal codes. *u*: 0.001 in Febrl, which spreads its people over a continent.
pub const fn postal_code(likeness: Likeness) -> Outcome {
    match likeness {
        Likeness::Equal => Outcome::new(0.78, 0.002),
        Likeness::Close => Outcome::new(0.12, 0.015),
        Likeness::Near => Outcome::new(0.01, 0.02),
        Likeness::Different => Outcome::new(0.09, 0.96),
    }
}

/// Towns and suburbs. *u*: 0.001 in Febrl, more where a register serves one town.
pub const fn city(likeness: Likeness) -> Outcome {
    match likeness {
        Likeness::Equal => Outcome::new(0.74, 0.004),
        Likeness::Close => Outcome::new(0.15, 0.001),
        Likeness::Near => Outcome::new(0.01, 0.002),
        Likeness::Different => Outcome::new(0.10, 0.99),
    }
}

/// States. *u*: Australia's eight are unequal.
pub const fn state(likeness: Likeness) -> Outcome {
    match likeness {
        Likeness::Equal => Outcome::new(0.93, 0.22),
        Likeness::Close => Outcome::new(0.02, 0.018),
        Likeness::Near | Likeness::Different => Outcome::new(0.05, 0.76),
    }
}

/// The most and the least that all parts of an address may weigh together. They depend on each other
/// (whoever moves changes all of them, and a whole household shares them), so their sum overstates. The
/// most is what "the same household" says: two or three of a register of 100,000.
pub const ADDRESS_BITS: std::ops::RangeInclusive<f64> = -5.0..=15.0;

/// Gender.
pub const fn gender(equal: bool) -> Outcome {
    if equal {
        Outcome::new(0.98, 0.5)
    } else {
        Outcome::new(0.02, 0.5)
    }
}

/// Telephone numbers: shared in a household, changed every few years.
pub const fn phone(equal: bool) -> Outcome {
    if equal {
        Outcome::new(0.65, 0.002)
    } else {
        Outcome::new(0.35, 0.998)
    }
}

/// E-mail addresses: shared by some couples, changed every few years.
pub const fn email(equal: bool) -> Outcome {
    if equal {
        Outcome::new(0.65, 7.0e-4)
    } else {
        Outcome::new(0.35, 0.9993)
    }
}

/// Identifiers that an institution gave. Only agreement counts: two different ones may be of two
/// kinds. A family may share an insurance number.
pub const SHARED_IDENTIFIER: Outcome = Outcome::new(0.9, 7.0e-4);
