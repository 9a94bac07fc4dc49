//! Personal names: their parts, their generation suffix, and how two of them compare.

use super::compare::{Likeness, similarity, words};
use super::nickname::{is_known, same_name};
use super::normalise::{compact, fold};
use super::phonetic::sounds_alike;

/// A generation suffix. Two different ones are two persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Suffix {
    /// `Sr`, `Senior`: also `I`, which nobody writes.
    Senior,
    /// `Jr`, `Junior`: also `II`.
    Junior,
    /// `III`
    Third,
    /// `IV`
    Fourth,
    /// `V`
    Fifth,
}

impl Suffix {
    /// Reads one folded token.
    fn from_token(token: &str) -> Option<Self> {
        match token {
            "sr" | "snr" | "senior" => Some(Self::Senior),
            "jr" | "jnr" | "junior" | "ii" | "2nd" => Some(Self::Junior),
            "iii" | "3rd" => Some(Self::Third),
            "iv" | "4th" => Some(Self::Fourth),
            "v" | "5th" => Some(Self::Fifth),
            _ => None,
        }
    }
}

/// Words before and after a name that are no part of it.
const TITLES: &[&str] = &[
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "dr",
    "prof",
    "professor",
    "sir",
    "dame",
    "rev",
    "md",
    "phd",
    "mbbs",
    "rn",
    "esq",
];

/// Words that begin a family name of several words.
const PARTICLES: &[&str] = &[
    "van", "von", "der", "den", "ter", "ten", "de", "del", "della", "di", "da", "dos", "das", "du",
    "la", "le", "st", "mac", "mc", "bin", "ibn", "al", "el", "abu", "san", "zu", "zur",
];

/// A name in the form that is compared: folded, in parts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Name {
    /// Given names in order, middle names included.
    pub given: Vec<String>,
    /// The family name, its words parted by one space; empty if unknown.
    pub family: String,
    /// The generation suffix.
    pub suffix: Option<Suffix>,
    /// The family name as written but in lower case, for a server's search for its start: punctuation
    /// that [`Name::family`] has lost may count there.
    pub family_written: String,
}

impl Name {
    /// From the parts of a name, each as somebody wrote it. What is missing is taken from `full`, if
    /// that is given.
    pub fn from_parts(
        given: &[String],
        family: Option<&str>,
        suffix: Option<&str>,
        full: Option<&str>,
    ) -> Self {
        let mut found = None;
        let family_as_given = family.map(|family| family.trim().to_lowercase());
        let mut given = tokens(&given.join(" "), &mut found);
        let mut family = tokens(family.unwrap_or_default(), &mut found);
        tokens(suffix.unwrap_or_default(), &mut found);
        if given.is_empty() && family.is_empty() {
            (given, family) = split_full(full.unwrap_or_default(), &mut found);
        } else {
            // A full name that spells the suffix out is worth reading even beside its parts.
            tokens(full.unwrap_or_default(), &mut found);
        }
        let family = family.join(" ");
        let family_written = match family_as_given {
            Some(written) if compact(&fold(&written)).starts_with(&compact(&family)) => written,
            _ => family.clone(),
        };
        Self {
            given,
            family,
            suffix: found,
            family_written,
        }
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.given.is_empty() && self.family.is_empty()
    }

    /// The given name one is called by, as far as order tells.
    pub fn first_given(&self) -> Option<&str> {
        self.given.first().map(String::as_str)
    }
}

/// Folds, drops titles, and moves a suffix at the end to `suffix`.
fn tokens(text: &str, suffix: &mut Option<Suffix>) -> Vec<String> {
    let folded = fold(text);
    let mut tokens: Vec<String> = folded
        .split(' ')
        .filter(|token| !token.is_empty() && !TITLES.contains(token))
        .map(str::to_owned)
        .collect();
    if let Some(found) = tokens.last().and_then(|last| Suffix::from_token(last)) {
        // A lone `V` may be an initial; a suffix follows a name.
        let alone = tokens.len() == 1 && tokens[0].len() == 1;
        if !alone {
            tokens.pop();
            suffix.get_or_insert(found);
        }
    }
    tokens
}

/// Splits `Given Middle Family` or `Family, Given Middle`.
fn split_full(full: &str, suffix: &mut Option<Suffix>) -> (Vec<String>, Vec<String>) {
    if let Some((family, given)) = full.split_once(',') {
        let given_tokens = tokens(given, suffix);
        // `John Smith, Jr.` has its suffix, and nothing else, after the comma.
        if !given_tokens.is_empty() {
            return (given_tokens, tokens(family, suffix));
        }
        return split_full(family, suffix);
    }
    let mut given = tokens(full, suffix);
    let family_start = given
        .iter()
        .skip(1)
        .position(|token| PARTICLES.contains(&token.as_str()))
        .map_or(given.len().saturating_sub(1), |at| {
            (at + 1).min(given.len() - 1)
        });
    let family = given.split_off(family_start);
    (given, family)
}

/// How two given or family names compare, from least to most alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NameLikeness {
    /// Two names.
    Different,
    /// Alike, perhaps by chance.
    Near,
    /// One is the other's initial.
    Initial,
    /// A slip of the hand, a form of the same name, the same sound, or a part of a longer name.
    Close,
    /// The same.
    Equal,
}

/// Compares the given names of two persons; `None` if one has none. The second value is the
/// similarity, from 0 to 1.
pub fn given_names(a: &[String], b: &[String]) -> Option<(NameLikeness, f64)> {
    let (first_a, first_b) = (a.first()?, b.first()?);
    let joined = |names: &[String]| compact(&names.concat());
    let (joined_a, joined_b) = (joined(a), joined(b));
    if first_a == first_b || joined_a == joined_b {
        return Some((NameLikeness::Equal, 1.0));
    }
    let mut best = one_given_name(first_a, first_b);
    // A name may be parted by a stray space, or written together.
    best = better(best, typed(&joined_a, &joined_b));
    best = better(best, typed(first_a, &joined_b));
    best = better(best, typed(&joined_a, first_b));
    // Somebody may go by a middle name; two middle names in common say nothing.
    let by_middle_name = b.iter().skip(1).any(|middle| middle == first_a)
        || a.iter().skip(1).any(|middle| middle == first_b);
    if by_middle_name && first_a.len() > 1 && first_b.len() > 1 {
        best = better(best, (NameLikeness::Close, 0.9));
    }
    Some(best)
}

/// Whether two persons are called by two given names that are both in common use, are not forms of one
/// name, and that neither has beside the other: alike or not, neither is a misspelling.
pub fn two_known_names(a: &[String], b: &[String]) -> bool {
    let (Some(first_a), Some(first_b)) = (a.first(), b.first()) else {
        return false;
    };
    is_known(first_a)
        && is_known(first_b)
        && !same_name(first_a, first_b)
        && !a.contains(first_b)
        && !b.contains(first_a)
}

fn better(a: (NameLikeness, f64), b: (NameLikeness, f64)) -> (NameLikeness, f64) {
    (a.0.max(b.0), a.1.max(b.1))
}

fn one_given_name(a: &str, b: &str) -> (NameLikeness, f64) {
    if a.chars().count() == 1 || b.chars().count() == 1 {
        let initials = a.chars().next() == b.chars().next();
        return if initials {
            (NameLikeness::Initial, 0.7)
        } else {
            (NameLikeness::Different, 0.0)
        };
    }
    if same_name(a, b) {
        return (NameLikeness::Close, similarity(a, b).max(0.9));
    }
    typed(a, b)
}

/// Compares two words as they may have been typed or heard.
fn typed(a: &str, b: &str) -> (NameLikeness, f64) {
    let similarity = similarity(a, b);
    let likeness = match words(a, b) {
        Likeness::Equal => NameLikeness::Equal,
        Likeness::Close => NameLikeness::Close,
        Likeness::Near | Likeness::Different if similarity >= 0.75 && sounds_alike(a, b) => {
            NameLikeness::Close
        }
        Likeness::Near => NameLikeness::Near,
        Likeness::Different => NameLikeness::Different,
    };
    (likeness, similarity)
}

/// Compares two family names (or either with a given name, where they may have been exchanged);
/// `None` if one is missing. One part of a double name is [`NameLikeness::Close`].
pub fn family_names(a: &str, b: &str) -> Option<(NameLikeness, f64)> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let whole = typed(&compact(a), &compact(b));
    let part_of = |short: &str, long: &str| {
        !short.contains(' ')
            && short.len() > 3
            && long.contains(' ')
            && long.split(' ').any(|word| word == short)
    };
    if part_of(a, b) || part_of(b, a) {
        return Some(better(whole, (NameLikeness::Close, 0.9)));
    }
    Some(whole)
}
