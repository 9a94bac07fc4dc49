//! One run: load, faults in rounds, the reckoning.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use patchbay_test_servers::look_for;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::account;
use crate::client::Client;
use crate::faults::Fault;
use crate::journal::Journal;
use crate::layout::{Layout, Plan};
use crate::load::{Load, Sender};
use crate::node::program;
use crate::report::Report;
use crate::store;
use crate::world::World;

/// How long the last workflows may take once nothing new is sent.
const LAST_LIMIT: Duration = Duration::from_mins(3);
/// Time enough for as many requests as are sent between two faults.
const CALM_LIMIT: Duration = Duration::from_mins(2);

/// What a run is told.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long faults go on. The first round is always finished.
    pub length: Duration,
    /// Requests a second.
    pub rate: u32,
    /// Seconds' worth of requests between two faults.
    pub calm: u32,
    /// Where everything is kept, however the run ends; else only where it failed.
    pub keep: Option<PathBuf>,
    /// One process with every role and the embedded store, to try the test itself.
    pub single: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            length: Duration::from_mins(1),
            rate: 40,
            calm: 5,
            keep: None,
            single: false,
        }
    }
}

/// The folder of a run: kept where somebody wants to look into it.
#[derive(Debug)]
pub(crate) enum Folder {
    Own(TempDir),
    Given(PathBuf),
}

impl Folder {
    pub(crate) fn new(keep: Option<&Path>) -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("a folder cannot be made: {error}");
        match keep {
            // Servers that change their working folder are told where they are.
            Some(path) => {
                std::fs::create_dir_all(path).map_err(failed)?;
                path.canonicalize().map(Self::Given).map_err(failed)
            }
            None => TempDir::new().map(Self::Own).map_err(failed),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Own(folder) => folder.path(),
            Self::Given(path) => path,
        }
    }

    /// Says where everything is, and leaves it there.
    pub(crate) fn leave(self) {
        let path = match self {
            Self::Own(folder) => folder.keep(),
            Self::Given(path) => path,
        };
        eprintln!("logs and data are in {}", path.display());
    }
}

/// Starts a cluster, loads it, does every fault in turn until the time is over, and reckons up.
pub async fn run(options: &Options) -> Result<Report, String> {
    let folder = Folder::new(options.keep.as_deref())?;
    let journal = Journal::new();
    let result = within(options, folder.path(), &journal).await;
    let failed = !result.as_ref().is_ok_and(Report::is_good);
    if failed || options.keep.is_some() {
        folder.leave();
    }
    result
}

async fn within(options: &Options, folder: &Path, journal: &Journal) -> Result<Report, String> {
    let plan = Plan {
        databases: 3,
        intakes: 2,
        workers: 2,
        customers: 8,
        single: options.single,
    };
    eprintln!("starting in {}", folder.display());
    let mut layout = Layout::start(folder, &plan, journal).await?;
    let listening = listen(layout.world.clone(), journal.clone());
    let customers = Arc::new(layout.customers.clone());
    let client = Client::new(layout.front(), journal.clone());
    let sender = Sender {
        client: client.clone(),
        customers: customers.clone(),
        world: layout.world.clone(),
        journal: journal.clone(),
    };
    eprintln!("ready; {} requests a second", options.rate);
    let load = Load::start(sender, options.rate);
    let faults = rounds(options, &mut layout, journal).await;
    load.end().await;
    faults?;
    let last = look_for(LAST_LIMIT, async || {
        (journal.untold(Duration::MAX) == 0).then_some(())
    });
    if last.await.is_none() {
        let untold = journal.untold(Duration::MAX);
        journal.broken(format!(
            "{untold} workflows are untold {LAST_LIMIT:?} after the end"
        ));
    }
    eprintln!("reckoning");
    let ends = account::ends(&client, &customers, journal).await;
    let store = store::counters_of(&mut layout).await;
    stop(&mut layout, journal).await;
    listening.abort();
    account::check_webhooks(journal, &customers);
    for customer in layout.world.receiver.bad() {
        journal.broken(format!("a webhook of {customer} had no good signature"));
    }
    let store_check = check_store(&layout);
    if let Some(Err(why)) = &store_check {
        journal.broken(format!("store check: {why}"));
    }
    let retries = account::retries(journal);
    let mut report = Report::new(journal, options.rate, &ends, retries);
    report.store = store;
    report.store_check = store_check.map(|check| match check {
        Ok(()) => "found nothing".to_owned(),
        Err(_) => "found something".to_owned(),
    });
    Ok(report)
}

/// Writes down what the receiver gets, as it comes.
pub(crate) fn listen(world: World, journal: Journal) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut seen = 0;
        loop {
            for webhook in world.receiver.beyond(seen).await {
                seen += 1;
                journal.told(&webhook);
            }
        }
    })
}

async fn rounds(options: &Options, layout: &mut Layout, journal: &Journal) -> Result<(), String> {
    let end = journal.now() + options.length;
    let calm = u64::from(options.rate * options.calm);
    let faults: Vec<Fault> = Fault::ALL
        .into_iter()
        .filter(|fault| fault.applies(layout))
        .collect();
    for round in 0.. {
        for fault in &faults {
            if round > 0 && journal.now() >= end {
                return Ok(());
            }
            if !journal.more_acknowledged(calm, CALM_LIMIT).await {
                return Err("requests are no longer acknowledged".to_owned());
            }
            let at = journal.now().as_secs();
            eprintln!("{at} s, round {}: {}", round + 1, fault.name());
            fault.run(layout, journal, options.rate, round).await?;
            check_nodes(layout, journal);
        }
        if journal.now() >= end {
            return Ok(());
        }
    }
    Ok(())
}

/// Nobody ends but by our hand.
fn check_nodes(layout: &mut Layout, journal: &Journal) {
    for node in layout.nodes() {
        if let Some(status) = node.ended() {
            journal.broken(format!("{} ended by itself: {status}", node.name));
        }
    }
}

async fn stop(layout: &mut Layout, journal: &Journal) {
    check_nodes(layout, journal);
    for node in layout.nodes() {
        if let Err(why) = node.stop().await {
            journal.broken(why);
        }
        if node.log().contains("panicked at") {
            journal.broken(format!("{} panicked, see its log", node.name));
        }
    }
}

/// Has the program look through the store for what must not be, if it can do that yet.
fn check_store(layout: &Layout) -> Option<Result<(), String>> {
    let program = program().ok()?;
    layout.shared.database.as_ref()?;
    let shared = &layout.shared.arguments;
    let store = shared.iter().position(|argument| argument == "--store")?;
    let knows = Command::new(&program)
        .args(["store", "check", "--help"])
        .stdin(Stdio::null())
        .output();
    if !knows.is_ok_and(|output| output.status.success()) {
        return None;
    }
    let output = Command::new(&program)
        .args(["store", "check"])
        .args(shared.get(store..store + 2)?)
        .stdin(Stdio::null())
        .output();
    Some(match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
        Err(error) => Err(error.to_string()),
    })
}
