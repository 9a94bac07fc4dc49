//! A compiler for components out of Debian's packages, for machines that reach a Debian mirror but not
//! rustup's server.
//!
//! The packages are downloaded and unpacked under the target directory; nothing is installed and no
//! root is needed. Debian ships the compiler, its sources and a C library for WASI, but no standard
//! library for `wasm32-wasip2`: cargo builds that one from the sources (`-Zbuild-std`). The linker,
//! which Debian lacks too, is the one that the service's own toolchain brings; and the C library may be
//! older than WASI's sockets, which `no-sockets` beside this crate makes up for.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workspace::{Outcome, Workspace, before, output, run as run_command, step};

/// Compiler, standard library and sources, in the order of preference: the newer compiler that Debian
/// keeps for browsers, then the release's own.
const FAMILIES: [[&str; 3]; 2] = [
    ["rustc-web", "libstd-rust-web-dev", "rust-web-src"],
    ["rustc", "libstd-rust-dev", "rust-src"],
];
const C_LIBRARY: &str = "wasi-libc";

/// Written last, so that what was interrupted is not taken for whole.
const COMPLETE: &str = ".complete";

#[derive(Debug)]
pub(crate) struct DebianToolchain {
    /// Where the packages are unpacked, as if it were `/`.
    root: PathBuf,
    /// The compiled `no-sockets`.
    no_sockets: PathBuf,
    /// Of the service's own toolchain.
    linkers: PathBuf,
}

impl DebianToolchain {
    /// The one that was unpacked before, or a fresh one.
    pub(crate) fn find(workspace: &Workspace) -> Outcome<Self> {
        let root = workspace.target().join("wasm-toolchain");
        let built = root.join("no-sockets");
        let toolchain = Self {
            linkers: linkers()?,
            root: root.join("root"),
            no_sockets: built.join("wasm32-wasip2/release/libno_sockets.rlib"),
        };
        if root.join(COMPLETE).is_file() {
            return Ok(toolchain);
        }
        step("fetching a wasm compiler from Debian's packages", || {
            if !env::split_paths(&env::var_os("PATH").unwrap_or_default())
                .any(|folder| folder.join("apt-get").is_file())
            {
                return Err("there is no apt-get on this machine".to_owned());
            }
            let oldest = env!("CARGO_PKG_RUST_VERSION");
            let fetched = Apt::of_the_system().fetch(&root, oldest).or_else(|_| {
                // The machine's package lists are missing or out of date.
                Apt::of_our_own(&root)?.fetch(&root, oldest)
            });
            fetched?;
            toolchain.build_no_sockets(workspace, &built)?;
            write(&root.join(COMPLETE), "")
        })?;
        Ok(toolchain)
    }

    fn compiler(&self) -> PathBuf {
        self.root.join("usr/bin/rustc")
    }

    /// Where the compiler's own shared libraries were unpacked to.
    fn libraries(&self) -> Outcome<Vec<PathBuf>> {
        let usr_lib = self.root.join("usr/lib");
        let mut folders: Vec<PathBuf> = list(&usr_lib)?
            .into_iter()
            .filter(|path| path.to_string_lossy().ends_with("-linux-gnu"))
            .collect();
        folders.push(usr_lib);
        Ok(folders)
    }

    fn library_path(&self) -> Outcome<OsString> {
        let libraries = self.libraries()?;
        before("LD_LIBRARY_PATH", libraries.iter().map(PathBuf::as_path))
    }

    /// Also shows whether the unpacked compiler works at all.
    fn build_no_sockets(&self, workspace: &Workspace, to: &Path) -> Outcome<()> {
        let mut cargo = workspace.cargo();
        cargo
            .args(["build", "--quiet", "--release", "--locked"])
            .args(["--target", "wasm32-wasip2", "-Zbuild-std=core"])
            .arg("--manifest-path")
            .arg(workspace.root().join("xtask/no-sockets/Cargo.toml"))
            .arg("--target-dir")
            .arg(to)
            .env_remove("CARGO_ENCODED_RUSTFLAGS");
        self.use_compiler(&mut cargo)?;
        output(&mut cargo)
            .map(drop)
            .map_err(|error| format!("the unpacked compiler does not work: {error}"))
    }

    /// Makes a cargo command build for `wasm32-wasip2` with it.
    pub(crate) fn prepare(&self, cargo: &mut Command) -> Outcome<()> {
        let c_library = self.root.join("usr/lib/wasm32-wasi");
        let flags = [
            "-L".to_owned(),
            format!("native={}", c_library.display()),
            format!("-Clink-arg={}", self.no_sockets.display()),
        ];
        cargo
            .arg("-Zbuild-std=std,panic_abort")
            .env("PATH", before("PATH", [self.linkers.as_path()])?)
            .env(
                "CARGO_TARGET_WASM32_WASIP2_LINKER",
                self.linkers.join("wasm-component-ld"),
            )
            // The separator lets paths have spaces.
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
        self.use_compiler(cargo)
    }

    fn use_compiler(&self, cargo: &mut Command) -> Outcome<()> {
        cargo
            .env("RUSTC", self.compiler())
            // Debian's compiler is a stable one; building the standard library is not a stable feature.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("LD_LIBRARY_PATH", self.library_path()?)
            // Meant for the other compiler.
            .env_remove("RUSTFLAGS");
        Ok(())
    }
}

/// The folder with `wasm-component-ld` and `rust-lld` of the active toolchain, which has them on every
/// host, whatever targets it has.
fn linkers() -> Outcome<PathBuf> {
    let mut rustc = Command::new("rustc");
    let sysroot = output(rustc.args(["--print", "sysroot"]))?;
    let mut rustc = Command::new("rustc");
    let host = output(rustc.args(["--print", "host-tuple"]))?;
    let folder = Path::new(sysroot.trim())
        .join("lib/rustlib")
        .join(host.trim())
        .join("bin");
    if folder.join("wasm-component-ld").is_file() {
        Ok(folder)
    } else {
        Err(format!("no wasm-component-ld in {}", folder.display()))
    }
}

/// `apt-get`, with the machine's package lists or with lists of our own.
struct Apt {
    options: Vec<OsString>,
}

impl Apt {
    fn of_the_system() -> Self {
        Self {
            options: Vec::new(),
        }
    }

    /// Fetches the lists that the machine's sources name into our folder.
    fn of_our_own(root: &Path) -> Outcome<Self> {
        let apt = root.join("apt");
        for folder in ["lists/partial", "cache/archives/partial"] {
            create(&apt.join(folder))?;
        }
        let option = |name: &str, path: PathBuf| {
            let mut option = OsString::from(format!("{name}="));
            option.push(path);
            [OsString::from("-o"), option]
        };
        let options = [
            option("Dir::State::lists", apt.join("lists")),
            option("Dir::Cache", apt.join("cache")),
        ]
        .concat();
        let ours = Self { options };
        output(ours.get().args(["-q", "update"]))?;
        Ok(ours)
    }

    fn get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.env("LC_ALL", "C").args(&self.options);
        // As root, apt would download as a user of its own, who cannot write to our folder.
        command.args(["-o", "APT::Sandbox::User=root"]);
        command
    }

    /// Downloads and unpacks a compiler that is new enough, with all it needs that the machine lacks.
    fn fetch(&self, root: &Path, oldest: &str) -> Outcome<()> {
        let family = FAMILIES
            .iter()
            .find(|family| self.offers(family[0], oldest))
            .ok_or_else(|| format!("Debian's sources offer no rustc {oldest} or newer"))?;
        let wanted = self.with_dependencies(family)?;

        let downloads = root.join("packages");
        if downloads.exists() {
            remove(&downloads)?;
        }
        create(&downloads)?;
        output(
            self.get()
                .current_dir(&downloads)
                .args(["-q", "download"])
                .args(&wanted),
        )?;

        let unpacked = root.join("root");
        if unpacked.exists() {
            remove(&unpacked)?;
        }
        create(&unpacked)?;
        for package in list(&downloads)? {
            let mut dpkg = Command::new("dpkg-deb");
            run_command(dpkg.arg("-x").arg(&package).arg(&unpacked))?;
        }
        remove(&downloads)
    }

    /// Whether this compiler can be had in a version that builds the plugins.
    fn offers(&self, compiler: &str, oldest: &str) -> bool {
        let mut policy = Command::new("apt-cache");
        policy
            .env("LC_ALL", "C")
            .args(&self.options)
            .args(["policy", compiler]);
        let Ok(text) = output(&mut policy) else {
            return false;
        };
        let candidate = text
            .lines()
            .find_map(|line| line.trim().strip_prefix("Candidate: "))
            .unwrap_or_default();
        version(candidate) >= version(oldest)
    }

    /// The packages that the machine would have to install for these, these included. They are named in
    /// the lines `'URI' NAME_VERSION_ARCHITECTURE.deb SIZE CHECKSUM`.
    fn with_dependencies(&self, family: &[&str; 3]) -> Outcome<Vec<String>> {
        let text = output(
            self.get()
                .args(["install", "--print-uris", "--yes", "--reinstall"])
                .args(["--no-install-recommends"])
                .args(family)
                .arg(C_LIBRARY),
        )?;
        let names = text
            .lines()
            .filter(|line| line.starts_with('\''))
            .filter_map(|line| {
                let file = line.split_whitespace().nth(1)?;
                Some(file.split_once('_')?.0.to_owned())
            });
        Ok(names.collect())
    }
}

/// The first two numbers of a version, as in `1.96.0+dfsg1-1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(['.', '+', '-', '~']).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn list(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|error| explain(folder, &error))?;
    Ok(entries.flatten().map(|entry| entry.path()).collect())
}

fn create(folder: &Path) -> Outcome<()> {
    fs::create_dir_all(folder).map_err(|error| explain(folder, &error))
}

fn remove(folder: &Path) -> Outcome<()> {
    fs::remove_dir_all(folder).map_err(|error| explain(folder, &error))
}

fn write(file: &Path, text: &str) -> Outcome<()> {
    fs::write(file, text).map_err(|error| explain(file, &error))
}

fn explain(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}
