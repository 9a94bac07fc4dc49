//! The Luhn check digit (ISO/IEC 7812-1, annex B).

/// Whether the last digit of `text` is the check digit of those before it. Characters that are not
/// digits do not count; fewer than two digits check nothing and do not fit.
pub fn fits(text: &str) -> bool {
    let digits = || text.bytes().rev().filter(u8::is_ascii_digit);
    let sum: u64 = digits()
        .enumerate()
        .map(|(place, digit)| {
            let digit = u64::from(digit - b'0');
            match (place % 2, digit * 2) {
                (0, _) => digit,
                (_, doubled @ 0..=9) => doubled,
                (_, doubled) => doubled - 9,
            }
        })
        .sum();
    digits().nth(1).is_some() && sum.is_multiple_of(10)
}
