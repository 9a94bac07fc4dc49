//! One call: a place in the sandbox, a fresh instance, the limits around it, and what came of it.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use patchbay_ambient::{SharedClock, SharedEntropy};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::component::{Instance, InstancePre};
use wasmtime::{Engine, PoolConcurrencyLimitError, Store, UpdateDeadline};

use crate::Call;
use crate::limits::{CallLimits, HANDLES, Metered};
use crate::outcome::{CallError, CallOutcome, CallStats, GuestOutput};
use crate::state::CallState;

/// One question to a guest, in one version of the contract.
pub(crate) trait Ask: Send {
    /// What the guest answers, not yet checked.
    type Answer: Send;

    /// Asks it. The error is a trap, or whatever else ended the guest.
    fn ask(
        self,
        store: &mut Store<CallState>,
        instance: &Instance,
    ) -> impl Future<Output = wasmtime::Result<Self::Answer>> + Send;
}

/// What every call needs of the host.
pub(crate) struct Runner {
    pub(crate) engine: Engine,
    pub(crate) limits: CallLimits,
    pub(crate) clock: SharedClock,
    pub(crate) entropy: SharedEntropy,
    /// As many permits as the pool has places.
    pub(crate) places: Arc<Semaphore>,
}

/// Ends a guest whose processor time is over.
#[derive(Debug, thiserror::Error)]
#[error("the guest's processor time is over")]
struct CpuExhausted;

impl Runner {
    pub(crate) async fn run<A: Ask, T>(
        &self,
        pre: &InstancePre<CallState>,
        call: Call,
        ask: A,
        check: impl FnOnce(A::Answer) -> Result<T, CallError>,
    ) -> CallOutcome<T> {
        let _place = match self.place().await {
            Ok(place) => place,
            Err(error) => return without_a_guest(error),
        };
        let mut store = self.store(call);
        let meter = Arc::clone(&store.data().meter);

        let ended = {
            let guest = pin!(async {
                let instance = pre.instantiate_async(&mut store).await?;
                ask.ask(&mut store, &instance).await
            });
            let guest = Metered {
                future: guest,
                meter: &meter,
            };
            tokio::select! {
                biased;
                ended = guest => Some(ended),
                () = self.clock.sleep(self.limits.wall) => None,
            }
        };

        let state = store.data();
        let result = match ended {
            Some(Ok(answer)) => check(answer),
            Some(Err(error)) => Err(explain(state, &error)),
            None if state.in_backend => Err(CallError::BackendTimeout),
            None => Err(CallError::WallTimeout),
        };
        CallOutcome {
            result,
            output: state.output.take(),
            stats: CallStats {
                cpu: meter.spent(),
                elapsed: state.elapsed(),
                peak_memory_bytes: state.limiter.peak_memory(),
                backend_calls: state.backend_calls,
            },
        }
    }

    /// Waits for a place, not longer than a call may take.
    async fn place(&self) -> Result<OwnedSemaphorePermit, CallError> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        tokio::select! {
            biased;
            place = Arc::clone(&self.places).acquire_owned() => {
                place.map_err(|_| CallError::Host("the sandbox is closed".to_owned()))
            }
            () = self.clock.sleep(self.limits.wall) => Err(CallError::Busy),
        }
    }

    fn store(&self, call: Call) -> Store<CallState> {
        let state = CallState::new(call, &self.limits, &self.clock, &self.entropy);
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(self.limits.output_bytes);
        store.set_max_component_handles(HANDLES);
        let total = self.limits.total;
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |store| {
            if store.data().meter.spent_inside() > total {
                return Err(wasmtime::Error::new(CpuExhausted));
            }
            // The other tasks of this thread come first, then its sockets and timers, then the guest
            // goes on. (`UpdateDeadline::Yield` would let tokio look at sockets only after 61 ticks.)
            Ok(UpdateDeadline::YieldCustom(
                1,
                Box::pin(tokio::task::yield_now()),
            ))
        });
        store
    }
}

/// Finds out what ended a guest. The runtime's own text goes to the guest's output.
fn explain(state: &CallState, error: &wasmtime::Error) -> CallError {
    if error.is::<PoolConcurrencyLimitError>() {
        return CallError::Busy;
    }
    state.output.trap(&format!("{error:?}"));
    if error.is::<CpuExhausted>() {
        CallError::CpuExhausted
    } else if state.limiter.refused() {
        CallError::OutOfMemory
    } else if is_hostcall_fuel(error) {
        CallError::OutputTooLarge
    } else {
        CallError::Trap
    }
}

/// wasmtime keeps this error's type to itself; a test watches over the wording.
fn is_hostcall_fuel(error: &wasmtime::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.to_string().contains("fuel allocated for hostcalls"))
}

/// The outcome of a call that never reached a guest.
pub(crate) fn without_a_guest<T>(error: CallError) -> CallOutcome<T> {
    CallOutcome {
        result: Err(error),
        output: GuestOutput::default(),
        stats: CallStats::default(),
    }
}
