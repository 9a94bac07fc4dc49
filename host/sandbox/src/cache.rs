//! Compiled plugins on disk.
//!
//! A file is named by the plugin's digest and the engine's configuration, and holds a MAC before the
//! compiled code. Loading compiled code means trusting it as much as the host's own, so a file counts
//! only if this installation's key authenticates it, for this plugin and this engine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use patchbay_workflow::{PluginDigest, Timestamp};
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::compile::ARTIFACT_BYTES;

const MAGIC: &[u8; 8] = b"PBCWASM1";
const TEMPORARY: &str = "tmp";
const ABANDONED: Duration = Duration::from_hours(1);
const MAC_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + MAC_BYTES;

/// The directory of compiled plugins, and the key that authenticates them.
pub(crate) struct Cache {
    directory: PathBuf,
    key: [u8; 32],
    compatibility: [u8; 32],
    written: AtomicU64,
}

/// A compiled plugin with its MAC in front: the bytes of a cache file.
pub(crate) struct Sealed(Vec<u8>);

impl Sealed {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Why a cache file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CacheError {
    #[error("the compiled file cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("the compiled file was not written by this installation, or was changed since")]
    NotAuthentic,
    #[error("the compiled file does not fit the engine: {0}")]
    Unusable(wasmtime::Error),
}

impl Cache {
    /// Opens the directory, making it (0700) where there is none, and removes what a killed process
    /// left unfinished.
    pub(crate) fn open(
        directory: PathBuf,
        key: [u8; 32],
        compatibility: [u8; 32],
        now: Timestamp,
    ) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&directory)?;
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            if entry
                .path()
                .extension()
                .is_some_and(|kind| kind == TEMPORARY)
                && is_abandoned(&entry.metadata()?, now)
            {
                // Another process may be faster.
                let _ = fs::remove_file(entry.path());
            }
        }
        Ok(Self {
            directory,
            key,
            compatibility,
            written: AtomicU64::new(0),
        })
    }

    fn path(&self, digest: &PluginDigest) -> PathBuf {
        self.directory.join(format!(
            "{}-{}.cwasm",
            hex::encode(digest.as_bytes()),
            hex::encode(&self.compatibility[..8]),
        ))
    }

    /// Authenticates compiled code.
    pub(crate) fn seal(&self, digest: &PluginDigest, code: &[u8]) -> Sealed {
        let mac = self.mac(digest, code).finalize().into_bytes();
        let mut file = Vec::with_capacity(HEADER_BYTES + code.len());
        file.extend_from_slice(MAGIC);
        file.extend_from_slice(&mac);
        file.extend_from_slice(code);
        Sealed(file)
    }

    /// Reads a file; none where the plugin was not compiled for this engine.
    pub(crate) fn read(&self, digest: &PluginDigest) -> Result<Option<Sealed>, CacheError> {
        let file = match File::open(self.path(digest)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let expected = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
        if expected > HEADER_BYTES + ARTIFACT_BYTES {
            return Err(CacheError::NotAuthentic);
        }
        let mut bytes = Vec::with_capacity(expected);
        let limit = (HEADER_BYTES + ARTIFACT_BYTES) as u64;
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Some(Sealed(bytes)))
    }

    /// Checks the MAC and loads the code.
    pub(crate) fn load(
        &self,
        engine: &Engine,
        digest: &PluginDigest,
        sealed: &Sealed,
    ) -> Result<Component, CacheError> {
        let (header, code) = sealed
            .0
            .split_at_checked(HEADER_BYTES)
            .ok_or(CacheError::NotAuthentic)?;
        let mac = header.strip_prefix(MAGIC).ok_or(CacheError::NotAuthentic)?;
        self.mac(digest, code)
            .verify_slice(mac)
            .map_err(|_| CacheError::NotAuthentic)?;
        #[allow(
            unsafe_code,
            reason = "`deserialize` is unsound for bytes that `serialize` did not make. These were \
                      made by it: they carry a MAC under a key that only this installation has, over \
                      the plugin's digest, the engine's configuration and the code, and `seal` is \
                      called only on what our own compiler gave. They cannot change between the check \
                      and the use, because both look at the same private memory, not at the file"
        )]
        // SAFETY: see the reason above.
        let component = unsafe { Component::deserialize(engine, code) };
        component.map_err(CacheError::Unusable)
    }

    /// Writes a file so that it is there whole or not at all, also after a crash.
    pub(crate) fn write(&self, digest: &PluginDigest, sealed: &Sealed) -> io::Result<()> {
        let path = self.path(digest);
        let unique = self.written.fetch_add(1, Ordering::Relaxed);
        let temporary = path.with_extension(format!("{}-{unique}.{TEMPORARY}", std::process::id()));
        let result = write_synced(&temporary, &sealed.0)
            .and_then(|()| fs::rename(&temporary, &path))
            .and_then(|()| File::open(&self.directory)?.sync_all());
        if result.is_err() {
            // The error that counts is the first one.
            let _ = fs::remove_file(&temporary);
        }
        result
    }

    fn mac(&self, digest: &PluginDigest, code: &[u8]) -> Hmac<Sha256> {
        // HMAC fills keys shorter than a block with zeros (RFC 2104, section 2).
        let mut block = [0; 64];
        block[..self.key.len()].copy_from_slice(&self.key);
        let mut mac = Hmac::<Sha256>::new((&block).into());
        mac.update(MAGIC);
        mac.update(digest.as_bytes());
        mac.update(&self.compatibility);
        mac.update(code);
        mac
    }
}

/// A file that is written takes seconds; another process may be at it right now.
fn is_abandoned(metadata: &fs::Metadata, now: Timestamp) -> bool {
    metadata
        .modified()
        .ok()
        .and_then(|modified| modified.duration_since(UNIX_EPOCH).ok())
        .is_some_and(|modified| {
            let modified = Timestamp::from_millis(0).after(modified);
            now.since(modified) > ABANDONED
        })
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A file left by a killed process of the same id is in the way.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
