//! The key ring as a file: JSON that a person can read, back up and restore.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use patchbay_ambient::Entropy;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::VaultError;
use crate::secret::{Key, KeyId};

const VERSION: u32 = 1;
/// Hundreds of master keys fit; a file beyond it is not ours.
const MAX_BYTES: u64 = 64 * 1024;
const COMMENT: &str = "The keys of this Patchbay installation. Back this file up, apart from the data: \
     without it nothing that was stored can be read again, and with it and the data everything can. \
     Keep its mode at 0600. Never remove a master key while anything is wrapped by it.";

/// The file's content.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct KeyFile {
    comment: String,
    version: u32,
    /// The master key that wraps new data keys.
    pub(crate) current: KeyId,
    pub(crate) master_keys: Vec<MasterKey>,
    pub(crate) hash_key: Key,
    pub(crate) cache_mac_key: Key,
}

/// One master key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MasterKey {
    pub(crate) id: KeyId,
    pub(crate) key: Key,
}

impl KeyFile {
    /// New keys.
    pub(crate) fn generate(entropy: &dyn Entropy) -> Self {
        let current = KeyId::random(entropy);
        Self {
            comment: COMMENT.to_owned(),
            version: VERSION,
            current,
            master_keys: vec![MasterKey {
                id: current,
                key: Key::random(entropy),
            }],
            hash_key: Key::random(entropy),
            cache_mac_key: Key::random(entropy),
        }
    }

    /// Reads the file; none where there is none.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, VaultError> {
        // Non-blocking, so that a pipe in the file's place is refused below instead of waited for.
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(path);
        let file = match opened {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_error(path, "opened")(e)),
        };
        // Asked of the open file, not of the path, so that what was checked is what is read.
        let metadata = file.metadata().map_err(io_error(path, "inspected"))?;
        if !metadata.is_file() || metadata.mode() & 0o077 != 0 {
            return Err(VaultError::KeyFileExposed {
                path: path.to_owned(),
                mode: metadata.mode() & 0o7777,
            });
        }
        if metadata.len() > MAX_BYTES {
            return Err(broken(path, format!("it is larger than {MAX_BYTES} bytes")));
        }
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
        file.take(MAX_BYTES)
            .read_to_end(&mut text)
            .map_err(io_error(path, "read"))?;
        // serde_json's message could quote a value; its place is enough to find the fault.
        let keys: Self = serde_json::from_slice(&text).map_err(|e| {
            let (line, column) = (e.line(), e.column());
            broken(
                path,
                format!("line {line}, column {column} is not what a key file says"),
            )
        })?;
        keys.check().map_err(|reason| broken(path, reason))?;
        Ok(Some(keys))
    }

    fn check(&self) -> Result<(), String> {
        if self.version != VERSION {
            return Err(format!(
                "it has version {}, and this program knows {VERSION}",
                self.version
            ));
        }
        let mut ids: Vec<_> = self.master_keys.iter().map(|master| master.id).collect();
        ids.sort_unstable();
        if ids.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err("two master keys share an id".to_owned());
        }
        if !ids.contains(&self.current) {
            return Err(format!("it lacks its current master key, {}", self.current));
        }
        Ok(())
    }

    /// Writes the file whole or not at all, and never over another: false where one was there already.
    pub(crate) fn create(&self, path: &Path, entropy: &dyn Entropy) -> Result<bool, VaultError> {
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{:016x}.new", entropy.next_u64()));
        let temporary = directory.join(name);

        let created = self.write_and_link(&temporary, path);
        // Gone on every way out; that it stays behind after a crash harms nobody: it is 0600.
        let _ = std::fs::remove_file(&temporary);
        match created {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(e) => return Err(io_error(path, "created")(e)),
        }
        File::open(directory)
            .and_then(|directory| directory.sync_all())
            .map_err(io_error(path, "made durable"))?;
        Ok(true)
    }

    fn write_and_link(&self, temporary: &Path, path: &Path) -> io::Result<()> {
        // With room enough never to be moved, so that no copy stays behind in freed memory.
        let mut text = Zeroizing::new(Vec::with_capacity(MAX_BYTES as usize));
        serde_json::to_writer_pretty(&mut *text, self)?;
        text.push(b'\n');

        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        // A link, not a rename: of two processes that start at once only one may win, and a key file
        // that is already there is never replaced.
        std::fs::hard_link(temporary, path)
    }
}

fn io_error(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> VaultError {
    let path: PathBuf = path.to_owned();
    move |source| VaultError::KeyFileIo {
        path,
        action,
        source,
    }
}

fn broken(path: &Path, reason: impl Into<String>) -> VaultError {
    VaultError::KeyFileBroken {
        path: path.to_owned(),
        reason: reason.into(),
    }
}
