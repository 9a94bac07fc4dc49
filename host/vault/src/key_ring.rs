//! The installation's keys.

use std::fmt;
use std::path::Path;

use patchbay_ambient::Entropy;
use patchbay_workflow::CustomerId;
use zeroize::Zeroizing;

use crate::context::{Context, RecordKind};
use crate::envelope::{DataKey, Sealed};
use crate::error::VaultError;
use crate::hash::Hasher;
use crate::key_file::KeyFile;
use crate::secret::{Key, KeyId};

/// The installation's keys: master keys by id, one of them current, the hash key, and the key that
/// authenticates compiled plugins. Master keys themselves seal nothing: a key derived from each wraps
/// data keys, another seals the installation's own records.
pub struct KeyRing {
    wrapping: DataKey,
    installation: DataKey,
    hasher: Hasher,
    cache_mac_key: Key,
}

impl KeyRing {
    /// Reads the key file at `path`, or creates it with new keys where there is none: mode 0600, whole
    /// or not at all, durable before this returns.
    ///
    /// # Errors
    /// Refuses a file that its group or others can read, and one that is not a whole key file; it is
    /// never replaced.
    pub fn open_or_create(path: &Path, entropy: &dyn Entropy) -> Result<Self, VaultError> {
        if let Some(keys) = KeyFile::read(path)? {
            return Ok(Self::from_keys(&keys));
        }
        let keys = KeyFile::generate(entropy);
        if keys.create(path, entropy)? {
            return Ok(Self::from_keys(&keys));
        }
        // Another process was faster: its keys count.
        match KeyFile::read(path)? {
            Some(keys) => Ok(Self::from_keys(&keys)),
            None => Err(VaultError::KeyFileBroken {
                path: path.to_owned(),
                reason: "it was removed while it was being opened".to_owned(),
            }),
        }
    }

    /// New keys that are kept nowhere. For tests and simulations.
    pub fn ephemeral(entropy: &dyn Entropy) -> Self {
        Self::from_keys(&KeyFile::generate(entropy))
    }

    fn from_keys(keys: &KeyFile) -> Self {
        Self {
            wrapping: derived(keys, "patchbay wrapping key"),
            installation: derived(keys, "patchbay installation key"),
            hasher: Hasher::new(&keys.hash_key),
            cache_mac_key: keys.cache_mac_key.clone(),
        }
    }

    /// Makes the keyed hashes of this installation.
    pub fn hasher(&self) -> Hasher {
        self.hasher.clone()
    }

    /// The key that authenticates compiled plugins.
    pub fn cache_mac_key(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.cache_mac_key.expose())
    }

    /// The key for records of the installation itself: their [`Context::owner`] is empty.
    pub fn installation_key(&self) -> DataKey {
        self.installation.clone()
    }

    /// A new data key for a customer, and the same key wrapped for storing.
    pub fn new_data_key(&self, customer: &CustomerId, entropy: &dyn Entropy) -> (DataKey, Sealed) {
        let (id, key) = (KeyId::random(entropy), Key::random(entropy));
        let mut record = Zeroizing::new([0; KeyId::LEN + Key::LEN]);
        record[..KeyId::LEN].copy_from_slice(id.as_bytes());
        record[KeyId::LEN..].copy_from_slice(key.expose());
        let wrapped = self
            .wrapping
            .seal(&wrapping_context(customer), &*record, entropy);
        (DataKey::new(id, key), wrapped)
    }

    /// Unwraps a customer's data key.
    ///
    /// # Errors
    /// As of [`DataKey::open`]: above all where it was wrapped for another customer, or by a master key
    /// that is not in this ring.
    pub fn unwrap_data_key(
        &self,
        customer: &CustomerId,
        wrapped: &Sealed,
    ) -> Result<DataKey, VaultError> {
        let record = self.wrapping.open(&wrapping_context(customer), wrapped)?;
        let record = Zeroizing::new(record.into_inner());
        let (id, key) = record
            .split_first_chunk::<{ KeyId::LEN }>()
            .ok_or(VaultError::Malformed)?;
        let key = Key::from_slice(key).ok_or(VaultError::Malformed)?;
        Ok(DataKey::new(KeyId::from_bytes(*id), key))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRing")
            .field("wrapping", &self.wrapping)
            .finish_non_exhaustive()
    }
}

fn derived(keys: &KeyFile, purpose: &'static str) -> DataKey {
    let (current, former): (Vec<_>, Vec<_>) = keys
        .master_keys
        .iter()
        .map(|master| (master.id, master.key.derive(purpose)))
        .partition(|(id, _)| *id == keys.current);
    let Some((id, key)) = current.into_iter().next() else {
        unreachable!("a key file is only used if it holds its current key");
    };
    DataKey::with_former(id, key, former)
}

fn wrapping_context(customer: &CustomerId) -> Context<'_> {
    Context {
        owner: customer.as_str(),
        kind: RecordKind::DataKey,
        id: b"",
    }
}
