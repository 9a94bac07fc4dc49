//! Text brought into a form that can be compared: keys, not spellings fit to be shown (for those see
//! [`crate::contact`]).

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Lower case, without accents, punctuation or surplus white space: `"  O’Brien-Müller "` becomes
/// `"obrien muller"`.
///
/// Unicode NFKD with its combining marks dropped; Latin letters that do not decompose are spelled out
/// (`ß` as `ss`, `ø` as `o`). Apostrophes vanish, other punctuation parts words.
///
/// ```
/// assert_eq!(patchbay_plugin::matching::normalise::fold("  O’Brien-Müller "), "obrien muller");
/// ```
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.nfkd().flat_map(char::to_lowercase) {
        if is_combining_mark(c) || matches!(c, '\'' | '’' | '‘' | '`' | 'ʼ') {
            continue;
        }
        if !c.is_alphanumeric() {
            gap = true;
            continue;
        }
        if gap && !folded.is_empty() {
            folded.push(' ');
        }
        gap = false;
        match c {
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            'ø' => folded.push('o'),
            'đ' | 'ð' => folded.push('d'),
            'ł' => folded.push('l'),
            'þ' => folded.push_str("th"),
            'ı' => folded.push('i'),
            _ => folded.push(c),
        }
    }
    folded
}

/// A folded text without its spaces: what is left is blind to where words were parted.
pub fn compact(folded: &str) -> String {
    folded.chars().filter(|c| !c.is_whitespace()).collect()
}

/// The digits of a text.
pub fn digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

/// The first `n` characters.
pub fn prefix(text: &str, n: usize) -> String {
    text.chars().take(n).collect()
}

/// A telephone number as a key: its last nine digits, which leave out trunk prefix and country calling
/// code in whichever way they were written. `None` if there are fewer than six.
pub fn phone_key(text: &str) -> Option<String> {
    let main = text
        .find(['x', 'X', ';', '#'])
        .map_or(text, |at| &text[..at]);
    let digits = digits(main);
    let digits = digits.trim_start_matches('0');
    (digits.len() >= 6).then(|| digits[digits.len().saturating_sub(9)..].to_owned())
}

/// An e-mail address as a key: folded to lower case, without a `+tag`. `None` without an `@`.
pub fn email_key(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let (local, domain) = lower.rsplit_once('@')?;
    let local = local.split_once('+').map_or(local, |(local, _)| local);
    (!local.is_empty() && !domain.is_empty()).then(|| format!("{local}@{domain}"))
}

/// An identifier as a key: letters and digits in lower case. `None` if nothing is left.
pub fn identifier_key(text: &str) -> Option<String> {
    let key = compact(&fold(text));
    (!key.is_empty()).then_some(key)
}
