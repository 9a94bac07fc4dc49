//! The arithmetic of [`AtomicOp`], byte for byte as FoundationDB's `Atomic.h` does it.

use bytes::Bytes;

use super::AtomicOp;

/// What becomes of `existing`. A missing and an empty value give the operand itself; else the result has
/// the operand's length.
pub(crate) fn apply(op: AtomicOp, existing: Option<&[u8]>, operand: &Bytes) -> Bytes {
    let existing = existing.unwrap_or_default();
    if existing.is_empty() {
        return operand.clone();
    }
    let fitted = existing
        .iter()
        .copied()
        .chain(std::iter::repeat(0))
        .take(operand.len());
    match op {
        AtomicOp::Add => {
            let mut carry = false;
            fitted
                .zip(operand)
                .map(|(a, b)| {
                    let (sum, over) = a.overflowing_add(*b);
                    let (sum, over_by_carry) = sum.overflowing_add(u8::from(carry));
                    carry = over || over_by_carry;
                    sum
                })
                .collect()
        }
        AtomicOp::Max => {
            let fitted: Vec<u8> = fitted.collect();
            if fitted.iter().rev().gt(operand.iter().rev()) {
                fitted.into()
            } else {
                operand.clone()
            }
        }
    }
}
