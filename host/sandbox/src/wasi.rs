//! An inert WASI 0.2. Components of every language import it, so all of it is linked; none of it leads
//! anywhere: no files, no network, no environment, no arguments, an empty standard input. Time and
//! randomness are the host's, and what is written to standard output and error is captured.

use std::convert::Infallible;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use patchbay_ambient::{SharedClock, SharedEntropy};
use patchbay_workflow::Timestamp;
use rand::TryRng;
use tokio::io::AsyncWrite;
use wasmtime::component::{HasSelf, Linker, Resource};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::clocks::HostWallClock;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::{DynPollable, OutputStream, Pollable, StreamResult, subscribe};
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder};

use crate::outcome::LineSource;
use crate::output::Capture;
use crate::state::CallState;

/// The most random bytes given at a time.
const RANDOM_BYTES: u64 = 64 << 10;
/// What a stream takes at a time.
const WRITE_BYTES: usize = 64 << 10;

/// The WASI of one call.
pub(crate) fn context(now: Timestamp, entropy: &SharedEntropy, output: &Capture) -> WasiCtx {
    let mut seed = [0; 16];
    entropy.fill(&mut seed);
    WasiCtxBuilder::new()
        .stdout(Stream(LineSource::Stdout, output.clone()))
        .stderr(Stream(LineSource::Stderr, output.clone()))
        .wall_clock(Stopped(now))
        .secure_random(Random(SharedEntropy::clone(entropy)))
        .insecure_random(Random(SharedEntropy::clone(entropy)))
        .insecure_random_seed(u128::from_le_bytes(seed))
        .max_random_size(RANDOM_BYTES)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// Links all of WASI; the monotonic clock is ours, because the stock one waits by the machine's time.
pub(crate) fn add_to_linker(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<CallState, HasSelf<CallState>>(linker, |state| state)?;
    linker.allow_shadowing(false);
    Ok(())
}

/// The wall clock of one call stands still, like the contract's `clock`.
struct Stopped(Timestamp);

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        Duration::from_millis(self.0.as_millis())
    }
}

impl monotonic_clock::Host for CallState {
    fn now(&mut self) -> wasmtime::Result<u64> {
        Ok(nanos(self.elapsed()))
    }

    fn resolution(&mut self) -> wasmtime::Result<u64> {
        Ok(1_000_000)
    }

    fn subscribe_instant(&mut self, when: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let wait = when.saturating_sub(nanos(self.elapsed()));
        self.subscribe_duration(wait)
    }

    fn subscribe_duration(&mut self, wait: u64) -> wasmtime::Result<Resource<DynPollable>> {
        let wait = Duration::from_millis(wait.div_ceil(1_000_000));
        let sleep = self.table.push(Sleep {
            until: self.clock.now().after(wait),
            clock: SharedClock::clone(&self.clock),
        })?;
        subscribe(&mut self.table, sleep)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A guest's wish to wait. The wall-clock limit of the call bounds it.
struct Sleep {
    until: Timestamp,
    clock: SharedClock,
}

#[async_trait]
impl Pollable for Sleep {
    async fn ready(&mut self) {
        self.clock.sleep_until(self.until).await;
    }
}

struct Random(SharedEntropy);

impl TryRng for Random {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        Ok(self.0.next_u64())
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.fill(bytes);
        Ok(())
    }
}

/// Standard output or standard error. Writing never waits and never fails: what is too much is dropped.
#[derive(Clone)]
struct Stream(LineSource, Capture);

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.1 and 0.3 ask for this form, and neither is linked.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.1.stream(self.0, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_BYTES)
    }
}

#[async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}
