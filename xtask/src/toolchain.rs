//! What builds components: a Rust compiler with the `wasm32-wasip2` target.
//!
//! Three ways, in this order: the target is there; rustup adds it; or, where rustup's server cannot be
//! reached, the parts come from Debian's packages (see [`crate::debian`]). The environment variable
//! `PATCHBAY_WASM_TOOLCHAIN` (`rustup` or `debian`) chooses one.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::debian::DebianToolchain;
use crate::workspace::{Outcome, Workspace, output, run as run_command, step};

const CHOICE: &str = "PATCHBAY_WASM_TOOLCHAIN";

#[derive(Debug)]
pub(crate) enum WasmToolchain {
    /// The toolchain that also builds the service.
    Rustup,
    /// A compiler unpacked from Debian's packages.
    Debian(DebianToolchain),
}

impl WasmToolchain {
    pub(crate) fn find(workspace: &Workspace) -> Outcome<Self> {
        match env::var(CHOICE).as_deref() {
            Ok("rustup") => by_rustup().map(|()| Self::Rustup),
            Ok("debian") => DebianToolchain::find(workspace).map(Self::Debian),
            Ok(other) => Err(format!("{CHOICE} is {other:?}; it may be rustup or debian")),
            Err(_) => by_rustup().map(|()| Self::Rustup).or_else(|rustup| {
                eprintln!("xtask: rustup cannot add the wasm target; trying Debian's packages");
                DebianToolchain::find(workspace)
                    .map(Self::Debian)
                    .map_err(|debian| no_toolchain(&rustup, &debian))
            }),
        }
    }

    /// Where cargo builds with it: two compilers do not share a folder.
    pub(crate) fn build_folder(&self) -> &'static str {
        match self {
            Self::Rustup => "plugins-build",
            Self::Debian(_) => "plugins-build-debian",
        }
    }

    /// Makes a cargo command use it.
    pub(crate) fn prepare(&self, cargo: &mut Command) -> Outcome<()> {
        match self {
            Self::Rustup => Ok(()),
            Self::Debian(toolchain) => toolchain.prepare(cargo),
        }
    }
}

fn by_rustup() -> Outcome<()> {
    if has_target() {
        return Ok(());
    }
    step("adding the wasm32-wasip2 target", || {
        let mut rustup = Command::new("rustup");
        run_command(rustup.args(["target", "add", "wasm32-wasip2"]))
    })?;
    if has_target() {
        Ok(())
    } else {
        Err("rustup added wasm32-wasip2, but the active compiler does not have it".to_owned())
    }
}

/// Whether the active compiler has the target's standard library.
fn has_target() -> bool {
    let mut rustc = Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--print", "target-libdir", "--target", "wasm32-wasip2"]);
    let Ok(folder) = output(&mut rustc) else {
        return false;
    };
    fs::read_dir(PathBuf::from(folder.trim())).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-"))
    })
}

fn no_toolchain(rustup: &str, debian: &str) -> String {
    format!(
        "the plugins need Rust's wasm32-wasip2 target, and there is none.\n\
         - by rustup: {rustup}\n\
         - from Debian's packages: {debian}\n\
         To put it right, run `rustup target add wasm32-wasip2` where https://static.rust-lang.org can \
         be reached (a mirror is named by RUSTUP_DIST_SERVER), then run this again."
    )
}
