//! What the host keeps for one call: the data of its store.

use std::sync::Arc;
use std::time::Duration;

use patchbay_ambient::{SharedClock, SharedEntropy};
use patchbay_workflow::Timestamp;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::Call;
use crate::gateway::BackendGateway;
use crate::limits::{CallLimits, HANDLES, Limiter, Meter};
use crate::output::Capture;
use crate::wasi;

/// The state of one call. It is made anew for each, like the guest's instance.
pub(crate) struct CallState {
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    pub(crate) meter: Arc<Meter>,
    pub(crate) output: Capture,
    pub(crate) clock: SharedClock,
    pub(crate) now: Timestamp,
    pub(crate) config: Arc<str>,
    pub(crate) gateway: Option<Arc<dyn BackendGateway>>,
    pub(crate) backend_limit: u32,
    pub(crate) backend_calls: u32,
    /// The guest waits for its backend.
    pub(crate) in_backend: bool,
    began: Duration,
    wasi: WasiCtx,
}

impl CallState {
    pub(crate) fn new(
        call: Call,
        limits: &CallLimits,
        clock: &SharedClock,
        entropy: &SharedEntropy,
    ) -> Self {
        let now = clock.now();
        let output = Capture::new(limits.guest_output_bytes);
        let mut table = ResourceTable::new();
        table.set_max_capacity(HANDLES);
        Self {
            wasi: wasi::context(now, entropy, &output),
            table,
            limiter: Limiter::new(limits.memory_bytes),
            meter: Arc::new(Meter::default()),
            output,
            clock: SharedClock::clone(clock),
            now,
            config: call.config,
            gateway: call.gateway,
            backend_limit: limits.backend_calls,
            backend_calls: 0,
            in_backend: false,
            began: clock.monotonic(),
        }
    }

    /// Since the call began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.monotonic().saturating_sub(self.began)
    }
}

impl WasiView for CallState {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}
