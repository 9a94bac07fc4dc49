//! What a run has shown, as a table for people or as JSON.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::Value;

use crate::account::{Ends, phase_at};
use crate::journal::{Journal, Window};

/// Everything that is printed.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    pub(crate) minutes: f64,
    /// Requests a second.
    pub(crate) rate: u32,
    pub(crate) counts: BTreeMap<&'static str, u64>,
    pub(crate) acknowledged: u64,
    pub(crate) accounted_for: u64,
    pub(crate) linked: u64,
    pub(crate) no_results: u64,
    pub(crate) ambiguous: u64,
    pub(crate) failed: u64,
    pub(crate) webhooks: u64,
    /// Webhooks that came more than once, as they may.
    pub(crate) webhooks_again: u64,
    /// By fault, then by what the client saw.
    pub(crate) retries: BTreeMap<String, BTreeMap<String, u64>>,
    pub(crate) faults: Vec<FaultRow>,
    /// Each, in the order in which they were done.
    pub(crate) timeline: Vec<Done>,
    pub(crate) phases: Vec<PhaseRow>,
    /// Whether `patchbay store check` found nothing, where the program has it.
    pub(crate) store_check: Option<String>,
    /// What each process says of its use of the store.
    pub(crate) store: BTreeMap<String, Value>,
    pub(crate) broken_in_all: usize,
    pub(crate) broken: Vec<String>,
}

/// One thing that was done, with seconds since the start.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Done {
    fault: &'static str,
    target: String,
    began: f64,
    ready: f64,
    caught_up: f64,
    gap: f64,
}

impl From<&Window> for Done {
    fn from(window: &Window) -> Self {
        Self {
            fault: window.fault,
            target: window.target.clone(),
            began: window.began.as_secs_f64(),
            ready: window.ready.as_secs_f64(),
            caught_up: window.caught_up.as_secs_f64(),
            gap: window.gap.as_secs_f64(),
        }
    }
}

/// All times of one kind of fault, in seconds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FaultRow {
    fault: &'static str,
    times: usize,
    /// Until the process was ready again, the time that it was kept down included.
    ready: Spread,
    /// Until everything acknowledged before that had been told.
    caught_up: Spread,
    /// The longest time without an acknowledgement.
    gap: Spread,
}

#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Spread {
    median: f64,
    most: f64,
}

/// How long requests took that were sent in one phase, in milliseconds.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct PhaseRow {
    phase: &'static str,
    requests: usize,
    acknowledged_p50: f64,
    acknowledged_p99: f64,
    told_p50: f64,
    told_p99: f64,
}

/// The smallest value that so much of all lies at or below.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let below = |place: usize| (place + 1) as f64 >= sorted.len() as f64 * share;
    let place = (0..sorted.len()).position(below);
    place.map_or(0.0, |place| sorted[place])
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn spread(values: impl Iterator<Item = Duration>) -> Spread {
    let values = sorted(values.map(|value| value.as_secs_f64()).collect());
    Spread {
        median: quantile(&values, 0.5),
        most: values.last().copied().unwrap_or_default(),
    }
}

impl Report {
    pub(crate) fn new(
        journal: &Journal,
        rate: u32,
        ends: &Ends,
        retries: BTreeMap<String, BTreeMap<String, u64>>,
    ) -> Self {
        let minutes = journal.now().as_secs_f64() / 60.0;
        journal
            .with(|record| {
                let mut ids: Vec<&str> = record.told.iter().map(|told| told.id.as_str()).collect();
                ids.sort_unstable();
                let webhooks = ids.len();
                ids.dedup();
                Self {
                    minutes,
                    rate,
                    counts: record.counts.clone(),
                    acknowledged: record.acknowledged.len() as u64,
                    accounted_for: ends.accounted,
                    linked: ends.linked,
                    no_results: ends.no_results,
                    ambiguous: ends.ambiguous,
                    failed: ends.failed,
                    webhooks: webhooks as u64,
                    webhooks_again: (webhooks - ids.len()) as u64,
                    retries,
                    faults: Vec::new(),
                    timeline: record.windows.iter().map(Done::from).collect(),
                    phases: Vec::new(),
                    store_check: None,
                    store: BTreeMap::new(),
                    broken_in_all: record.broken_in_all,
                    broken: record.broken.clone(),
                }
            })
            .with_rows(journal)
    }

    fn with_rows(mut self, journal: &Journal) -> Self {
        journal.with(|record| {
            let mut faults: Vec<&'static str> = Vec::new();
            for window in &record.windows {
                if !faults.contains(&window.fault) {
                    faults.push(window.fault);
                }
            }
            for fault in &faults {
                let windows = || record.windows.iter().filter(|each| each.fault == *fault);
                self.faults.push(FaultRow {
                    fault,
                    times: windows().count(),
                    ready: spread(windows().map(|each| each.ready.saturating_sub(each.began))),
                    caught_up: spread(
                        windows().map(|each| each.caught_up.saturating_sub(each.began)),
                    ),
                    gap: spread(windows().map(|each| each.gap)),
                });
            }
            let mut told = HashMap::new();
            for event in &record.told {
                told.entry(event.workflow).or_insert(event.at);
            }
            let mut times: HashMap<&'static str, (Vec<f64>, Vec<f64>)> = HashMap::new();
            for (workflow, what) in &record.acknowledged {
                let phase = phase_at(&record.windows, what.asked);
                let (acknowledged, told_after) = times.entry(phase).or_default();
                let ms = |until: Duration| until.saturating_sub(what.asked).as_secs_f64() * 1e3;
                acknowledged.push(ms(what.at));
                told_after.extend(told.get(workflow).map(|at| ms(*at)));
            }
            for phase in std::iter::once("steady").chain(faults) {
                let Some((acknowledged, told)) = times.remove(phase) else {
                    continue;
                };
                let (acknowledged, told) = (sorted(acknowledged), sorted(told));
                self.phases.push(PhaseRow {
                    phase,
                    requests: acknowledged.len(),
                    acknowledged_p50: quantile(&acknowledged, 0.5),
                    acknowledged_p99: quantile(&acknowledged, 0.99),
                    told_p50: quantile(&told, 0.5),
                    told_p99: quantile(&told, 0.99),
                });
            }
        });
        self
    }

    /// Whether every promise was kept.
    pub fn is_good(&self) -> bool {
        self.broken_in_all == 0 && self.acknowledged > 0 && self.accounted_for == self.acknowledged
    }

    /// Prints it as JSON.
    pub fn print_json(&self) {
        let json = serde_json::to_string_pretty(self).expect("a report is JSON");
        println!("{json}");
    }

    /// Prints it for people.
    pub fn print_table(&self) {
        println!("{}\n{}", self.figures(), self.fault_table());
        println!("{}", self.phase_table());
        let mut retries = table(["calls made again, during", "because of", "times"]);
        for (fault, kinds) in &self.retries {
            for (kind, times) in kinds {
                retries.add_row([fault.clone(), kind.clone(), times.to_string()]);
            }
        }
        println!("{retries}");
        for (node, counters) in &self.store {
            println!("store, {node}: {counters}");
        }
        for what in &self.broken {
            println!("broken: {what}");
        }
        if self.broken_in_all > self.broken.len() {
            println!("broken, in all: {}", self.broken_in_all);
        }
    }

    fn figures(&self) -> Table {
        let mut figures = table(["", "value"]);
        let mut row = |name: &str, value: String| {
            figures.add_row([name.to_owned(), value]);
        };
        row("minutes", format!("{:.1}", self.minutes));
        row("rate, per second", self.rate.to_string());
        for (what, times) in &self.counts {
            row(what, times.to_string());
        }
        for (name, value) in [
            ("acknowledged workflows", self.acknowledged),
            ("accounted for", self.accounted_for),
            ("linked", self.linked),
            ("no results", self.no_results),
            ("ambiguous", self.ambiguous),
            ("failed", self.failed),
            ("webhooks", self.webhooks),
            ("webhooks that came again", self.webhooks_again),
        ] {
            row(name, value.to_string());
        }
        let check = self.store_check.as_deref().unwrap_or("not there yet");
        row("store check", check.to_owned());
        row("promises broken", self.broken_in_all.to_string());
        figures
    }

    fn fault_table(&self) -> Table {
        let mut faults = table([
            "fault",
            "times",
            "ready again, s",
            "at most",
            "caught up, s",
            "at most",
            "gap, s",
            "at most",
        ]);
        for row in &self.faults {
            let mut cells = vec![row.fault.to_owned(), row.times.to_string()];
            for spread in [row.ready, row.caught_up, row.gap] {
                cells.push(format!("{:.2}", spread.median));
                cells.push(format!("{:.2}", spread.most));
            }
            faults.add_row(cells);
        }
        faults
    }

    fn phase_table(&self) -> Table {
        let mut phases = table([
            "phase",
            "requests",
            "acknowledged p50, ms",
            "p99",
            "told p50, ms",
            "p99",
        ]);
        for row in &self.phases {
            phases.add_row([
                row.phase.to_owned(),
                row.requests.to_string(),
                format!("{:.1}", row.acknowledged_p50),
                format!("{:.1}", row.acknowledged_p99),
                format!("{:.1}", row.told_p50),
                format!("{:.1}", row.told_p99),
            ]);
        }
        phases
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_header(header);
    table
}
