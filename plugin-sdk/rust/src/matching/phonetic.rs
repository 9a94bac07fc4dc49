//! Whether two names sound alike: Lawrence Philips's Double Metaphone (C/C++ Users Journal, June 2000),
//! which knows more than English spelling.

use rphonetic::DoubleMetaphone;

/// The longest code compared. The customary four make too many long names alike.
const CODE_LENGTH: usize = 8;

/// The primary code of a folded name; empty for a name without Latin letters.
pub fn code(folded: &str) -> String {
    let latin: String = folded.chars().filter(char::is_ascii_alphabetic).collect();
    DoubleMetaphone::new(Some(CODE_LENGTH))
        .double_metaphone(&latin)
        .primary()
}

/// Whether two folded names sound alike. Codes of a single letter say too little to count.
pub fn sounds_alike(a: &str, b: &str) -> bool {
    let (a, b) = (code(a), code(b));
    a.len() >= 2 && a == b
}
