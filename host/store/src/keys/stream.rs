//! Keys ordered by commit: `V,b,epoch,versionstamp`.
//!
//! A versionstamp orders the commits of *one* engine: another's start anywhere, so rows that were copied
//! from it would stand among or after what is written next. The epoch is put before the stamp, is kept in
//! the store (`EP`), and grows by one when the store is copied to another engine: then whatever is
//! stamped there sorts after all that came with the copy.

use super::Subspace;
use crate::engine::KeyRange;

/// The code of a versionstamp in a tuple.
const VERSIONSTAMP: u8 = 0x33;

/// `EP`: the epoch of the stamps written now.
pub fn epoch() -> Vec<u8> {
    Subspace::Epoch.key(&())
}

/// What stands before the ten bytes of the commit's stamp in a `V` key; the two bytes of
/// [`stamped_suffix`] stand after them.
pub fn stamped_prefix(bucket: u16, epoch: u64) -> Vec<u8> {
    let mut key = Subspace::Stream.key(&(bucket, epoch));
    key.push(VERSIONSTAMP);
    key
}

/// What stands after the stamp: the order of rows that one transaction writes.
pub const fn stamped_suffix(order: u16) -> [u8; 2] {
    order.to_be_bytes()
}

/// All of a bucket's stream, in the order in which it was committed.
pub fn stream(bucket: u16) -> KeyRange {
    Subspace::Stream.range(&(bucket,))
}
