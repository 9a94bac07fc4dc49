//! `cargo xtask test`: all tests of the workspace, with real components and the real program; those that
//! need a FoundationDB cluster where one is at hand.

use std::process::{Command, ExitCode};

use crate::foundationdb::{self, Cluster};
use crate::plugins;
use crate::workspace::{Outcome, Workspace, run as run_command, step};

/// What runs on FoundationDB alone: the store's suite, the end-to-end tests, and the test of a whole cluster.
/// Chosen by the names of the tests: the features of one package cannot be given with `-p` of another.
const ON_FOUNDATIONDB: [&[&str]; 3] = [
    &["--test", "foundationdb"],
    &["--test", "all"],
    &["--test", "short", "--test", "away"],
];

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome<ExitCode> {
    let only_fdb = arguments.iter().any(|argument| argument == "--fdb");
    let arguments: Vec<&String> = arguments.iter().filter(|it| *it != "--fdb").collect();
    let chosen = arguments
        .iter()
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"));

    let features = foundationdb::features();
    let cluster = if features.is_empty() {
        Err("no libclang, so everything is built without FoundationDB".to_owned())
    } else {
        Cluster::find()
    };
    if let Err(why) = &cluster {
        if only_fdb {
            return Err(format!("nothing to test on: {why}"));
        }
        eprintln!("xtask: not tested on FoundationDB: {why}");
    }
    let cluster = cluster.ok();

    plugins::build(workspace)?;
    // Program and tests in one go: with the same features, so that nothing is compiled twice.
    step("building the service and its tests", || {
        let mut build = workspace.cargo();
        build.args(["build", "--workspace", "--all-targets"]);
        run_command(build.args(&features))
    })?;
    let cargo_test = || {
        let mut tests = match &cluster {
            Some(cluster) => cluster.around(workspace),
            None => workspace.cargo(),
        };
        tests
            .args(["test", "--no-fail-fast"])
            .env("PATCHBAY_TEST_PLUGINS", workspace.plugins())
            .env("PATCHBAY_TEST_GUESTS", workspace.guests())
            .env("PATCHBAY_BIN", workspace.binary("debug", "patchbay"));
        tests
    };
    if !only_fdb {
        let mut tests = cargo_test();
        if !chosen {
            tests.arg("--workspace").args(&features);
        }
        tests.args(&arguments);
        step("running the tests", || run_command(&mut tests))?;
    }
    if cluster.is_some() && !chosen {
        step("running the tests on FoundationDB", || {
            // The others have just been run with everything else.
            let groups = if only_fdb { 0..3 } else { 1..2 };
            for group in &ON_FOUNDATIONDB[groups] {
                let mut tests = cargo_test();
                foundationdb::end_to_end(&mut tests);
                tests.arg("--workspace").args(&features).args(*group);
                run_command(tests.args(&arguments))?;
            }
            Ok(())
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A program is on the search path.
pub(crate) fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version");
    crate::workspace::output(&mut command).is_ok()
}
