//! Masks: what a policy number looks like, character by character.

use serde::Deserialize;

/// A mask; the crate's documentation has its alphabet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Mask {
    places: Vec<Place>,
    written: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Letter,
    Digit,
    Any,
    Literal(char),
}

impl Mask {
    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The text in its normal form, letters under `A` in upper case; none if it does not fit.
    pub fn apply(&self, text: &str) -> Option<String> {
        let mut characters = text.chars();
        let normal = self
            .places
            .iter()
            .map(|place| match (*place, characters.next()?) {
                (Place::Letter, c) if c.is_ascii_alphabetic() => Some(c.to_ascii_uppercase()),
                (Place::Digit, c) if c.is_ascii_digit() => Some(c),
                (Place::Any, c) => Some(c),
                (Place::Literal(literal), c) if c == literal => Some(c),
                _ => None,
            })
            .collect::<Option<String>>()?;
        characters.next().is_none().then_some(normal)
    }
}

impl TryFrom<String> for Mask {
    type Error = &'static str;

    fn try_from(written: String) -> Result<Self, Self::Error> {
        let mut places = Vec::new();
        let mut characters = written.chars();
        while let Some(c) = characters.next() {
            places.push(match c {
                'A' => Place::Letter,
                '9' => Place::Digit,
                '*' => Place::Any,
                '\\' => Place::Literal(
                    characters
                        .next()
                        .ok_or("`policy-mask` ends with a backslash that has nothing to quote")?,
                ),
                literal => Place::Literal(literal),
            });
        }
        if places.is_empty() {
            return Err("`policy-mask` is empty: leave it out to accept any policy number");
        }
        Ok(Self { places, written })
    }
}
