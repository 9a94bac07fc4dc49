//! How soon a worker begins what an intake of another process accepted: one request at a time, while
//! everybody else waits for work.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::client::Client;
use crate::journal::Journal;
use crate::layout::{Layout, Plan};
use crate::load::Sender;
use crate::run::{Folder, listen};

/// How long the internal system takes, so that no search begins and ends unseen.
const SEARCH: Duration = Duration::from_millis(20);
/// Between two requests: workers have long gone back to their watches.
const PAUSE: Duration = Duration::from_millis(200);
const LIMIT: Duration = Duration::from_mins(1);
const CUSTOMERS: usize = 20;

/// What a measurement is told.
#[derive(Debug, Clone)]
pub struct WakeOptions {
    /// How many requests.
    pub requests: usize,
    /// Processes of FoundationDB.
    pub databases: usize,
}

/// Times from the 202 at the client to the search at the internal system; zero where the search came
/// first. They contain the lease and all that a worker reads and decides before it searches.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct WakeTimes {
    requests: usize,
    p50_ms: f64,
    p99_ms: f64,
    most_ms: f64,
}

/// Measures with two intakes and two workers.
pub async fn wake(options: &WakeOptions) -> Result<WakeTimes, String> {
    let folder = Folder::new(None)?;
    let times = within(options, folder.path()).await;
    if times.is_err() {
        folder.leave();
    }
    times
}

async fn within(options: &WakeOptions, folder: &std::path::Path) -> Result<WakeTimes, String> {
    let journal = Journal::new();
    let plan = Plan {
        databases: options.databases,
        intakes: 2,
        workers: 2,
        customers: CUSTOMERS,
        single: false,
    };
    let layout = Layout::start(folder, &plan, &journal).await?;
    let listening = listen(layout.world.clone(), journal.clone());
    layout.world.answer_after(SEARCH);
    let sender = Sender {
        client: Client::new(layout.front(), journal.clone()),
        customers: Arc::new(layout.customers.clone()),
        world: layout.world.clone(),
        journal: journal.clone(),
    };
    let mut times = Vec::with_capacity(options.requests);
    // The first ones open connections and compile nothing any more afterwards.
    for number in 0..options.requests + CUSTOMERS {
        let acknowledged = async {
            sender
                .link(number, &format!("key-{number}"), journal.now())
                .await;
            journal.now()
        };
        let searched = async {
            let begun = layout.world.searches_under_way(1, LIMIT).await;
            begun.then(|| journal.now())
        };
        let (acknowledged, searched) = tokio::join!(acknowledged, searched);
        let searched = searched.ok_or("a request was not searched for")?;
        if number >= CUSTOMERS {
            times.push(searched.saturating_sub(acknowledged));
        }
        let told = patchbay_test_servers::look_for(LIMIT, async || {
            (journal.untold(Duration::MAX) == 0).then_some(())
        });
        told.await.ok_or("a request was not told")?;
        journal.clock().pause(PAUSE).await;
    }
    listening.abort();
    let broken = journal.with(|record| record.broken.clone());
    if !broken.is_empty() {
        return Err(broken.join("\n"));
    }
    times.sort_unstable();
    let at = |percent: usize| {
        let place = times.len().saturating_sub(1) * percent / 100;
        times
            .get(place)
            .map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    Ok(WakeTimes {
        requests: times.len(),
        p50_ms: at(50),
        p99_ms: at(99),
        most_ms: at(100),
    })
}

/// Prints the times for people.
pub fn print_wake(times: &WakeTimes) {
    println!(
        "from the 202 to the search, {} requests one at a time: p50 {:.1} ms, p99 {:.1} ms, at most {:.1} ms",
        times.requests, times.p50_ms, times.p99_ms, times.most_ms
    );
}
