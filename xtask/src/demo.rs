//! `cargo xtask demo`: everything built, then `patchbay demo` in its place.

use std::process::{Command, ExitCode};

use crate::plugins;
use crate::workspace::{Outcome, Workspace, become_it, run as run_command, step};

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome<ExitCode> {
    build(workspace)?;
    become_it(command(workspace).args(arguments))
}

/// Builds what the demo needs.
pub(crate) fn build(workspace: &Workspace) -> Outcome<()> {
    plugins::build(workspace)?;
    // Of the whole workspace, so that features are those of the tests and nothing is compiled twice.
    let mut build = workspace.cargo();
    build.args(["build", "--workspace", "--bin", "patchbay"]);
    step("building patchbay", || run_command(&mut build))
}

/// What starts the demo, once it is built.
pub(crate) fn command(workspace: &Workspace) -> Command {
    let mut demo = Command::new(workspace.binary("debug", "patchbay"));
    demo.arg("demo").arg("--plugins").arg(workspace.plugins());
    demo
}
