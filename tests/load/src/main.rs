//! The benchmark: Patchbay beside the floors it is measured against, in the same run and on the same
//! machine. Client, internal system and webhook endpoint share the processors with what is measured.

mod bare;
mod bare_guest;
mod client;
mod patchbay;
mod recorder;
mod report;
mod rows;
mod shape;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "patchbay-load", about, subcommand_negates_reqs = true)]
struct Cli {
    #[command(subcommand)]
    mode: Option<Mode>,
    /// The service's program.
    #[arg(long, required = true)]
    patchbay: Option<PathBuf>,
    /// The folder of the first-party plugins.
    #[arg(long, required = true)]
    plugins: Option<PathBuf>,
    /// How long each figure is measured, in seconds.
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// How many customers send.
    #[arg(long, default_value_t = 1_000)]
    customers: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// The floor, as a process of its own.
    #[command(hide = true)]
    Bare(bare::BareArgs),
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Mode::Bare(args)) = cli.mode {
        bare::run(args).await;
        return ExitCode::SUCCESS;
    }
    let (Some(patchbay), Some(plugins)) = (cli.patchbay, cli.plugins) else {
        return ExitCode::FAILURE;
    };
    let run = rows::Run {
        patchbay,
        plugins,
        length: Duration::from_secs(cli.seconds),
        customers: cli.customers,
        quiet: cli.json,
    };
    let report = rows::measure(&run).await;
    if cli.json {
        report.print_json();
    } else {
        report.print_table();
    }
    if report.all_met() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
