//! A command beside a throw-away FoundationDB.

use std::ffi::OsString;
use std::process::ExitCode;

use patchbay_test_servers::foundationdb::{Cluster, Redundancy};
use tokio::process::Command;

/// Runs `command` with `PATCHBAY_TEST_FDB` set to the cluster file of a FoundationDB of so many processes;
/// gives the command's exit code.
pub async fn with_fdb(processes: usize, command: &[OsString]) -> Result<ExitCode, String> {
    let Some((program, arguments)) = command.split_first() else {
        return Err("there is no command to run".to_owned());
    };
    let redundancy = if processes < 3 {
        Redundancy::Single
    } else {
        Redundancy::Double
    };
    let cluster = Cluster::start(processes, redundancy).await?;
    let status = Command::new(program)
        .args(arguments)
        .env("PATCHBAY_TEST_FDB", cluster.cluster_file())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| format!("{}: {error}", program.display()))?;
    // Killed by a signal, it has no code.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
