//! The command line's way to a running service.

use std::path::PathBuf;
use std::time::Duration;

use patchbay_api::{AdminClient, Object};
use url::Url;

use crate::data::DataDir;
use crate::output::CommandError;

/// Which service to talk to, and how to show what it says.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct AdminArgs {
    /// The data folder of the service, in which its address and token are found.
    #[arg(
        long,
        env = "PATCHBAY_DATA",
        default_value = "patchbay-data",
        value_name = "DIR"
    )]
    data: PathBuf,
    /// The service's admin listener, where it runs elsewhere.
    #[arg(long, env = "PATCHBAY_ADMIN_URL", value_name = "URL")]
    admin_url: Option<Url>,
    /// A file that holds the admin token [default: admin-token in the data folder].
    #[arg(long, env = "PATCHBAY_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// No operation of the admin API takes longer, pushing a large component included.
const TIMEOUT: Duration = Duration::from_mins(3);

impl AdminArgs {
    /// Finds the service and its token.
    pub(crate) fn connect(&self) -> Result<AdminClient, CommandError> {
        let data = DataDir::new(&self.data);
        let url = if let Some(url) = &self.admin_url {
            url.clone()
        } else {
            let running = data.find().map_err(|error| {
                CommandError::NoService(format!(
                    "no service runs on {0}: {error}; start one with `patchbay serve --data {0}`, \
                     or name one with --admin-url",
                    data.path().display()
                ))
            })?;
            running.admin_url
        };
        let file = self
            .admin_token_file
            .clone()
            .unwrap_or_else(|| data.admin_token());
        let token = std::fs::read_to_string(&file).map_err(|error| {
            CommandError::Usage(format!(
                "the admin token in {} cannot be read: {error}",
                file.display()
            ))
        })?;
        Ok(AdminClient::new(client()?, url, token.trim().to_owned())?)
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the command line is a client of the service, not a part of it: it asks the address that \
              its user named"
)]
fn client() -> Result<reqwest::Client, CommandError> {
    reqwest::Client::builder()
        .timeout(TIMEOUT)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| CommandError::Host(format!("the HTTP client cannot be made: {error}")))
}

/// A JSON object given in place, or as `@FILE`.
pub(crate) fn json_object(given: &str) -> Result<Object, CommandError> {
    let text = match given.strip_prefix('@') {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| CommandError::Usage(format!("{file} cannot be read: {error}")))?,
        None => given.to_owned(),
    };
    serde_json::from_str(&text)
        .map_err(|error| CommandError::Usage(format!("that is not a JSON object: {error}")))
}
