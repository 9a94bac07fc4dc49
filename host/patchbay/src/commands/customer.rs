//! `patchbay customer …`

use clap::Subcommand;
use patchbay_api::admin::{NewCustomer, NewToken, TokenKind};
use patchbay_workflow::{BackendId, CustomerId};

use crate::admin::{AdminArgs, json_object};
use crate::output::{CommandError, show, table};

/// Customers: add, list, token.
#[derive(Debug, Subcommand)]
pub(crate) enum CustomerCommand {
    /// Add a customer; prints the secret that signs its webhooks, once.
    Add {
        /// 1 to 63 of a-z, 0-9 and '-'.
        id: CustomerId,
        /// A name for people.
        #[arg(long)]
        name: Option<String>,
        /// Where its webhooks go.
        #[arg(long, value_name = "URL")]
        webhook: Option<String>,
        /// Its settings: a JSON object, or @FILE.
        #[arg(long, value_name = "JSON")]
        settings: Option<String>,
        /// A backend to ask, in the order given.
        #[arg(long = "backend", value_name = "ID")]
        backends: Vec<BackendId>,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// List customers.
    List {
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Issue a token; prints it, once.
    Token {
        /// Whose.
        customer: CustomerId,
        /// A token of the customer's test system.
        #[arg(long)]
        test: bool,
        /// How long it is valid, in days [default: 365].
        #[arg(long, value_name = "DAYS")]
        days: Option<u32>,
        #[command(flatten)]
        admin: AdminArgs,
    },
}

pub(crate) async fn run(command: CustomerCommand) -> Result<(), CommandError> {
    match command {
        CustomerCommand::Add {
            id,
            name,
            webhook,
            settings,
            backends,
            admin,
        } => {
            let settings = settings
                .as_deref()
                .map(json_object)
                .transpose()?
                .unwrap_or_default();
            let new = NewCustomer {
                id,
                name,
                settings,
                webhook_url: webhook,
                backends,
            };
            let created = admin.connect()?.create_customer(&new).await?;
            show(admin.json, &created, |created| {
                println!("customer {} added", created.customer.id);
                println!("webhook secret: {}", created.webhook_secret.expose());
                println!("It is shown only now. The customer verifies webhooks with it.");
            })
        }
        CustomerCommand::List { admin } => {
            let list = admin.connect()?.customers().await?;
            show(admin.json, &list, |list| {
                table(
                    ["customer", "name", "webhook", "backends", "plugins"],
                    list.customers.iter().map(|customer| {
                        let backends: Vec<_> =
                            customer.backends.iter().map(BackendId::as_str).collect();
                        let plugins: Vec<_> = customer
                            .bindings
                            .iter()
                            .map(|binding| format!("{}: {}", binding.role, binding.plugin.name))
                            .collect();
                        [
                            customer.id.to_string(),
                            customer.name.clone().unwrap_or_default(),
                            customer.webhook_url.clone().unwrap_or_default(),
                            backends.join(", "),
                            plugins.join("\n"),
                        ]
                    }),
                );
            })
        }
        CustomerCommand::Token {
            customer,
            test,
            days,
            admin,
        } => {
            let new = NewToken {
                kind: if test {
                    TokenKind::Test
                } else {
                    TokenKind::Live
                },
                expires_in_seconds: days.map(|days| u64::from(days) * 24 * 60 * 60),
            };
            let issued = admin.connect()?.issue_token(&customer, &new).await?;
            show(admin.json, &issued, |issued| {
                println!("{}", issued.token.expose());
                eprintln!(
                    "token {}, valid until {}",
                    issued.token_id, issued.expires_at
                );
            })
        }
    }
}
