//! How the work spreads: the same backlog on one FoundationDB, worked off by one process and by more.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::journal::Journal;
use crate::layout::{Layout, Plan};
use crate::load::Sender;
use crate::run::{Folder, listen};
use crate::store;

/// Clients that put the backlog there, each with one request under way.
const CLIENTS: usize = 64;
const LIMIT: Duration = Duration::from_mins(20);
/// Clock ticks per second in `/proc`; the same on every Linux.
const TICKS: f64 = 100.0;

/// What a measurement is told.
#[derive(Debug, Clone)]
pub struct ScaleOptions {
    /// How many worker processes, one measurement after the other.
    pub workers: Vec<usize>,
    /// How many workflows wait when they start.
    pub backlog: usize,
    /// Processes of FoundationDB.
    pub databases: usize,
    /// Where everything is kept.
    pub keep: Option<PathBuf>,
}

/// One measurement.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ScaleRow {
    workers: usize,
    workflows: usize,
    seconds: f64,
    workflows_per_second: f64,
    /// Acknowledgements a second by one intake while the backlog was put there.
    acknowledged_per_second: f64,
    /// Processor time of all workers per workflow.
    cpu_ms_per_workflow: f64,
    /// Of each worker, for this backlog; empty where the program does not count.
    store: Vec<Value>,
}

/// Measures every number of workers.
pub async fn scale(options: &ScaleOptions) -> Result<Vec<ScaleRow>, String> {
    let folder = Folder::new(options.keep.as_deref())?;
    let rows = within(options, folder.path()).await;
    if rows.is_err() || options.keep.is_some() {
        folder.leave();
    }
    rows
}

async fn within(options: &ScaleOptions, folder: &Path) -> Result<Vec<ScaleRow>, String> {
    let journal = Journal::new();
    let plan = Plan {
        databases: options.databases,
        intakes: 1,
        workers: options.workers.iter().copied().max().unwrap_or(1),
        customers: 100,
        single: false,
    };
    let mut layout = Layout::start(folder, &plan, &journal).await?;
    let listening = listen(layout.world.clone(), journal.clone());
    let sender = Arc::new(Sender {
        client: Client::new(layout.front(), journal.clone()),
        customers: Arc::new(layout.customers.clone()),
        world: layout.world.clone(),
        journal: journal.clone(),
    });
    let numbers = Arc::new(AtomicUsize::new(0));
    let mut rows = Vec::new();
    for workers in &options.workers {
        for worker in &mut layout.workers {
            worker.stop().await?;
        }
        eprintln!("{workers} workers, {} workflows", options.backlog);
        let row = measure(&mut layout, &sender, &numbers, *workers, options.backlog);
        rows.push(row.await?);
    }
    listening.abort();
    let broken = journal.with(|record| record.broken.clone());
    if broken.is_empty() {
        Ok(rows)
    } else {
        Err(broken.join("\n"))
    }
}

async fn measure(
    layout: &mut Layout,
    sender: &Arc<Sender>,
    numbers: &Arc<AtomicUsize>,
    workers: usize,
    backlog: usize,
) -> Result<ScaleRow, String> {
    let journal = &sender.journal;
    let before = journal.now();
    enqueue(sender, numbers, backlog).await;
    let acknowledging = journal.now().saturating_sub(before);
    let (token, chosen) = (layout.token.clone(), &mut layout.workers[..workers]);
    let told_before = journal.with(|record| record.told.len());
    for worker in chosen.iter_mut() {
        worker.start()?;
    }
    for worker in chosen.iter_mut() {
        worker.until_ready().await?;
    }
    let done = patchbay_test_servers::look_for(LIMIT, async || {
        (journal.untold(Duration::MAX) == 0).then_some(())
    });
    if done.await.is_none() {
        return Err(format!("{} are untold", journal.untold(Duration::MAX)));
    }
    let mut store = Vec::new();
    for worker in chosen.iter() {
        // Each worker was started for this backlog, so its counters began with it.
        store.extend(store::counters(worker, &token).await);
    }
    let cpu: f64 = chosen
        .iter()
        .filter_map(|worker| cpu_seconds(worker.pid()?))
        .sum();
    let mut told: Vec<Duration> = journal.with(|record| {
        let told = record.told.iter().skip(told_before);
        told.map(|event| event.at).collect()
    });
    told.sort_unstable();
    // Without the first and the last tenth: workers begin and end apart from each other.
    let (first, last) = (told.len() / 10, told.len() * 9 / 10);
    let (first_at, last_at) = (told[first], told[last.min(told.len() - 1)]);
    let seconds = last_at.saturating_sub(first_at).as_secs_f64();
    Ok(ScaleRow {
        workers,
        workflows: backlog,
        seconds,
        workflows_per_second: (last - first) as f64 / seconds,
        acknowledged_per_second: backlog as f64 / acknowledging.as_secs_f64(),
        cpu_ms_per_workflow: cpu * 1e3 / told.len() as f64,
        store,
    })
}

async fn enqueue(sender: &Arc<Sender>, numbers: &Arc<AtomicUsize>, count: usize) {
    let end = numbers.load(Ordering::Relaxed) + count;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (sender, numbers) = (sender.clone(), numbers.clone());
        clients.spawn(async move {
            loop {
                let take = |number| (number < end).then_some(number + 1);
                let Ok(number) = numbers.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
                else {
                    return;
                };
                let due = sender.journal.now();
                sender.link(number, &format!("key-{number}"), due).await;
            }
        });
    }
    while clients.join_next().await.is_some() {}
}

/// Processor time that a process has used, as Linux counts it.
fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is a name in parentheses, which may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    Some(ticks / TICKS)
}

/// Prints the rows for people.
pub fn print_scale(rows: &[ScaleRow]) {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY).set_header([
        "workers",
        "workflows",
        "workflows/s",
        "workers' CPU, ms each",
        "acknowledged/s before",
    ]);
    for row in rows {
        table.add_row([
            row.workers.to_string(),
            row.workflows.to_string(),
            format!("{:.0}", row.workflows_per_second),
            format!("{:.2}", row.cpu_ms_per_workflow),
            format!("{:.0}", row.acknowledged_per_second),
        ]);
    }
    println!("{table}");
    for row in rows {
        for (number, counters) in row.store.iter().enumerate() {
            println!(
                "store, worker {} of {}: {counters}",
                number + 1,
                row.workers
            );
        }
    }
}
