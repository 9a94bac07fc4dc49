//! `patchbay store …`: what is done to a store itself. These commands open it directly, so an embedded
//! one must not be served meanwhile.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressStyle};
use patchbay_ambient::{OsEntropy, SharedClock, SystemClock};
use patchbay_store::Database;
use patchbay_store::check::{CheckOptions, Code, Progress, Report, check};
use patchbay_store::copy::{CopyError, CopyOptions, Standing, copy, standing};
use patchbay_store::installation::OtherLayout;
use patchbay_workflow::Deadlines;

use crate::output::{CommandError, show, table};
use crate::store::StoreSpec;

/// Stores: check, copy.
#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Check that all records, indexes, counters and the queue agree.
    Check {
        /// embedded:PATH (a store.redb or a data folder) or fdb:CLUSTER_FILE.
        #[arg(long, value_name = "SPEC")]
        store: StoreArg,
        /// Mend what follows from the records: indexes, counters, pointers, queue items.
        #[arg(long)]
        repair: bool,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Copy a whole store into an empty one. Neither may be in use.
    Copy {
        /// The store that is read.
        #[arg(long, value_name = "SPEC")]
        from: StoreArg,
        /// The store that is written: empty, or with what an interrupted copy of the same store brought.
        #[arg(long, value_name = "SPEC")]
        to: StoreArg,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A store as it was named, and what that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreArg {
    named: String,
    spec: StoreSpec,
}

impl std::str::FromStr for StoreArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let spec = text.parse()?;
        if matches!(spec, StoreSpec::Simulated(_)) {
            return Err("a simulated store is gone with the process that had it".to_owned());
        }
        Ok(Self {
            named: text.to_owned(),
            spec,
        })
    }
}

impl StoreArg {
    /// Refuses an embedded store that is not there: opening it would make an empty one.
    fn has_to_exist(&self) -> Result<(), CommandError> {
        match self.spec.file(None) {
            Some(file) if !file.is_file() => Err(CommandError::Usage(format!(
                "there is no store at {}",
                file.display()
            ))),
            _ => Ok(()),
        }
    }

    fn open(&self, clock: &SharedClock) -> Result<Database, CommandError> {
        let engine = self.spec.open(None, clock).map_err(|error| {
            CommandError::Host(format!("{} cannot be opened: {error}", self.named))
        })?;
        let entropy = Arc::new(OsEntropy::new());
        let deadlines = Deadlines::default();
        Ok(Database::new(engine, clock.clone(), entropy, deadlines))
    }
}

/// The exit code of a check that leaves something wrong, and of a copy that was refused.
const FOUND: u8 = 3;

pub(crate) async fn run(command: StoreCommand) -> Result<ExitCode, CommandError> {
    let clock: SharedClock = Arc::new(SystemClock::new());
    match command {
        StoreCommand::Check {
            store,
            repair,
            json,
        } => {
            store.has_to_exist()?;
            let db = store.open(&clock)?;
            let checked = async {
                is_readable(&store.named, &db).await?;
                check_store(&db, repair).await
            };
            let checked = checked.await;
            db.engine().close().await;
            let report = checked?;
            show(json, &report, |report| people(report, repair))?;
            Ok(if report.is_clean() {
                ExitCode::SUCCESS
            } else {
                ExitCode::from(FOUND)
            })
        }
        StoreCommand::Copy { from, to, json } => {
            from.has_to_exist()?;
            if from == to {
                return Err(CommandError::Usage(
                    "a store cannot be copied into itself".to_owned(),
                ));
            }
            let source = from.open(&clock)?;
            let target = to.open(&clock)?;
            let copied = async {
                is_readable(&from.named, &source).await?;
                is_readable(&to.named, &target).await?;
                let bar = Bar::new();
                let copied = copy(&source, &target, CopyOptions::default(), &bar).await;
                bar.0.finish_and_clear();
                copied.map_err(|error| refused(&error))
            };
            let copied = copied.await;
            source.engine().close().await;
            target.engine().close().await;
            let copied = copied?;
            show(json, &copied, |copied| {
                println!(
                    "{} rows, {} bytes copied and compared",
                    copied.rows, copied.bytes
                );
            })?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn refused(error: &CopyError) -> CommandError {
    match error {
        CopyError::TargetNotEmpty | CopyError::OtherCopy | CopyError::SourceIncomplete => {
            CommandError::Usage(error.to_string())
        }
        CopyError::Store { .. } | CopyError::Overtaken | CopyError::Differ { .. } => {
            CommandError::Host(error.to_string())
        }
    }
}

/// Refuses a store of which this version would see nothing.
async fn is_readable(named: &str, db: &Database) -> Result<(), CommandError> {
    let other = db.run(&OtherLayout).await;
    if other.map_err(|error| CommandError::Host(error.to_string()))? {
        return Err(CommandError::Usage(format!(
            "{named} was written by another version of patchbay, whose layout this one does not read: use that \
             version"
        )));
    }
    Ok(())
}

async fn check_store(db: &Database, repair: bool) -> Result<Report, CommandError> {
    let host = |error: &dyn std::fmt::Display| CommandError::Host(error.to_string());
    if standing(db).await.map_err(|error| host(&error))? == Standing::Incomplete {
        return Err(CommandError::Usage(
            "the store is the target of an interrupted copy: run `patchbay store copy` again first"
                .to_owned(),
        ));
    }
    let bar = Bar::new();
    let options = CheckOptions {
        repair,
        ..CheckOptions::default()
    };
    let report = check(db, options, &bar).await;
    bar.0.finish_and_clear();
    report.map_err(|error| host(&error))
}

fn people(report: &Report, repair: bool) {
    let rows: u64 = report.rows.values().sum();
    for (code, count) in &report.repaired {
        println!("mended {count} × {code}: {}", code.meaning());
    }
    for (customer, status) in &report.unsettled {
        println!(
            "the counter of {customer}, {status}, changes too fast; check again at a quieter time"
        );
    }
    if report.is_clean() {
        println!("{rows} rows agree");
        return;
    }
    table(
        ["code", "severity", "where"],
        report.findings.iter().map(|finding| {
            let severity = match finding.severity {
                patchbay_store::check::Severity::Error => "error",
                patchbay_store::check::Severity::Warning => "warning",
            };
            let place = finding.ids.to_string();
            [finding.code.to_string(), severity.to_owned(), place]
        }),
    );
    let mut mendable = false;
    for (code, count) in &report.found {
        println!("{count} × {code}: {}", code.meaning());
        mendable |= Code::class(*code) == patchbay_store::check::Class::Derived;
    }
    if mendable && !repair {
        println!("run it with --repair to mend what follows from the records");
    }
}

/// Counts rows on standard error, where that is a terminal.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::new_spinner();
        let style = "{spinner} {msg}: {human_pos} rows, {per_sec}";
        // The template is right, so the default is never taken.
        if let Ok(style) = ProgressStyle::with_template(style) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }
}

impl Progress for Bar {
    fn rows(&self, what: &str, rows: u64) {
        self.0.set_message(what.to_owned());
        self.0.set_position(rows);
    }
}
