//! The two processes of a demonstration: the service itself, and the sample internal system.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use patchbay_api::Sensitive;
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, Command};
use url::Url;

use crate::internal::Ready;

/// How long a process may take until it answers.
const START_LIMIT: Duration = Duration::from_mins(2);

/// How long a process may take to end when asked to.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How many of a process's last lines are kept for the message about its death.
const TAIL_LINES: usize = 30;

/// Why a process is of no use.
#[derive(Debug, thiserror::Error)]
pub enum ChildError {
    /// It cannot be started or talked to.
    #[error("{name} cannot be run: {source}")]
    Io {
        /// Which process.
        name: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
    /// It ended by itself.
    #[error("{name} ended ({status}); its last lines:\n{tail}")]
    Died {
        /// Which process.
        name: &'static str,
        /// How.
        status: ExitStatus,
        /// What it wrote last.
        tail: String,
    },
    /// It did not become ready.
    #[error("{name} was not ready after {START_LIMIT:?}; its last lines:\n{tail}")]
    Late {
        /// Which process.
        name: &'static str,
        /// What it wrote last.
        tail: String,
    },
    /// What it says of itself cannot be understood.
    #[error("{name} said something else than where it listens")]
    Unclear {
        /// Which process.
        name: &'static str,
    },
}

/// A process with the last lines that it wrote. It is killed when this is dropped.
pub(crate) struct Child {
    name: &'static str,
    process: tokio::process::Child,
    tail: Arc<Mutex<VecDeque<String>>>,
}

impl Child {
    fn spawn(name: &'static str, mut command: Command) -> Result<Self, ChildError> {
        // A group of its own: an interrupt at the terminal reaches the demonstration alone, which
        // then ends its processes in order.
        command
            .process_group(0)
            .kill_on_drop(true)
            .stderr(Stdio::piped());
        let mut process = command
            .spawn()
            .map_err(|source| ChildError::Io { name, source })?;
        let tail = Arc::default();
        if let Some(lines) = process.stderr.take() {
            tokio::spawn(keep_tail(lines, Arc::clone(&tail)));
        }
        Ok(Self {
            name,
            process,
            tail,
        })
    }

    fn tail(&self) -> String {
        let lines: Vec<String> = self.tail.lock().iter().cloned().collect();
        lines.join("\n")
    }

    /// Ends when the process does, which nobody wants.
    pub(crate) async fn died(&mut self) -> ChildError {
        match self.process.wait().await {
            Ok(status) => ChildError::Died {
                name: self.name,
                status,
                tail: self.tail(),
            },
            Err(source) => ChildError::Io {
                name: self.name,
                source,
            },
        }
    }

    /// Asks the process to end, and kills it if it does not.
    pub(crate) async fn stop(mut self) {
        let id = self
            .process
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw);
        if let Some(id) = id {
            // It may have ended just now; then there is nobody to ask.
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        if tokio::time::timeout(STOP_LIMIT, self.process.wait())
            .await
            .is_err()
        {
            let _ = self.process.kill().await;
        }
    }
}

async fn keep_tail(lines: impl AsyncRead + Unpin, tail: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(lines).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut tail = tail.lock();
        if tail.len() == TAIL_LINES {
            tail.pop_front();
        }
        tail.push_back(line);
    }
}

/// The service.
pub(crate) struct Host {
    pub(crate) child: Child,
    pub(crate) customer_url: Url,
    pub(crate) admin_url: Url,
    pub(crate) admin_token: Sensitive<String>,
}

/// What `patchbay serve` writes to `serve.json` in its data directory once it answers.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ServeInfo {
    customer_url: Url,
    admin_url: Url,
    pid: u32,
}

impl Host {
    /// Starts `program serve` on `data` and waits until it answers.
    pub(crate) async fn start(program: &Path, data: &Path) -> Result<Self, ChildError> {
        const NAME: &str = "patchbay serve";
        let mut command = Command::new(program);
        command
            .arg("serve")
            .arg("--data")
            .arg(data)
            .args(["--listen", "127.0.0.1:0"])
            .args(["--admin-listen", "127.0.0.1:0"])
            .args(["--allow-destination", "127.0.0.0/8"])
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let mut child = Child::spawn(NAME, command)?;
        let ready = tokio::select! {
            info = serve_info(data.join("serve.json"), child.process.id()) => Some(info),
            died = child.died() => return Err(died),
            () = start_limit() => None,
        };
        let Some(info) = ready else {
            let tail = child.tail();
            return Err(ChildError::Late { name: NAME, tail });
        };
        let token = tokio::fs::read_to_string(data.join("admin-token"))
            .await
            .map_err(|source| ChildError::Io { name: NAME, source })?;
        Ok(Self {
            child,
            customer_url: info.customer_url,
            admin_url: info.admin_url,
            admin_token: Sensitive::new(token.trim().to_owned()),
        })
    }
}

async fn start_limit() {
    crate::stopwatch::pause(START_LIMIT).await;
}

/// Looks for the file until it is there and of this process, not of an earlier one.
async fn serve_info(path: PathBuf, pid: Option<u32>) -> ServeInfo {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    loop {
        looks.tick().await;
        let info = tokio::fs::read(&path)
            .await
            .ok()
            .and_then(|bytes| serde_json::from_slice::<ServeInfo>(&bytes).ok());
        match info {
            Some(info) if Some(info.pid) == pid => return info,
            _ => {}
        }
    }
}

/// The sample internal system.
pub(crate) struct Backend {
    pub(crate) child: Child,
    pub(crate) ready: Ready,
    /// It ends when this is closed, however this process ends.
    _input: ChildStdin,
}

impl Backend {
    /// Starts `program demo-backend` and waits until it answers.
    pub(crate) async fn start(
        program: &Path,
        seed: u64,
        people: Option<&Path>,
        token: &str,
    ) -> Result<Self, ChildError> {
        const NAME: &str = "patchbay demo-backend";
        let mut command = Command::new(program);
        command
            .arg("demo-backend")
            .arg("--seed")
            .arg(seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(people) = people {
            command.arg("--people").arg(people);
        }
        let mut child = Child::spawn(NAME, command)?;
        let (Some(mut input), Some(output)) =
            (child.process.stdin.take(), child.process.stdout.take())
        else {
            return Err(ChildError::Unclear { name: NAME });
        };
        let io = |source| ChildError::Io { name: NAME, source };
        // Both in one write: a token without its line's end would be a shorter token.
        let line = format!("{token}\n");
        input.write_all(line.as_bytes()).await.map_err(io)?;
        let mut lines = BufReader::new(output).lines();
        let first = tokio::select! {
            line = lines.next_line() => line.map_err(io)?,
            () = start_limit() => {
                let tail = child.tail();
                return Err(ChildError::Late { name: NAME, tail });
            }
        };
        let Some(first) = first else {
            // Its output is closed: it is about to end, and its exit says more.
            return Err(child.died().await);
        };
        let ready = serde_json::from_str(&first).map_err(|_| ChildError::Unclear { name: NAME })?;
        Ok(Self {
            child,
            ready,
            _input: input,
        })
    }
}
