//! What every handler has at hand.

use std::sync::Arc;

use patchbay_ambient::SharedClock;
use patchbay_engine::Service;
use patchbay_registry::Registry;

use crate::settings::ServerSettings;

/// The state of a router.
pub(crate) type App = Arc<Shared>;

/// The engine, and the bounds of requests.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) service: Arc<Service>,
    pub(crate) settings: ServerSettings,
}

impl Shared {
    pub(crate) fn new(service: Arc<Service>, settings: ServerSettings) -> App {
        Arc::new(Self { service, settings })
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.service.registry()
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        self.service.clock()
    }
}
