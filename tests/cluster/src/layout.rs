//! The cluster: its servers, the processes of the service, the proxy before them, and customers.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use patchbay_api::AdminClient;
use patchbay_test_servers::foundationdb::{self, Redundancy};
use patchbay_test_servers::nginx::{self, Nginx};
use patchbay_test_servers::postgres::Postgres;
use patchbay_test_servers::{Program, look_for, missing};
use reqwest::StatusCode;

use crate::client::http;
use crate::journal::Journal;
use crate::node::Node;
use crate::onboarding;
use crate::world::World;

/// How long an intake may take to hear of what another was told.
const KNOWN_LIMIT: Duration = Duration::from_secs(10);
/// What a run needs and may not find.
const NEEDED: [Program; 3] = [foundationdb::SERVER, foundationdb::CLI, nginx::SERVER];

/// The line that says what is not installed here, if anything is not.
pub fn cannot_run() -> Option<String> {
    missing(&NEEDED).or_else(|| {
        let there = Postgres::shared().is_some();
        (!there).then(|| "PostgreSQL is not installed".to_owned())
    })
}

/// A customer that was set up.
#[derive(Debug, Clone)]
pub(crate) struct Customer {
    pub(crate) id: String,
    pub(crate) token: String,
}

/// What is started.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) databases: usize,
    pub(crate) intakes: usize,
    pub(crate) workers: usize,
    pub(crate) customers: usize,
    /// One process with every role, on files of its own.
    pub(crate) single: bool,
}

/// Everything, running.
#[derive(Debug)]
pub(crate) struct Layout {
    // In the order in which they have to end: clients first, then what they use.
    pub(crate) nginx: Nginx,
    pub(crate) intakes: Vec<Node>,
    pub(crate) workers: Vec<Node>,
    pub(crate) reconcilers: Vec<Node>,
    pub(crate) shared: Shared,
    pub(crate) world: World,
    pub(crate) customers: Vec<Customer>,
    pub(crate) token: String,
}

/// What the processes have in common.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) database: Option<foundationdb::Cluster>,
    /// Options that every process is started with.
    pub(crate) arguments: Vec<OsString>,
    folder: PathBuf,
}

impl Shared {
    async fn start(folder: &Path, plan: &Plan) -> Result<Self, String> {
        let folder = folder.to_owned();
        if plan.single {
            return Ok(Self {
                database: None,
                arguments: Vec::new(),
                folder,
            });
        }
        let redundancy = if plan.databases < 3 {
            Redundancy::Single
        } else {
            Redundancy::Double
        };
        let place = folder.join("foundationdb");
        let database = foundationdb::Cluster::start_in(&place, plan.databases, redundancy).await?;
        let postgres = Postgres::shared().ok_or("PostgreSQL is not installed")?;
        let mut store = OsString::from("fdb:");
        store.push(database.cluster_file());
        let arguments = vec![
            "--store".into(),
            store,
            "--registry".into(),
            postgres.database().into(),
            "--keys".into(),
            folder.join("keys.json").into(),
        ];
        Ok(Self {
            database: Some(database),
            arguments,
            folder,
        })
    }

    fn node(&self, name: &str, roles: &str) -> Result<Node, String> {
        let folder = self.folder.join(name);
        Node::new(name.to_owned(), roles, folder, &self.arguments)
    }

    fn nodes(&self, role: &str, count: usize) -> Result<Vec<Node>, String> {
        (1..=count)
            .map(|number| self.node(&format!("{role}-{number}"), role))
            .collect()
    }
}

impl Layout {
    /// Starts everything in this folder and waits until it is ready.
    pub(crate) async fn start(
        folder: &Path,
        plan: &Plan,
        journal: &Journal,
    ) -> Result<Self, String> {
        let shared = Shared::start(folder, plan).await?;
        let (mut reconcilers, mut workers, mut intakes) = if plan.single {
            let all = shared.node("all", "intake,worker,reconciler")?;
            (Vec::new(), Vec::new(), vec![all])
        } else {
            (
                shared.nodes("reconciler", 1)?,
                shared.nodes("worker", plan.workers)?,
                shared.nodes("intake", plan.intakes)?,
            )
        };
        // The first alone: it makes the keys, the tables and the first administrator.
        let mut nodes = reconcilers
            .iter_mut()
            .chain(&mut workers)
            .chain(&mut intakes);
        let mut token = String::new();
        if let Some(first) = nodes.next() {
            first.start()?;
            first.until_ready().await?;
            token = first.admin_token()?;
        }
        let mut others: Vec<&mut Node> = nodes.collect();
        for node in &mut others {
            node.start()?;
        }
        for node in &mut others {
            node.until_ready().await?;
        }
        let world = World::start(journal.clock()).await;
        let addresses: Vec<_> = intakes.iter().map(|intake| intake.customers).collect();
        let place = folder.join("nginx");
        let nginx = Nginx::start_in(&place, nginx::DOCUMENTED, &addresses).await?;
        let mut layout = Self {
            nginx,
            intakes,
            workers,
            reconcilers,
            shared,
            world,
            customers: Vec::new(),
            token,
        };
        let admin = layout.admin()?;
        layout.customers = onboarding::run(&admin, &layout.world, plan.customers).await?;
        layout.until_known().await?;
        Ok(layout)
    }

    /// Waits until every intake has heard of the customers, which the registry promises within seconds.
    async fn until_known(&self) -> Result<(), String> {
        for intake in &self.intakes {
            // The last one added: whoever knows it knows all.
            let Some(customer) = self.customers.last() else {
                return Ok(());
            };
            let url = format!(
                "http://{}/link/status/{}",
                intake.customers,
                uuid::Uuid::nil()
            );
            let known = look_for(KNOWN_LIMIT, async || {
                let asked = http().get(&url).header("customer-token", &customer.token);
                let status = asked.send().await.ok()?.status();
                (status != StatusCode::UNAUTHORIZED).then_some(())
            });
            if known.await.is_none() {
                return Err(format!("{} does not know the customers", intake.name));
            }
        }
        Ok(())
    }

    /// A client of the admin API of the first intake.
    fn admin(&self) -> Result<AdminClient, String> {
        let url = format!("http://{}", self.intakes[0].admins);
        let url = url.parse().map_err(|_| format!("{url} is no URL"))?;
        AdminClient::new(http(), url, self.token.clone()).map_err(|error| error.to_string())
    }

    /// Where customers find the service.
    pub(crate) fn front(&self) -> String {
        format!("http://{}", self.nginx.address())
    }

    /// Every process of the service.
    pub(crate) fn nodes(&mut self) -> impl Iterator<Item = &mut Node> {
        self.intakes
            .iter_mut()
            .chain(&mut self.workers)
            .chain(&mut self.reconcilers)
    }
}
