//! Envelopes and the keys that seal them.
//!
//! An envelope is: version (1 byte) · key id (4) · nonce (24) · ciphertext with its tag (16 more than
//! the plaintext). Nonces are random: 192 bits make a repetition negligible at any number of records.

use std::fmt;
use std::sync::Arc;

use chacha20poly1305::aead::AeadInOut;
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use patchbay_ambient::Entropy;
use patchbay_workflow::Sensitive;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::context::Context;
use crate::error::VaultError;
use crate::secret::{Key, KeyId};

const VERSION: u8 = 1;
const HEADER: usize = 1 + KeyId::LEN;
const NONCE: usize = 24;
const TAG: usize = 16;

/// An AEAD envelope, as bytes. Only a [`DataKey`] makes one from a plaintext, and only the same key with
/// the same [`Context`] opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(Vec<u8>);

impl Sealed {
    /// What an envelope is longer than its plaintext, in bytes.
    pub const OVERHEAD: usize = HEADER + NONCE + TAG;

    /// Wraps bytes that were read back. Whether they are an envelope shows when they are opened.
    pub const fn from_stored(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes to store.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl Serialize for Sealed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sealed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> de::Visitor<'de> for Bytes {
            type Value = Vec<u8>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of an envelope")
            }

            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }

            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
                Ok(bytes)
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Vec<u8>, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = items.next_element()? {
                    bytes.push(byte);
                }
                Ok(bytes)
            }
        }

        deserializer.deserialize_byte_buf(Bytes).map(Self)
    }
}

/// A key that seals and opens records: a customer's, or the installation's own. Cloning it is cheap, and
/// the key is wiped with its last clone.
#[derive(Clone)]
pub struct DataKey(Arc<KeySet>);

/// The key that seals, and those that were current once: they only open.
struct KeySet {
    current: (KeyId, Key),
    former: Vec<(KeyId, Key)>,
}

impl DataKey {
    pub(crate) fn new(id: KeyId, key: Key) -> Self {
        Self::with_former(id, key, Vec::new())
    }

    pub(crate) fn with_former(id: KeyId, key: Key, former: Vec<(KeyId, Key)>) -> Self {
        Self(Arc::new(KeySet {
            current: (id, key),
            former,
        }))
    }

    /// Seals `plaintext` for the record that `context` names.
    pub fn seal(&self, context: &Context<'_>, plaintext: &[u8], entropy: &dyn Entropy) -> Sealed {
        let (id, key) = &self.0.current;
        let mut nonce = XNonce::default();
        entropy.fill(&mut nonce);

        let mut bytes = Vec::with_capacity(plaintext.len() + Sealed::OVERHEAD);
        bytes.push(VERSION);
        bytes.extend_from_slice(id.as_bytes());
        let associated_data = context.associated_data(&bytes);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(plaintext);
        let Ok(tag) = XChaCha20Poly1305::new(key.expose().into()).encrypt_inout_detached(
            &nonce,
            &associated_data,
            (&mut bytes[HEADER + NONCE..]).into(),
        ) else {
            unreachable!("only a plaintext of more than 256 GiB cannot be sealed");
        };
        bytes.extend_from_slice(&tag);
        Sealed(bytes)
    }

    /// Opens an envelope that was sealed for the same record.
    ///
    /// # Errors
    /// [`VaultError::Malformed`] and [`VaultError::UnknownVersion`] for bytes that are no envelope,
    /// [`VaultError::UnknownKey`] where another key sealed it, and [`VaultError::Refused`] where it was
    /// changed or belongs to another record.
    pub fn open(
        &self,
        context: &Context<'_>,
        sealed: &Sealed,
    ) -> Result<Sensitive<Vec<u8>>, VaultError> {
        let bytes = sealed.as_bytes();
        match bytes.first() {
            None => return Err(VaultError::Malformed),
            Some(&VERSION) => {}
            Some(&version) => return Err(VaultError::UnknownVersion(version)),
        }
        let (header, rest) = bytes
            .split_at_checked(HEADER)
            .ok_or(VaultError::Malformed)?;
        let (nonce, rest) = rest
            .split_first_chunk::<NONCE>()
            .ok_or(VaultError::Malformed)?;
        let (ciphertext, tag) = rest
            .split_last_chunk::<TAG>()
            .ok_or(VaultError::Malformed)?;

        let key = self.named(&header[1..])?;
        let mut plaintext = ciphertext.to_vec();
        XChaCha20Poly1305::new(key.expose().into())
            .decrypt_inout_detached(
                nonce.into(),
                &context.associated_data(header),
                plaintext.as_mut_slice().into(),
                tag.into(),
            )
            .map_err(|_| VaultError::Refused)?;
        Ok(Sensitive::new(plaintext))
    }

    fn named(&self, wanted: &[u8]) -> Result<&Key, VaultError> {
        std::iter::once(&self.0.current)
            .chain(&self.0.former)
            .find(|(id, _)| id.as_bytes() == wanted)
            .map(|(_, key)| key)
            .ok_or_else(|| VaultError::UnknownKey(hex::encode(wanted)))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataKey({})", self.0.current.0)
    }
}
