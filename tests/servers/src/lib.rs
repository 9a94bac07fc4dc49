//! Throw-away servers for tests: started where the machine has their programs, gone with the test process,
//! also where that is killed.
//!
//! Owns finding, starting, stopping and removing them. A test that needs one it cannot have passes; one
//! line on stderr says so.

#![deny(missing_docs)]

mod folder;
pub mod foundationdb;
mod leash;
mod look;
pub mod nginx;
mod ports;
pub mod postgres;
mod process;

use std::io::Write as _;
use std::path::PathBuf;

pub use leash::Leash;
pub use look::look_for;
pub use ports::free_address;

/// A program that tests need and that need not be installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Program {
    /// Its name.
    pub name: &'static str,
    /// The variable that can name its file.
    pub variable: &'static str,
    /// Where it lies on some systems without being in `PATH`.
    pub places: &'static [&'static str],
}

impl Program {
    /// Its file.
    pub fn find(self) -> Option<PathBuf> {
        if let Some(file) = std::env::var_os(self.variable) {
            return Some(file.into());
        }
        process::path_folders()
            .into_iter()
            .chain(self.places.iter().map(PathBuf::from))
            .map(|folder| folder.join(self.name))
            .find(|file| file.is_file())
    }

    pub(crate) fn file(self) -> Result<PathBuf, String> {
        self.find().ok_or_else(|| {
            format!(
                "{} is not installed: put it into PATH or name it in {}",
                self.name, self.variable
            )
        })
    }
}

/// Says why a test is passed over.
pub fn pass_over(why: &str) {
    // Not by a macro: what those print is shown of failed tests only.
    let _ = writeln!(std::io::stderr(), "passed over: {why}");
}

/// The line that says which of these programs is not there.
pub fn missing(programs: &[Program]) -> Option<String> {
    programs.iter().find_map(|program| program.file().err())
}
