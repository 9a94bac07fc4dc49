//! The data folder: where a service keeps its files, and where the command line finds them.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use url::Url;

/// A service's folder. Everything in it is for its owner alone.
#[derive(Debug, Clone)]
pub(crate) struct DataDir(PathBuf);

/// What a running service says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Running {
    /// None where this process answers no customers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) customer_url: Option<Url>,
    pub(crate) admin_url: Url,
    pub(crate) pid: u32,
}

impl DataDir {
    pub(crate) fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes the folder, or checks that others cannot look into it. An empty one is closed to them;
    /// what is in any other may have been read already, which is for a person to judge.
    pub(crate) fn prepare(&self) -> io::Result<()> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)?;
        let permissions = std::fs::metadata(&self.0)?.permissions();
        let others = permissions.mode() & 0o077;
        if others == 0 {
            return Ok(());
        }
        if std::fs::read_dir(&self.0)?.next().is_none() {
            return std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(0o700));
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("others can read it; run: chmod 700 {}", self.0.display()),
        ))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.0.join("keys.json")
    }

    pub(crate) fn registry(&self) -> PathBuf {
        self.0.join("registry.sqlite")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.0.join("store.redb")
    }

    pub(crate) fn compiled(&self) -> PathBuf {
        self.0.join("compiled")
    }

    pub(crate) fn admin_token(&self) -> PathBuf {
        self.0.join("admin-token")
    }

    fn running(&self) -> PathBuf {
        self.0.join("serve.json")
    }

    /// Says that the service answers now, and where.
    pub(crate) fn announce(&self, running: &Running) -> io::Result<()> {
        let partial = self.0.join("serve.json.new");
        std::fs::write(&partial, serde_json::to_vec_pretty(running)?)?;
        std::fs::rename(partial, self.running())
    }

    /// Takes the announcement back.
    pub(crate) fn withdraw(&self) {
        // Where it is gone already there is nothing to take back.
        let _ = std::fs::remove_file(self.running());
    }

    /// What the service that runs on this folder said.
    pub(crate) fn find(&self) -> io::Result<Running> {
        Ok(serde_json::from_slice(&std::fs::read(self.running())?)?)
    }
}
