//! The wasmtime engine: what is compiled how, the pool of instances, and the ticks of its epoch.

use std::hash::{Hash, Hasher};
use std::sync::OnceLock;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use sha2::{Digest, Sha256};
use wasmtime::{
    Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, OptLevel,
    PoolingAllocationConfig,
};

use crate::limits::{CORE_INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES};

/// How long a guest runs before it yields, and how late it may notice that its time is over.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Everything that decides what compiled code looks like. The compiler's child process and the
/// service must agree on it, so nothing here depends on the installation's settings.
fn code_config() -> Config {
    let mut config = Config::new();
    config
        // Guests yield and are stopped at ticks. Fuel would make every call slower.
        .epoch_interruption(true)
        .consume_fuel(false)
        // The same input gives the same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .cranelift_opt_level(OptLevel::Speed)
        // Stated so that a feature switched on elsewhere in the build does not change the engine.
        .concurrency_support(false)
        .wasm_memory64(false)
        // The whole of a 32-bit memory is reserved, so that code needs no bounds checks.
        .memory_reservation(4 << 30)
        // Memory images are mapped, not copied, into a fresh instance.
        .memory_init_cow(true)
        .table_lazy_init(true)
        // A trap tells its place; the stack of twenty frames comes by default.
        .generate_address_map(true)
        // Python and JavaScript interpreters recurse; the default of 512 kB stops them early.
        .max_wasm_stack(1 << 20)
        .async_stack_size(2 << 20);
    config
}

/// The engine of the compiler's child process: it instantiates nothing, so it reserves nothing.
pub(crate) fn for_compiling() -> wasmtime::Result<Engine> {
    Engine::new(&code_config())
}

/// The engine that runs guests, with room for `concurrency` components at a time.
pub(crate) fn for_running(concurrency: u32) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool
        // A call is never refused a slot once it holds a permit: so all totals are what one component
        // may have at most, times the concurrency. This reserves address space, not memory.
        .total_component_instances(concurrency)
        .total_core_instances(concurrency.saturating_mul(CORE_INSTANCES))
        .max_core_instances_per_component(CORE_INSTANCES)
        .total_memories(concurrency.saturating_mul(MEMORIES))
        .max_memories_per_component(MEMORIES)
        .max_memories_per_module(MEMORIES)
        .total_tables(concurrency.saturating_mul(TABLES))
        .max_tables_per_component(TABLES)
        .max_tables_per_module(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .total_stacks(concurrency)
        // Only a bound on bookkeeping; the default of 1 MiB is too small for forty linked libraries.
        .max_component_instance_size(8 << 20)
        // Memory sizes are the limiter's business (`limits.rs`), which remembers refusals; the pool
        // would refuse silently.
        .max_memory_size(4 << 30)
        // A slot that was used by the same module before needs no new mappings. More of these than
        // running calls would only hold memory.
        .max_unused_warm_slots(concurrency)
        // A small guest dirties a few pages: to clear them by hand is cheaper than to give them back
        // and fault them in again. Beyond this many bytes they are given back.
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(KEEP_RESIDENT)
        // Find the dirty pages by asking the kernel, where it can tell (Linux 6.7): else the whole
        // kept range is written.
        .pagemap_scan(Enabled::Auto)
        // Give memory back in one system call per sixteen instances.
        .decommit_batch_size(16);
    let mut config = code_config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

const KEEP_RESIDENT: usize = 256 << 10;

/// Names the engine's version and configuration: compiled code may be loaded where this is the same.
pub(crate) fn compatibility(engine: &Engine) -> [u8; 32] {
    struct Collect(Sha256);
    impl Hasher for Collect {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            0
        }
    }
    let mut collect = Collect(Sha256::new_with_prefix(b"patchbay compiled plugin 1\0"));
    engine.precompile_compatibility_hash().hash(&mut collect);
    collect.0.finalize().into()
}

/// The engines whose epoch is ticking. One thread serves all engines of the process.
struct Ticker {
    engines: Mutex<Vec<EngineWeak>>,
    arrived: Condvar,
}

static TICKER: OnceLock<Ticker> = OnceLock::new();

/// Lets the engine's epoch tick until the engine is dropped.
pub(crate) fn start_ticking(engine: &Engine) -> std::io::Result<()> {
    let mut first = false;
    let ticker = TICKER.get_or_init(|| {
        first = true;
        Ticker {
            engines: Mutex::new(Vec::new()),
            arrived: Condvar::new(),
        }
    });
    if first {
        std::thread::Builder::new()
            .name("sandbox-ticker".to_owned())
            .spawn(move || tick(ticker))?;
    }
    ticker.engines.lock().push(engine.weak());
    ticker.arrived.notify_one();
    Ok(())
}

#[allow(
    clippy::disallowed_methods,
    reason = "a tick must come while guests hold every thread of the runtime, and in simulated time \
              too: nobody waits for it, it only makes guests look at their meter"
)]
fn tick(ticker: &Ticker) {
    loop {
        let mut engines = ticker.engines.lock();
        engines.retain(|engine| match engine.upgrade() {
            Some(engine) => {
                engine.increment_epoch();
                true
            }
            None => false,
        });
        if engines.is_empty() {
            ticker.arrived.wait(&mut engines);
        }
        drop(engines);
        std::thread::sleep(TICK);
    }
}
