//! E-mail addresses, telephone numbers and names as people write them, brought into one spelling.
//!
//! These helpers are for validators and formatters: what they give is still fit to be shown. Keys for
//! comparing, which drop more, are in [`crate::matching::normalise`].

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// The text is no e-mail address. Its message never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailError {
    /// Not of the form `local@domain`.
    Form,
    /// Longer than 254 bytes, or a local part longer than 64 (RFC 5321, 4.5.3.1).
    TooLong,
}

impl fmt::Display for EmailError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => {
                "Write the e-mail address as local-part@domain, without a name around it."
            }
            Self::TooLong => "An e-mail address has at most 254 bytes, 64 of them before the @.",
        })
    }
}

impl std::error::Error for EmailError {}

/// Checks an e-mail address and gives it trimmed, with its domain in lower case.
///
/// The form is the one HTML uses for `input type=email` (WHATWG, "valid e-mail address"), widened to
/// letters beyond ASCII (RFC 6531): what real mailboxes look like, rather than all of RFC 5322. The
/// domain must have a dot.
///
/// # Errors
/// [`EmailError`]
pub fn email(text: &str) -> Result<String, EmailError> {
    let text = text.trim();
    let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Form)?;
    if text.len() > 254 || local.len() > 64 {
        return Err(EmailError::TooLong);
    }
    let fits_local = |c: char| c.is_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c);
    let is_atom = |atom: &str| !atom.is_empty() && atom.chars().all(fits_local);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let local_is_fit = local.split('.').all(is_atom);
    let domain_is_fit = domain.contains('.') && domain.split('.').all(is_label);
    if local_is_fit && domain_is_fit {
        Ok(format!("{local}@{}", domain.to_lowercase()))
    } else {
        Err(EmailError::Form)
    }
}

/// The text is no telephone number. Its message never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhoneError {
    /// Something other than digits and the usual separators.
    Form,
    /// Not between 7 and 15 digits (E.164 allows at most 15).
    Length,
    /// No country calling code, and no default to assume.
    NoCountry,
}

impl fmt::Display for PhoneError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "Write the telephone number with digits, spaces and one leading + only.",
            Self::Length => "A telephone number has 7 to 15 digits with its country calling code.",
            Self::NoCountry => "Write the telephone number with its country calling code, as +44….",
        })
    }
}

impl std::error::Error for PhoneError {}

/// A telephone number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phone {
    /// In E.164: `+`, country calling code, subscriber number.
    pub number: String,
    /// The digits after `ext`, `x` or `;ext=`, if any.
    pub extension: Option<String>,
}

impl fmt::Display for Phone {
    /// E.164, and `;ext=` after RFC 3966.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.extension {
            Some(extension) => write!(f, "{};ext={extension}", self.number),
            None => f.write_str(&self.number),
        }
    }
}

/// Reads a telephone number as people write it: `+44 20 7946 0958`, `0044 …`, `(020) 7946-0958`,
/// `tel:+1-202-555-0123`, each with or without an extension.
///
/// A number without `+` or `00` is a national one: it gets `calling_code` (digits, for example
/// `"44"`), after its trunk prefix `0` is taken off; with `"1"` (North America) the prefix is `1`.
/// Whether a number exists is not known here.
///
/// # Errors
/// [`PhoneError`]
pub fn phone(text: &str, calling_code: Option<&str>) -> Result<Phone, PhoneError> {
    let lower = text.trim().to_lowercase();
    let text = lower.strip_prefix("tel:").unwrap_or(&lower);
    let (main, extension) = match text.find(['x', ';', 'e', '#']) {
        Some(at) => {
            let tail = text[at..].trim_start_matches(|c: char| !c.is_ascii_digit());
            let marker = text[at..text.len() - tail.len()].trim_matches([' ', ':', '.']);
            let known = ["x", ";ext=", "ext", "extension", "#"].contains(&marker);
            if !known || tail.is_empty() || !tail.bytes().all(|b| b.is_ascii_digit()) {
                return Err(PhoneError::Form);
            }
            (&text[..at], Some(tail.to_owned()))
        }
        None => (text, None),
    };
    let main = main.trim().replace("(0)", "");
    let (international, rest) = match main.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => match main.strip_prefix("00") {
            Some(rest) => (true, rest),
            None => (false, main.as_str()),
        },
    };
    let is_separator = |c: char| c.is_whitespace() || "-./()\u{2010}\u{2011}\u{2013}".contains(c);
    if !rest.chars().all(|c| c.is_ascii_digit() || is_separator(c)) {
        return Err(PhoneError::Form);
    }
    let mut digits: String = rest.chars().filter(char::is_ascii_digit).collect();
    if !international {
        let code = calling_code.ok_or(PhoneError::NoCountry)?;
        let trunk = if code == "1" { "1" } else { "0" };
        let national = digits.strip_prefix(trunk).unwrap_or(&digits);
        digits = format!("{code}{national}");
    }
    if !(7..=15).contains(&digits.len()) || digits.starts_with('0') {
        return Err(PhoneError::Length);
    }
    Ok(Phone {
        number: format!("+{digits}"),
        extension,
    })
}

/// A name fit to be stored and shown: composed (Unicode NFC), without control characters, runs of
/// white space made one space. Case and accents are the person's own and stay.
pub fn name(text: &str) -> String {
    let composed: String = text
        .nfc()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    composed.split_whitespace().collect::<Vec<_>>().join(" ")
}
