//! One process of the service, on ports and a folder that it keeps.

use std::ffi::OsString;
use std::fs::File;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use patchbay_test_servers::{Leash, free_address, look_for};

/// How long a process may take until it is ready.
const READY_LIMIT: Duration = Duration::from_mins(2);
/// How long one may take to stop in good order: it waits up to 20 s for the work under way.
const STOP_LIMIT: Duration = Duration::from_mins(1);
/// How much of a log is shown when its process has died.
const TAIL: usize = 3_000;

/// Where the program is: named by `PATCHBAY_BIN`, or built beside this one.
pub fn program() -> Result<PathBuf, String> {
    if let Some(program) = std::env::var_os("PATCHBAY_BIN") {
        return Ok(program.into());
    }
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    // target/debug/patchbay-cluster, or target/debug/deps/<test>
    here.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("patchbay"))
        .find(|file| file.is_file())
        .ok_or_else(|| "patchbay is missing: run `cargo build -p patchbay`".to_owned())
}

/// One process of the service.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) customers: SocketAddr,
    pub(crate) admins: SocketAddr,
    is_intake: bool,
    folder: PathBuf,
    arguments: Vec<OsString>,
    http: reqwest::Client,
    running: Option<(Child, Leash)>,
}

impl Node {
    /// A process with these roles that is not started yet.
    pub(crate) fn new(
        name: String,
        roles: &str,
        folder: PathBuf,
        shared: &[OsString],
    ) -> Result<Self, String> {
        std::fs::create_dir_all(&folder).map_err(|error| format!("{name}: {error}"))?;
        let (customers, admins) = (free_address(), free_address());
        let mut arguments: Vec<OsString> = vec!["serve".into()];
        arguments.extend(["--role".into(), roles.into()]);
        arguments.extend(["--data".into(), folder.join("data").into()]);
        arguments.extend(["--listen".into(), customers.to_string().into()]);
        arguments.extend(["--admin-listen".into(), admins.to_string().into()]);
        arguments.extend(["--allow-destination".into(), "127.0.0.0/8".into()]);
        arguments.extend_from_slice(shared);
        Ok(Self {
            name,
            customers,
            admins,
            is_intake: roles.contains("intake"),
            folder,
            arguments,
            http: crate::client::http(),
            running: None,
        })
    }

    /// Starts it; it need not be ready when this is over.
    pub(crate) fn start(&mut self) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{}: {error}", self.name);
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .map_err(failed)?;
        let child = Command::new(program()?)
            .args(&self.arguments)
            .env("PATCHBAY_LOG", "info")
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(failed)?)
            .stderr(log)
            // An interrupt at the terminal ends the test, which ends its processes.
            .process_group(0)
            .spawn()
            .map_err(failed)?;
        let leash = Leash::new(child.id(), "KILL").map_err(failed)?;
        self.running = Some((child, leash));
        Ok(())
    }

    /// Waits until it says on every listener that it is ready; gives how long that took.
    pub(crate) async fn until_ready(&mut self) -> Result<Duration, String> {
        let seen = look_for(READY_LIMIT, async || {
            if let Some(status) = self.ended() {
                return Some(Err(status));
            }
            let ready = self.answers(self.admins, "readyz").await
                && (!self.is_intake || self.answers(self.customers, "readyz").await);
            ready.then_some(Ok(()))
        });
        match seen.await {
            Some((Ok(()), took)) => Ok(took),
            Some((Err(status), _)) => Err(format!(
                "{} ended ({status}):\n{}",
                self.name,
                self.log_tail()
            )),
            None => Err(format!(
                "{} is not ready after {READY_LIMIT:?}:\n{}",
                self.name,
                self.log_tail()
            )),
        }
    }

    async fn answers(&self, address: SocketAddr, path: &str) -> bool {
        let answer = self.http.get(format!("http://{address}/{path}")).send();
        answer
            .await
            .is_ok_and(|answer| answer.status().is_success())
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let (child, _) = self.running.as_mut()?;
        child.try_wait().ok().flatten()
    }

    /// Its process id, while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|(child, _)| child.id())
    }

    /// Ends it at once, as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        if let Some((mut child, leash)) = self.running.take() {
            let _ = child.kill();
            drop(leash);
            let _ = child.wait();
        }
    }

    /// Asks it to end, and waits until it has, with success.
    pub(crate) async fn stop(&mut self) -> Result<Duration, String> {
        let Some((child, _)) = &mut self.running else {
            return Ok(Duration::ZERO);
        };
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let ended = look_for(STOP_LIMIT, async || self.ended()).await;
        let name = &self.name;
        let result = match ended {
            Some((status, took)) if status.success() => Ok(took),
            Some((status, _)) => Err(format!("{name}, asked to stop, ended with {status}")),
            None => Err(format!("{name} did not stop within {STOP_LIMIT:?}")),
        };
        self.kill();
        result
    }

    /// The first admin's token, which the first process of an installation writes.
    pub(crate) fn admin_token(&self) -> Result<String, String> {
        let file = self.folder.join("data/admin-token");
        let token = std::fs::read_to_string(&file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        Ok(token.trim().to_owned())
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn log_tail(&self) -> String {
        let log = self.log();
        let from = log.len().saturating_sub(TAIL);
        let from = (from..log.len()).find(|at| log.is_char_boundary(*at));
        log[from.unwrap_or(0)..].to_owned()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}
