//! The versions of the plugin contract that this host serves: one file per version, each with its
//! bindings and its linker. A newer version is added beside the old ones, whose imports then forward to
//! the newest; nothing outside of this module knows which version a plugin was built for.

pub(crate) mod check;
pub(crate) mod v1_0_0;

/// The package of the contract.
pub(crate) const PACKAGE: &str = "patchbay:plugin";

/// The versions that plugins may import and export, oldest first.
pub(crate) const OFFERED: &[&str] = &["1.0.0"];

/// The interfaces of the contract that a plugin may import.
pub(crate) const IMPORTS: &[&str] = &["types", "search-types", "log", "config", "clock", "backend"];

/// The packages of WASI that are linked, inert, with their interfaces.
pub(crate) const WASI: &[(&str, &[&str])] = &[
    (
        "wasi:cli",
        &[
            "environment",
            "exit",
            "stdin",
            "stdout",
            "stderr",
            "terminal-input",
            "terminal-output",
            "terminal-stdin",
            "terminal-stdout",
            "terminal-stderr",
        ],
    ),
    ("wasi:clocks", &["monotonic-clock", "wall-clock"]),
    ("wasi:filesystem", &["preopens", "types"]),
    ("wasi:io", &["error", "poll", "streams"]),
    ("wasi:random", &["random", "insecure", "insecure-seed"]),
    (
        "wasi:sockets",
        &[
            "instance-network",
            "ip-name-lookup",
            "network",
            "tcp",
            "tcp-create-socket",
            "udp",
            "udp-create-socket",
        ],
    ),
];

/// The WASI version that is linked; a component may ask for any `0.2`, and the
/// linker has the last word on what it uses.
pub(crate) const WASI_OFFERED: &str = "0.2.12";

/// The name of an export in version `version`.
pub(crate) fn export_name(interface: &str, version: &str) -> String {
    format!("{PACKAGE}/{interface}@{version}")
}
