//! What one call may use: the limits, the limiter of memory and tables, and the meter of processor time.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::ResourceLimiter;

/// Core instances that one component may consist of. A componentize-py component links each of its
/// shared libraries as one, about forty in all; a Rust component has four.
pub(crate) const CORE_INSTANCES: u32 = 128;
/// Linear memories of one component: one, or a few where components were composed.
pub(crate) const MEMORIES: u32 = 4;
/// Tables of one component: its own, and one per adapter shim.
pub(crate) const TABLES: u32 = 16;
/// Elements of one table. Python's function table has about ten thousand.
pub(crate) const TABLE_ELEMENTS: usize = 65_536;
/// Handles (WASI streams, pollables) that a guest may hold at a time.
pub(crate) const HANDLES: usize = 1_024;

/// Bounds of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// Processor time of the guest; waiting for the backend does not count. It is looked at every
    /// ten milliseconds.
    pub total: Duration,
    /// The whole call, waiting for the backend included.
    pub wall: Duration,
    /// Linear memory, all memories of the component together.
    pub memory_bytes: usize,
    /// What the guest may hand to the host in one go: its answer, or the arguments of one import.
    pub output_bytes: usize,
    /// What is kept of its log lines, standard output and standard error together.
    pub guest_output_bytes: usize,
    /// Requests to the backend.
    pub backend_calls: u32,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            total: Duration::from_secs(1),
            wall: Duration::from_mins(1),
            memory_bytes: 64 << 20,
            output_bytes: 1 << 20,
            guest_output_bytes: 16 << 10,
            backend_calls: 6,
        }
    }
}

/// Grants a guest memory and table space up to its limits, and remembers whether it had to refuse.
#[derive(Debug)]
pub(crate) struct Limiter {
    memory_limit: usize,
    memory: usize,
    peak_memory: usize,
    last_growth: usize,
    refused: bool,
}

impl Limiter {
    pub(crate) const fn new(memory_limit: usize) -> Self {
        Self {
            memory_limit,
            memory: 0,
            peak_memory: 0,
            last_growth: 0,
            refused: false,
        }
    }

    pub(crate) const fn peak_memory(&self) -> usize {
        self.peak_memory
    }

    /// Something was refused. Guests seldom survive that, and then trap in ways that do not tell why.
    pub(crate) const fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let growth = desired.saturating_sub(current);
        let total = self.memory.saturating_add(growth);
        // A memory's own maximum is its author's wish, not a limit of ours.
        let own_limit = maximum.is_some_and(|maximum| desired > maximum);
        if total > self.memory_limit && !own_limit {
            self.refused = true;
            return Ok(false);
        }
        if own_limit {
            return Ok(false);
        }
        self.memory = total;
        self.last_growth = growth;
        self.peak_memory = self.peak_memory.max(total);
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.memory = self.memory.saturating_sub(self.last_growth);
        self.last_growth = 0;
        self.refused = true;
        Ok(())
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let fits = desired <= TABLE_ELEMENTS;
        self.refused |= !fits;
        Ok(fits)
    }

    fn instances(&self) -> usize {
        CORE_INSTANCES as usize
    }

    fn tables(&self) -> usize {
        TABLES as usize
    }

    fn memories(&self) -> usize {
        MEMORIES as usize
    }
}

/// Adds up the processor time of one call.
///
/// The thread's own processor clock is read around every poll of the call's future: what a guest waits
/// for is not counted, nor are the guests that ran on the thread meanwhile, nor the time for which the
/// operating system ran something else.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    spent_nanos: AtomicU64,
    poll_began_nanos: AtomicU64,
}

impl Meter {
    /// Time spent, without the poll that runs now.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_nanos.load(Ordering::Relaxed))
    }

    /// Time spent, the poll that runs now included: to be asked from inside of it.
    pub(crate) fn spent_inside(&self) -> Duration {
        let began = self.poll_began_nanos.load(Ordering::Relaxed);
        self.spent() + Duration::from_nanos(thread_cpu_nanos().saturating_sub(began))
    }
}

/// A future whose processor time is metered.
#[derive(Debug)]
pub(crate) struct Metered<'a, F> {
    pub(crate) future: Pin<&'a mut F>,
    pub(crate) meter: &'a Meter,
}

impl<F: Future> Future for Metered<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let began = thread_cpu_nanos();
        self.meter.poll_began_nanos.store(began, Ordering::Relaxed);
        let result = self.future.as_mut().poll(context);
        let took = thread_cpu_nanos().saturating_sub(began);
        self.meter.spent_nanos.fetch_add(took, Ordering::Relaxed);
        result
    }
}

fn thread_cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}
