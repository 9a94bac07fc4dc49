//! `patchbay plugin …`

use std::path::PathBuf;

use clap::Subcommand;
use patchbay_api::admin::{BackendChoice, BackendChoices, NewBinding, Plugin};
use patchbay_workflow::{BackendId, CustomerId, Role};

use crate::admin::{AdminArgs, json_object};
use crate::output::{CommandError, show, table};

/// Plugins: push, bind, list.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    /// Check, compile and store a component.
    Push {
        /// The component.
        file: PathBuf,
        /// The name to push it under [default: the file's name].
        #[arg(long)]
        name: Option<String>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Bind a plugin to a customer for a role, or choose the backends whose adapters search for it.
    Bind {
        /// The customer.
        customer: CustomerId,
        /// The role: validator or webhook-formatter.
        #[arg(long, requires = "plugin", required_unless_present = "backends")]
        role: Option<Role>,
        /// A plugin's name (its newest version) or digest.
        #[arg(long, requires = "role")]
        plugin: Option<String>,
        /// Its configuration: a JSON object, or @FILE.
        #[arg(long, value_name = "JSON", requires = "plugin")]
        config: Option<String>,
        /// A backend to ask, in the order given.
        #[arg(long = "backend", value_name = "ID", conflicts_with = "role")]
        backends: Vec<BackendId>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// List what was pushed.
    List {
        #[command(flatten)]
        admin: AdminArgs,
    },
}

pub(crate) async fn run(command: PluginCommand) -> Result<(), CommandError> {
    match command {
        PluginCommand::Push { file, name, admin } => {
            let stem = file
                .file_stem()
                .map(|stem| stem.to_string_lossy().into_owned());
            let Some(name) = name.or(stem) else {
                return Err(CommandError::Usage(
                    "give the plugin a name with --name".to_owned(),
                ));
            };
            let component = std::fs::read(&file).map_err(|error| {
                CommandError::Usage(format!("{} cannot be read: {error}", file.display()))
            })?;
            let pushed = admin
                .connect()?
                .push_plugin(&name, component.into())
                .await?;
            show(admin.json, &pushed, |pushed| {
                println!("{} {} ({})", pushed.name, pushed.digest, roles(pushed));
            })
        }
        PluginCommand::Bind {
            customer,
            role: Some(role),
            plugin,
            config,
            admin,
            ..
        } => {
            let config = config.as_deref().map(json_object).transpose()?;
            let new = NewBinding {
                plugin: plugin.unwrap_or_default(),
                config,
            };
            let bound = admin.connect()?.bind(&customer, role, &new).await?;
            show(admin.json, &bound, |bound| {
                println!(
                    "{customer}: {} is {} {}",
                    bound.role, bound.plugin.name, bound.plugin.digest
                );
            })
        }
        PluginCommand::Bind {
            customer,
            backends,
            admin,
            ..
        } => {
            let backends = backends
                .into_iter()
                .map(|backend| BackendChoice {
                    backend,
                    config: None,
                })
                .collect();
            let chosen = BackendChoices { backends };
            let chosen = admin.connect()?.choose_backends(&customer, &chosen).await?;
            show(admin.json, &chosen, |_| {
                println!("{customer}: backends chosen");
            })
        }
        PluginCommand::List { admin } => {
            let list = admin.connect()?.plugins().await?;
            show(admin.json, &list, |list| {
                table(
                    ["plugin", "digest", "roles", "bytes"],
                    list.plugins.iter().map(|plugin| {
                        [
                            plugin.name.clone(),
                            plugin.digest.short(),
                            roles(plugin),
                            plugin.size.to_string(),
                        ]
                    }),
                );
            })
        }
    }
}

fn roles(plugin: &Plugin) -> String {
    plugin
        .roles
        .iter()
        .map(|role| role.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}
