//! Compiles a component in a child process with bounded memory and time: a compiler is large, its input
//! is a stranger's, and what it must not do is to take the service down with it.
//!
//! The child gets the component on its standard input and gives the compiled code on its standard
//! output. It is the same program, so that both have the same engine.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use patchbay_ambient::SharedClock;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use wasmtime::Engine;

use crate::engine;

/// The largest component accepted, in bytes. A Python component has 18 MB.
pub(crate) const WASM_BYTES: usize = 64 << 20;
/// The largest compiled code accepted, in bytes.
pub(crate) const ARTIFACT_BYTES: usize = 256 << 20;

/// Address space of the child. Python's components need about 1 GiB.
const CHILD_ADDRESS_SPACE: u64 = 4 << 30;
/// Processor seconds of the child.
const CHILD_CPU_SECONDS: u64 = 120;
/// How long the parent waits: a loaded machine may be slow to give the processor time.
const CHILD_WALL: Duration = Duration::from_mins(5);
/// Kept of what the child says.
const CHILD_STDERR_BYTES: u64 = 4 << 10;
/// Each thread of the compiler reserves address space for itself.
const CHILD_THREADS: usize = 8;

/// Where components are compiled.
#[derive(Debug, Clone)]
pub enum CompileMode {
    /// In a child process: `program` with `args` must call [`child_main`].
    Child {
        /// The program; usually the one that runs.
        program: PathBuf,
        /// What makes it a compiler.
        args: Vec<OsString>,
    },
    /// In this process, without limits. For tests.
    InProcess,
}

/// Why a component was not compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// The compiler refused the component.
    #[error("the compiler refused the component: {0}")]
    Refused(String),
    /// The compiler ran out of memory or time, or crashed.
    #[error(
        "the compiler gave up ({0}); a component that needs more than 4 GiB or 120 s of processor \
         time to compile is too large"
    )]
    GaveUp(String),
    /// The child process could not be started or talked to.
    #[error("the compiler could not be run: {0}")]
    NotRun(String),
}

/// Exit status of a child that refused its component and said why.
const REFUSED: u8 = 65;

pub(crate) fn in_process(engine: &Engine, wasm: &[u8]) -> Result<Vec<u8>, CompileError> {
    engine
        .precompile_component(wasm)
        .map_err(|error| CompileError::Refused(format!("{error:#}")))
}

pub(crate) async fn in_child(
    program: &PathBuf,
    args: &[OsString],
    wasm: &[u8],
    clock: &SharedClock,
) -> Result<Vec<u8>, CompileError> {
    let not_run = |error: std::io::Error| CompileError::NotRun(error.to_string());
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(CHILD_THREADS));
    let mut child = Command::new(program)
        .args(args)
        // The child needs nothing of the service's environment, which may hold secrets.
        .env_clear()
        .env("RAYON_NUM_THREADS", threads.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(not_run)?;
    let (Some(mut stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(CompileError::NotRun("it has no pipes".to_owned()));
    };

    let talk = async {
        let feed = async {
            // A child that died early shows in its status; what it did not read does not matter.
            let _ = stdin.write_all(wasm).await;
            drop(stdin);
        };
        let mut code = Vec::new();
        let mut said = Vec::new();
        let mut stdout = stdout.take(ARTIFACT_BYTES as u64 + 1);
        let mut stderr = stderr.take(CHILD_STDERR_BYTES);
        let ((), read, heard) = tokio::join!(
            feed,
            stdout.read_to_end(&mut code),
            stderr.read_to_end(&mut said)
        );
        read?;
        heard?;
        // A child with more to say than is read must not wait for ever.
        drop((stdout, stderr));
        Ok((child.wait().await?, code, said))
    };
    let (status, code, said) = tokio::select! {
        biased;
        talked = talk => talked.map_err(not_run)?,
        () = clock.sleep(CHILD_WALL) => {
            return Err(CompileError::GaveUp(format!("no answer within {CHILD_WALL:?}")));
        }
    };

    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if status.success() {
        if code.len() > ARTIFACT_BYTES {
            return Err(CompileError::GaveUp(format!(
                "more than {ARTIFACT_BYTES} bytes of compiled code"
            )));
        }
        return Ok(code);
    }
    if status.code() == Some(i32::from(REFUSED)) {
        return Err(CompileError::Refused(said));
    }
    Err(CompileError::GaveUp(format!("{status}; {said}")))
}

/// The whole of the child process. Give its result to `main`.
pub fn child_main() -> ExitCode {
    let fail = |code: u8, what: &dyn std::fmt::Display| {
        // Nobody to tell if this fails.
        let _ = writeln!(std::io::stderr(), "{what}");
        ExitCode::from(code)
    };
    for (resource, limit) in [
        (Resource::As, CHILD_ADDRESS_SPACE),
        (Resource::Cpu, CHILD_CPU_SECONDS),
        // A core dump would be a copy of a customer's plugin on disk; nor are files written at all.
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ] {
        let limit = Rlimit {
            current: Some(limit),
            maximum: Some(limit),
        };
        if let Err(error) = setrlimit(resource, limit) {
            return fail(1, &format_args!("cannot limit {resource:?}: {error}"));
        }
    }
    let mut wasm = Vec::new();
    let mut input = std::io::stdin().lock().take(WASM_BYTES as u64 + 1);
    if let Err(error) = input.read_to_end(&mut wasm) {
        return fail(1, &error);
    }
    if wasm.len() > WASM_BYTES {
        return fail(REFUSED, &"the component is too large");
    }
    let compiled = match engine::for_compiling() {
        Ok(engine) => in_process(&engine, &wasm),
        Err(error) => return fail(1, &format_args!("{error:#}")),
    };
    match compiled {
        Ok(code) => match std::io::stdout().lock().write_all(&code) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(1, &error),
        },
        Err(CompileError::Refused(why)) => fail(REFUSED, &why),
        Err(error) => fail(1, &error),
    }
}
