//! From a digest to a plugin that can be called, and from a push to a plugin that can be bound.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use patchbay_registry::{PluginVersion, RegistryError};
use patchbay_sandbox::{LoadError, Plugin, PushError};
use patchbay_workflow::{Blame, Failure, PluginDigest, PluginRef, Role};

use crate::service::Service;

/// What a push made.
#[derive(Debug, Clone)]
pub struct PushReport {
    /// Name and digest.
    pub plugin: PluginRef,
    /// What it can do.
    pub roles: BTreeSet<Role>,
    /// Its imports.
    pub imports: Vec<String>,
    /// Its size in bytes.
    pub size: u64,
}

/// Why a plugin was not pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushRefused {
    /// It cannot be used; the text says why and what to do.
    #[error(transparent)]
    Plugin(#[from] PushError),
    /// The registry did not take it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl Service {
    /// Checks and compiles a component, then stores it.
    pub async fn push_plugin(
        &self,
        actor: &str,
        name: &str,
        wasm: &[u8],
    ) -> Result<PushReport, PushRefused> {
        let inspection = self.parts.sandbox.prepare(wasm).await?;
        let roles: Vec<Role> = inspection.roles.iter().copied().collect();
        let version: PluginVersion = self
            .parts
            .registry
            .add_plugin(actor, name, wasm, inspection.digest, &roles)
            .await?;
        Ok(PushReport {
            plugin: version.reference(),
            roles: inspection.roles,
            imports: inspection.imports,
            size: version.size,
        })
    }

    /// The name of a pinned plugin; versions are never removed while a workflow is pinned to them.
    pub(crate) fn plugin_ref(&self, digest: PluginDigest) -> Result<PluginRef, Failure> {
        let snapshot = self.parts.registry.snapshot();
        let version = snapshot.plugin(&digest);
        version
            .map(PluginVersion::reference)
            .ok_or_else(|| Failure::new(Blame::Configuration, "plugin-unknown"))
    }

    /// A plugin ready to be called. It was compiled when it was pushed; only where its compiled file is
    /// missing (another machine, a new engine version) it is compiled now.
    pub(crate) async fn plugin(&self, plugin: &PluginRef) -> Result<Arc<Plugin>, Failure> {
        match self.parts.sandbox.load(plugin).await {
            Ok(loaded) => return Ok(loaded),
            Err(LoadError::NotPrepared) => {}
            Err(error) => {
                tracing::error!(plugin = %plugin.digest, %error, "a plugin cannot be loaded");
            }
        }
        let failed = |code| Failure::new(Blame::Host, code).in_plugin(plugin.clone());
        let bytes = self
            .parts
            .registry
            .plugin_bytes(&plugin.digest)
            .await
            .map_err(|error| {
                tracing::error!(plugin = %plugin.digest, %error, "a plugin's bytes cannot be read");
                failed("plugin-unavailable")
            })?;
        let Some(bytes) = bytes else {
            return Err(failed("plugin-unknown"));
        };
        self.parts.sandbox.prepare(&bytes).await.map_err(|error| {
            tracing::error!(plugin = %plugin.digest, %error, "a plugin cannot be compiled");
            failed("plugin-not-compiled")
        })?;
        self.parts.sandbox.load(plugin).await.map_err(|error| {
            tracing::error!(plugin = %plugin.digest, %error, "a plugin cannot be loaded");
            failed("plugin-not-loaded")
        })
    }

    /// Loads every plugin that is bound, so that no request waits for one: compiles what this machine has
    /// not compiled yet.
    pub async fn warm_up(&self) {
        let snapshot = self.parts.registry.snapshot();
        for digest in snapshot.bound_digests() {
            if let Ok(plugin) = self.plugin_ref(digest)
                && let Err(failure) = self.plugin(&plugin).await
            {
                tracing::warn!(plugin = %plugin.digest, code = failure.code, "not ready to be called");
            }
        }
        self.warm.store(true, Ordering::Release);
    }

    /// Whether [`Self::warm_up`] has come to its end.
    pub fn is_warm(&self) -> bool {
        self.warm.load(Ordering::Acquire)
    }

    /// Loads what is bound from now on as soon as it is bound, wherever that is done, until [`Self::stop`].
    pub async fn keep_warm(self: Arc<Self>) {
        let mut revisions = self.parts.registry.changes();
        loop {
            tokio::select! {
                () = self.stopping.cancelled() => return,
                next = revisions.changed() => if next.is_err() {
                    return;
                },
            }
            tokio::select! {
                () = self.stopping.cancelled() => return,
                () = self.warm_up() => {}
            }
        }
    }
}
