//! `cargo xtask test`: all tests of the workspace, with real components and the real program; the end-to-end
//! tests again on the simulated store, and those that need a FoundationDB cluster where one is at hand.

use std::process::{Command, ExitCode};

use crate::foundationdb::{self, Cluster};
use crate::plugins;
use crate::workspace::{Outcome, Workspace, run as run_command, step};

/// What runs on FoundationDB alone: the store's suite, the end-to-end tests, and the test of a whole cluster.
/// Chosen by the names of the tests: the features of one package cannot be given with `-p` of another.
const ON_FOUNDATIONDB: [&[&str]; 3] = [
    &["--test", "foundationdb"],
    &END_TO_END,
    &["--test", "short", "--test", "away"],
];

/// The end-to-end tests, by the name of the test.
const END_TO_END: [&str; 2] = ["--test", "all"];

/// Has the end-to-end tests run on the simulated store, whose faults follow from this seed.
const SIMULATED: (&str, &str) = ("PATCHBAY_E2E_SIMULATED", "20");

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome<ExitCode> {
    let only_fdb = arguments.iter().any(|argument| argument == "--fdb");
    let arguments: Vec<&String> = arguments.iter().filter(|it| *it != "--fdb").collect();
    let chosen = arguments
        .iter()
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"));

    let foundationdb = foundationdb::features();
    let mut features = vec!["--features", "patchbay/simulated"];
    features.extend(&foundationdb);
    let cluster = if foundationdb.is_empty() {
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
    let cargo_test = |mut tests: Command| {
        tests
            .args(["test", "--no-fail-fast"])
            .env("PATCHBAY_TEST_PLUGINS", workspace.plugins())
            .env("PATCHBAY_TEST_GUESTS", workspace.guests())
            .env("PATCHBAY_BIN", workspace.binary("debug", "patchbay"));
        tests
    };
    let beside_cluster = || match &cluster {
        Some(cluster) => cluster.around(workspace),
        None => workspace.cargo(),
    };
    if !only_fdb {
        let mut tests = cargo_test(beside_cluster());
        if !chosen {
            tests.arg("--workspace").args(&features);
        }
        tests.args(&arguments);
        step("running the tests", || run_command(&mut tests))?;
        if !chosen {
            step("running the tests on the simulated store", || {
                let mut tests = cargo_test(workspace.cargo());
                tests.env(SIMULATED.0, SIMULATED.1);
                tests.arg("--workspace").args(&features).args(END_TO_END);
                run_command(tests.args(&arguments))
            })?;
        }
    }
    if cluster.is_some() && !chosen {
        step("running the tests on FoundationDB", || {
            // The others have just been run with everything else.
            let groups = if only_fdb { 0..3 } else { 1..2 };
            for group in &ON_FOUNDATIONDB[groups] {
                let mut tests = cargo_test(beside_cluster());
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
