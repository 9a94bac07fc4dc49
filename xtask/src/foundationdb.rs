//! What the machine has of FoundationDB: whether the engine can be built, and a cluster to test it on.

use std::env;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::test::is_there;
use crate::workspace::{Outcome, Workspace};

/// The cluster file of a cluster that tests may write to.
const CLUSTER_FILE: &str = "PATCHBAY_TEST_FDB";
/// Tells the end-to-end tests to run on that cluster.
const END_TO_END: &str = "PATCHBAY_E2E_FDB";

/// The arguments for Cargo that build the engine; none where there is no libclang, which the bindings to
/// FoundationDB are generated with.
pub(crate) fn features() -> Vec<&'static str> {
    if libclang() {
        vec!["--features", "patchbay/fdb,patchbay-store/fdb"]
    } else {
        Vec::new()
    }
}

/// Whether there is a libclang where `clang-sys` looks for one.
fn libclang() -> bool {
    if env::var_os("LIBCLANG_PATH").is_some() {
        return true;
    }
    let holds = |folder: &Path| {
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files
            .filter_map(|file| file.file_name().into_string().ok())
            .any(|name| name.starts_with("libclang") && name.contains(".so"))
    };
    let below = |folder: &str| {
        let folders = std::fs::read_dir(folder).into_iter().flatten().flatten();
        folders.map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let mut places: Vec<_> = ["/usr/lib", "/usr/lib64", "/usr/local/lib"]
        .map(Into::into)
        .into();
    for folder in below("/usr/lib") {
        places.push(folder.join("lib"));
        places.push(folder);
    }
    places.iter().any(|place| holds(place))
}

/// A cluster to test on.
#[derive(Debug)]
pub(crate) enum Cluster {
    /// Somebody runs it; its cluster file.
    Named(OsString),
    /// `fdbserver` is there, so one is started for as long as a command runs.
    ThrowAway,
}

impl Cluster {
    /// What is at hand, or why nothing is.
    pub(crate) fn find() -> Outcome<Self> {
        if let Some(file) = env::var_os(CLUSTER_FILE) {
            return Ok(Self::Named(file));
        }
        if is_there("fdbserver") && is_there("fdbcli") {
            return Ok(Self::ThrowAway);
        }
        Err(format!(
            "{CLUSTER_FILE} names no cluster file, and there is no fdbserver on the path"
        ))
    }

    /// Cargo, run while the cluster is there.
    pub(crate) fn around(&self, workspace: &Workspace) -> Command {
        match self {
            Self::Named(file) => {
                let mut cargo = workspace.cargo();
                cargo.env(CLUSTER_FILE, file);
                cargo
            }
            Self::ThrowAway => {
                let cargo = workspace.cargo();
                let mut command = Command::new(workspace.binary("debug", "patchbay-cluster"));
                command
                    .args(["with-fdb", "--"])
                    .arg(cargo.get_program())
                    .current_dir(workspace.root())
                    .env("CARGO_TARGET_DIR", workspace.target());
                command
            }
        }
    }
}

/// Has the end-to-end tests run on the cluster that [`Cluster::around`] provides.
pub(crate) fn end_to_end(command: &mut Command) {
    // The cluster file of a throw-away cluster is known only to what starts it.
    command.env(END_TO_END, "");
}
