//! Keyed hashes.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use patchbay_workflow::KeyedHash;
use sha2::Sha256;

use crate::secret::Key;

/// What a hash stands for. Its number is hashed with the value, so that equal values of two domains have
/// unrelated hashes; it is part of the stored format: never reuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum HashDomain {
    /// A customer's id of a patient.
    Patient = 1,
    /// An internal system's id of a record.
    Internal = 2,
    /// A customer's idempotency key.
    IdempotencyKey = 3,
    /// Method, path and body of a request.
    Fingerprint = 4,
    /// A backend's id of a search.
    SearchId = 5,
    /// Nothing but the key: by it one key file is told from another.
    KeyFile = 6,
}

/// Makes keyed hashes: HMAC-SHA-256 (RFC 2104), truncated to its first 16 bytes. Who lacks the key can
/// neither find a value from its hash nor tell whether a guess is right.
#[derive(Clone)]
pub struct Hasher(Hmac<Sha256>);

impl Hasher {
    pub(crate) fn new(key: &Key) -> Self {
        // HMAC pads a key shorter than the hash's block with zeros; so doing it here changes nothing.
        let mut block = zeroize::Zeroizing::new([0; 64]);
        block[..Key::LEN].copy_from_slice(key.expose());
        Self(Hmac::new((&*block).into()))
    }

    /// The hash of `parts` in `domain`. Every part counts with its length: `["ab", "c"]` and
    /// `["a", "bc"]` differ.
    pub fn hash(&self, domain: HashDomain, parts: &[&[u8]]) -> KeyedHash {
        let mut mac = self.0.clone();
        mac.update(&[domain as u8]);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        let full = mac.finalize().into_bytes();
        let mut truncated = [0; 16];
        truncated.copy_from_slice(&full[..16]);
        KeyedHash::from_bytes(truncated)
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}
