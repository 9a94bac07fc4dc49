//! `patchbay serve`: puts the parts together, runs the roles that were asked for, and stops in order.

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use ipnet::IpNet;
use patchbay_ambient::{OsEntropy, SharedClock, SharedEntropy, SystemClock};
use patchbay_delivery::{ClientSettings, GuardPolicy, GuardedClient};
use patchbay_engine::{Parts, Service, Settings};
use patchbay_registry::{Database, Registry, RegistryConfig};
use patchbay_sandbox::{CallLimits, CompileMode, Sandbox, SandboxConfig};
use patchbay_server::ServerSettings;
use patchbay_store::engine::SharedEngine;
use patchbay_vault::KeyRing;
use patchbay_workflow::Deadlines;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;
use url::Url;

use crate::data::{DataDir, Running};
use crate::store::StoreSpec;

/// How the service runs.
#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Where the service keeps its files.
    #[arg(
        long,
        env = "PATCHBAY_DATA",
        default_value = "patchbay-data",
        value_name = "DIR"
    )]
    data: PathBuf,
    /// Where workflows are kept: `embedded` (in the data folder), `embedded:PATH`, or `fdb:CLUSTER_FILE` for
    /// a FoundationDB cluster that many processes share.
    #[cfg_attr(
        feature = "simulated",
        doc = "For tests: `simulated:SEED`, in memory, with faults; nothing is kept when the process ends."
    )]
    #[arg(
        long,
        env = "PATCHBAY_STORE",
        default_value = "embedded",
        value_name = "STORE"
    )]
    store: StoreSpec,
    /// Where customers, plugins and bindings are kept: a SQLite file [default: registry.sqlite in the data
    /// folder], or `postgres://USER@HOST/DATABASE`, which a shared store needs.
    #[arg(long, env = "PATCHBAY_REGISTRY", value_name = "DATABASE")]
    registry: Option<String>,
    /// The key file, the same one for all processes of an installation [default: keys.json in the data
    /// folder].
    #[arg(long, env = "PATCHBAY_KEYS", value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Where customers are answered.
    #[arg(
        long,
        env = "PATCHBAY_LISTEN",
        default_value = "127.0.0.1:8080",
        value_name = "ADDR"
    )]
    listen: SocketAddr,
    /// Where operators are answered. Keep it inside.
    #[arg(
        long,
        env = "PATCHBAY_ADMIN_LISTEN",
        default_value = "127.0.0.1:8081",
        value_name = "ADDR"
    )]
    admin_listen: SocketAddr,
    /// What this process does.
    #[arg(
        long,
        env = "PATCHBAY_ROLE",
        value_enum,
        value_delimiter = ',',
        default_values = ["intake", "worker", "reconciler"]
    )]
    role: Vec<Role>,
    /// A network that customers' webhooks may reach though it is not public, for example 10.1.0.0/16.
    #[arg(long = "allow-destination", value_name = "CIDR")]
    allow_destinations: Vec<IpNet>,
    /// Refuse webhooks that are not https.
    #[arg(long)]
    https_only: bool,
    /// Plugin calls at once; each may use 64 MiB.
    #[arg(long, default_value_t = 64, value_name = "N")]
    plugin_calls: usize,
    /// Log lines as JSON.
    #[arg(long)]
    log_json: bool,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Answers customers and operators.
    Intake,
    /// Processes workflows and delivers webhooks.
    Worker,
    /// Mends what is stuck.
    Reconciler,
}

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {why}")]
struct StartError {
    what: &'static str,
    why: String,
}

fn failed<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> StartError {
    move |error| StartError {
        what,
        why: error.to_string(),
    }
}

/// Runs until a signal asks it to stop.
pub(crate) async fn run(args: ServeArgs) -> ExitCode {
    start_logging(args.log_json);
    match serve(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("patchbay serve: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start_logging(json: bool) {
    let filter = EnvFilter::try_from_env("PATCHBAY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // The first subscriber of this process, so these cannot fail.
    let _ = if json {
        log.json().try_init()
    } else {
        log.try_init()
    };
}

async fn serve(args: &ServeArgs) -> Result<(), StartError> {
    let data = DataDir::new(&args.data);
    data.prepare()
        .map_err(failed("the data folder cannot be used"))?;
    // Signals count from the first moment: a stop during start-up is a stop.
    let stop = stop_signal()?;

    let clock: SharedClock = Arc::new(SystemClock::new());
    let entropy: SharedEntropy = Arc::new(OsEntropy::new());
    let Some((service, engine)) = stop
        .run_until_cancelled(assemble(args, &data, &clock, &entropy))
        .await
        .transpose()?
    else {
        return Ok(());
    };

    let tasks = TaskTracker::new();
    let closing = CancellationToken::new();
    let running = start_listening(args, &service, &tasks, &closing).await?;
    let announce = || {
        data.announce(&running)
            .map_err(failed("the data folder cannot be written"))
    };
    // A store that is away is waited for, and meanwhile it is told where this process answers: with 503.
    let claiming = service.claim_store(|| {
        if let Err(error) = announce() {
            tracing::warn!(%error, "not announced");
        }
    });
    let claimed = stop.run_until_cancelled(claiming).await;
    if let Some(claimed) = claimed {
        if let Err(refused) = claimed {
            data.withdraw();
            return Err(failed("the store is not served")(refused));
        }
        if stop.run_until_cancelled(service.warm_up()).await.is_some() {
            start_roles(args, &service, &tasks);
            announce()?;
            tracing::info!(
                customers = running.customer_url.as_ref().map(Url::as_str),
                admins = %running.admin_url,
                "serving"
            );
            stop.cancelled().await;
        }
    }

    tracing::info!("stopping");
    data.withdraw();
    // No new connections first, then the work under way, then the files.
    closing.cancel();
    service.stop().await;
    tasks.close();
    tasks.wait().await;
    engine.close().await;
    service.registry().close().await;
    tracing::info!("stopped");
    Ok(())
}

/// What a start needs of the places that were named.
struct Places {
    keys: PathBuf,
    registry: Database,
}

impl Places {
    fn of(args: &ServeArgs, data: &DataDir) -> Result<Self, StartError> {
        let wrong = |why: String| StartError {
            what: "the places named do not fit together",
            why,
        };
        let registry = match &args.registry {
            Some(location) => {
                Database::parse(location).map_err(failed("--registry cannot be understood"))?
            }
            None => Database::File(data.registry()),
        };
        if matches!(args.store, StoreSpec::Fdb(..)) && !matches!(registry, Database::Postgres(_)) {
            return Err(wrong(
                "--store fdb: is for many processes, and a registry in SQLite is for one: give them all the \
                 same --registry postgres://USER@HOST/DATABASE"
                    .into(),
            ));
        }
        let keys = args.keys.clone().unwrap_or_else(|| data.keys());
        // New keys beside old data would only make it unreadable, and hide what is wrong.
        if data.registry().exists() && !keys.exists() {
            return Err(StartError {
                what: "the key file is missing",
                why: format!(
                    "{} is gone, but what it encrypted is there: put it back from your backup",
                    keys.display()
                ),
            });
        }
        Ok(Self { keys, registry })
    }
}

async fn assemble(
    args: &ServeArgs,
    data: &DataDir,
    clock: &SharedClock,
    entropy: &SharedEntropy,
) -> Result<(Arc<Service>, SharedEngine), StartError> {
    let places = Places::of(args, data)?;
    let keys = KeyRing::open_or_create(&places.keys, &**entropy)
        .map_err(failed("the key file cannot be used"))?;
    let keys = Arc::new(keys);
    let engine = args
        .store
        .open(Some(data), clock)
        .map_err(failed("the store cannot be opened"))?;
    let config = RegistryConfig::new(places.registry);
    let registry = open_registry(&config, &keys, clock, entropy).await?;
    let created = registry
        .ensure_first_admin(&data.admin_token())
        .await
        .map_err(failed("the first admin token cannot be made"))?;
    if created {
        tracing::info!(file = %data.admin_token().display(), "wrote the first admin token");
    }
    let program = std::env::current_exe().map_err(failed("the program's own path"))?;
    let sandbox = Sandbox::new(
        SandboxConfig {
            cache_dir: data.compiled(),
            cache_mac_key: *keys.cache_mac_key(),
            compile: CompileMode::Child {
                program,
                args: vec!["compile-plugin".into()],
            },
            limits: CallLimits::default(),
            concurrency: args.plugin_calls,
        },
        clock.clone(),
        entropy.clone(),
    )
    .map_err(failed("the sandbox cannot be set up"))?;
    let guard = GuardPolicy {
        allow: args.allow_destinations.clone(),
        https_only_for_customers: args.https_only,
    };
    let http = GuardedClient::new(
        ClientSettings {
            guard,
            ..ClientSettings::default()
        },
        clock.clone(),
    )
    .map_err(failed("outgoing HTTP cannot be set up"))?;
    let settings = Settings::default();
    let deadlines = Deadlines {
        delivery: settings.schedule.total() + std::time::Duration::from_hours(24),
        ..Deadlines::default()
    };
    let service = Service::new(Parts {
        store: patchbay_store::Database::new(
            engine.clone(),
            clock.clone(),
            entropy.clone(),
            deadlines,
        )
        .unclaimed(),
        registry,
        sandbox,
        hasher: keys.hasher(),
        http: Arc::new(http),
        clock: clock.clone(),
        entropy: entropy.clone(),
        settings,
    });
    Ok((service, engine))
}

/// The wait before a registry whose database is away is tried again.
const REGISTRY_PAUSE: Duration = Duration::from_secs(1);

/// Opens the registry; waits for a database that is away, since without it nobody is known.
async fn open_registry(
    config: &RegistryConfig,
    keys: &Arc<KeyRing>,
    clock: &SharedClock,
    entropy: &SharedEntropy,
) -> Result<Arc<Registry>, StartError> {
    loop {
        let opened = Registry::open(config, keys.clone(), clock.clone(), entropy.clone()).await;
        match opened {
            Err(error) if error.is_unreachable() => {
                tracing::error!(%error, "the registry's database is away; waiting for it");
                clock.sleep(REGISTRY_PAUSE).await;
            }
            opened => return opened.map_err(failed("the registry cannot be opened")),
        }
    }
}

/// Answers from now on: whoever asks before the store is there is told to come back.
async fn start_listening(
    args: &ServeArgs,
    service: &Arc<Service>,
    tasks: &TaskTracker,
    closing: &CancellationToken,
) -> Result<Running, StartError> {
    let settings = ServerSettings::default();
    let mut customer_url = None;
    if args.role.contains(&Role::Intake) {
        let customers = listen(args.listen).await?;
        customer_url = Some(url_of(&customers)?);
        let router = patchbay_server::customer_router(service.clone(), settings);
        serve_on(tasks, closing, customers, router, settings);
    }
    let admins = listen(args.admin_listen).await?;
    let admin_url = url_of(&admins)?;
    let admin = patchbay_server::admin_router(service.clone(), settings);
    serve_on(tasks, closing, admins, admin, settings);

    let registry = service.registry().clone();
    let closing = closing.clone();
    tasks.spawn(async move { registry.run_refresher(closing.cancelled_owned()).await });
    Ok(Running {
        customer_url,
        admin_url,
        pid: std::process::id(),
    })
}

fn start_roles(args: &ServeArgs, service: &Arc<Service>, tasks: &TaskTracker) {
    tasks.spawn(service.clone().keep_warm());
    if args.role.contains(&Role::Worker) {
        tasks.spawn(service.clone().run_worker());
    }
    if args.role.contains(&Role::Reconciler) {
        tasks.spawn(service.clone().run_reconciler());
    }
}

fn serve_on(
    tasks: &TaskTracker,
    closing: &CancellationToken,
    listener: TcpListener,
    router: axum::Router,
    settings: ServerSettings,
) {
    let closing = closing.clone();
    tasks.spawn(async move {
        if let Err(error) = patchbay_server::serve(listener, router, closing, settings).await {
            tracing::error!(%error, "a listener ended");
        }
    });
}

async fn listen(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address)
        .await
        .map_err(|error| StartError {
            what: "cannot listen",
            why: format!("{address}: {error}"),
        })
}

fn url_of(listener: &TcpListener) -> Result<Url, StartError> {
    let address = listener
        .local_addr()
        .map_err(failed("a listener has no address"))?;
    format!("http://{address}/")
        .parse()
        .map_err(failed("a listener has no address"))
}

/// Cancelled by SIGTERM or SIGINT.
fn stop_signal() -> Result<CancellationToken, StartError> {
    use tokio::signal::unix::{SignalKind, signal};
    let watch = |kind| signal(kind).map_err(failed("signals cannot be watched"));
    let mut terminate = watch(SignalKind::terminate())?;
    let mut interrupt = watch(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let signalled = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        signalled.cancel();
    });
    Ok(stop)
}
