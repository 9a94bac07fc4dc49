//! What ends a server when the process that started it is gone, however that came about.

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// Sends a signal to a process as soon as this process has ended, kill -9 included. Dropping it in good
/// order sends nothing.
///
/// A shell reads from a pipe whose other end only this process has: the end of the pipe is the end of
/// this process. The shell is in a group of its own, so that an interrupt at the terminal does not
/// reach it before its time.
#[derive(Debug)]
pub struct Leash(Child);

impl Leash {
    /// Ties the process to this one; `signal` is what `kill` is told, such as `KILL` or `TERM`.
    pub fn new(process: u32, signal: &str) -> std::io::Result<Self> {
        Command::new("sh")
            .args(["-c", "read -r _; kill -s \"$1\" \"$2\"", "leash", signal])
            .arg(process.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map(Self)
    }
}

impl Drop for Leash {
    fn drop(&mut self) {
        // Before the pipe is closed: that would let it bite.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
