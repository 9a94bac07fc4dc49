//! The folder of a server: a throw-away one, or a part of somebody's who wants to read the logs.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

#[derive(Debug)]
pub(crate) enum Folder {
    Own(TempDir),
    Given(PathBuf),
}

impl Folder {
    pub(crate) fn own() -> Result<Self, String> {
        TempDir::new()
            .map(Self::Own)
            .map_err(|error| format!("a folder cannot be made: {error}"))
    }

    pub(crate) fn given(path: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(path)
            .map_err(|error| format!("{} cannot be made: {error}", path.display()))?;
        Ok(Self::Given(path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }
}
