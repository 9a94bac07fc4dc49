//! The rows: what is run, and what is compared with what.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::bare::Exchange;
use crate::bare_guest::{Guest, time};
use crate::client::{self, BODY, Rate, TOKEN, Target, World};
use crate::patchbay::Service;
use crate::report::{Figure, Report, Row};
use crate::shape;

/// What to run.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) patchbay: PathBuf,
    pub(crate) plugins: PathBuf,
    pub(crate) length: Duration,
    pub(crate) customers: usize,
    pub(crate) quiet: bool,
}

/// Virtual clients: enough to keep two processors busy, few enough that nothing queues for seconds.
const CLIENTS: usize = 128;
/// The size of a formatted webhook, in bytes.
const WEBHOOK: usize = 1_500;

impl Run {
    fn say(&self, what: &str) {
        if !self.quiet {
            eprintln!("{what}");
        }
    }

    fn plugin(&self, name: &str) -> PathBuf {
        self.plugins.join(format!("{name}.wasm"))
    }
}

/// Measures all rows.
pub(crate) async fn measure(run: &Run) -> Report {
    let world = World::start().await;
    let numbers = Arc::new(AtomicU64::new(1));
    let fsync = sync_time();

    run.say("the service: setting up its customers");
    let service = Service::start(&run.patchbay, "intake").await;
    let tokens = service.set_up(&run.plugins, &world, run.customers).await;
    run.say("the service: durable acknowledgements");
    let load =
        async |target: Target| client::run(&world, &target, &numbers, CLIENTS, run.length).await;
    let acknowledged = load(service.target(&tokens, false)).await;
    run.say("its floor: one group-committed put and one bare validator call");
    let floor_acknowledged = {
        let validator = run.plugin("validator-standard");
        let bare = Bare::start(&["--validator".as_ref(), validator.as_os_str()]);
        load(bare.target(false)).await
    };

    run.say("the service: whole workflows");
    drop(service);
    let mut service_all = Service::start(&run.patchbay, "intake,worker,reconciler").await;
    let tokens = service_all
        .set_up(&run.plugins, &world, run.customers)
        .await;
    service_all
        .restart(&run.patchbay, "intake,worker,reconciler")
        .await;
    world.forget_queries();
    let workflows = load(service_all.target(&tokens, true)).await;
    drop(service_all);
    let (queries, asked) = world.queries();
    let made = workflows.done as f64 * 1.2;
    let exchange = Exchange {
        per_workflow: whole(asked as f64 / made),
        queries,
        token: TOKEN.to_owned(),
        webhook: format!("{}/bare", world.sink()),
    };
    run.say("its floor: the same commits and exchanges, without plugins");
    let floor_workflows = {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("exchange.json");
        std::fs::write(&file, serde_json::to_vec(&exchange).expect("JSON")).expect("written");
        let bare = Bare::start(&["--exchange".as_ref(), file.as_os_str()]);
        load(bare.target(true)).await
    };
    run.say("bare calls of the three plugins");
    let calls = calls(run, &world, &exchange).await;
    report(
        run,
        fsync,
        acknowledged,
        floor_acknowledged,
        workflows,
        floor_workflows,
        calls,
        &exchange,
    )
    .await
}

#[allow(
    clippy::too_many_arguments,
    reason = "each is one figure of the report"
)]
async fn report(
    run: &Run,
    fsync: Duration,
    acknowledged: Rate,
    floor_acknowledged: Rate,
    workflows: Rate,
    floor_workflows: Rate,
    calls: Duration,
    exchange: &Exchange,
) -> Report {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    // The floor with its instance calls: each workflow's calls take their share of the processors.
    let composed = 1.0 / (1.0 / floor_workflows.per_second + calls.as_secs_f64() / cores);
    let shape = shape::measure(BODY, WEBHOOK).await;
    let (writes, bytes) = shape.totals();
    let mut targets = vec![
        Row::at_least(
            "durable acknowledgements, share of the floor",
            acknowledged.per_second / floor_acknowledged.per_second,
            0.6,
        ),
        Row::at_least(
            "workflows, share of the bare program",
            workflows.per_second / floor_workflows.per_second,
            0.35,
        ),
        Row::at_least(
            "workflows, share of the bare program with its instance calls",
            workflows.per_second / composed,
            0.5,
        ),
    ];
    if fsync < Duration::from_micros(500) {
        targets.push(Row::at_least(
            "workflows per second",
            workflows.per_second,
            2_500.0,
        ));
    }
    let figure = |name: &str, value: f64| Figure {
        name: name.to_owned(),
        value,
    };
    Report {
        targets,
        figures: vec![
            figure("processors", cores),
            figure("customers", run.customers as f64),
            figure("fdatasync, ms", fsync.as_secs_f64() * 1e3),
            figure("acknowledgements per second", acknowledged.per_second),
            figure("  floor", floor_acknowledged.per_second),
            figure("workflows per second", workflows.per_second),
            figure("  floor: the bare program", floor_workflows.per_second),
            figure("  floor with its instance calls", composed),
            figure("three bare plugin calls, ms", calls.as_secs_f64() * 1e3),
            figure("backend queries per workflow", exchange.per_workflow as f64),
            figure("key writes per workflow", writes as f64),
            figure("bytes written per workflow", bytes as f64),
        ],
    }
}

/// The time of one bare call of each of the three plugins, together.
async fn calls(run: &Run, world: &World, exchange: &Exchange) -> Duration {
    let (_, body) = world.body(17);
    let text = String::from_utf8_lossy(&body).into_owned();
    let http = client::http();
    let answer = http
        .get(&exchange.queries[0])
        .bearer_auth(TOKEN)
        .send()
        .await
        .expect("answered");
    let answer = answer.bytes().await.expect("an answer").to_vec();
    let validator = Guest::load(&run.plugin("validator-standard"));
    let validator = validator.configured("{\"required\":[]}", Vec::new());
    let adapter = Guest::load(&run.plugin("search-fhir")).configured("{}", answer);
    let formatter = Guest::load(&run.plugin("format-standard"));
    let data = format!(
        "{{\"workflow-id\":\"x\",\"patient-id\":\"y\",\"outcome\":\"linked\",\"link\":null,\"pad\":\"{}\"}}",
        "p".repeat(900)
    );
    time(|| validator.validate(&body)).await
        + time(|| adapter.search(&text)).await
        + time(|| formatter.format(&data)).await
}

/// How long the file system takes to make one small write durable: the median of many.
#[allow(
    clippy::disallowed_methods,
    reason = "this is the stopwatch of a benchmark"
)]
fn sync_time() -> Duration {
    let mut file = tempfile::tempfile().expect("a file");
    let mut times: Vec<Duration> = (0..200)
        .map(|_| {
            file.write_all(&[7; 4096]).expect("written");
            let began = Instant::now();
            file.sync_data().expect("synced");
            began.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// The bare program as a process; killed when dropped.
struct Bare {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl Bare {
    fn start(arguments: &[&std::ffi::OsStr]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let program = std::env::current_exe().expect("the program's path");
        let mut process = command(&program, folder.path())
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the bare program can be started");
        let mut url = String::new();
        let output = process.stdout.take().expect("its output");
        BufReader::new(output)
            .read_line(&mut url)
            .expect("its address");
        Self {
            process,
            url: url.trim().to_owned(),
            _folder: folder,
        }
    }

    fn target(&self, until_told: bool) -> Target {
        Target {
            url: self.url.clone(),
            tokens: Arc::default(),
            until_told,
        }
    }
}

fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg("bare").arg("--store").arg(folder.join("store"));
    command.args([
        "--body",
        &BODY.to_string(),
        "--webhook",
        &WEBHOOK.to_string(),
    ]);
    command
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The nearest whole number of queries, at least one.
fn whole(queries: f64) -> usize {
    (1..10)
        .find(|number| (*number as f64) + 0.5 > queries)
        .unwrap_or(10)
}
