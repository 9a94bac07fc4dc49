//! `patchbay demo`: starts everything, runs it, says how it went, and stays up to be tried.

use std::cell::OnceCell;
use std::fs::Permissions;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::children::{Backend, ChildError, Host};
use crate::driver::{DriveError, Endpoints, Run, drive};
use crate::noise::{Chain, Draft, Sender, plan, plan_records};
use crate::people::{DEFAULT_COUNT, FebrlError, Person, generate, read_febrl};
use crate::progress::Progress;
use crate::report::Figures;
use crate::sink::Sink;

/// How many requests are sent if nothing else is said.
const DEFAULT_REQUESTS: usize = 1_000;

/// How many webhooks are answered with 500 at first; the retry comes five seconds later.
const REFUSED_WEBHOOKS: u64 = 3;

/// The mode of the folder for the data: the service refuses one that others can read.
const PRIVATE: u32 = 0o700;

/// Longer than the longest poll for a status.
const HTTP_TIMEOUT: Duration = Duration::from_mins(1);

/// The backend's token is made from the admin token, which is random: the same within a run, another
/// in each, and of no use to find out the admin token.
const TOKEN_NAMESPACE: Uuid = Uuid::from_u128(0x8f0c_5a52_2d5c_4f0f_8f5e_70a7_c4ba_2001);

/// The arguments of `patchbay demo`.
#[derive(Debug, Clone, clap::Args)]
pub struct DemoArgs {
    /// Link the records of this file (Febrl layout: rec-N-org rows are known, rec-N-dup-K rows are
    /// sent) instead of generated people, and show precision, recall and F1.
    #[arg(long, value_name = "CSV")]
    pub people: Option<PathBuf>,
    /// How many requests to send [default: 1000, or the whole file].
    #[arg(long, value_name = "N")]
    pub requests: Option<usize>,
    /// End after the table, with status 0 only if everything accepted is accounted for.
    #[arg(long)]
    pub exit: bool,
    /// No progress bars.
    #[arg(long)]
    pub quiet: bool,
    /// Print precision, recall and F1 and nothing else.
    #[arg(long)]
    pub figures_only: bool,
    /// The folder with the first-party plugins, NAME.wasm each [default: beside the program].
    #[arg(long, value_name = "DIR", env = "PATCHBAY_PLUGINS")]
    pub plugins: Option<PathBuf>,
    /// What people and errors are made from: the same seed makes the same requests.
    #[arg(long, default_value_t = crate::DEFAULT_SEED)]
    pub seed: u64,
    /// Keep the service's data here instead of in a temporary folder. It must be new or empty.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// Why there was no demonstration.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The people's file is no good.
    #[error(transparent)]
    People(#[from] FebrlError),
    /// One of the processes is of no use.
    #[error(transparent)]
    Child(#[from] ChildError),
    /// The set-up failed.
    #[error(transparent)]
    Drive(#[from] DriveError),
    /// The folder for the data is in use.
    #[error("{0} is not empty: the demonstration needs a folder of its own")]
    DataNotEmpty(String),
    /// There are no plugins.
    #[error(
        "no plugins found beside the program: build them (`cargo xtask plugins`) and name their folder with --plugins"
    )]
    NoPlugins,
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be made: {0}")]
    Http(reqwest::Error),
    /// The system refused a folder, a port or a signal handler.
    #[error("{what}: {source}")]
    Io {
        /// What was being done.
        what: &'static str,
        /// What the system says.
        source: std::io::Error,
    },
}

fn io(what: &'static str) -> impl FnOnce(std::io::Error) -> DemoError {
    move |source| DemoError::Io { what, source }
}

/// Who is known, who sends, and what.
struct Cast {
    senders: Vec<Sender>,
    plan: Vec<Chain>,
    /// Somebody known, for the request to try.
    somebody: Option<Person>,
}

/// Runs the demonstration. The program has to have the commands `serve` and `demo-backend`.
pub async fn run(args: DemoArgs) -> Result<ExitCode, DemoError> {
    let cast = cast(&args)?;
    let program = std::env::current_exe().map_err(io("the program's own path"))?;
    let plugins = plugins(&args, &program)?;
    // Removed when it goes out of scope, whichever way that happens.
    let (data, _temporary) = data(&args)?;

    let mut host = tokio::select! {
        host = Host::start(&program, &data) => host?,
        () = interrupted() => return Ok(interrupted_code()),
    };
    let token = Uuid::new_v5(&TOKEN_NAMESPACE, host.admin_token.expose().as_bytes()).to_string();
    let backend = Backend::start(&program, args.seed, args.people.as_deref(), &token).await;
    let ended = match backend {
        Err(error) => Err(error.into()),
        Ok(mut backend) => {
            let endpoints = Endpoints {
                customer_url: host.customer_url.clone(),
                admin_url: host.admin_url.clone(),
                admin_token: host.admin_token.expose().clone(),
                plugins,
                backend: backend.ready.address,
                backend_token: token,
                // Known once the sink listens.
                sink: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            };
            // Set once the run was judged: an interrupt after that ends the demonstration, not the run.
            let judged = OnceCell::new();
            let ended = tokio::select! {
                ended = perform(&args, cast, endpoints, &judged) => ended,
                died = host.child.died() => Err(died.into()),
                died = backend.child.died() => Err(died.into()),
                () = interrupted() => Ok(judged.get().copied().unwrap_or(interrupted_code())),
            };
            backend.child.stop().await;
            ended
        }
    };
    host.child.stop().await;
    ended
}

/// As shells report an interrupt: 128 and the signal's number.
fn interrupted_code() -> ExitCode {
    ExitCode::from(130)
}

async fn perform(
    args: &DemoArgs,
    cast: Cast,
    mut endpoints: Endpoints,
    judged: &OnceCell<ExitCode>,
) -> Result<ExitCode, DemoError> {
    let progress = if args.quiet || args.figures_only {
        Progress::Quiet
    } else {
        Progress::Shown
    };
    let sink = Sink::new(REFUSED_WEBHOOKS);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(io("the webhook sink's port"))?;
    endpoints.sink = listener
        .local_addr()
        .map_err(io("the webhook sink's port"))?;
    let over = CancellationToken::new();
    let _at_the_end = over.clone().drop_guard();
    let served = axum::serve(listener, sink.router())
        .with_graceful_shutdown(async move { over.cancelled().await });
    tokio::spawn(served.into_future());

    let http = http_client()?;
    let run = drive(http, &endpoints, &cast.senders, cast.plan, &sink, &progress).await?;
    let figures = Figures::of(&run, sink.counts());
    if args.figures_only {
        print!("{}", figures.quality_lines());
    } else {
        println!("{}", figures.table());
        if args.people.is_some() {
            print!("{}", figures.quality_lines());
        }
        for surprise in &figures.surprises {
            eprintln!("unexpected: {surprise}");
        }
    }
    let code = *judged.get_or_init(|| {
        if figures.is_sound() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    });
    if args.exit {
        return Ok(code);
    }
    invite(&endpoints, &run, cast.senders.first(), cast.somebody);
    // Until the interrupt that `run` waits for.
    std::future::pending().await
}

fn cast(args: &DemoArgs) -> Result<Cast, DemoError> {
    if let Some(path) = &args.people {
        let set = read_febrl(path)?;
        let count = args.requests.unwrap_or(set.sent.len()).min(set.sent.len());
        return Ok(Cast {
            senders: vec![Sender::Records],
            plan: plan_records(&set.sent[..count]),
            somebody: set.internal.into_iter().next(),
        });
    }
    let people = generate(args.seed, DEFAULT_COUNT);
    let count = args.requests.unwrap_or(DEFAULT_REQUESTS);
    Ok(Cast {
        senders: Sender::ALL.to_vec(),
        plan: plan(args.seed, &people, count),
        somebody: people.into_iter().next(),
    })
}

fn plugins(args: &DemoArgs, program: &Path) -> Result<PathBuf, DemoError> {
    if let Some(folder) = &args.plugins {
        return Ok(folder.clone());
    }
    program
        .ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join("plugins"))
        .find(|folder| folder.is_dir())
        .ok_or(DemoError::NoPlugins)
}

fn data(args: &DemoArgs) -> Result<(PathBuf, Option<tempfile::TempDir>), DemoError> {
    const WHAT: &str = "the folder for the data";
    let Some(folder) = &args.data else {
        let temporary = tempfile::Builder::new()
            .prefix("patchbay-demo-")
            .permissions(Permissions::from_mode(PRIVATE))
            .tempdir()
            .map_err(io(WHAT))?;
        return Ok((temporary.path().to_owned(), Some(temporary)));
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(PRIVATE)
        .create(folder)
        .map_err(io(WHAT))?;
    let mut entries = std::fs::read_dir(folder).map_err(io(WHAT))?;
    if entries.next().is_some() {
        return Err(DemoError::DataNotEmpty(folder.display().to_string()));
    }
    Ok((folder.clone(), None))
}

/// The customers' and the operator's HTTP client: it stands for programs outside the service.
#[allow(
    clippy::disallowed_methods,
    reason = "the demonstration plays the service's clients, whom no guard protects"
)]
fn http_client() -> Result<reqwest::Client, DemoError> {
    // Fails only where a provider was installed before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .timeout(HTTP_TIMEOUT)
        .no_proxy()
        .build()
        .map_err(DemoError::Http)
}

/// Ends when somebody wants this process to end.
async fn interrupted() {
    let wait = async |kind| match signal(kind) {
        Ok(mut signal) => drop(signal.recv().await),
        // Without a handler the system ends this process by itself.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = wait(SignalKind::interrupt()) => {}
        () = wait(SignalKind::terminate()) => {}
        () = wait(SignalKind::hangup()) => {}
    }
}

/// Says where everything is, and what to type.
fn invite(endpoints: &Endpoints, run: &Run, sender: Option<&Sender>, somebody: Option<Person>) {
    println!();
    println!("customer API  {}", endpoints.customer_url);
    println!("admin API     {}", endpoints.admin_url);
    println!("backend       http://{}/fhir/", endpoints.backend);
    let (Some(sender), Some(somebody)) = (sender, somebody) else {
        return;
    };
    let patient = Uuid::new_v5(&TOKEN_NAMESPACE, somebody.id.as_bytes());
    let body = Draft::plain(*sender, patient, somebody).body();
    let base = endpoints.customer_url.as_str().trim_end_matches('/');
    let token = run.tokens.of(*sender);
    println!();
    println!("Try it as {}:", sender.name());
    println!(
        "curl -i {base}/link -H 'customer-token: {token}' -H 'idempotency-key: try-1' \
         -H 'content-type: application/json' -d {}",
        quoted(&String::from_utf8_lossy(&body))
    );
    println!();
    println!("Ctrl-C ends it.");
}

/// One word of a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
