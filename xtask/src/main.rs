//! The project's tasks: `cargo xtask <task>`.
//!
//! Each task is a file. None of them needs anything but the Rust toolchain and a C compiler: what else
//! is missing is put in place under the target directory.

mod bench;
mod debian;
mod demo;
mod foundationdb;
mod match_eval;
mod plugins;
mod test;
mod toolchain;
mod workspace;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::{Outcome, Workspace};

#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about, disable_version_flag = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Builds the first-party plugins and the tests' guests, as WebAssembly components
    Plugins,
    /// Builds everything and runs all tests; with `--fdb` only those on FoundationDB
    #[command(disable_help_flag = true)]
    Test {
        /// `--fdb`; the rest is given to `cargo test` as it is: a filter, `-p CRATE`, or `-- --nocapture`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Builds everything and watches real link requests go through the whole system
    #[command(disable_help_flag = true)]
    Demo {
        /// Given to `patchbay demo` as they are: try `--help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measures the service beside the floors it is measured against
    #[command(disable_help_flag = true)]
    Bench {
        /// Given to the benchmark as they are: try `--json`, `--help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Prints how well the matching does on labelled people (Febrl's layout)
    MatchEval {
        /// A file of people; several are evaluated one after the other
        #[arg(long, value_name = "CSV")]
        people: Vec<PathBuf>,
        /// Given to `patchbay demo` as they are
        #[arg(last = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.task) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Outcome<ExitCode> {
    let workspace = Workspace::find()?;
    match task {
        Task::Plugins => plugins::run(&workspace),
        Task::Test { arguments } => test::run(&workspace, &arguments),
        Task::Demo { arguments } => demo::run(&workspace, &arguments),
        Task::Bench { arguments } => bench::run(&workspace, &arguments),
        Task::MatchEval { people, arguments } => match_eval::run(&workspace, &people, &arguments),
    }
}
