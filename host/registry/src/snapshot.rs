//! The configuration in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use patchbay_workflow::{BackendId, CustomerId, PluginDigest, Timestamp};

use crate::admin::ActiveAdmin;
use crate::backend::Backend;
use crate::customer::Customer;
use crate::plugin::PluginVersion;
use crate::token::{TokenId, TokenKey};

/// The configuration at one revision: what every hot read is answered from. Customers and backends are
/// shared between snapshots as long as they do not change.
#[derive(Clone)]
pub struct Snapshot {
    /// How many changes the registry had seen.
    pub revision: u64,
    /// The audit log's hash at that revision: tells this history from any other.
    pub(crate) head: Vec<u8>,
    pub(crate) customers: BTreeMap<CustomerId, Arc<Customer>>,
    pub(crate) backends: BTreeMap<BackendId, Arc<Backend>>,
    /// The versions of each name, newest first.
    pub(crate) plugins: BTreeMap<String, Vec<Arc<PluginVersion>>>,
    pub(crate) by_digest: HashMap<PluginDigest, Arc<PluginVersion>>,
    /// The youngest first.
    pub(crate) token_keys: Arc<[TokenKey]>,
    pub(crate) revoked: Arc<HashSet<TokenId>>,
    pub(crate) admins: Arc<[ActiveAdmin]>,
    confirmed: Arc<Confirmed>,
}

/// A point of the registry's history.
pub(crate) struct Point {
    pub(crate) revision: u64,
    pub(crate) head: Vec<u8>,
}

/// When the snapshot was last seen to be the registry's present revision.
#[derive(Default)]
struct Confirmed {
    at_millis: AtomicU64,
    /// By the monotonic clock, so that a wall clock set back does not stretch the bound.
    monotonic_millis: AtomicU64,
}

impl Snapshot {
    pub(crate) fn empty() -> Self {
        Self {
            revision: 0,
            head: Vec::new(),
            customers: BTreeMap::new(),
            backends: BTreeMap::new(),
            plugins: BTreeMap::new(),
            by_digest: HashMap::new(),
            token_keys: Arc::new([]),
            revoked: Arc::default(),
            admins: Arc::new([]),
            confirmed: Arc::default(),
        }
    }

    /// The same content, to be changed into that of `point`. Its confirmation is its own.
    pub(crate) fn successor(&self, point: Point) -> Self {
        Self {
            revision: point.revision,
            head: point.head,
            confirmed: Arc::default(),
            ..self.clone()
        }
    }

    /// A customer.
    pub fn customer(&self, id: &CustomerId) -> Option<&Arc<Customer>> {
        self.customers.get(id)
    }

    /// Every customer, by id.
    pub fn customers(&self) -> impl ExactSizeIterator<Item = &Arc<Customer>> {
        self.customers.values()
    }

    /// A backend.
    pub fn backend(&self, id: &BackendId) -> Option<&Arc<Backend>> {
        self.backends.get(id)
    }

    /// Every backend, by id.
    pub fn backends(&self) -> impl ExactSizeIterator<Item = &Arc<Backend>> {
        self.backends.values()
    }

    /// The plugin of that digest; under the name it was last pushed, if it has several.
    pub fn plugin(&self, digest: &PluginDigest) -> Option<&PluginVersion> {
        self.by_digest.get(digest).map(|version| &**version)
    }

    /// The newest version of a plugin.
    pub fn plugin_by_name(&self, name: &str) -> Option<&PluginVersion> {
        self.plugins.get(name)?.first().map(|version| &**version)
    }

    /// Every version of every plugin: by name, the newest first.
    pub fn plugins(&self) -> impl Iterator<Item = &PluginVersion> {
        self.plugins.values().flatten().map(|version| &**version)
    }

    /// Every plugin that a customer or a backend in use may run: what must be compiled to be ready.
    pub fn bound_digests(&self) -> BTreeSet<PluginDigest> {
        let bound = self.customers.values().flat_map(|customer| {
            customer
                .bindings
                .values()
                .map(|binding| binding.plugin.digest)
        });
        let adapters = self.backends.values().map(|backend| backend.adapter.digest);
        bound.chain(adapters).collect()
    }

    /// When this was last confirmed to be the registry's present content.
    pub fn confirmed_at(&self) -> Timestamp {
        Timestamp::from_millis(self.confirmed.at_millis.load(Ordering::Relaxed))
    }

    pub(crate) fn confirm(&self, at: Timestamp, monotonic: Duration) {
        let confirmed = &self.confirmed;
        let monotonic = u64::try_from(monotonic.as_millis()).unwrap_or(u64::MAX);
        confirmed
            .at_millis
            .fetch_max(at.as_millis(), Ordering::Relaxed);
        confirmed
            .monotonic_millis
            .fetch_max(monotonic, Ordering::Relaxed);
    }

    /// How long ago the last confirmation began.
    pub(crate) fn age(&self, monotonic: Duration) -> Duration {
        let confirmed = self.confirmed.monotonic_millis.load(Ordering::Relaxed);
        monotonic.saturating_sub(Duration::from_millis(confirmed))
    }

    /// Replaces the versions of one name; gives the digests to look up anew.
    pub(crate) fn put_plugins(&mut self, name: &str, mut versions: Vec<PluginVersion>) {
        versions.sort_by_key(|version| std::cmp::Reverse(version.revision));
        let versions: Vec<_> = versions.into_iter().map(Arc::new).collect();
        for version in &versions {
            let known = self
                .by_digest
                .entry(version.digest)
                .or_insert_with(|| version.clone());
            if known.revision <= version.revision {
                *known = version.clone();
            }
        }
        self.plugins.insert(name.to_owned(), versions);
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("revision", &self.revision)
            .field("customers", &self.customers.len())
            .field("backends", &self.backends.len())
            .field("plugins", &self.by_digest.len())
            .field("confirmed_at", &self.confirmed_at())
            .finish_non_exhaustive()
    }
}
