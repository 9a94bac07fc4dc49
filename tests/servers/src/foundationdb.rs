//! A FoundationDB cluster of several processes on this machine.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::folder::Folder;
use crate::{Program, free_address, look_for};

/// The server.
pub const SERVER: Program = Program {
    name: "fdbserver",
    variable: "PATCHBAY_TEST_FDBSERVER",
    places: &["/usr/sbin"],
};
/// The command line that configures it.
pub const CLI: Program = Program {
    name: "fdbcli",
    variable: "PATCHBAY_TEST_FDBCLI",
    places: &[],
};

/// How long anything may take that a healthy cluster does in seconds.
const PATIENCE: Duration = Duration::from_mins(2);
/// What one process may use before it gives up, and how much of it caches pages. The defaults are for
/// machines that do nothing else.
const MEMORY: &str = "2GiB";
const CACHE: &str = "64MiB";

/// How many copies there are of everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redundancy {
    /// One: a process that is killed takes the database away until it is back.
    Single,
    /// Two, in different processes, for three processes and more: any one can be killed.
    Double,
}

impl Redundancy {
    const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Double => "double",
        }
    }
}

/// A running cluster. Its processes end when it is dropped, or with this process.
#[derive(Debug)]
pub struct Cluster {
    processes: Vec<Process>,
    folder: Folder,
    cli: PathBuf,
}

#[derive(Debug)]
struct Process {
    server: PathBuf,
    folder: PathBuf,
    cluster_file: PathBuf,
    address: SocketAddr,
    number: usize,
    child: Option<Child>,
}

impl Cluster {
    /// Starts a cluster in a throw-away folder, and waits until it is available.
    pub async fn start(processes: usize, redundancy: Redundancy) -> Result<Self, String> {
        Self::launch(Folder::own()?, processes, redundancy).await
    }

    /// The same in a folder that stays.
    pub async fn start_in(
        folder: &Path,
        processes: usize,
        redundancy: Redundancy,
    ) -> Result<Self, String> {
        Self::launch(Folder::given(folder)?, processes, redundancy).await
    }

    async fn launch(folder: Folder, count: usize, redundancy: Redundancy) -> Result<Self, String> {
        let (server, cli) = (SERVER.file()?, CLI.file()?);
        let addresses: Vec<SocketAddr> = (0..count).map(|_| free_address()).collect();
        // Every process is a coordinator, so that of three any one can be away.
        let coordinators: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let cluster_file = folder.path().join("fdb.cluster");
        let description = format!(
            "test:{:08x}@{}\n",
            std::process::id(),
            coordinators.join(",")
        );
        std::fs::write(&cluster_file, description)
            .map_err(|error| format!("{} cannot be written: {error}", cluster_file.display()))?;
        let mut cluster = Self {
            processes: Vec::with_capacity(count),
            cli,
            folder,
        };
        for (number, address) in addresses.into_iter().enumerate() {
            let mut process = Process {
                server: server.clone(),
                folder: cluster.folder.path().join(format!("process-{number}")),
                cluster_file: cluster_file.clone(),
                address,
                number,
                child: None,
            };
            process.spawn()?;
            cluster.processes.push(process);
        }
        let configure = format!("configure new {} ssd", redundancy.name());
        let configured = look_for(PATIENCE, async || {
            // Until the coordinators agree, it cannot; once it has, it says that it was.
            let said = cluster.cli(&configure).unwrap_or_default();
            (said.contains("created") || said.contains("already")).then_some(())
        });
        configured
            .await
            .ok_or_else(|| cluster.trouble("cannot be configured"))?;
        cluster.until_healthy().await?;
        Ok(cluster)
    }

    /// The file that clients are given.
    pub fn cluster_file(&self) -> PathBuf {
        self.folder.path().join("fdb.cluster")
    }

    /// How many processes there are, killed ones included.
    pub fn len(&self) -> usize {
        self.processes.len()
    }

    /// Whether there are none, which is never.
    pub fn is_empty(&self) -> bool {
        self.processes.is_empty()
    }

    /// Ends a process at once, as `kill -9` does.
    pub fn kill(&mut self, number: usize) {
        self.processes[number].kill();
    }

    /// Starts a process on its folder again; it need not be in the cluster yet when this is over.
    pub fn restart(&mut self, number: usize) -> Result<(), String> {
        self.processes[number].spawn()
    }

    /// Waits until transactions are possible; gives how long that took.
    pub async fn until_available(&self) -> Result<Duration, String> {
        self.until("is not available", available).await
    }

    /// Waits until every process is there and everything has all its copies.
    pub async fn until_healthy(&self) -> Result<Duration, String> {
        let count = self.len();
        self.until("is not healthy", move |status| healthy(status, count))
            .await
    }

    async fn until(&self, what: &str, good: impl Fn(&Value) -> bool) -> Result<Duration, String> {
        let seen = look_for(PATIENCE, async || {
            good(&self.status().unwrap_or_default()).then_some(())
        });
        let ((), took) = seen.await.ok_or_else(|| self.trouble(what))?;
        Ok(took)
    }

    /// What `status json` says.
    pub fn status(&self) -> Option<Value> {
        serde_json::from_str(&self.cli("status json")?).ok()
    }

    /// Runs a command of `fdbcli`; gives what it printed, if it ended in time.
    pub fn cli(&self, command: &str) -> Option<String> {
        let output = Command::new(&self.cli)
            .arg("-C")
            .arg(self.cluster_file())
            .args(["--timeout", "5", "--exec", command])
            .stdin(Stdio::null())
            .output()
            .ok()?;
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn trouble(&self, what: &str) -> String {
        let status = self.cli("status details").unwrap_or_default();
        let folder = self.folder.path().display();
        format!("FoundationDB in {folder} {what} after {PATIENCE:?}\n{status}")
    }
}

fn available(status: &Value) -> bool {
    status.pointer("/client/database_status/available") == Some(&Value::Bool(true))
}

fn healthy(status: &Value, count: usize) -> bool {
    let processes = status.pointer("/cluster/processes");
    let there = processes.and_then(Value::as_object).map_or(0, |all| {
        all.values()
            .filter(|process| process.get("address").is_some())
            .count()
    });
    available(status)
        && there == count
        && status.pointer("/cluster/data/state/healthy") == Some(&Value::Bool(true))
}

impl Process {
    fn spawn(&mut self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("fdbserver {}: {error}", self.number);
        let (data, logs) = (self.folder.join("data"), self.folder.join("log"));
        std::fs::create_dir_all(&data).map_err(failed)?;
        std::fs::create_dir_all(&logs).map_err(failed)?;
        let said = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("said"))
            .map_err(failed)?;
        let child = Command::new(&self.server)
            .args(["--listen-address", "public", "--public-address"])
            .arg(self.address.to_string())
            .arg("--cluster-file")
            .arg(&self.cluster_file)
            .arg("--datadir")
            .arg(data)
            .arg("--logdir")
            .arg(logs)
            .args(["--logsize", "4MiB", "--maxlogssize", "32MiB"])
            .args(["--memory", MEMORY, "--cache-memory", CACHE])
            // Processes of one machine count as one failure; these are to count as three.
            .args(["--machine-id", &format!("{:016x}", self.number + 1)])
            .args(["--parentpid", &std::process::id().to_string()])
            .stdin(Stdio::null())
            .stdout(said.try_clone().map_err(failed)?)
            .stderr(said)
            .spawn()
            .map_err(failed)?;
        self.child = Some(child);
        Ok(())
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
