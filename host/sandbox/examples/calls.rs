//! Measures a validator's call on a fresh instance, beside a bare wasmtime loop with the same WASI,
//! engine settings, types and payload.
//!
//! `cargo run --release --example calls -- path/to/guest_polite.wasm`

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program that measures reads the machine's clock and prints"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use patchbay_ambient::{OsEntropy, SystemClock};
use patchbay_sandbox::{Call, CallLimits, CompileMode, Sandbox, SandboxConfig};
use patchbay_workflow::PluginRef;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    StoreLimits, StoreLimitsBuilder,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

const CALLS: u32 = 2_000;
const ROUNDS: usize = 7;

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/1.0.0",
        world: "everything",
        imports: { "patchbay:plugin/backend.send": async },
        exports: { default: async },
    });
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: StoreLimits,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl bindings::patchbay::plugin::types::Host for State {}
impl bindings::patchbay::plugin::search_types::Host for State {}
impl bindings::patchbay::plugin::log::Host for State {
    fn log(&mut self, _: bindings::patchbay::plugin::log::Level, _: String) {}
}
impl bindings::patchbay::plugin::config::Host for State {
    fn get(&mut self) -> String {
        "{}".to_owned()
    }
}
impl bindings::patchbay::plugin::clock::Host for State {
    fn now(&mut self) -> u64 {
        0
    }
    fn today(&mut self) -> String {
        String::new()
    }
}
impl bindings::patchbay::plugin::backend::Host for State {
    async fn send(
        &mut self,
        _: bindings::patchbay::plugin::backend::Request,
    ) -> Result<
        bindings::patchbay::plugin::backend::Response,
        bindings::patchbay::plugin::backend::Error,
    > {
        Err(bindings::patchbay::plugin::backend::Error::Timeout)
    }
}

/// The least that a host with the same promises can do.
struct Bare {
    engine: Engine,
    pre: wasmtime::component::InstancePre<State>,
    validator: bindings::exports::patchbay::plugin::validator::GuestIndices,
}

impl Bare {
    fn new(wasm: &[u8]) -> wasmtime::Result<Self> {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(16)
            .total_core_instances(256)
            .total_memories(64)
            .total_tables(256)
            .total_stacks(16)
            .linear_memory_keep_resident(256 << 10)
            .table_keep_resident(256 << 10)
            .pagemap_scan(Enabled::Auto)
            .decommit_batch_size(16);
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .max_wasm_stack(1 << 20)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        bindings::Everything::add_to_linker::<State, wasmtime::component::HasSelf<State>>(
            &mut linker,
            |state| state,
        )?;
        let pre = linker.instantiate_pre(&Component::new(&engine, wasm)?)?;
        let validator = bindings::exports::patchbay::plugin::validator::GuestIndices::new(&pre)?;
        Ok(Self {
            engine,
            pre,
            validator,
        })
    }

    async fn call(&self, request: &String) -> wasmtime::Result<usize> {
        let state = State {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
            limits: StoreLimitsBuilder::new().memory_size(64 << 20).build(),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        store.epoch_deadline_async_yield_and_update(1);
        store.set_epoch_deadline(1);
        let instance = self.pre.instantiate_async(&mut store).await?;
        let guest = self.validator.load(&mut store, &instance)?;
        let answer = guest.call_validate(&mut store, request).await?;
        Ok(answer.map_or(0, |answer| answer.len()))
    }
}

fn per_call(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6 / f64::from(CALLS)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("which component?")?;
    let wasm = std::fs::read(path)?;
    let request = format!(
        "{{\"patient\":{{\"id\":\"p-1\",\"note\":\"{}\"}}}}",
        "x".repeat(2_000)
    );

    let directory = tempfile::tempdir()?;
    let sandbox = Sandbox::new(
        SandboxConfig {
            cache_dir: directory.path().to_owned(),
            cache_mac_key: [1; 32],
            compile: CompileMode::InProcess,
            limits: CallLimits::default(),
            concurrency: 16,
        },
        Arc::new(SystemClock::new()),
        Arc::new(OsEntropy::new()),
    )?;
    let began = Instant::now();
    let digest = sandbox.prepare(&wasm).await?.digest;
    println!("prepare            {:?}", began.elapsed());
    let name = "measured".to_owned();
    let plugin = sandbox.load(&PluginRef { name, digest }).await?;
    let bare = Bare::new(&wasm)?;

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        for _ in 0..CALLS {
            bare.call(&request).await?;
        }
        theirs.push(per_call(began.elapsed()));
        let began = Instant::now();
        for _ in 0..CALLS {
            let outcome = sandbox.validate(&plugin, Call::new("{}"), &request).await;
            outcome
                .result?
                .map_err(|_| "the plugin refused the request")?;
        }
        ours.push(per_call(began.elapsed()));
    }
    ours.sort_by(f64::total_cmp);
    theirs.sort_by(f64::total_cmp);
    let (ours, theirs) = (ours[ROUNDS / 2], theirs[ROUNDS / 2]);
    println!("a call, sandbox    {ours:.1} µs");
    println!("a call, bare       {theirs:.1} µs");
    println!("ratio              {:.2}", ours / theirs);
    Ok(())
}
