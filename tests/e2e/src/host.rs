//! The program as a process on a folder of its own.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use patchbay_api::{AdminClient, CustomerClient};
use serde::Deserialize;
use tempfile::TempDir;
use url::Url;

use crate::http;
use crate::place::Place;

/// A running service. Dropping it kills the process and removes the folder.
#[derive(Debug)]
pub struct Host {
    process: Child,
    folder: TempDir,
    place: Place,
    running: Running,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Running {
    customer_url: Option<Url>,
    admin_url: Url,
    pid: u32,
}

const START_LIMIT: Duration = Duration::from_mins(1);

impl Host {
    /// Starts a service on a new folder, and a new store and registry of the kind that is being tested.
    pub async fn start() -> Self {
        Self::start_at(Place::fresh()).await
    }

    /// Starts a service on a new folder, with its store and registry at this place.
    pub async fn start_at(place: Place) -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let (process, running) = launch(folder.path(), &place).await;
        Self {
            process,
            folder,
            place,
            running,
        }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.running.pid
    }

    /// Ends the process at once, as `kill -9` does.
    pub fn kill(&mut self) {
        let _ = self.process.kill();
        self.process.wait().expect("the process can be waited for");
    }

    /// Asks the process to end, and waits until it has.
    pub fn stop(&mut self) -> bool {
        let ended = Command::new("kill")
            .arg(self.running.pid.to_string())
            .status();
        assert!(ended.expect("kill can be run").success());
        self.process
            .wait()
            .expect("the process can be waited for")
            .success()
    }

    /// Starts a service on the same folder again.
    pub async fn restart(&mut self) {
        (self.process, self.running) = launch(self.folder.path(), &self.place).await;
    }

    /// Where its store and registry are.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Starts a service on a new folder, with its store and registry at this place, which it has to refuse;
    /// gives what it said.
    pub async fn refused_at(place: &Place) -> String {
        let folder = TempDir::new().expect("a folder can be made");
        refused(folder.path(), place).await
    }

    /// Starts a service on the same folder again, which it has to refuse; gives what it said.
    pub async fn restart_refused(&self) -> String {
        refused(self.folder.path(), &self.place).await
    }

    /// The service's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// All that the service has logged, over all its starts, at the most talkative level.
    pub fn log(&self) -> String {
        let bytes = std::fs::read(self.folder.path().join("log")).expect("there is a log");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Where customers are answered.
    pub fn customer_url(&self) -> &Url {
        self.running.customer_url.as_ref().expect("an intake")
    }

    /// Where operators are answered.
    pub fn admin_url(&self) -> &Url {
        &self.running.admin_url
    }

    /// A client of the admin API.
    pub fn admin(&self) -> AdminClient {
        let token = std::fs::read_to_string(self.data().join("admin-token")).expect("a token");
        AdminClient::new(
            http(),
            self.running.admin_url.clone(),
            token.trim().to_owned(),
        )
        .expect("a client")
    }

    /// A client of the customer API.
    pub fn customers(&self) -> CustomerClient {
        CustomerClient::new(http(), self.customer_url().clone()).expect("a client")
    }

    /// Runs a command of the program against this service; gives its output.
    pub fn command(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new(crate::program())
            .args(arguments)
            .env("PATCHBAY_DATA", self.data())
            .output()
            .expect("the program can be run");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn serve(folder: &Path, place: &Place) -> Command {
    let mut command = Command::new(crate::program());
    command
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .args(["--allow-destination", "127.0.0.0/8"])
        .args(place.arguments())
        .arg("--data")
        .arg(folder.join("data"))
        .env("PATCHBAY_LOG", "debug")
        .stdin(Stdio::null());
    command
}

/// Runs a service that has to end by itself, and in failure; gives what it said.
async fn refused(folder: &Path, place: &Place) -> String {
    let mut command = tokio::process::Command::from(serve(folder, place));
    let ended = tokio::time::timeout(START_LIMIT, command.kill_on_drop(true).output());
    let output = ended.await.expect("it ends");
    let output = output.expect("the program can be started");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "it was served:\n{said}");
    assert!(
        !folder.join("data").join("serve.json").exists(),
        "it is still announced"
    );
    said
}

#[allow(
    clippy::disallowed_methods,
    reason = "another process is waited for, by looking for its file"
)]
async fn launch(folder: &Path, place: &Place) -> (Child, Running) {
    let log = File::options()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .expect("a log");
    let announcement = folder.join("data").join("serve.json");
    let _ = std::fs::remove_file(&announcement);
    let mut process = serve(folder, place)
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("the program can be started");
    let began = Instant::now();
    loop {
        if let Ok(bytes) = std::fs::read(&announcement)
            && let Ok(running) = serde_json::from_slice::<Running>(&bytes)
            && running.pid == process.id()
        {
            return (process, running);
        }
        let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
        if let Some(status) = process.try_wait().expect("the process can be asked") {
            panic!("the service ended: {status}\n{}", log());
        }
        assert!(
            began.elapsed() < START_LIMIT,
            "the service does not start:\n{}",
            log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
