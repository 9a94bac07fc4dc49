//! The program: command line, wiring and life cycle. It knows every other crate and holds no logic of
//! its own.

mod admin;
mod commands;
mod data;
mod output;
mod serve;
mod store;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands::{backend, customer, plugin, registry, store as store_command, workflow};

/// Links a customer's patients to an internal system's records.
#[derive(Debug, Parser)]
#[command(name = "patchbay", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service.
    Serve(serve::ServeArgs),
    /// Show the whole service at work, with a sample internal system and three customers.
    Demo(patchbay_demo::DemoArgs),
    /// Customers: add, list, token.
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    /// Plugins: push, bind, list.
    #[command(subcommand)]
    Plugin(plugin::PluginCommand),
    /// Search backends: add, list.
    #[command(subcommand)]
    Backend(backend::BackendCommand),
    /// Workflows: list, show, retry.
    #[command(subcommand)]
    Workflow(workflow::WorkflowCommand),
    /// Stores: check, copy.
    #[command(subcommand)]
    Store(store_command::StoreCommand),
    /// Registries: copy.
    #[command(subcommand)]
    Registry(registry::RegistryCommand),
    /// The demonstration's internal system.
    #[command(hide = true)]
    DemoBackend(patchbay_demo::BackendArgs),
    /// Compiles the component on standard input to standard output.
    #[command(hide = true)]
    CompilePlugin,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // The child that compiles runs code over bytes that somebody pushed: it gets nothing else.
    if matches!(cli.command, Command::CompilePlugin) {
        return patchbay_sandbox::compile::child_main();
    }
    // The first and only provider of this process, so this cannot fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("patchbay: the runtime cannot be started: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(cli.command));
    drop(runtime);
    store::shut_down();
    code
}

async fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Serve(args) => return serve::run(args).await,
        Command::Demo(args) => {
            return patchbay_demo::run(args).await.unwrap_or_else(|error| {
                eprintln!("patchbay demo: {error}");
                ExitCode::FAILURE
            });
        }
        Command::DemoBackend(args) => {
            return match patchbay_demo::run_backend(args).await {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("patchbay demo-backend: {error}");
                    ExitCode::FAILURE
                }
            };
        }
        Command::CompilePlugin => Ok(()),
        Command::Customer(command) => customer::run(command).await,
        Command::Plugin(command) => plugin::run(command).await,
        Command::Backend(command) => backend::run(command).await,
        Command::Workflow(command) => workflow::run(command).await,
        Command::Registry(command) => registry::run(command).await,
        Command::Store(command) => match store_command::run(command).await {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error.report(),
    }
}
