//! A bare wasmtime loop: fresh instance per call, with the service's limits in kind (pooling, epochs
//! that yield, a memory limit, WASI), and nothing else.

use std::path::Path;
use std::time::{Duration, Instant};

use wasmtime::component::{Component, HasSelf, InstancePre, Linker, ResourceTable};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, StoreLimits,
    StoreLimitsBuilder,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

mod bindings {
    #![allow(
        missing_docs,
        missing_debug_implementations,
        unreachable_pub,
        clippy::all,
        clippy::pedantic,
        reason = "generated"
    )]
    wasmtime::component::bindgen!({
        path: "../../wit/1.0.0",
        world: "everything",
        imports: { "patchbay:plugin/backend.send": async },
        exports: { default: async },
    });
}

use bindings::exports::patchbay::plugin::{search_adapter, validator, webhook_formatter};
use bindings::patchbay::plugin::{backend, clock, config, log, search_types, types};

/// A component, compiled and linked.
pub(crate) struct Guest {
    engine: Engine,
    pre: InstancePre<State>,
    config: String,
    /// What its backend answers.
    answer: Vec<u8>,
}

struct State {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: StoreLimits,
    config: String,
    answer: Vec<u8>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl Guest {
    pub(crate) fn load(file: &Path) -> Self {
        let mut pool = PoolingAllocationConfig::new();
        pool.total_component_instances(64)
            .max_memory_size(4 << 30)
            .total_stacks(64);
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).expect("an engine");
        let component = Component::from_file(&engine, file).expect("a component");
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("WASI");
        bindings::Everything::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state)
            .expect("the contract");
        let pre = linker.instantiate_pre(&component).expect("linked");
        let ticking = engine.clone();
        std::thread::spawn(move || {
            loop {
                tick();
                ticking.increment_epoch();
            }
        });
        Self {
            engine,
            pre,
            config: "{}".to_owned(),
            answer: Vec::new(),
        }
    }

    pub(crate) fn configured(mut self, config: &str, answer: Vec<u8>) -> Self {
        (self.config, self.answer) = (config.to_owned(), answer);
        self
    }

    fn store(&self) -> Store<State> {
        let state = State {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
            limits: StoreLimitsBuilder::new().memory_size(64 << 20).build(),
            config: self.config.clone(),
            answer: self.answer.clone(),
        };
        let mut store = Store::new(&self.engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        store
    }

    pub(crate) async fn validate(&self, request: &[u8]) {
        let mut store = self.store();
        let instance = self
            .pre
            .instantiate_async(&mut store)
            .await
            .expect("an instance");
        let role = validator::GuestIndices::new(&self.pre).expect("the role");
        let guest = role.load(&mut store, &instance).expect("the role");
        let request = String::from_utf8_lossy(request).into_owned();
        guest
            .call_validate(&mut store, &request)
            .await
            .expect("a call")
            .expect("valid");
    }

    pub(crate) async fn search(&self, request: &str) {
        let mut store = self.store();
        let instance = self
            .pre
            .instantiate_async(&mut store)
            .await
            .expect("an instance");
        let role = search_adapter::GuestIndices::new(&self.pre).expect("the role");
        let guest = role.load(&mut store, &instance).expect("the role");
        let query = search_adapter::Query {
            request: request.to_owned(),
            attempt_id: String::new(),
            callback_url: None,
        };
        guest
            .call_search(&mut store, &query)
            .await
            .expect("a call")
            .expect("an answer");
    }

    pub(crate) async fn format(&self, data: &str) {
        let mut store = self.store();
        let instance = self
            .pre
            .instantiate_async(&mut store)
            .await
            .expect("an instance");
        let role = webhook_formatter::GuestIndices::new(&self.pre).expect("the role");
        let guest = role.load(&mut store, &instance).expect("the role");
        let event = webhook_formatter::Event {
            id: "01890000-0000-7000-8000-000000000000".to_owned(),
            kind: "link.linked".to_owned(),
            occurred_at: "2026-01-01T00:00:00.000Z".to_owned(),
            data: data.to_owned(),
        };
        guest
            .call_format(&mut store, &event)
            .await
            .expect("a call")
            .expect("a message");
    }
}

/// The time of one call, all processors busy with nothing else: many in a row, the mean.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the stopwatch of a benchmark"
)]
pub(crate) async fn time<F: Future<Output = ()>>(call: impl Fn() -> F) -> Duration {
    const CALLS: u32 = 2_000;
    for _ in 0..200 {
        call().await;
    }
    let began = Instant::now();
    for _ in 0..CALLS {
        call().await;
    }
    began.elapsed() / CALLS
}

#[allow(clippy::disallowed_methods, reason = "an epoch ticks by itself")]
fn tick() {
    std::thread::sleep(Duration::from_millis(10));
}

impl types::Host for State {}
impl search_types::Host for State {}

impl log::Host for State {
    fn log(&mut self, _: log::Level, _: String) {}
}

impl config::Host for State {
    fn get(&mut self) -> String {
        self.config.clone()
    }
}

impl clock::Host for State {
    fn now(&mut self) -> u64 {
        1_790_000_000_000
    }

    fn today(&mut self) -> String {
        "2026-09-21".to_owned()
    }
}

impl backend::Host for State {
    async fn send(&mut self, _: backend::Request) -> Result<backend::Response, backend::Error> {
        let headers = vec![(
            "content-type".to_owned(),
            "application/fhir+json".to_owned(),
        )];
        Ok(backend::Response {
            status: 200,
            headers,
            body: self.answer.clone(),
        })
    }
}
