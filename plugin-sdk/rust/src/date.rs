//! A calendar date, and the spellings in which requests carry one.
//!
//! Only dates: a time of day and its offset are accepted where a date-time is, and dropped, because a
//! birth date is the date *as written*, wherever its writer lived.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A date of the proleptic Gregorian calendar, years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

/// The text is no date. Its message never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DateError {
    /// Neither `YYYY-MM-DD` nor an RFC 3339 date-time.
    Form,
    /// The calendar has no such day.
    NoSuchDay,
}

impl fmt::Display for DateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "Write the date as YYYY-MM-DD, or as an RFC 3339 date-time.",
            Self::NoSuchDay => "The calendar has no such day.",
        })
    }
}

impl std::error::Error for DateError {}

impl Date {
    /// A date, if the calendar has it.
    ///
    /// # Errors
    /// [`DateError::NoSuchDay`].
    pub fn new(year: u16, month: u8, day: u8) -> Result<Self, DateError> {
        if (1..=9999).contains(&year) && day >= 1 && day <= days_in_month(year, month) {
            Ok(Self { year, month, day })
        } else {
            Err(DateError::NoSuchDay)
        }
    }

    /// The year.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// The month, from 1.
    pub const fn month(self) -> u8 {
        self.month
    }

    /// The day of the month, from 1.
    pub const fn day(self) -> u8 {
        self.day
    }

    /// Reads `YYYY-MM-DD` or an RFC 3339 date-time, whose date counts as written.
    ///
    /// # Errors
    /// [`DateError`]
    pub fn parse_date_or_date_time(text: &str) -> Result<Self, DateError> {
        let text = text.trim();
        match text.split_at_checked(10) {
            Some((date, "")) => date.parse(),
            Some((date, time)) if is_time_of_day(time) => date.parse(),
            _ => Err(DateError::Form),
        }
    }

    /// The date with day and month exchanged, if the calendar has it: the commonest slip between
    /// countries.
    pub fn day_month_swapped(self) -> Option<Self> {
        Self::new(self.year, self.day, self.month).ok()
    }

    /// Days since 1970-01-01; negative before it. (Howard Hinnant, "chrono-Compatible Low-Level Date
    /// Algorithms", `days_from_civil`.)
    pub fn days_since_epoch(self) -> i64 {
        let month = i64::from(self.month);
        let year = i64::from(self.year) - i64::from(month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(self.day) - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        era * 146_097 + day_of_era - 719_468
    }

    /// The date (UTC) of an instant in milliseconds since 1970-01-01T00:00:00Z; the last day of 9999
    /// for all that come later. (`civil_from_days` of the same source.)
    pub fn from_unix_millis(millis: u64) -> Self {
        let last = Self {
            year: 9999,
            month: 12,
            day: 31,
        };
        let Ok(days) = i64::try_from(millis / 86_400_000) else {
            return last;
        };
        let shifted = days + 719_468;
        let era = shifted.div_euclid(146_097);
        let day_of_era = shifted.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 {
            month_from_march + 3
        } else {
            month_from_march - 9
        };
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        match (u16::try_from(year), u8::try_from(month), u8::try_from(day)) {
            (Ok(year), Ok(month), Ok(day)) => Self::new(year, month, day).unwrap_or(last),
            _ => last,
        }
    }

    /// Full years from this date until `later`; 0 if it is not later. Born on a 29 February, one comes
    /// of age on 1 March of a common year.
    pub fn years_until(self, later: Self) -> u16 {
        let before_birthday = (later.month, later.day) < (self.month, self.day);
        later
            .year
            .saturating_sub(self.year)
            .saturating_sub(u16::from(before_birthday))
    }
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        1..=12 => 31,
        _ => 0,
    }
}

/// `THH:MM:SS[.fraction](Z|±HH:MM)`, RFC 3339 section 5.6; `T` and `Z` in either case, a space for `T`.
fn is_time_of_day(text: &str) -> bool {
    let number = |bytes: &[u8], most: u8| match bytes {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => (tens - b'0') * 10 + (ones - b'0') <= most,
        _ => false,
    };
    let bytes = text.as_bytes();
    let Some((clock, rest)) = bytes.split_at_checked(9) else {
        return false;
    };
    let [b'T' | b't' | b' ', h1, h2, b':', m1, m2, b':', s1, s2] = *clock else {
        return false;
    };
    if !(number(&[h1, h2], 23) && number(&[m1, m2], 59) && number(&[s1, s2], 60)) {
        return false;
    }
    let offset = match rest {
        [b'.', fraction @ ..] => {
            let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if digits == 0 {
                return false;
            }
            &fraction[digits..]
        }
        _ => rest,
    };
    match *offset {
        [b'Z' | b'z'] => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => number(&[h1, h2], 23) && number(&[m1, m2], 59),
        _ => false,
    }
}

impl FromStr for Date {
    type Err = DateError;

    /// Reads `YYYY-MM-DD`.
    fn from_str(text: &str) -> Result<Self, DateError> {
        let digits = |part: &[u8]| {
            part.iter().try_fold(0_u16, |value, byte| match byte {
                b'0'..=b'9' => Ok(value * 10 + u16::from(byte - b'0')),
                _ => Err(DateError::Form),
            })
        };
        let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text.as_bytes() else {
            return Err(DateError::Form);
        };
        let (year, month, day) = (
            digits(&[y1, y2, y3, y4])?,
            digits(&[m1, m2])?,
            digits(&[d1, d2])?,
        );
        match (u8::try_from(month), u8::try_from(day)) {
            (Ok(month), Ok(day)) => Self::new(year, month, day),
            _ => Err(DateError::NoSuchDay),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
