//! `cargo xtask plugins`: the first-party plugins and the tests' guests, as components.
//!
//! They are built in a folder of their own, so that building the service does not undo it. Cargo knows
//! what has changed; where nothing has, this takes a second.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

use crate::toolchain::WasmToolchain;
use crate::workspace::{Outcome, Workspace, output, run as run_command, step};

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "plugin";

pub(crate) fn run(workspace: &Workspace) -> Outcome<ExitCode> {
    build(workspace)?;
    for folder in [workspace.plugins(), workspace.guests()] {
        println!("{}", folder.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds all components and puts them where [`Workspace::plugins`] and [`Workspace::guests`] say.
pub(crate) fn build(workspace: &Workspace) -> Outcome<()> {
    let toolchain = WasmToolchain::find(workspace)?;
    let metadata = metadata(workspace)?;
    let plugins = components(&metadata, &workspace.root().join("plugins"));
    let guests = components(&metadata, &workspace.root().join("tests/guests"));

    let built = workspace.target().join(toolchain.build_folder());
    let mut command = workspace.cargo();
    command
        .args([
            "build",
            "--profile",
            PROFILE,
            "--target",
            TARGET,
            "--target-dir",
        ])
        .arg(&built);
    for package in plugins.iter().chain(&guests) {
        command.args(["--package", package]);
    }
    toolchain.prepare(&mut command)?;
    let count = plugins.len() + guests.len();
    step(&format!("building {count} plugins"), || {
        run_command(&mut command)
    })?;

    let built = built.join(TARGET).join(PROFILE);
    publish(&built, &plugins, &workspace.plugins())?;
    publish(&built, &guests, &workspace.guests())
}

fn metadata(workspace: &Workspace) -> Outcome<Value> {
    let text = output(
        workspace
            .cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"]),
    )?;
    serde_json::from_str(&text).map_err(|error| format!("cargo metadata gave no JSON: {error}"))
}

/// The packages right below `folder` that become a component; the libraries that they share do not.
fn components(metadata: &Value, folder: &Path) -> BTreeSet<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let is_component = |package: &Value| {
        list(&package["targets"])
            .iter()
            .any(|target| list(&target["crate_types"]).contains(&Value::from("cdylib")))
    };
    let lies_in_folder = |package: &Value| {
        let manifest = package["manifest_path"].as_str().unwrap_or_default();
        Path::new(manifest).ancestors().nth(2) == Some(folder)
    };
    list(&metadata["packages"])
        .iter()
        .filter(|package| lies_in_folder(package) && is_component(package))
        .filter_map(|package| package["name"].as_str().map(ToOwned::to_owned))
        .collect()
}

/// Copies what has changed, under the packages' own names, and removes what no package makes any more.
fn publish(built: &Path, packages: &BTreeSet<String>, to: &Path) -> Outcome<()> {
    let explain = |what: &Path, error: std::io::Error| format!("{}: {error}", what.display());
    fs::create_dir_all(to).map_err(|error| explain(to, error))?;
    for package in packages {
        let from = built.join(format!("{}.wasm", package.replace('-', "_")));
        let to = to.join(format!("{package}.wasm"));
        let bytes = fs::read(&from).map_err(|error| explain(&from, error))?;
        if fs::read(&to).is_ok_and(|present| present == bytes) {
            continue;
        }
        // In one step: a service that watches the folder never reads half a component.
        let partial = to.with_extension("wasm.partial");
        fs::write(&partial, bytes).map_err(|error| explain(&partial, error))?;
        fs::rename(&partial, &to).map_err(|error| explain(&to, error))?;
    }
    for entry in fs::read_dir(to).map_err(|error| explain(to, error))? {
        let path = entry.map_err(|error| explain(to, error))?.path();
        let package = path.file_stem().and_then(|name| name.to_str());
        let stale = path
            .extension()
            .is_some_and(|extension| extension == "wasm")
            && !package.is_some_and(|name| packages.contains(name));
        if stale {
            fs::remove_file(&path).map_err(|error| explain(&path, error))?;
        }
    }
    Ok(())
}
