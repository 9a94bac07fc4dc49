//! Signatures of Standard Webhooks 1.0.0 (`v1`: HMAC-SHA-256 over `id.timestamp.body`).
//!
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use patchbay_ambient::Entropy;
use patchbay_workflow::{EventId, Sensitive, Timestamp};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The event's id, the same on every attempt.
pub const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
/// When the attempt was signed, in seconds since 1970-01-01T00:00:00Z.
pub const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The signatures, separated by spaces.
pub const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

const PREFIX: &str = "whsec_";

/// The block size of SHA-256: a shorter HMAC key counts as padded with zeros to this length (RFC 2104).
const HMAC_BLOCK: usize = 64;

/// A text or a number of bytes that is no signing secret. It does not repeat what it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// The prefix is missing.
    #[error("a signing secret starts with whsec_")]
    Prefix,
    /// What follows the prefix is not base64.
    #[error("what follows whsec_ must be standard base64 with padding")]
    Encoding,
    /// The specification asks for 24 to 64 bytes.
    #[error("a signing secret has 24 to 64 bytes, this one has {0}")]
    Length(usize),
}

/// A symmetric secret shared with one endpoint: 24 to 64 bytes, wiped from memory when dropped.
#[derive(Clone)]
pub struct SigningSecret(Sensitive<Zeroizing<Vec<u8>>>);

impl SigningSecret {
    /// The length of a fresh secret, in bytes.
    const FRESH: usize = 32;

    /// A fresh secret.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = Zeroizing::new(vec![0; Self::FRESH]);
        entropy.fill(&mut bytes);
        Self(Sensitive::new(bytes))
    }

    /// From the bytes that [`Self::expose`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidSecret> {
        if !(24..=HMAC_BLOCK).contains(&bytes.len()) {
            return Err(InvalidSecret::Length(bytes.len()));
        }
        Ok(Self(Sensitive::new(Zeroizing::new(bytes.to_vec()))))
    }

    /// The bytes, for whoever seals them.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// The form in which a customer is given the secret: `whsec_` and base64.
    pub fn to_text(&self) -> Sensitive<String> {
        Sensitive::new(format!("{PREFIX}{}", BASE64.encode(self.expose())))
    }

    /// The base64 of one signature.
    fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> String {
        let mut key = Zeroizing::new([0; HMAC_BLOCK]);
        for (to, from) in key.iter_mut().zip(self.expose()) {
            *to = *from;
        }
        let mut mac = Hmac::<Sha256>::new((&*key).into());
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        BASE64.encode(mac.finalize().into_bytes())
    }
}

impl FromStr for SigningSecret {
    type Err = InvalidSecret;

    fn from_str(text: &str) -> Result<Self, InvalidSecret> {
        let encoded = text.strip_prefix(PREFIX).ok_or(InvalidSecret::Prefix)?;
        let bytes = Zeroizing::new(
            BASE64
                .decode(encoded)
                .map_err(|_| InvalidSecret::Encoding)?,
        );
        Self::from_bytes(&bytes)
    }
}

impl fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningSecret([sensitive])")
    }
}

/// The three headers of one attempt. While a secret is being rotated both the new and the old one
/// sign, in the order given; without any secret there is no `webhook-signature`.
pub fn signature_headers(
    secrets: &[SigningSecret],
    id: &EventId,
    at: Timestamp,
    body: &[u8],
) -> HeaderMap {
    let id = id.to_string();
    let seconds = at.as_millis() / 1000;
    let mut headers = HeaderMap::with_capacity(3);
    if !secrets.is_empty() {
        let signatures: Vec<_> = secrets
            .iter()
            .map(|secret| format!("v1,{}", secret.sign(&id, seconds, body)))
            .collect();
        headers.insert(WEBHOOK_SIGNATURE, visible_ascii(&signatures.join(" ")));
    }
    headers.insert(WEBHOOK_ID, visible_ascii(&id));
    headers.insert(WEBHOOK_TIMESTAMP, HeaderValue::from(seconds));
    headers
}

fn visible_ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text)
        .unwrap_or_else(|_| unreachable!("UUIDs and base64 are visible ASCII"))
}
