//! Compiling in a child process. This program is its own child, so it has its own `main`.

mod common;

use std::ffi::OsString;
use std::process::ExitCode;

use common::{Setup, call, guest, open, reference};
use patchbay_sandbox::{CompileError, CompileMode, PushError};

const COMPILE: &str = "compile-child";

fn main() -> ExitCode {
    let argument = std::env::args().nth(1);
    match argument.as_deref() {
        Some(COMPILE) => patchbay_sandbox::compile::child_main(),
        Some("crash") => std::process::abort(),
        Some("--list") => {
            println!("child: test");
            ExitCode::SUCCESS
        }
        _ => {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(compiled_apart());
            println!("test compiled_apart ... ok");
            ExitCode::SUCCESS
        }
    }
}

fn child(argument: &str) -> Setup {
    let program = std::env::current_exe().unwrap();
    let args = vec![OsString::from(argument)];
    Setup {
        compile: CompileMode::Child { program, args },
        ..Setup::default()
    }
}

async fn compiled_apart() {
    let wasm = guest("polite");
    let host = child(COMPILE).build();
    let digest = host.sandbox.prepare(&wasm).await.unwrap().digest;
    // What the child made fits the engine that runs it, and one that compiles in its own process.
    let next = open(host.directory.path(), [7; 32], &Setup::default());
    let plugin = next.load(&reference("polite", digest)).await.unwrap();
    let outcome = next.validate(&plugin, call("{}"), "{\"a\":1}").await;
    assert_eq!(outcome.result.unwrap().unwrap().expose(), "{\"a\":1}");

    let crashed = child("crash")
        .build()
        .sandbox
        .prepare(&wasm)
        .await
        .unwrap_err();
    assert!(
        matches!(crashed, PushError::Compile(CompileError::GaveUp(_))),
        "{crashed}"
    );
    let mut absent = child(COMPILE);
    absent.compile = CompileMode::Child {
        program: "/nonexistent/patchbay".into(),
        args: Vec::new(),
    };
    let absent = absent.build().sandbox.prepare(&wasm).await.unwrap_err();
    assert!(
        matches!(absent, PushError::Compile(CompileError::NotRun(_))),
        "{absent}"
    );
    assert!(absent.is_hosts());
}
