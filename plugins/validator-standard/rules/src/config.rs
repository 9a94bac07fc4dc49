//! The configuration of the shared rules.

use patchbay_plugin::Date;
use serde::Deserialize;

/// The members that [`Config`] understands, for a validator that has more of its own.
pub const MEMBERS: [&str; 4] = ["required", "id-format", "phone-country", "utc-offset"];

/// What may be configured; the documentation of `validator-standard` explains each member.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Config {
    /// The members of `patient` that must be given.
    pub required: Vec<MemberPath>,
    /// What `/patient/id` must look like.
    pub id_format: IdFormat,
    /// The country calling code of telephone numbers that come without one.
    pub phone_country: Option<CallingCode>,
    /// Where the customer's calendar days begin.
    pub utc_offset: UtcOffset,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            required: ["full_name", "dob"].map(MemberPath::known).into(),
            id_format: IdFormat::default(),
            phone_country: None,
            utc_offset: UtcOffset::default(),
        }
    }
}

impl Config {
    /// The date at the customer's place.
    pub fn today(&self, now: u64) -> Date {
        let offset = self.utc_offset.0 * 60_000;
        Date::from_unix_millis(now.saturating_add_signed(offset))
    }

    /// Demands one more member of `patient`, written as in `required`.
    pub fn require(&mut self, path: &'static str) {
        let path = MemberPath::known(path);
        if !self.required.contains(&path) {
            self.required.push(path);
        }
    }
}

/// A member of `patient` by the names that lead to it, joined with dots: `contact.email`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct MemberPath(String);

impl MemberPath {
    fn known(path: &'static str) -> Self {
        Self(path.to_owned())
    }

    /// The names, outermost first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split('.')
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MemberPath {
    type Error = &'static str;

    fn try_from(path: String) -> Result<Self, Self::Error> {
        if path.split('.').any(str::is_empty) || path.contains('/') {
            return Err("a member of `required` is names joined with dots, as in contact.email");
        }
        Ok(Self(path))
    }
}

/// What a patient's id must look like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IdFormat {
    /// A UUID with hyphens (RFC 9562, section 4).
    #[default]
    Uuid,
    /// Any text that is not blank.
    Any,
}

/// A country calling code (ITU-T E.164): 1 to 3 digits, the first not 0.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct CallingCode(String);

impl CallingCode {
    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for CallingCode {
    type Error = &'static str;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        let fits = (1..=3).contains(&code.len())
            && code.bytes().all(|byte| byte.is_ascii_digit())
            && !code.starts_with('0');
        if fits {
            Ok(Self(code))
        } else {
            Err("`phone-country` is a country calling code of 1 to 3 digits, as in \"44\"")
        }
    }
}

/// Minutes east of UTC, written `+13:00` or `-03:30`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct UtcOffset(i64);

impl TryFrom<String> for UtcOffset {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        const SHAPE: &str = "`utc-offset` is hours and minutes from -12:00 to +14:00";
        let [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] = *text.as_bytes() else {
            return Err(SHAPE);
        };
        let two = |tens: u8, ones: u8| match (tens, ones) {
            (b'0'..=b'9', b'0'..=b'9') => Ok(i64::from(tens - b'0') * 10 + i64::from(ones - b'0')),
            _ => Err(SHAPE),
        };
        let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
        let total = (hours * 60 + minutes) * if sign == b'-' { -1 } else { 1 };
        if minutes < 60 && (-12 * 60..=14 * 60).contains(&total) {
            Ok(Self(total))
        } else {
            Err(SHAPE)
        }
    }
}
