//! Programs on this machine, and a keeper for what they start.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The folders of `PATH`.
pub(crate) fn path_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).collect()
}

/// The first folder that has every one of these programs.
pub(crate) fn folder_with(
    programs: &[&str],
    folders: impl IntoIterator<Item = PathBuf>,
) -> Option<PathBuf> {
    folders.into_iter().find(|folder| {
        programs
            .iter()
            .all(|program| folder.join(program).is_file())
    })
}

/// A user and its group, by number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// The first of these users that the machine has.
    pub(crate) fn first_of(names: &[&str]) -> Option<Self> {
        names.iter().find_map(|name| {
            let uid = number(&["-u", name])?;
            let gid = number(&["-g", name])?;
            Some(Self { uid, gid })
        })
    }
}

fn number(arguments: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.trim().parse().ok()
}

/// A shell that starts and stops something on request, a line each way, and clears up when this process
/// is gone: its standard input ends then, however that happened.
#[derive(Debug)]
pub(crate) struct Keeper {
    child: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Keeper {
    /// Runs `script` in `folder`, which it knows as `$FOLDER`, with programs from `$BIN`. It reads requests
    /// until the end of its input, answers each with one line, and then clears up.
    pub(crate) fn start(script: &str, folder: &Path, user: Option<User>, programs: &Path) -> Self {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", script])
            .current_dir(folder)
            .env("FOLDER", folder)
            .env("BIN", programs)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // An interrupt from the terminal is for the tests; this one ends after them.
            .process_group(0);
        if let Some(user) = user {
            command.uid(user.uid).gid(user.gid);
        }
        let mut child = command.spawn().expect("a shell starts");
        let requests = child.stdin.take();
        let answers = child.stdout.take().expect("its output is a pipe");
        Self {
            child,
            requests,
            answers: BufReader::new(answers),
        }
    }

    /// Sends a request, and waits for its answer.
    pub(crate) fn ask(&mut self, request: &str) -> String {
        let requests = self.requests.as_mut().expect("it is open until the end");
        writeln!(requests, "{request}").expect("the keeper listens");
        let mut answer = String::new();
        self.answers
            .read_line(&mut answer)
            .expect("the keeper answers");
        answer.trim_end().to_owned()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.requests.take());
        let _ = self.child.wait();
    }
}
