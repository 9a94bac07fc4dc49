//! What the end-to-end tests share: the real program as a process, an internal system to search, and a
//! receiver of webhooks.
//!
//! The program and the plugins are found where `cargo xtask test` says (`PATCHBAY_BIN`,
//! `PATCHBAY_TEST_PLUGINS`, `PATCHBAY_TEST_GUESTS`), or in the workspace's target folder.

#![allow(
    clippy::missing_panics_doc,
    reason = "a test that cannot be set up has failed"
)]

mod host;
mod people;
mod place;
mod receiver;
mod setup;

pub use host::Host;
pub use people::{body, internal_system, person};
pub use place::{Place, is_passed_over};
pub use receiver::{Receiver, Webhook};
pub use setup::{Customer, Setup};

use std::path::PathBuf;

/// An HTTP client for tests.
#[allow(
    clippy::disallowed_methods,
    reason = "the tests are clients of the service"
)]
pub fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("a client can be made")
}

fn workspace() -> PathBuf {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.pop();
    path.pop();
    path
}

fn component(variable: &str, folder: &str, name: &str) -> PathBuf {
    let folder = std::env::var_os(variable)
        .map_or_else(|| workspace().join("target").join(folder), PathBuf::from);
    let file = folder.join(format!("{name}.wasm"));
    assert!(
        file.is_file(),
        "{} is missing: run `cargo xtask plugins`",
        file.display()
    );
    file
}

/// A first-party plugin.
pub fn plugin(name: &str) -> PathBuf {
    component("PATCHBAY_TEST_PLUGINS", "plugins", name)
}

/// A hostile component.
pub fn guest(name: &str) -> PathBuf {
    component("PATCHBAY_TEST_GUESTS", "guests", &format!("guest-{name}"))
}

/// The program.
pub fn program() -> PathBuf {
    if let Some(program) = std::env::var_os("PATCHBAY_BIN") {
        return program.into();
    }
    // target/debug/deps/<test> → target/debug/patchbay
    let mut path = std::env::current_exe().expect("a test has a path");
    path.pop();
    path.pop();
    path.push("patchbay");
    assert!(
        path.is_file(),
        "{} is missing: run `cargo build -p patchbay`",
        path.display()
    );
    path
}
