//! The customers and their operator: sets everything up through the admin API, sends the plan, and
//! waits until every accepted workflow is accounted for.
//!
//! It sees the service only through its two APIs and the webhooks, as anybody else would.

mod send;
mod settle;
mod setup;

pub use send::{Answer, Exchange};
pub use settle::Settlement;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use patchbay_api::{AdminClient, ClientError, CustomerClient};
use url::Url;
use uuid::Uuid;

use crate::noise::{Chain, Sender};
use crate::progress::Progress;
use crate::sink::Sink;

/// How many requests are under way at once.
pub(crate) const CONCURRENCY: usize = 32;

/// Where everything is.
#[derive(Clone)]
pub struct Endpoints {
    /// The customer listener.
    pub customer_url: Url,
    /// The admin listener.
    pub admin_url: Url,
    /// The token of the admin API.
    pub admin_token: String,
    /// The folder with the components, `NAME.wasm` each.
    pub plugins: PathBuf,
    /// The sample internal system.
    pub backend: SocketAddr,
    /// Its bearer token.
    pub backend_token: String,
    /// The webhook sink.
    pub sink: SocketAddr,
}

impl std::fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoints")
            .field("customer_url", &self.customer_url.as_str())
            .field("admin_url", &self.admin_url.as_str())
            .finish_non_exhaustive()
    }
}

/// What the driver cannot go on with.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// A component is not there.
    #[error(
        "{path}: {source}; build the plugins (`cargo xtask plugins`) or name their folder with --plugins"
    )]
    Plugin {
        /// The file.
        path: String,
        /// What the system says.
        source: std::io::Error,
    },
    /// The admin API refused a step of the set-up, or is not there.
    #[error("{step}: {source}")]
    Setup {
        /// What was being done.
        step: String,
        /// What came back.
        source: ClientError,
    },
    /// A name is not allowed as an id.
    #[error("{step}: {source}")]
    Name {
        /// What was being done.
        step: String,
        /// Which rule it breaks.
        source: patchbay_api::InvalidId,
    },
    /// A customer's webhook secret is not one.
    #[error("the webhook secret of {0} is not of the form whsec_BASE64")]
    Secret(&'static str),
}

/// What happened, before it is judged.
#[derive(Debug)]
pub struct Run {
    /// Every request with its answer, chain by chain.
    pub exchanges: Vec<Vec<Exchange>>,
    /// What became of each accepted workflow.
    pub settled: HashMap<Uuid, Settlement>,
    /// The customers' tokens, for whoever wants to try.
    pub tokens: Tokens,
    /// From the first request until everything was accounted for.
    pub took: Duration,
}

/// The customers' tokens.
#[derive(Clone, Default)]
pub struct Tokens(HashMap<Sender, String>);

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens(..)")
    }
}

impl Tokens {
    /// The token of a customer; empty if it was not set up.
    pub fn of(&self, sender: Sender) -> &str {
        self.0.get(&sender).map_or("", String::as_str)
    }
}

/// A workflow that was accepted and has to be accounted for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) workflow: Uuid,
    pub(crate) sender: Sender,
    pub(crate) sent_at: Instant,
}

/// Sets up `senders`, sends `plan`, and waits for the end.
pub async fn drive(
    http: reqwest::Client,
    endpoints: &Endpoints,
    senders: &[Sender],
    plan: Vec<Chain>,
    sink: &Sink,
    progress: &Progress,
) -> Result<Run, DriveError> {
    let at = |step: &str| {
        let step = step.to_owned();
        |source| DriveError::Setup { step, source }
    };
    let admin = AdminClient::new(
        http.clone(),
        endpoints.admin_url.clone(),
        endpoints.admin_token.clone(),
    )
    .map_err(at("the admin listener's address"))?;
    let customers = CustomerClient::new(http, endpoints.customer_url.clone())
        .map_err(at("the customer listener's address"))?;

    let tokens = Tokens(setup::set_up(&admin, endpoints, senders, sink, progress).await?);
    let started = crate::stopwatch::now();
    let exchanges = send::send_all(&customers, &tokens, plan, progress).await;
    let cases = send::cases(&exchanges);
    let settled = settle::settle_all(&customers, &tokens, cases, sink, progress).await;
    Ok(Run {
        exchanges,
        settled,
        tokens,
        took: started.elapsed(),
    })
}
