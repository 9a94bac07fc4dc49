//! Plugins that are loaded: compiled code in memory, linked with what the host offers.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use lru::LruCache;
use patchbay_workflow::{PluginDigest, Role};
use wasmtime::component::{Component, InstancePre, Linker};

use crate::contract::v1_0_0;
use crate::state::CallState;

/// Compiled code that is kept in memory, in bytes of its files. A Rust component has about 1 MB, a
/// JavaScript or Python one some 40 MB.
const LOADED_BYTES: usize = 384 << 20;

/// A plugin that is ready to be called.
pub struct Plugin {
    digest: PluginDigest,
    bytes: usize,
    pub(crate) roles: v1_0_0::Roles,
    pub(crate) pre: InstancePre<CallState>,
}

impl Plugin {
    pub(crate) fn link(
        digest: PluginDigest,
        bytes: usize,
        component: &Component,
        linker: &Linker<CallState>,
    ) -> wasmtime::Result<Self> {
        let pre = linker.instantiate_pre(component)?;
        Ok(Self {
            digest,
            bytes,
            roles: v1_0_0::Roles::find(&pre)?,
            pre,
        })
    }

    /// The exact version.
    pub const fn digest(&self) -> &PluginDigest {
        &self.digest
    }

    /// What it can do.
    pub fn roles(&self) -> BTreeSet<Role> {
        self.roles.names()
    }
}

impl fmt::Debug for Plugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("digest", &self.digest)
            .field("roles", &self.roles())
            .finish_non_exhaustive()
    }
}

/// The plugins in memory; the least recently used leave when their code grows too large.
pub(crate) struct Loaded {
    plugins: LruCache<PluginDigest, Arc<Plugin>>,
    bytes: usize,
}

impl Loaded {
    pub(crate) fn new() -> Self {
        Self {
            plugins: LruCache::unbounded(),
            bytes: 0,
        }
    }

    pub(crate) fn get(&mut self, digest: &PluginDigest) -> Option<Arc<Plugin>> {
        self.plugins.get(digest).map(Arc::clone)
    }

    /// Keeps a plugin. One that is larger than the bound is kept alone.
    pub(crate) fn insert(&mut self, plugin: &Arc<Plugin>) {
        self.bytes += plugin.bytes;
        if let Some(replaced) = self.plugins.put(plugin.digest, Arc::clone(plugin)) {
            self.bytes -= replaced.bytes;
        }
        while self.bytes > LOADED_BYTES && self.plugins.len() > 1 {
            if let Some((_, evicted)) = self.plugins.pop_lru() {
                self.bytes -= evicted.bytes;
            }
        }
    }
}
