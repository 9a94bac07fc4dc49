//! Runs plugins: inspection, compile cache, limits, linkers per contract version, calls, blame.
//!
//! A plugin passes through three stages. [`Sandbox::prepare`] (when it is pushed) inspects its bytes,
//! compiles them in a limited child process, tries a fresh instance and writes an authenticated file.
//! [`Sandbox::load`] reads that file, into memory that is shared by all calls. A call ([`roles`]) runs
//! on an instance of its own, which is gone afterwards: nothing passes from one patient to the next.
//!
//! This crate knows nothing of storage, workflows in progress or HTTP serving. It never logs what a
//! guest says: that comes back in [`CallOutcome::output`], behind `Sensitive`.

#![deny(missing_docs)]

mod cache;
mod call;
pub mod compile;
mod contract;
mod engine;
mod gateway;
mod host;
mod inspect;
mod limits;
mod outcome;
mod output;
mod plugin;
pub mod roles;
mod state;
mod wasi;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use patchbay_ambient::{SharedClock, SharedEntropy};
use patchbay_workflow::{PluginDigest, PluginRef};
use tokio::sync::Semaphore;
use wasmtime::component::Linker;

use crate::cache::{Cache, CacheError, Sealed};
use crate::call::Runner;
use crate::contract::v1_0_0;
use crate::plugin::Loaded;
use crate::state::CallState;

pub use crate::compile::{CompileError, CompileMode};
pub use crate::gateway::{
    BackendError, BackendGateway, BackendMethod, BackendRequest, BackendResponse,
};
pub use crate::inspect::{Inspection, PushError, Refused};
pub use crate::limits::CallLimits;
pub use crate::outcome::{
    CallError, CallOutcome, CallStats, FieldError, GuestFailure, GuestLine, GuestOutput,
    LineSource, LogLevel,
};
pub use crate::plugin::Plugin;
pub use crate::roles::{FormatEvent, Message, SearchOutcome, SearchQuery};

/// The most calls at a time that can be configured: each reserves 18 GiB of address space.
const MAX_CONCURRENCY: usize = 1_024;

/// How a sandbox is set up.
#[derive(Clone)]
pub struct SandboxConfig {
    /// Where compiled plugins are kept; made (0700) if there is none.
    pub cache_dir: PathBuf,
    /// Authenticates them. Whoever has it can run code as this service.
    pub cache_mac_key: [u8; 32],
    /// Where components are compiled.
    pub compile: CompileMode,
    /// Bounds of every call.
    pub limits: CallLimits,
    /// Calls at a time, from 1 to 1024; others wait. Each place may use `limits.memory_bytes`.
    pub concurrency: usize,
}

impl fmt::Debug for SandboxConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SandboxConfig")
            .field("cache_dir", &self.cache_dir)
            .field("compile", &self.compile)
            .field("limits", &self.limits)
            .field("concurrency", &self.concurrency)
            .finish_non_exhaustive()
    }
}

/// What a call brings along.
#[derive(Clone)]
pub struct Call {
    /// The plugin's configuration: a JSON object; empty counts as `{}`.
    pub config: Arc<str>,
    /// The way to its backend, where the role has one.
    pub gateway: Option<Arc<dyn BackendGateway>>,
}

impl Call {
    /// A call without a backend.
    pub fn new(config: impl Into<Arc<str>>) -> Self {
        Self {
            config: config.into(),
            gateway: None,
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call")
            .field("config_bytes", &self.config.len())
            .field("gateway", &self.gateway.is_some())
            .finish()
    }
}

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The concurrency is out of range.
    #[error("the sandbox's concurrency must be from 1 to 1024, not {0}")]
    Concurrency(usize),
    /// The runtime refused its configuration, mostly for want of address space.
    #[error(
        "the WebAssembly runtime does not start: {0}; where address space is limited (`ulimit -v`), \
         lower the concurrency"
    )]
    Engine(String),
    /// The cache directory cannot be used.
    #[error("the directory of compiled plugins cannot be used: {0}")]
    Cache(#[source] std::io::Error),
    /// The thread that keeps guests' time cannot be started.
    #[error("the sandbox's ticker cannot be started: {0}")]
    Ticker(#[source] std::io::Error),
}

/// Why a plugin is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no compiled file for this engine, or none that this installation vouches for. Get the
    /// plugin's bytes and call [`Sandbox::prepare`].
    #[error("the plugin is not compiled for this engine yet")]
    NotPrepared,
    /// The compiled file cannot be read.
    #[error("the compiled plugin cannot be read: {0}")]
    Io(#[source] std::io::Error),
    /// Patchbay itself failed.
    #[error("the sandbox failed: {0}")]
    Host(String),
}

/// Runs plugins.
pub struct Sandbox {
    pub(crate) runner: Runner,
    linker: Linker<CallState>,
    cache: Arc<Cache>,
    compile: CompileMode,
    loaded: Mutex<Loaded>,
    /// One file is read at a time: whoever waits for the same one finds it loaded.
    loading: tokio::sync::Mutex<()>,
    /// One component is compiled at a time: it takes all processors.
    compiling: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("limits", &self.runner.limits)
            .field("free_places", &self.runner.places.available_permits())
            .finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Sets up the runtime. It reserves address space for all calls, and starts one thread per process.
    pub fn new(
        config: SandboxConfig,
        clock: SharedClock,
        entropy: SharedEntropy,
    ) -> Result<Arc<Self>, SandboxError> {
        let places = u32::try_from(config.concurrency)
            .ok()
            .filter(|_| (1..=MAX_CONCURRENCY).contains(&config.concurrency))
            .ok_or(SandboxError::Concurrency(config.concurrency))?;
        let broken = |error: wasmtime::Error| SandboxError::Engine(format!("{error:#}"));
        let engine = engine::for_running(places).map_err(broken)?;
        let linker = v1_0_0::linker(&engine).map_err(broken)?;
        let compatibility = engine::compatibility(&engine);
        let (key, now) = (config.cache_mac_key, clock.now());
        let cache =
            Cache::open(config.cache_dir, key, compatibility, now).map_err(SandboxError::Cache)?;
        engine::start_ticking(&engine).map_err(SandboxError::Ticker)?;
        Ok(Arc::new(Self {
            runner: Runner {
                engine,
                limits: config.limits,
                clock,
                entropy,
                places: Arc::new(Semaphore::new(config.concurrency)),
            },
            linker,
            cache: Arc::new(cache),
            compile: config.compile,
            loaded: Mutex::new(Loaded::new()),
            loading: tokio::sync::Mutex::new(()),
            compiling: tokio::sync::Mutex::new(()),
        }))
    }

    /// Parses a component and finds its roles. It takes up to a second for a large one; compiling it
    /// ([`Self::prepare`]) may still find faults.
    #[allow(
        clippy::unused_self,
        reason = "what is accepted is the sandbox's business, and may come to depend on its settings"
    )]
    pub fn inspect(&self, wasm: &[u8]) -> Result<Inspection, PushError> {
        inspect::inspect(wasm)
    }

    /// Inspects and compiles a component, tries a fresh instance of it, and writes its file. Does
    /// nothing more than inspect if that was done before.
    pub async fn prepare(&self, wasm: &[u8]) -> Result<Inspection, PushError> {
        let wasm: Arc<[u8]> = wasm.into();
        let bytes = Arc::clone(&wasm);
        let inspection = blocking(move || inspect::inspect(&bytes))
            .await
            .map_err(PushError::Host)??;
        let digest = inspection.digest;
        let _turn = self.compiling.lock().await;
        if self.find(digest).await.is_ok() {
            return Ok(inspection);
        }
        let began = self.runner.clock.monotonic();
        let code = match &self.compile {
            CompileMode::Child { program, args } => {
                compile::in_child(program, args, &wasm, &self.runner.clock).await?
            }
            CompileMode::InProcess => {
                let engine = self.runner.engine.clone();
                blocking(move || compile::in_process(&engine, &wasm))
                    .await
                    .map_err(PushError::Host)??
            }
        };
        let sealed = Arc::new(self.cache.seal(&digest, &code));
        drop(code);
        let plugin = self
            .link(digest, Arc::clone(&sealed))
            .await
            .map_err(|error| match error {
                LinkError::Unlinkable(error) => PushError::Unlinkable(format!("{error:#}")),
                LinkError::Cache(error) => PushError::Host(error.to_string()),
                LinkError::Host(error) => PushError::Host(error),
            })?;
        self.probe(&plugin).await?;
        let cache = Arc::clone(&self.cache);
        let size = sealed.len();
        blocking(move || cache.write(&digest, &sealed))
            .await
            .map_err(PushError::Host)?
            .map_err(|error| {
                PushError::Host(format!("the compiled plugin cannot be written: {error}"))
            })?;
        self.loaded.lock().insert(&plugin);
        tracing::info!(
            plugin.digest = %digest,
            wasm.bytes = inspection.size,
            compiled.bytes = size,
            took.ms = self.runner.clock.monotonic().saturating_sub(began).as_millis() as u64,
            "plugin compiled"
        );
        Ok(inspection)
    }

    /// Gives a plugin that was prepared: from memory, else from its file.
    pub async fn load(&self, plugin: &PluginRef) -> Result<Arc<Plugin>, LoadError> {
        self.find(plugin.digest).await
    }

    async fn find(&self, digest: PluginDigest) -> Result<Arc<Plugin>, LoadError> {
        let in_memory = || self.loaded.lock().get(&digest);
        if let Some(plugin) = in_memory() {
            return Ok(plugin);
        }
        let _turn = self.loading.lock().await;
        if let Some(plugin) = in_memory() {
            return Ok(plugin);
        }
        let cache = Arc::clone(&self.cache);
        let sealed = blocking(move || cache.read(&digest))
            .await
            .map_err(LoadError::Host)?;
        let linked = match sealed {
            Ok(None) => return Err(LoadError::NotPrepared),
            Ok(Some(sealed)) => self.link(digest, Arc::new(sealed)).await,
            Err(error) => Err(LinkError::Cache(error)),
        };
        match linked {
            Ok(plugin) => {
                self.loaded.lock().insert(&plugin);
                Ok(plugin)
            }
            Err(LinkError::Cache(CacheError::Io(error))) => Err(LoadError::Io(error)),
            Err(LinkError::Cache(error)) => {
                // It is as good as none, and the next `prepare` replaces it; but somebody should know.
                tracing::error!(plugin.digest = %digest, %error, "compiled plugin refused");
                Err(LoadError::NotPrepared)
            }
            Err(LinkError::Unlinkable(error)) => Err(LoadError::Host(format!("{error:#}"))),
            Err(LinkError::Host(error)) => Err(LoadError::Host(error)),
        }
    }

    async fn link(
        &self,
        digest: PluginDigest,
        sealed: Arc<Sealed>,
    ) -> Result<Arc<Plugin>, LinkError> {
        let cache = Arc::clone(&self.cache);
        let engine = self.runner.engine.clone();
        let bytes = sealed.len();
        let component = blocking(move || cache.load(&engine, &digest, &sealed))
            .await
            .map_err(LinkError::Host)?
            .map_err(LinkError::Cache)?;
        Plugin::link(digest, bytes, &component, &self.linker)
            .map(Arc::new)
            .map_err(LinkError::Unlinkable)
    }

    /// Makes one instance, so that what can never run is refused when it is pushed.
    async fn probe(&self, plugin: &Plugin) -> Result<(), PushError> {
        let ask = v1_0_0::Probe(&plugin.roles);
        let outcome = self.runner.run(&plugin.pre, Call::new("{}"), ask, Ok).await;
        outcome.result.map_err(|error| {
            if error == CallError::Busy {
                return PushError::Host(error.to_string());
            }
            // No request was involved, so what it wrote holds nobody's data: its author may see it.
            let story = outcome.output.render().into_inner();
            PushError::Unstartable(format!("{}\n{}", error.code(), story.trim_end()))
        })
    }
}

enum LinkError {
    Cache(CacheError),
    Unlinkable(wasmtime::Error),
    Host(String),
}

/// Runs something that takes processor time or waits for the disk, away from the runtime's threads.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, String> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| error.to_string())
}
