//! ER7, the "vertical bar" encoding of HL7 v2 (v2.5.1, chapter 2, sections 2.5 to 2.7), for writing.
//!
//! Knows delimiters, escapes and segments; nothing of what a message means.

use std::fmt::Write as _;

/// MSH-2: component, repetition, escape and subcomponent separator. The field separator is `|`.
/// Version 2.7's truncation character is left out, which says that nothing is truncated.
pub const ENCODING_CHARACTERS: &str = "^~\\&";

/// Content of a field that is already encoded: it can be placed between delimiters as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded(String);

impl Encoded {
    /// The absent value: a receiver leaves what it has as it is.
    pub fn empty() -> Self {
        Self::default()
    }

    /// As it stands between delimiters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Encodes a text (section 2.7).
///
/// Delimiters become their named escapes, and whatever does not print (line ends above all, since
/// CR ends a segment) becomes the hexadecimal of its UTF-8 bytes, as MSH-18 announces. Two double
/// quotes alone would tell the receiver to delete its value (section 2.5.3.2), so that text is
/// written in hexadecimal, too.
pub fn text(value: &str) -> Encoded {
    if value == "\"\"" {
        return Encoded("\\X2222\\".to_owned());
    }
    let mut out = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '|' => out.push_str("\\F\\"),
            '^' => out.push_str("\\S\\"),
            '&' => out.push_str("\\T\\"),
            '~' => out.push_str("\\R\\"),
            '\\' => out.push_str("\\E\\"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                out.push_str("\\X");
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    // Writing into a String cannot fail.
                    let _ = write!(out, "{byte:02X}");
                }
                out.push('\\');
            }
            c => out.push(c),
        }
    }
    Encoded(out)
}

/// Joins components with `^`; trailing empty ones are left out.
pub fn components(parts: impl IntoIterator<Item = Encoded>) -> Encoded {
    join('^', parts)
}

/// Joins subcomponents with `&`; trailing empty ones are left out.
pub fn subcomponents(parts: impl IntoIterator<Item = Encoded>) -> Encoded {
    join('&', parts)
}

/// Appends one segment and its terminator. The first field is number 1.
pub fn segment(out: &mut String, name: &str, fields: impl IntoIterator<Item = Encoded>) {
    let fields = join('|', fields);
    out.push_str(name);
    if !fields.0.is_empty() {
        out.push('|');
        out.push_str(&fields.0);
    }
    out.push('\r');
}

/// Appends the MSH segment. Its first two fields are the delimiters themselves, so that the fields
/// given here begin with number 3.
pub fn header(out: &mut String, fields: impl IntoIterator<Item = Encoded>) {
    let delimiters = Encoded(ENCODING_CHARACTERS.to_owned());
    segment(out, "MSH", std::iter::once(delimiters).chain(fields));
}

fn join(separator: char, parts: impl IntoIterator<Item = Encoded>) -> Encoded {
    let mut out = String::new();
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            out.push(separator);
        }
        out.push_str(&part.0);
    }
    out.truncate(out.trim_end_matches(separator).len());
    Encoded(out)
}
