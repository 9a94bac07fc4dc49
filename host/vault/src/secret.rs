//! Key material and its names.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hkdf::Hkdf;
use patchbay_ambient::Entropy;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The name of one key. It is not secret: every envelope carries the name of the key that sealed it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; Self::LEN]);

impl KeyId {
    /// Bytes of an id.
    pub const LEN: usize = 4;

    /// Wraps four bytes.
    pub const fn from_bytes(bytes: [u8; Self::LEN]) -> Self {
        Self(bytes)
    }

    /// The four bytes.
    pub const fn as_bytes(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    pub(crate) fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; Self::LEN];
        entropy.fill(&mut bytes);
        Self(bytes)
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = hex::FromHexError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = [0; Self::LEN];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for KeyId {
    type Error = hex::FromHexError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> String {
        id.to_string()
    }
}

/// 256 bits of key, wiped when dropped. As text it is base64.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Key([u8; Self::LEN]);

impl Key {
    pub(crate) const LEN: usize = 32;

    pub(crate) fn random(entropy: &dyn Entropy) -> Self {
        let mut key = Self([0; Self::LEN]);
        entropy.fill(&mut key.0);
        key
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Self([0; Self::LEN]);
        (bytes.len() == Self::LEN).then(|| {
            key.0.copy_from_slice(bytes);
            key
        })
    }

    pub(crate) const fn expose(&self) -> &[u8; Self::LEN] {
        &self.0
    }

    /// A key for one purpose, by HKDF-SHA-256 (RFC 5869), so that no key serves two.
    pub(crate) fn derive(&self, purpose: &'static str) -> Self {
        let mut derived = Self([0; Self::LEN]);
        let Ok(()) = Hkdf::<Sha256>::new(None, &self.0).expand(purpose.as_bytes(), &mut derived.0)
        else {
            unreachable!("one hash's length can always be expanded");
        };
        derived
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[key]")
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(STANDARD.encode(self.0)))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Neither error may show the text: it is a key, or was meant to be one.
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        let bytes = STANDARD
            .decode(text.as_bytes())
            .map(Zeroizing::new)
            .map_err(|_| de::Error::custom("a key is not base64"))?;
        Self::from_slice(&bytes).ok_or_else(|| de::Error::custom("a key is not 32 bytes long"))
    }
}
