//! Looks at a component when it is pushed: what it can do, what it wants, and whether it may.
//!
//! The whole of it is parsed and validated before any compiler sees it, and a refusal says what was
//! found, what is offered and what to do.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use patchbay_workflow::{PluginDigest, Role};
use sha2::{Digest, Sha256};
use wasmparser::{Encoding, Parser, Payload, Validator, WasmFeatures};

use crate::compile::{CompileError, WASM_BYTES};
use crate::contract::{IMPORTS, OFFERED, PACKAGE, WASI, WASI_OFFERED};

/// What a component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// SHA-256 of its bytes.
    pub digest: PluginDigest,
    /// The roles that it exports.
    pub roles: BTreeSet<Role>,
    /// The names of its imports.
    pub imports: Vec<String>,
    /// Its size in bytes.
    pub size: usize,
}

/// Why a component is not accepted. The text is for the plugin's author.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// It is larger than the host takes.
    #[error("the component has {size} bytes; at most {limit} are taken")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// It is a core module.
    #[error(
        "this is a core WebAssembly module, not a component; build it with `cargo build --target \
         wasm32-wasip2`, or wrap it with `wasm-tools component new`"
    )]
    CoreModule,
    /// It cannot be parsed, or breaks WebAssembly's rules.
    #[error("this is not a valid WebAssembly component: {0}")]
    Malformed(String),
    /// It wants what the host does not offer.
    #[error("the component imports what this host does not offer:{}", list(.0))]
    Imports(Vec<Refused>),
    /// It exports a role in a version, or of a name, that the host does not know.
    #[error("the component exports what this host does not know:{}", list(.0))]
    Exports(Vec<Refused>),
    /// It exports no role.
    #[error(
        "the component has no role: it must export one of {}; it exports {}",
        roles(),
        if .0.is_empty() { "nothing".to_owned() } else { .0.join(", ") }
    )]
    NoRole(Vec<String>),
    /// The compiler would not compile it.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It was compiled but cannot be linked with what the host offers.
    #[error(
        "the component does not fit the host ({0}); rebuild it against the contract in wit/{newest}",
        newest = newest()
    )]
    Unlinkable(String),
    /// A fresh instance cannot be made within the limits of a call.
    #[error("a fresh instance of the component does not start: {0}")]
    Unstartable(String),
    /// Patchbay itself failed.
    #[error("the sandbox failed: {0}")]
    Host(String),
}

impl PushError {
    /// A stable code; each has a page in the book.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "plugin-too-large",
            Self::CoreModule => "plugin-not-a-component",
            Self::Malformed(_) => "plugin-malformed",
            Self::Imports(_) => "plugin-import-refused",
            Self::Exports(_) => "plugin-export-refused",
            Self::NoRole(_) => "plugin-without-role",
            Self::Compile(CompileError::NotRun(_)) | Self::Host(_) => "sandbox-failed",
            Self::Compile(_) => "plugin-not-compilable",
            Self::Unlinkable(_) => "plugin-not-linkable",
            Self::Unstartable(_) => "plugin-not-startable",
        }
    }

    /// Whether the host is at fault and the same bytes may be taken later.
    pub const fn is_hosts(&self) -> bool {
        matches!(self, Self::Compile(CompileError::NotRun(_)) | Self::Host(_))
    }
}

/// An import or export that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Its name as found, version included.
    pub name: String,
    /// The version found.
    pub found: Option<String>,
    /// The versions offered; none if no version is.
    pub offered: Vec<String>,
    /// What to do.
    pub advice: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.found.as_deref().unwrap_or("no version");
        let offered = if self.offered.is_empty() {
            "none".to_owned()
        } else {
            self.offered.join(", ")
        };
        write!(
            f,
            "{} (found: {found}; offered: {offered}): {}",
            self.name, self.advice
        )
    }
}

fn list(refused: &[Refused]) -> String {
    refused.iter().fold(String::new(), |mut text, item| {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  {item}");
        text
    })
}

fn roles() -> String {
    Role::ALL.map(|role| format!("{PACKAGE}/{role}")).join(", ")
}

/// Parses and validates a component, and checks its imports and exports by name.
pub(crate) fn inspect(wasm: &[u8]) -> Result<Inspection, PushError> {
    if wasm.len() > WASM_BYTES {
        return Err(PushError::TooLarge {
            size: wasm.len(),
            limit: WASM_BYTES,
        });
    }
    if Parser::is_core_wasm(wasm) {
        return Err(PushError::CoreModule);
    }
    Validator::new_with_features(features())
        .validate_all(wasm)
        .map_err(malformed)?;
    let (imports, exports) = outer_names(wasm)?;

    let refused: Vec<_> = imports
        .iter()
        .filter_map(|name| refuse_import(name))
        .collect();
    if !refused.is_empty() {
        return Err(PushError::Imports(refused));
    }
    let mut found = BTreeSet::new();
    let mut refused = Vec::new();
    for name in &exports {
        match role_of(name) {
            Exported::Role(role) => {
                found.insert(role);
            }
            Exported::Refused(why) => refused.push(why),
            Exported::Other => {}
        }
    }
    if !refused.is_empty() {
        return Err(PushError::Exports(refused));
    }
    if found.is_empty() {
        return Err(PushError::NoRole(exports));
    }
    Ok(Inspection {
        digest: digest(wasm),
        roles: found,
        imports,
        size: wasm.len(),
    })
}

pub(crate) fn digest(wasm: &[u8]) -> PluginDigest {
    PluginDigest::from_bytes(Sha256::digest(wasm).into())
}

/// What the engine runs: see `engine.rs`.
fn features() -> WasmFeatures {
    (WasmFeatures::WASM3 | WasmFeatures::COMPONENT_MODEL)
        - WasmFeatures::GC
        - WasmFeatures::EXCEPTIONS
        - WasmFeatures::THREADS
        - WasmFeatures::MEMORY64
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "it has the shape that `map_err` wants"
)]
fn malformed(error: wasmparser::BinaryReaderError) -> PushError {
    PushError::Malformed(error.to_string())
}

/// The names of the outermost component's imports and exports.
fn outer_names(wasm: &[u8]) -> Result<(Vec<String>, Vec<String>), PushError> {
    let mut imports = Vec::new();
    let mut exports = Vec::new();
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(wasm) {
        match payload.map_err(malformed)? {
            Payload::Version {
                encoding: Encoding::Module,
                ..
            } if depth == 0 => return Err(PushError::CoreModule),
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    imports.push(import.map_err(malformed)?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    exports.push(export.map_err(malformed)?.name.name.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok((imports, exports))
}

/// `package:name/interface@version` in its parts.
fn parts(name: &str) -> (&str, &str, Option<&str>) {
    let (path, version) = match name.split_once('@') {
        Some((path, version)) => (path, Some(version)),
        None => (name, None),
    };
    let (package, interface) = path.split_once('/').unwrap_or((path, ""));
    (package, interface, version)
}

fn refuse_import(name: &str) -> Option<Refused> {
    let (package, interface, version) = parts(name);
    let refuse = |offered: Vec<String>, advice: String| {
        Some(Refused {
            name: name.to_owned(),
            found: version.map(str::to_owned),
            offered,
            advice,
        })
    };
    if package == PACKAGE {
        if !IMPORTS.contains(&interface) {
            let known = IMPORTS.join(", ");
            return refuse(Vec::new(), format!("{PACKAGE} has only {known}"));
        }
        if version.is_some_and(|version| OFFERED.contains(&version)) {
            return None;
        }
        return refuse(offered(), rebuild(newest()));
    }
    if let Some((_, interfaces)) = WASI.iter().find(|(known, _)| *known == package) {
        if !version.is_some_and(|version| version.starts_with("0.2.")) {
            return refuse(
                vec![WASI_OFFERED.to_owned()],
                "build for WASI 0.2, for example with `cargo build --target wasm32-wasip2`".into(),
            );
        }
        if interfaces.contains(&interface) {
            return None;
        }
    }
    let advice = match package {
        "wasi:http" => {
            "plugins reach their backend through patchbay:plugin/backend alone; for JavaScript build \
             with `jco componentize --disable http`"
        }
        "wasi:snapshot-preview1" | "wasi_snapshot_preview1" => {
            "build for wasm32-wasip2, or wrap the module with `wasm-tools component new --adapt`"
        }
        _ => "remove the dependency that needs it; `wasm-tools component wit` shows all imports",
    };
    refuse(Vec::new(), advice.to_owned())
}

enum Exported {
    Role(Role),
    Refused(Refused),
    Other,
}

fn role_of(name: &str) -> Exported {
    let (package, interface, version) = parts(name);
    if package != PACKAGE {
        return Exported::Other;
    }
    let known = interface.parse::<Role>();
    match (known, version) {
        (Ok(role), Some(version)) if OFFERED.contains(&version) => Exported::Role(role),
        (Ok(_), _) => Exported::Refused(Refused {
            name: name.to_owned(),
            found: version.map(str::to_owned),
            offered: offered(),
            advice: rebuild(newest()),
        }),
        // A component may export the types that its roles use.
        (Err(_), _) if IMPORTS.contains(&interface) => Exported::Other,
        (Err(_), _) => Exported::Refused(Refused {
            name: name.to_owned(),
            found: version.map(str::to_owned),
            offered: Vec::new(),
            advice: format!("the roles are {}", roles()),
        }),
    }
}

fn newest() -> &'static str {
    OFFERED.last().copied().unwrap_or_default()
}

fn offered() -> Vec<String> {
    OFFERED.iter().map(|&version| version.to_owned()).collect()
}

fn rebuild(version: &str) -> String {
    format!("rebuild against {PACKAGE}@{version}, with the SDK of that version")
}
