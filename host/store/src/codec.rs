//! How records become bytes: a version byte, then postcard (<https://postcard.jamesmunns.com/wire-format>).
//! Values longer than an engine's limit are cut into numbered chunks.

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::database::{StoreError, Tx};
use crate::engine::{KeyRange, RangeOptions, Read, limits};

/// A record that is stored.
pub trait Record: Serialize + DeserializeOwned {
    /// What it is called in errors.
    const NAME: &'static str;
    /// The version of its format. A reader that knows a newer one keeps reading the older.
    const VERSION: u8 = 1;
}

/// The bytes of a record.
pub fn encode<R: Record>(record: &R) -> Result<Vec<u8>, StoreError> {
    postcard::to_extend(record, vec![R::VERSION]).map_err(|_| StoreError::Corrupt(R::NAME))
}

/// The record of some bytes.
pub fn decode<R: Record>(bytes: &[u8]) -> Result<R, StoreError> {
    match bytes.split_first() {
        Some((&version, rest)) if version == R::VERSION => {
            postcard::from_bytes(rest).map_err(|_| StoreError::Corrupt(R::NAME))
        }
        _ => Err(StoreError::Corrupt(R::NAME)),
    }
}

/// Leaves room for the chunk's own framing below the engines' limit.
const CHUNK_BYTES: usize = limits::VALUE_BYTES - 1_000;

/// A chunk's key: the prefix and its number, big-endian.
fn chunk_key(prefix: &[u8], number: u16) -> Vec<u8> {
    let mut key = prefix.to_vec();
    key.extend_from_slice(&number.to_be_bytes());
    key
}

fn chunk_range(prefix: &[u8]) -> KeyRange {
    KeyRange::prefix(prefix)
}

/// Writes a value of any length below `prefix`. What stood there before must not have been longer,
/// or have been cleared with [`clear_chunks`].
pub fn set_chunks(tx: &mut Tx<'_>, prefix: &[u8], value: &[u8]) {
    if value.is_empty() {
        tx.set(&chunk_key(prefix, 0), b"");
    }
    for (number, chunk) in (0_u16..).zip(value.chunks(CHUNK_BYTES)) {
        tx.set(&chunk_key(prefix, number), chunk);
    }
}

/// Reads what [`set_chunks`] wrote; none if nothing is there.
pub async fn get_chunks(
    tx: &mut Tx<'_>,
    prefix: &[u8],
    read: Read,
) -> Result<Option<Bytes>, StoreError> {
    let options = RangeOptions {
        limit: usize::from(u16::MAX),
        reverse: false,
        read,
    };
    let mut rows = tx.get_range(&chunk_range(prefix), options).await?;
    Ok(match rows.len() {
        0 => None,
        1 => rows.pop().map(|(_, value)| value),
        _ => Some(
            rows.iter()
                .flat_map(|(_, value)| value.iter().copied())
                .collect(),
        ),
    })
}

/// Removes what [`set_chunks`] wrote.
pub fn clear_chunks(tx: &mut Tx<'_>, prefix: &[u8]) {
    tx.clear_range(&chunk_range(prefix));
}
