//! How alike two values are: pure, symmetric comparators. They know nothing of weights.

use crate::Date;

/// How two texts that people typed compare, from most to least alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Likeness {
    /// Nothing to speak of in common.
    Different,
    /// Some likeness: two slips of the hand apart, or a coincidence.
    Near,
    /// One slip of the hand apart (or two in a long text).
    Close,
    /// The same.
    Equal,
}

/// Jaro–Winkler similarity (Winkler 1990), from 0 to 1; symmetric, and 1 exactly for equal texts.
pub fn similarity(a: &str, b: &str) -> f64 {
    // strsim's matching is greedy from the left text, so its result can depend on the order.
    let similarity = strsim::jaro_winkler(a, b).max(strsim::jaro_winkler(b, a));
    if a == b { 1.0 } else { similarity.min(0.999) }
}

/// The number of insertions, deletions, substitutions and transpositions of neighbours that part two
/// texts (optimal string alignment).
pub fn slips(a: &str, b: &str) -> usize {
    strsim::osa_distance(a, b)
}

/// Sorts two words by the slips between them and their Jaro–Winkler similarity. Give it compact texts,
/// so that a space that slipped in or out does not count.
pub fn words(a: &str, b: &str) -> Likeness {
    if a == b {
        return Likeness::Equal;
    }
    let shorter = a.chars().count().min(b.chars().count());
    let slips = slips(a, b);
    let similarity = similarity(a, b);
    let close = match shorter {
        // In a short word a substituted letter makes another word (ben, ken); a transposed one not.
        0..=3 => slips == 1 && (is_transposed(a, b) || a.len() != b.len() && shorter == 3),
        4..=6 => slips == 1,
        _ => slips <= 2,
    };
    if close || similarity >= 0.93 && slips <= 2 {
        Likeness::Close
    } else if shorter == 3 && slips == 1
        || shorter >= 5 && slips <= 2
        || shorter >= 8 && slips <= 3
        || similarity >= 0.84
    {
        Likeness::Near
    } else {
        Likeness::Different
    }
}

fn is_transposed(a: &str, b: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    sorted(a) == sorted(b)
}

/// Sorts two strings of digits (postal codes, house numbers): one digit wrong, missing, doubled or
/// exchanged with its neighbour is [`Likeness::Close`].
pub fn digits(a: &str, b: &str) -> Likeness {
    match slips(a, b) {
        0 => Likeness::Equal,
        1 if a.len().min(b.len()) >= 3 => Likeness::Close,
        1 if is_transposed(a, b) => Likeness::Close,
        2 if a.len().min(b.len()) >= 5 => Likeness::Near,
        _ => Likeness::Different,
    }
}

/// A date of which only the year, or the year and month, may be known (FHIR's `date`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PartialDate {
    /// `YYYY`
    Year(u16),
    /// `YYYY-MM`
    Month(u16, u8),
    /// `YYYY-MM-DD`
    Day(Date),
}

impl PartialDate {
    /// Reads `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, `YYYYMMDD` or an RFC 3339 date-time (its date as
    /// written). `None` for all else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Ok(date) = Date::parse_date_or_date_time(text) {
            return Some(Self::Day(date));
        }
        let is_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        match (text.len(), text.split_once('-')) {
            (4, None) if is_digits(text) => text.parse().ok().filter(|y| *y > 0).map(Self::Year),
            (7, Some((year, month))) if year.len() == 4 && is_digits(year) && is_digits(month) => {
                let (year, month) = (year.parse().ok()?, month.parse().ok()?);
                (year > 0 && (1..=12).contains(&month)).then_some(Self::Month(year, month))
            }
            (8, None) if is_digits(text) => {
                let (year, month, day) = (&text[..4], &text[4..6], &text[6..]);
                let date = Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
                date.ok().map(Self::Day)
            }
            _ => None,
        }
    }

    /// The year.
    pub const fn year(self) -> u16 {
        match self {
            Self::Year(year) | Self::Month(year, _) => year,
            Self::Day(date) => date.year(),
        }
    }

    /// The month, if known.
    pub const fn month(self) -> Option<u8> {
        match self {
            Self::Year(_) => None,
            Self::Month(_, month) => Some(month),
            Self::Day(date) => Some(date.month()),
        }
    }

    /// The whole date, if known.
    pub const fn date(self) -> Option<Date> {
        match self {
            Self::Day(date) => Some(date),
            Self::Year(_) | Self::Month(..) => None,
        }
    }
}

/// How two birth dates compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DateLikeness {
    /// The same day.
    SameDay,
    /// The same as far as the less exact of the two goes: year and month.
    SameMonth,
    /// The same as far as the less exact of the two goes: the year.
    SameYear,
    /// One slip apart: a digit wrong, two neighbouring digits exchanged, day and month exchanged, or
    /// the day before or after.
    Slip,
    /// Two of year, month and day are the same (only one of them may be month or day alone).
    Overlap,
    /// Less in common than that.
    Different,
}

/// Compares two birth dates.
pub fn dates(a: PartialDate, b: PartialDate) -> DateLikeness {
    let (Some(x), Some(y)) = (a.date(), b.date()) else {
        return match (a.month(), b.month()) {
            _ if a.year() != b.year() => DateLikeness::Different,
            (Some(m), Some(n)) if m == n => DateLikeness::SameMonth,
            (Some(_), Some(_)) => DateLikeness::Overlap,
            _ => DateLikeness::SameYear,
        };
    };
    if x == y {
        return DateLikeness::SameDay;
    }
    let written = |date: Date| date.to_string().replace('-', "");
    let one_slip = slips(&written(x), &written(y)) == 1;
    let neighbours = x.days_since_epoch().abs_diff(y.days_since_epoch()) == 1;
    if one_slip || neighbours || x.day_month_swapped() == Some(y) {
        return DateLikeness::Slip;
    }
    let same = [
        x.year() == y.year(),
        x.month() == y.month(),
        x.day() == y.day(),
    ];
    if same.into_iter().filter(|same| *same).count() >= 2 {
        DateLikeness::Overlap
    } else {
        DateLikeness::Different
    }
}
