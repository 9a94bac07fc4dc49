//! Patient data, in types that cannot be printed.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A value that says something about a patient (or is a secret). It has no `Display`, and its `Debug`
/// says only that something is there. Reading it is a visible act: [`Sensitive::expose`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Puts a value behind the curtain.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Looks at the value. Whoever calls this answers for where it goes.
    pub const fn expose(&self) -> &T {
        &self.0
    }

    /// Takes the value out.
    pub fn into_inner(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sensitive]")
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

/// A patient id that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPatientId {
    /// It has no characters.
    #[error("the patient id is empty")]
    Empty,
    /// It is longer than [`PatientId::MAX_BYTES`].
    #[error("the patient id is longer than 256 bytes")]
    TooLong,
}

/// The customer's own id of a patient, in canonical form: a hyphenated UUID in lower case, anything
/// else byte for byte as the customer sent it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PatientId(Sensitive<String>);

impl PatientId {
    /// The longest id accepted, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Canonicalises what the customer sent.
    pub fn parse(text: &str) -> Result<Self, InvalidPatientId> {
        if text.is_empty() {
            return Err(InvalidPatientId::Empty);
        }
        if text.len() > Self::MAX_BYTES {
            return Err(InvalidPatientId::TooLong);
        }
        let canonical = if text.len() == 36 && uuid::Uuid::try_parse(text).is_ok() {
            text.to_ascii_lowercase()
        } else {
            text.to_owned()
        };
        Ok(Self(Sensitive::new(canonical)))
    }

    /// The id as text.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for PatientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientId([sensitive])")
    }
}

/// The id of a record in the internal system, as its adapter gave it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InternalId(Sensitive<String>);

impl InternalId {
    /// The longest id accepted from an adapter, in bytes.
    pub const MAX_BYTES: usize = 1024;

    /// Wraps an adapter's id; none where it is empty or longer than [`Self::MAX_BYTES`].
    pub fn parse(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (1..=Self::MAX_BYTES)
            .contains(&text.len())
            .then(|| Self(Sensitive::new(text)))
    }

    /// The id as text.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl fmt::Debug for InternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InternalId([sensitive])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_uuids_are_folded() {
        let id = PatientId::parse("A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11").unwrap();
        assert_eq!(id.expose(), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
        assert_eq!(PatientId::parse("MRN-77A").unwrap().expose(), "MRN-77A");
        assert!(PatientId::parse("").is_err());
        assert!(PatientId::parse(&"x".repeat(257)).is_err());
    }

    #[test]
    fn debug_shows_nothing() {
        let id = PatientId::parse("MRN-77A").unwrap();
        assert!(!format!("{id:?} {:?}", Sensitive::new("MRN-77A")).contains("MRN"));
    }
}
