//! What the vault refuses, and why.

use std::io;
use std::path::PathBuf;

/// Why the vault did not give what it was asked for. No variant holds a key or a plaintext.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The stored bytes are too short for an envelope.
    #[error("the stored bytes are not an envelope: they were cut short or are something else")]
    Malformed,
    /// The envelope has a version that this program does not know.
    #[error("the envelope has version {0}, which this program does not know: a newer one wrote it")]
    UnknownVersion(u8),
    /// No key of that id is at hand.
    #[error(
        "the envelope was sealed with key {0}, which is not at hand: restore the key file that \
         belongs to this data"
    )]
    UnknownKey(String),
    /// Authentication failed.
    #[error("the envelope was changed, or belongs to another record, kind or customer")]
    Refused,
    /// The key file cannot be read or written.
    #[error("the key file {path} cannot be {action}: {source}", path = path.display())]
    KeyFileIo {
        /// Which file.
        path: PathBuf,
        /// What was being done, as a participle.
        action: &'static str,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Others than its owner may read the key file, or it is not a plain file.
    #[error(
        "the key file {path} is not private (mode {mode:03o}): it must be a plain file that its \
         owner alone can read; run chmod 600 on it, and replace the keys if somebody may have read \
         them",
        path = path.display()
    )]
    KeyFileExposed {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key file does not say what it should.
    #[error("the key file {path} cannot be used: {reason}; restore it from its backup", path = path.display())]
    KeyFileBroken {
        /// Which file.
        path: PathBuf,
        /// What is wrong; never its content.
        reason: String,
    },
}

impl VaultError {
    /// A stable code in kebab case.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "envelope-malformed",
            Self::UnknownVersion(_) => "envelope-version-unknown",
            Self::UnknownKey(_) => "envelope-key-unknown",
            Self::Refused => "envelope-refused",
            Self::KeyFileIo { .. } => "key-file-io",
            Self::KeyFileExposed { .. } => "key-file-exposed",
            Self::KeyFileBroken { .. } => "key-file-broken",
        }
    }
}
