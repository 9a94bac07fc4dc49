//! Where things are, and how other programs are run.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus, Stdio};
use std::time::Instant;

/// What a task gives; the message of a failure says what happened and what to do.
pub(crate) type Outcome<T> = Result<T, String>;

/// The project's folder and the folder that builds go to.
#[derive(Debug)]
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
}

impl Workspace {
    pub(crate) fn find() -> Outcome<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .ok_or("the task runner is not inside the project")?
            .to_path_buf();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            // Cargo takes a relative one from where it is called.
            Some(target) => std::path::absolute(target)
                .map_err(|error| format!("CARGO_TARGET_DIR cannot be used: {error}"))?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// The finished components of the first-party plugins.
    pub(crate) fn plugins(&self) -> PathBuf {
        self.target.join("plugins")
    }

    /// The finished components that only tests use.
    pub(crate) fn guests(&self) -> PathBuf {
        self.target.join("guests")
    }

    /// A program that was built natively.
    pub(crate) fn binary(&self, profile: &str, name: &str) -> PathBuf {
        self.target
            .join(profile)
            .join(format!("{name}{}", env::consts::EXE_SUFFIX))
    }

    /// Cargo, in the project's folder.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target);
        command
    }
}

/// Runs a program to its end, its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Outcome<()> {
    let status = command
        .status()
        .map_err(|error| not_started(command, &error))?;
    ended(command, status)
}

/// Runs a program and gives what it printed; a failure's message has what it complained of.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| not_started(command, &error))?;
    if let Err(failure) = ended(command, output.status) {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{failure}\n{}", complaint.trim_end()));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{} printed no text", shown(command)))
}

/// Runs a program in our place, so that its exit status and the signals meant for it are its own.
#[cfg(unix)]
pub(crate) fn become_it(command: &mut Command) -> Outcome<ExitCode> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(not_started(command, &error))
}

/// Runs a program to its end and passes its exit status on.
#[cfg(not(unix))]
pub(crate) fn become_it(command: &mut Command) -> Outcome<ExitCode> {
    let status = command
        .status()
        .map_err(|error| not_started(command, &error))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

fn ended(command: &Command, status: ExitStatus) -> Outcome<()> {
    if status.success() {
        Ok(())
    } else {
        Err(format!("{} failed ({status})", shown(command)))
    }
}

fn not_started(command: &Command, error: &std::io::Error) -> String {
    format!("{} cannot be started: {error}", shown(command))
}

/// The program's name and its first argument: enough to know what was run.
fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_stem().unwrap_or(program.as_os_str());
    let first = command.get_args().next().unwrap_or_default();
    let mut text = name.to_string_lossy().into_owned();
    if !first.is_empty() {
        text.push(' ');
        text.push_str(&first.to_string_lossy());
    }
    text
}

/// One line when a step begins, and one with its duration when it ends, if it took noticeably long.
pub(crate) fn step<T>(name: &str, work: impl FnOnce() -> Outcome<T>) -> Outcome<T> {
    #[allow(
        clippy::disallowed_methods,
        reason = "a build tool measures the machine it runs on"
    )]
    let now = Instant::now;
    eprintln!("xtask: {name} …");
    let started = now();
    let result = work()?;
    let took = (now() - started).as_secs();
    if took >= 2 {
        eprintln!("xtask: {name}: done in {}", duration(took));
    }
    Ok(result)
}

fn duration(seconds: u64) -> String {
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// Puts folders before those that a search path variable already has.
pub(crate) fn before<'a>(
    variable: &str,
    folders: impl IntoIterator<Item = &'a Path>,
) -> Outcome<std::ffi::OsString> {
    let present = env::var_os(variable).unwrap_or_default();
    let present = env::split_paths(&present).filter(|path| path.as_os_str() != OsStr::new(""));
    let all = folders.into_iter().map(Path::to_path_buf).chain(present);
    env::join_paths(all).map_err(|error| format!("{variable} cannot be extended: {error}"))
}
