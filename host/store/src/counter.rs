//! How many workflows a customer has in each status: all the numbers in one value, so that a transition
//! from one to another is one addition to one key.
//!
//! The value is one large little-endian number whose digits are of [`DIGIT`] bytes, a digit per status.
//! Whatever is added leaves each digit between zero and its limit, as no status is ever left by more
//! workflows than entered it; then the sum of whole numbers is the sum of the digits.

use patchbay_workflow::Status;

/// Bytes of a digit: 2.8 · 10¹⁴ workflows.
const DIGIT: usize = 6;

/// Digits of a value. More than there are statuses: a version that knows one more adds to the same values.
const DIGITS: usize = 12;

/// Bytes of a value.
pub const LENGTH: usize = DIGIT * DIGITS;

/// The number that adds these to their digits.
pub fn change(by: &[(Status, i64)]) -> [u8; LENGTH] {
    let mut number = [0; LENGTH];
    let mut carry = 0;
    let mut order = in_order().into_iter();
    for digit in number.chunks_exact_mut(DIGIT) {
        let status = order.next();
        let sum = by
            .iter()
            .filter(|(of, _)| Some(*of) == status)
            .fold(carry, |sum: i64, (_, by)| sum.wrapping_add(*by));
        digit.copy_from_slice(&sum.to_le_bytes()[..DIGIT]);
        // What does not fit, its sign included, goes on to the next digit, and through the spare ones.
        carry = sum >> (8 * DIGIT);
    }
    number
}

/// The digits of a value; none if it is not one. No value is all zeroes.
pub fn read(value: Option<&[u8]>) -> Option<[(Status, u64); Status::ALL.len()]> {
    let zeroes = [0; LENGTH];
    let value = value.unwrap_or(&zeroes);
    if value.len() != LENGTH {
        return None;
    }
    let mut counts = in_order().map(|status| (status, 0));
    for (digit, (_, count)) in value.chunks_exact(DIGIT).zip(&mut counts) {
        let mut bytes = [0; 8];
        bytes[..DIGIT].copy_from_slice(digit);
        *count = u64::from_le_bytes(bytes);
    }
    Some(counts)
}

/// The statuses in the order of their digits, which is part of the stored format.
fn in_order() -> [Status; Status::ALL.len()] {
    let mut order = Status::ALL;
    order.sort_unstable_by_key(|status| status.key_byte());
    order
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::engine::{AtomicOp, atomic};

    fn count(value: Option<&[u8]>, status: Status) -> u64 {
        let counts = read(value).expect("a value");
        counts.iter().find(|(of, _)| *of == status).expect("all").1
    }

    proptest! {
        /// However workflows move from status to status, each is counted where it is.
        #[test]
        fn moves_are_counted(moves in proptest::collection::vec((0..40_usize, 0..9_usize), 1..200)) {
            let mut value: Option<Bytes> = None;
            let mut stand = [None; 40];
            for (workflow, to) in moves {
                let to = Status::ALL[to];
                let mut by = vec![(to, 1)];
                by.extend(stand[workflow].map(|from| (from, -1)));
                stand[workflow] = Some(to);
                let operand = Bytes::copy_from_slice(&change(&by));
                value = Some(atomic::apply(AtomicOp::Add, value.as_deref(), &operand));
                let spare = &value.as_deref().expect("a value")[DIGIT * Status::ALL.len()..];
                prop_assert!(spare.iter().all(|byte| *byte == 0), "something is in the spare digits");
                for status in Status::ALL {
                    let there = stand.iter().filter(|at| **at == Some(status)).count();
                    prop_assert_eq!(count(value.as_deref(), status), there as u64);
                }
            }
        }
    }

    #[test]
    fn a_value_of_another_length_is_none() {
        assert_eq!(read(Some(&[0; 8])), None);
        assert_eq!(count(None, Status::Completed), 0);
    }
}
