//! `patchbay backend …`

use clap::Subcommand;
use patchbay_api::admin::{BackendLimits, Credentials, NewBackend};
use patchbay_workflow::BackendId;

use crate::admin::{AdminArgs, json_object};
use crate::output::{CommandError, show, table};

/// Search backends: add, list.
#[derive(Debug, Subcommand)]
pub(crate) enum BackendCommand {
    /// Add an internal system that can be searched.
    Add {
        /// 1 to 63 of a-z, 0-9 and '-'.
        id: BackendId,
        /// What its adapter's paths are relative to.
        #[arg(long, value_name = "URL")]
        base_url: String,
        /// The adapter: a plugin's name (its newest version) or digest.
        #[arg(long, value_name = "PLUGIN")]
        adapter: String,
        /// The adapter's configuration: a JSON object, or @FILE.
        #[arg(long, value_name = "JSON")]
        config: Option<String>,
        /// The credentials: a JSON object such as {"kind":"bearer","token":"…"}; best as @FILE, because
        /// others can see a command line.
        #[arg(long, value_name = "JSON")]
        credentials: Option<String>,
        /// How long it may take to answer, in milliseconds.
        #[arg(long, value_name = "MS")]
        timeout_ms: Option<u64>,
        /// The most requests to it at once.
        #[arg(long, value_name = "N")]
        concurrent: Option<u32>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// List the backends.
    List {
        #[command(flatten)]
        admin: AdminArgs,
    },
}

pub(crate) async fn run(command: BackendCommand) -> Result<(), CommandError> {
    match command {
        BackendCommand::Add {
            id,
            base_url,
            adapter,
            config,
            credentials,
            timeout_ms,
            concurrent,
            admin,
        } => {
            let config = config
                .as_deref()
                .map(json_object)
                .transpose()?
                .unwrap_or_default();
            let new = NewBackend {
                id,
                base_url,
                adapter,
                config,
                credentials: read_credentials(credentials.as_deref())?,
                limits: BackendLimits {
                    timeout_ms,
                    concurrent,
                    ..BackendLimits::default()
                },
            };
            let added = admin.connect()?.create_backend(&new).await?;
            show(admin.json, &added, |added| {
                println!(
                    "backend {} added, searched by {}",
                    added.id, added.adapter.name
                );
            })
        }
        BackendCommand::List { admin } => {
            let list = admin.connect()?.backends().await?;
            show(admin.json, &list, |list| {
                table(
                    ["backend", "base URL", "adapter", "digest"],
                    list.backends.iter().map(|backend| {
                        [
                            backend.id.to_string(),
                            backend.base_url.clone(),
                            backend.adapter.name.clone(),
                            backend.adapter.digest.short(),
                        ]
                    }),
                );
            })
        }
    }
}

fn read_credentials(given: Option<&str>) -> Result<Credentials, CommandError> {
    let Some(given) = given else {
        return Ok(Credentials::None);
    };
    // The error must not repeat what may be a secret.
    serde_json::from_value(json_object(given)?.into()).map_err(|_| {
        CommandError::Usage(
            "credentials must be {\"kind\":\"bearer\",\"token\":…}, {\"kind\":\"basic\",\"username\":…,\
             \"password\":…} or {\"kind\":\"header\",\"name\":…,\"value\":…}"
                .to_owned(),
        )
    })
}
