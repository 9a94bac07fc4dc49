//! AEAD envelopes, keyed hashes and the key ring: nothing but bytes.
//!
//! Owns the form of everything secret at rest: [`Sealed`] envelopes (XChaCha20-Poly1305, bound to the
//! record they belong to by a [`Context`]), the keyed hashes that stand for patient data in keys
//! ([`Hasher`]), and the file that holds the installation's keys ([`KeyRing`]). It must not know what
//! the bytes mean, nor where they are stored.
//!
//! The hierarchy: a *master key* of the ring wraps one *data key* per customer; data keys seal records.
//! Erasing a customer's wrapped data key erases what it sealed. The hash key stands apart and does not
//! rotate, because keys in the store are made of its results.

#![deny(missing_docs)]

mod context;
mod envelope;
mod error;
mod hash;
mod key_file;
mod key_ring;
mod secret;

pub use context::{Context, RecordKind};
pub use envelope::{DataKey, Sealed};
pub use error::VaultError;
pub use hash::{HashDomain, Hasher};
pub use key_ring::KeyRing;
pub use secret::KeyId;
