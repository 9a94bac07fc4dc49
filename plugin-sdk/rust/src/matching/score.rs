//! Two persons compared: evidence field by field, its sum, a score and a grade.
//!
//! The weights are in [`super::weight`], the limits to what they may conclude in
//! [`super::safeguards`]. Comparing is symmetric; a field that one side lacks weighs nothing.

use serde::Deserialize;

use super::address::{self, Address};
use super::compare::{DateLikeness, Likeness, dates};
use super::name::{Name, NameLikeness, family_names, given_names, two_known_names};
use super::nickname::is_known;
use super::normalise::compact;
use super::person::{Keyed, Person};
use super::safeguards::{Facts, Safeguard, Suffixes};
use super::weight;
use crate::{Agreement, FieldEvidence, Grade};

/// From which score on a grade is given.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    default,
    deny_unknown_fields,
    try_from = "RawThresholds"
)]
pub struct Thresholds {
    certain: f64,
    probable: f64,
    possible: f64,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", default, deny_unknown_fields)]
struct RawThresholds {
    certain: f64,
    probable: f64,
    possible: f64,
}

impl Default for RawThresholds {
    fn default() -> Self {
        let Thresholds {
            certain,
            probable,
            possible,
        } = Thresholds::default();
        Self {
            certain,
            probable,
            possible,
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            certain: 0.99,
            probable: 0.9,
            possible: 0.5,
        }
    }
}

/// Thresholds must satisfy 0 < possible ≤ probable ≤ certain ≤ 1, and a possible match may not be
/// worth more than what a safeguard leaves ([`Safeguard::MOST`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThresholdsError;

impl std::fmt::Display for ThresholdsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "thresholds must satisfy 0 < possible <= {most} < probable <= certain <= 1",
            most = Safeguard::MOST
        )
    }
}

impl std::error::Error for ThresholdsError {}

impl TryFrom<RawThresholds> for Thresholds {
    type Error = ThresholdsError;

    fn try_from(raw: RawThresholds) -> Result<Self, ThresholdsError> {
        Self::new(raw.certain, raw.probable, raw.possible)
    }
}

impl Thresholds {
    /// Checks and takes the three thresholds.
    ///
    /// # Errors
    /// [`ThresholdsError`]
    pub fn new(certain: f64, probable: f64, possible: f64) -> Result<Self, ThresholdsError> {
        let ordered = 0.0 < possible
            && possible <= Safeguard::MOST
            && Safeguard::MOST < probable
            && probable <= certain
            && certain <= 1.0;
        if ordered {
            Ok(Self {
                certain,
                probable,
                possible,
            })
        } else {
            Err(ThresholdsError)
        }
    }

    /// The grade of a score, for evidence that may or may not be enough for certainty.
    pub fn grade(&self, score: f64, may_be_certain: bool) -> Grade {
        if score >= self.certain && may_be_certain {
            Grade::Certain
        } else if score >= self.probable {
            Grade::Probable
        } else if score >= self.possible {
            Grade::Possible
        } else {
            Grade::CertainlyNot
        }
    }
}

/// The result of comparing two persons.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The logarithm (base 2) of the odds that both are one person, limited by the safeguards.
    pub bits: f64,
    /// What each field said. Their weights and [`weight::PRIOR_BITS`] add up to [`Comparison::bits`].
    pub evidence: Vec<FieldEvidence>,
    /// The safeguards that were met.
    pub safeguards: Vec<Safeguard>,
    /// Whether names and birth date, or an identifier, bear the result: else it is at most probable.
    pub may_be_certain: bool,
}

impl Comparison {
    /// The probability that both are one person, from 0 to 1, if the weights were exact.
    pub fn score(&self) -> f64 {
        1.0 / (1.0 + (-self.bits).exp2())
    }
}

/// Compares two persons. Symmetric.
pub fn compare(a: &Person, b: &Person) -> Comparison {
    let mut facts = Facts::default();
    let mut evidence = Vec::with_capacity(12);

    names(a, b, &mut facts, &mut evidence);
    birth_dates(a, b, &mut facts, &mut evidence);
    if let (Some(x), Some(y)) = (a.gender, b.gender) {
        let equal = x == y;
        evidence.push(yes_or_no("gender", equal, weight::gender(equal)));
    } else {
        evidence.push(missing("gender"));
    }
    addresses(a, b, &mut evidence);

    let phone = share(&a.phones, &b.phones);
    evidence.push(shared("contact.phone", phone, weight::phone));
    let email = share(&a.emails, &b.emails);
    evidence.push(shared("contact.email", email, weight::email));
    let identifier = share(&a.identifiers, &b.identifiers);
    if identifier == Some(true) {
        evidence.push(yes_or_no("insurance", true, weight::SHARED_IDENTIFIER));
    }
    facts.shares_identifier = identifier == Some(true);

    let mut bits: f64 = weight::PRIOR_BITS + evidence.iter().map(|e| e.weight).sum::<f64>();
    let safeguards = facts.safeguards();
    for safeguard in &safeguards {
        let limited = bits.min(Safeguard::most_bits());
        evidence.push(FieldEvidence {
            field: safeguard.field().to_owned(),
            agreement: Agreement::Different,
            similarity: 0.0,
            weight: limited - bits,
        });
        bits = limited;
    }
    Comparison {
        bits,
        evidence,
        may_be_certain: safeguards.is_empty() && facts.bear_certainty(),
        safeguards,
    }
}

fn names(a: &Person, b: &Person, facts: &mut Facts, evidence: &mut Vec<FieldEvidence>) {
    let pairs = a
        .names
        .iter()
        .flat_map(|x| b.names.iter().map(move |y| (x, y)));
    let best = pairs
        .map(|(x, y)| NamePair::of(x, y))
        .max_by(|x, y| x.rank().total_cmp(&y.rank()));
    let Some(best) = best else {
        evidence.push(missing("given_name"));
        evidence.push(missing("family_name"));
        return;
    };
    let half = if best.exchanged {
        weight::EXCHANGED_NAMES_BITS / 2.0
    } else {
        0.0
    };
    for (field, part, outcome) in [
        (
            "given_name",
            best.given,
            weight::given as fn(NameLikeness) -> weight::Outcome,
        ),
        ("family_name", best.family, weight::family),
    ] {
        evidence.push(match part {
            Some((likeness, similarity)) => FieldEvidence {
                field: field.to_owned(),
                agreement: match likeness {
                    NameLikeness::Equal if !best.exchanged => Agreement::Equal,
                    NameLikeness::Different => Agreement::Different,
                    _ => Agreement::Similar,
                },
                similarity,
                weight: outcome(likeness).bits() + half,
            },
            None => FieldEvidence {
                weight: half,
                ..missing(field)
            },
        });
    }
    facts.given = best.given.map(|part| part.0);
    facts.family = best.family.map(|part| part.0);
    facts.two_known_given_names = best.two_known_given_names;
    facts.suffixes = best.suffixes;
}

/// Two names laid beside each other, straight or with given and family name exchanged.
struct NamePair {
    given: Option<(NameLikeness, f64)>,
    family: Option<(NameLikeness, f64)>,
    exchanged: bool,
    two_known_given_names: bool,
    suffixes: Suffixes,
}

impl NamePair {
    fn of(a: &Name, b: &Name) -> Self {
        let straight = Self {
            given: given_names(&a.given, &b.given),
            family: family_names(&a.family, &b.family),
            exchanged: false,
            two_known_given_names: two_known_names(&a.given, &b.given),
            suffixes: match (a.suffix, b.suffix) {
                (Some(x), Some(y)) if x != y => Suffixes::Differ,
                (Some(_), None) | (None, Some(_)) => Suffixes::OneSided,
                _ => Suffixes::Same,
            },
        };
        let exchanged = Self::exchanged(a, b, straight.suffixes);
        if exchanged.bits() > straight.bits() {
            exchanged
        } else {
            straight
        }
    }

    fn exchanged(a: &Name, b: &Name, suffixes: Suffixes) -> Self {
        let given_a = compact(&a.given.concat());
        let given_b = compact(&b.given.concat());
        // Which of the two comparisons is the one of given names? It matters where they disagree: a
        // family name in common, beside two given names, is what relatives look like.
        let one = (family_names(&given_a, &b.family), is_known(&given_a));
        let other = (family_names(&a.family, &given_b), is_known(&given_b));
        let likeness = |part: Option<(NameLikeness, f64)>| part.map(|(likeness, _)| likeness);
        let (better, worse) = if likeness(one.0) >= likeness(other.0) {
            (one, other)
        } else {
            (other, one)
        };
        let (given, family) = if better.1 {
            (better.0, worse.0)
        } else {
            (worse.0, better.0)
        };
        Self {
            given,
            family,
            exchanged: true,
            two_known_given_names: false,
            suffixes,
        }
    }

    fn bits(&self) -> f64 {
        let given = self.given.map_or(0.0, |(l, _)| weight::given(l).bits());
        let family = self.family.map_or(0.0, |(l, _)| weight::family(l).bits());
        let exchanged = if self.exchanged {
            weight::EXCHANGED_NAMES_BITS
        } else {
            0.0
        };
        given + family + exchanged
    }

    /// Of several names of a person, suffixes that differ make a pair the last choice.
    fn rank(&self) -> f64 {
        let differ = self.suffixes == Suffixes::Differ;
        self.bits() - if differ { 100.0 } else { 0.0 }
    }
}

fn birth_dates(a: &Person, b: &Person, facts: &mut Facts, evidence: &mut Vec<FieldEvidence>) {
    let (Some(x), Some(y)) = (a.dob, b.dob) else {
        evidence.push(missing("dob"));
        return;
    };
    let likeness = dates(x, y);
    facts.birth_dates = Some(likeness);
    facts.years_apart = x.year().abs_diff(y.year());
    let (agreement, similarity) = match likeness {
        DateLikeness::SameDay => (Agreement::Equal, 1.0),
        DateLikeness::SameMonth => (Agreement::Similar, 0.95),
        DateLikeness::Slip => (Agreement::Similar, 0.9),
        DateLikeness::SameYear => (Agreement::Similar, 0.8),
        DateLikeness::Overlap => (Agreement::Similar, 0.5),
        DateLikeness::Different => (Agreement::Different, 0.0),
    };
    evidence.push(FieldEvidence {
        field: "dob".to_owned(),
        agreement,
        similarity,
        weight: weight::birth_date(likeness).bits(),
    });
}

type Part = (
    &'static str,
    fn(&Address, &Address) -> Option<(Likeness, f64)>,
    fn(Likeness) -> weight::Outcome,
);

const ADDRESS_PARTS: [Part; 5] = [
    ("contact.address.line", address::streets, weight::street),
    (
        "contact.address.number",
        address::house_numbers,
        weight::house_number,
    ),
    ("contact.address.city", address::cities, weight::city),
    (
        "contact.address.postal_code",
        address::postal_codes,
        weight::postal_code,
    ),
    ("contact.address.state", address::states, weight::state),
];

fn addresses(a: &Person, b: &Person, evidence: &mut Vec<FieldEvidence>) {
    let pairs = a
        .addresses
        .iter()
        .flat_map(|x| b.addresses.iter().map(move |y| (x, y)));
    let best = pairs
        .map(|(x, y)| {
            let parts = ADDRESS_PARTS.map(|(_, compare, outcome)| {
                compare(x, y)
                    .map(|(likeness, similarity)| (likeness, similarity, outcome(likeness).bits()))
            });
            let sum: f64 = parts.iter().flatten().map(|part| part.2).sum();
            (sum, parts)
        })
        .max_by(|x, y| x.0.total_cmp(&y.0));
    let Some((sum, parts)) = best else {
        evidence.push(missing("contact.address"));
        return;
    };
    let limited = sum.clamp(*weight::ADDRESS_BITS.start(), *weight::ADDRESS_BITS.end());
    // The parts share what the limit leaves.
    let scale = if sum == 0.0 { 1.0 } else { limited / sum };
    for ((field, ..), part) in ADDRESS_PARTS.iter().zip(parts) {
        evidence.push(match part {
            Some((likeness, similarity, bits)) => FieldEvidence {
                field: (*field).to_owned(),
                agreement: match likeness {
                    Likeness::Equal => Agreement::Equal,
                    Likeness::Close | Likeness::Near => Agreement::Similar,
                    Likeness::Different => Agreement::Different,
                },
                similarity,
                weight: bits * scale,
            },
            None => missing(field),
        });
    }
}

/// Whether any of one side's values is among the other's; `None` if a side has none.
fn share(a: &[Keyed], b: &[Keyed]) -> Option<bool> {
    (!a.is_empty() && !b.is_empty()).then(|| a.iter().any(|x| b.iter().any(|y| x.key == y.key)))
}

fn shared(field: &str, equal: Option<bool>, outcome: fn(bool) -> weight::Outcome) -> FieldEvidence {
    match equal {
        Some(equal) => yes_or_no(field, equal, outcome(equal)),
        None => missing(field),
    }
}

fn yes_or_no(field: &str, equal: bool, outcome: weight::Outcome) -> FieldEvidence {
    FieldEvidence {
        field: field.to_owned(),
        agreement: if equal {
            Agreement::Equal
        } else {
            Agreement::Different
        },
        similarity: f64::from(u8::from(equal)),
        weight: outcome.bits(),
    }
}

fn missing(field: &str) -> FieldEvidence {
    FieldEvidence {
        field: field.to_owned(),
        agreement: Agreement::Missing,
        similarity: 0.0,
        weight: 0.0,
    }
}
