//! `patchbay registry …`: what is done to a registry itself. These commands open its database directly.

use clap::Subcommand;
use patchbay_registry::copy::{Copied, CopyError, copy};
use patchbay_registry::{Database, Fault};

use crate::data::DataDir;
use crate::output::{CommandError, show, table};

/// Registries: copy.
#[derive(Debug, Subcommand)]
pub(crate) enum RegistryCommand {
    /// Copy a whole registry into an empty database. No service may use either.
    Copy {
        /// The registry that is read: a SQLite file, a data folder, or postgres://USER:PASSWORD@HOST/DATABASE.
        #[arg(long, value_name = "DATABASE")]
        from: String,
        /// The registry that is written: a SQLite file that is made, or an empty PostgreSQL database.
        #[arg(long, value_name = "DATABASE")]
        to: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// Where a registry is: what `serve --registry` takes, or the data folder that it is in. Not left to the
/// command line's own parser, which would repeat what it refuses, passwords included.
fn place(option: &str, location: &str) -> Result<Database, CommandError> {
    let database = Database::parse(location)
        .map_err(|error| CommandError::Usage(format!("{option} cannot be understood: {error}")))?;
    Ok(match database {
        Database::File(path) if path.is_dir() => Database::File(DataDir::new(path).registry()),
        other => other,
    })
}

pub(crate) async fn run(command: RegistryCommand) -> Result<(), CommandError> {
    let RegistryCommand::Copy { from, to, json } = command;
    let (from, to) = (place("--from", &from)?, place("--to", &to)?);
    let copied = copy(&from, &to).await.map_err(|error| refused(&error))?;
    show(json, &copied, people)
}

fn refused(error: &CopyError) -> CommandError {
    match error.blame() {
        Fault::Caller => CommandError::Usage(error.to_string()),
        Fault::Host => CommandError::Host(error.to_string()),
    }
}

fn people(copied: &Copied) {
    table(
        ["table", "rows"],
        copied
            .tables
            .iter()
            .map(|it| [it.table.to_owned(), it.rows.to_string()]),
    );
    let rows: u64 = copied.tables.iter().map(|it| it.rows).sum();
    println!(
        "{rows} rows copied and compared; the audit log holds together up to revision {}, {}",
        copied.audit_entries, copied.audit_head
    );
}
