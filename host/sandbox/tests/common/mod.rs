//! Sandboxes for tests, and the guests of `tests/guests`.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use parking_lot::Mutex;
use patchbay_ambient::{
    ManualClock, OsEntropy, SeededEntropy, SharedClock, SharedEntropy, SystemClock,
};
use patchbay_sandbox::{
    BackendError, BackendGateway, BackendRequest, BackendResponse, Call, CallLimits, CompileMode,
    FormatEvent, Plugin, Sandbox, SandboxConfig, SearchQuery,
};
use patchbay_workflow::{PluginDigest, PluginRef, Sensitive, Timestamp};
use tempfile::TempDir;

/// The bytes of `tests/guests/<name>`: from the folder named by `PATCHBAY_TEST_GUESTS`, else built.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let file = match std::env::var_os("PATCHBAY_TEST_GUESTS") {
        Some(folder) => Path::new(&folder).join(format!("guest-{name}.wasm")),
        None => BUILT.get_or_init(build).join(format!("guest_{name}.wasm")),
    };
    std::fs::read(file).unwrap()
}

fn build() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| workspace.join("target"), PathBuf::from);
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(&workspace)
        .args([
            "build",
            "--quiet",
            "--profile",
            "plugin",
            "--target",
            "wasm32-wasip2",
        ])
        .args(["trap", "spin", "hog", "garbage", "polite"].map(|guest| format!("-pguest-{guest}")))
        .arg("--target-dir")
        .arg(&target)
        .status()
        .unwrap();
    assert!(status.success(), "the guests do not build");
    target.join("wasm32-wasip2/plugin")
}

/// A sandbox with its own cache directory, which goes when it does.
pub(crate) struct Fixture {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) directory: TempDir,
    pub(crate) clock: SharedClock,
}

pub(crate) struct Setup {
    pub(crate) limits: CallLimits,
    pub(crate) concurrency: usize,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
    pub(crate) compile: CompileMode,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            limits: CallLimits::default(),
            concurrency: 4,
            clock: Arc::new(SystemClock::new()),
            entropy: Arc::new(OsEntropy::new()),
            compile: CompileMode::InProcess,
        }
    }
}

impl Setup {
    /// Time stands still until the test moves it, and randomness follows from a seed.
    pub(crate) fn simulated(clock: &Arc<ManualClock>, seed: u64) -> Self {
        Self {
            clock: Arc::clone(clock) as SharedClock,
            entropy: Arc::new(SeededEntropy::new(seed)),
            ..Self::default()
        }
    }

    pub(crate) fn build(self) -> Fixture {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = open(directory.path(), [7; 32], &self);
        Fixture {
            sandbox,
            directory,
            clock: self.clock,
        }
    }
}

/// A sandbox over an existing cache directory.
pub(crate) fn open(directory: &Path, key: [u8; 32], setup: &Setup) -> Arc<Sandbox> {
    let config = SandboxConfig {
        cache_dir: directory.to_owned(),
        cache_mac_key: key,
        compile: setup.compile.clone(),
        limits: setup.limits,
        concurrency: setup.concurrency,
    };
    Sandbox::new(config, Arc::clone(&setup.clock), Arc::clone(&setup.entropy)).unwrap()
}

impl Fixture {
    /// Prepares and loads a guest.
    pub(crate) async fn plugin(&self, name: &str) -> Arc<Plugin> {
        let inspection = self.sandbox.prepare(&guest(name)).await.unwrap();
        let plugin = reference(name, inspection.digest);
        self.sandbox.load(&plugin).await.unwrap()
    }
}

pub(crate) fn reference(name: &str, digest: PluginDigest) -> PluginRef {
    PluginRef {
        name: name.to_owned(),
        digest,
    }
}

pub(crate) fn noon() -> Arc<ManualClock> {
    // 2025-11-22T12:17:17.042Z
    Arc::new(ManualClock::at(Timestamp::from_millis(1_763_813_837_042)))
}

pub(crate) fn query() -> SearchQuery {
    SearchQuery {
        request: Sensitive::new("{\"patient\":{\"id\":\"p-1\"}}".to_owned()),
        attempt_id: "attempt-1".to_owned(),
        callback_url: None,
    }
}

pub(crate) fn event() -> FormatEvent {
    FormatEvent {
        id: "0190-event".to_owned(),
        kind: "link.linked".to_owned(),
        occurred_at: "2025-11-22T12:17:17.042Z".to_owned(),
        data: Sensitive::new("{\"linked\":true}".to_owned()),
    }
}

pub(crate) fn call(config: &str) -> Call {
    Call::new(config)
}

pub(crate) fn call_through(config: &str, gateway: Arc<dyn BackendGateway>) -> Call {
    Call {
        gateway: Some(gateway),
        ..Call::new(config)
    }
}

/// A backend that remembers what it was asked, and answers the same to everything, or never.
#[derive(Default)]
pub(crate) struct Backend {
    pub(crate) asked: Mutex<Vec<BackendRequest>>,
    pub(crate) silent: bool,
}

#[async_trait]
impl BackendGateway for Backend {
    async fn send(&self, request: BackendRequest) -> Result<BackendResponse, BackendError> {
        self.asked.lock().push(request);
        if self.silent {
            std::future::pending::<()>().await;
        }
        Ok(BackendResponse {
            status: 200,
            headers: Vec::new(),
            body: b"{\"id\":\"i-1\"}".to_vec(),
        })
    }
}
