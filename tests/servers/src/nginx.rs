//! nginx before the intakes, from the documented configuration.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::folder::Folder;
use crate::{Leash, Program, free_address, look_for};

/// The server.
pub const SERVER: Program = Program {
    name: "nginx",
    variable: "PATCHBAY_TEST_NGINX",
    places: &["/usr/sbin", "/usr/local/sbin"],
};

/// What the book tells operators to use.
pub const DOCUMENTED: &str = include_str!("../../../docs/deploy/nginx.conf");

const PATIENCE: Duration = Duration::from_secs(30);

/// A running nginx. It ends when it is dropped, or with this process.
#[derive(Debug)]
pub struct Nginx {
    master: Child,
    _leash: Leash,
    address: SocketAddr,
    program: PathBuf,
    folder: Folder,
}

impl Nginx {
    /// Starts nginx in a throw-away folder from a configuration such as [`DOCUMENTED`], with these
    /// addresses in place of its own.
    pub async fn start(configuration: &str, intakes: &[SocketAddr]) -> Result<Self, String> {
        Self::launch(Folder::own()?, configuration, intakes).await
    }

    /// The same in a folder that stays.
    pub async fn start_in(
        folder: &Path,
        configuration: &str,
        intakes: &[SocketAddr],
    ) -> Result<Self, String> {
        Self::launch(Folder::given(folder)?, configuration, intakes).await
    }

    async fn launch(
        folder: Folder,
        configuration: &str,
        intakes: &[SocketAddr],
    ) -> Result<Self, String> {
        let program = SERVER.file()?;
        let address = free_address();
        let configuration = here(configuration, folder.path(), address, intakes)?;
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration)
            .map_err(|error| format!("{} cannot be written: {error}", file.display()))?;
        let failed = |error: std::io::Error| format!("nginx: {error}");
        let master = command(&program, folder.path())
            .args(["-g", "daemon off;"])
            .spawn()
            .map_err(failed)?;
        let leash = Leash::new(master.id(), "TERM").map_err(failed)?;
        let mut nginx = Self {
            master,
            _leash: leash,
            address,
            program,
            folder,
        };
        let listens = look_for(PATIENCE, async || {
            let ended = nginx.master.try_wait().ok().flatten().is_some();
            (ended || TcpStream::connect(address).await.is_ok()).then_some(ended)
        });
        match listens.await {
            Some((false, _)) => Ok(nginx),
            Some((true, _)) => Err(format!("nginx ended at once:\n{}", nginx.errors())),
            None => Err(format!("nginx does not listen:\n{}", nginx.errors())),
        }
    }

    /// Where customers find it.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has to complain about.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }

    /// All that it has logged.
    pub fn logs(&self) -> String {
        let access = self.folder.path().join("access.log");
        std::fs::read_to_string(access).unwrap_or_default() + &self.errors()
    }

    /// Reads the configuration again, as after a change of it, and waits until the last of the old
    /// worker processes has answered its last request; gives how long that took.
    pub async fn reload(&self) -> Result<Duration, String> {
        let old = self.workers();
        let output = command(&self.program, self.folder.path())
            .args(["-s", "reload"])
            .output()
            .map_err(|error| format!("nginx: {error}"))?;
        if !output.status.success() {
            return Err(format!("nginx does not reload:\n{}", self.errors()));
        }
        let renewed = look_for(Duration::from_mins(3), async || {
            let now = self.workers();
            (!now.is_empty() && !now.iter().any(|worker| old.contains(worker))).then_some(())
        });
        let ((), took) = renewed
            .await
            .ok_or_else(|| format!("nginx keeps its old workers:\n{}", self.errors()))?;
        Ok(took)
    }

    /// The process ids of the worker processes.
    fn workers(&self) -> Vec<String> {
        let master = self.master.id();
        let children = format!("/proc/{master}/task/{master}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        children.split_whitespace().map(ToOwned::to_owned).collect()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Killed, it would leave its workers behind; asked, it ends them first.
        let pid = i32::try_from(self.master.id())
            .ok()
            .and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid
            && matches!(self.master.try_wait(), Ok(None))
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.master.wait();
    }
}

fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("-p")
        .arg(folder)
        .arg("-c")
        .arg(folder.join("nginx.conf"))
        .arg("-e")
        .arg(folder.join("error.log"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The configuration with the addresses, the folder and the user of this test. What is replaced has to
/// be there, so that the test keeps to the documented file.
fn here(
    configuration: &str,
    folder: &Path,
    address: SocketAddr,
    intakes: &[SocketAddr],
) -> Result<String, String> {
    let folder = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .iter()
        .fold(String::new(), |mut text, kind| {
            let _ = write!(text, "\n    {kind}_temp_path {folder}/{kind};");
            text
        });
    // As root, its workers would become somebody who cannot look into the folder.
    let user = if rustix::process::geteuid().is_root() {
        "user root;"
    } else {
        ""
    };
    let mut text = configuration.to_owned();
    for (old, new) in [
        ("user www-data;", user.to_owned()),
        ("pid /run/nginx.pid;", format!("pid {folder}/nginx.pid;")),
        ("/var/log/nginx/", format!("{folder}/")),
        ("http {", format!("http {{{temporary}")),
        ("listen 80;", format!("listen {address};")),
    ] {
        if !text.contains(old) {
            return Err(format!("the configuration of nginx has no `{old}`"));
        }
        text = text.replace(old, &new);
    }
    with_intakes(&text, intakes)
}

/// One `server` line per intake, each with the parameters of the first documented one.
fn with_intakes(text: &str, intakes: &[SocketAddr]) -> Result<String, String> {
    let mut lines = Vec::new();
    let mut put = false;
    for line in text.lines() {
        let Some(documented) = line.trim_start().strip_prefix("server intake-") else {
            lines.push(line.to_owned());
            continue;
        };
        let parameters = documented.split_once(' ').map_or("", |(_, rest)| rest);
        if !put {
            let line = |intake| format!("server {intake} {parameters}");
            lines.extend(intakes.iter().map(line));
        }
        put = true;
    }
    if put {
        Ok(lines.join("\n"))
    } else {
        Err("the configuration of nginx has no `server intake-…`".to_owned())
    }
}
