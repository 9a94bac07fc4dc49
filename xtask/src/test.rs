//! `cargo xtask test`: all tests of the workspace, with real components and the real program.

use std::process::ExitCode;

use crate::plugins;
use crate::workspace::{Outcome, Workspace, run as run_command, step};

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome<ExitCode> {
    plugins::build(workspace)?;
    // Program and tests in one go: with the same features, so that nothing is compiled twice.
    step("building the service and its tests", || {
        run_command(
            workspace
                .cargo()
                .args(["build", "--workspace", "--all-targets"]),
        )
    })?;
    let chosen = arguments
        .iter()
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"));
    let mut tests = workspace.cargo();
    tests
        .args(["test", "--no-fail-fast"])
        .args((!chosen).then_some("--workspace"))
        .args(arguments)
        .env("PATCHBAY_TEST_PLUGINS", workspace.plugins())
        .env("PATCHBAY_TEST_GUESTS", workspace.guests())
        .env("PATCHBAY_BIN", workspace.binary("debug", "patchbay"));
    step("running the tests", || run_command(&mut tests))?;
    Ok(ExitCode::SUCCESS)
}
