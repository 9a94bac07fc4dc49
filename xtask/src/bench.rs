//! `cargo xtask bench`: the optimised service under load, beside its floors.

use std::process::{Command, ExitCode};

use crate::plugins;
use crate::workspace::{Outcome, Workspace, become_it, run as run_command, step};

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome<ExitCode> {
    plugins::build(workspace)?;
    let mut build = workspace.cargo();
    build.args(["build", "--release", "--workspace"]);
    build.args(["--bin", "patchbay", "--bin", "patchbay-load"]);
    step("building the service and the benchmark, optimised", || {
        run_command(&mut build)
    })?;
    become_it(
        Command::new(workspace.binary("release", "patchbay-load"))
            .arg("--patchbay")
            .arg(workspace.binary("release", "patchbay"))
            .arg("--plugins")
            .arg(workspace.plugins())
            .args(arguments),
    )
}
