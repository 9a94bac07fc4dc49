//! `patchbay-cluster`: the cluster test for as long as one likes, and a FoundationDB for other tests.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use patchbay_cluster::{
    Options, ScaleOptions, WakeOptions, cannot_run, print_scale, print_wake, run, scale, wake,
    with_fdb,
};
use serde::Serialize;

#[derive(Debug, Parser)]
#[command(name = "patchbay-cluster", about)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Loads a cluster, kills its processes in turn, and accounts for every request
    Run {
        /// How long; the first round of kills is always finished
        #[arg(long, default_value_t = 5.0)]
        minutes: f64,
        /// Requests a second; the default is one that two cores hold, with everything on them
        #[arg(long, default_value_t = Options::default().rate)]
        rate: u32,
        /// Seconds' worth of requests between two kills
        #[arg(long, default_value_t = Options::default().calm)]
        calm: u32,
        /// Keep logs and data in this folder; without it they are kept only if something failed
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
        /// One process with the embedded store instead of a cluster: tries the test itself
        #[arg(long)]
        single: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Measures workflows per second with one worker process and with more, on one FoundationDB
    Scale {
        /// How many worker processes, one measurement each
        #[arg(long, value_delimiter = ',', default_values_t = [1, 2])]
        workers: Vec<usize>,
        /// How many workflows wait when the workers start
        #[arg(long, default_value_t = 10_000)]
        backlog: usize,
        /// Processes of FoundationDB; from three on with two copies of everything
        #[arg(long, default_value_t = 1)]
        databases: usize,
        /// Keep logs and data in this folder
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Measures how soon a worker begins what an intake of another process accepted
    Wake {
        /// How many requests, one at a time
        #[arg(long, default_value_t = 200)]
        requests: usize,
        /// Processes of FoundationDB; from three on with two copies of everything
        #[arg(long, default_value_t = 1)]
        databases: usize,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Runs a command with PATCHBAY_TEST_FDB set to the cluster file of a throw-away FoundationDB
    WithFdb {
        /// Processes of FoundationDB; from three on with two copies of everything
        #[arg(long, default_value_t = 1)]
        processes: usize,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<OsString>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Run {
            minutes,
            rate,
            calm,
            keep,
            single,
            json,
        } => {
            let options = Options {
                length: Duration::from_secs_f64(minutes.max(0.0) * 60.0),
                rate: rate.max(1),
                calm,
                keep,
                single,
            };
            run_all(&options, json).await
        }
        Task::Scale {
            workers,
            backlog,
            databases,
            keep,
            json,
        } => {
            let options = ScaleOptions {
                workers,
                backlog,
                databases,
                keep,
            };
            measured(scale(&options), json, |rows| print_scale(rows)).await
        }
        Task::Wake {
            requests,
            databases,
            json,
        } => {
            let options = WakeOptions {
                requests,
                databases,
            };
            measured(wake(&options), json, print_wake).await
        }
        Task::WithFdb { processes, command } => with_fdb(processes, &command).await,
    };
    result.unwrap_or_else(|why| {
        eprintln!("patchbay-cluster: {why}");
        ExitCode::FAILURE
    })
}

async fn run_all(options: &Options, json: bool) -> Result<ExitCode, String> {
    if let Some(line) = cannot_run().filter(|_| !options.single) {
        return Err(line);
    }
    let report = run(options).await?;
    if json {
        report.print_json();
    } else {
        report.print_table();
    }
    Ok(if report.is_good() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Measures on a cluster, if there can be one, and shows what came of it.
async fn measured<T: Serialize>(
    measuring: impl Future<Output = Result<T, String>>,
    json: bool,
    people: impl Fn(&T),
) -> Result<ExitCode, String> {
    if let Some(line) = cannot_run() {
        return Err(line);
    }
    let measured = measuring.await?;
    if json {
        let json = serde_json::to_string_pretty(&measured).map_err(|error| error.to_string())?;
        println!("{json}");
    } else {
        people(&measured);
    }
    Ok(ExitCode::SUCCESS)
}
