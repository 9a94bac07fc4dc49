//! How results and errors are shown, and what exit codes mean.

use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use patchbay_api::ClientError;
use serde::Serialize;

/// Why a command failed, as its exit code says it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// 2: the command line or a file it names is wrong.
    #[error("{0}")]
    Usage(String),
    /// 3: the service refused the request. 4: no service answers.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// 4: there is no service to ask.
    #[error("{0}")]
    NoService(String),
    /// 1: anything else.
    #[error("{0}")]
    Host(String),
}

impl CommandError {
    /// Tells the person, and gives the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        eprintln!("patchbay: {self}");
        ExitCode::from(match self {
            Self::Host(_) => 1,
            Self::Usage(_) => 2,
            Self::Client(ClientError::Refused(_)) => 3,
            Self::NoService(_) | Self::Client(_) => 4,
        })
    }
}

/// Prints a value as JSON, or in the form for people.
pub(crate) fn show<T: Serialize>(
    json: bool,
    value: &T,
    people: impl FnOnce(&T),
) -> Result<(), CommandError> {
    if json {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| CommandError::Host(format!("the answer cannot be shown: {error}")))?;
        println!("{text}");
    } else {
        people(value);
    }
    Ok(())
}

/// Prints rows under a header, fitted to the terminal.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) {
    let mut table = Table::new();
    table
        .load_style(presets::UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(header);
    for row in rows {
        table.add_row(row);
    }
    println!("{table}");
}
