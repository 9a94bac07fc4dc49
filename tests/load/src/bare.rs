//! The floors: a bare program on axum, redb and reqwest that does the same commits and HTTP exchanges
//! as the service, and nothing else. It runs as a process of its own, as the service does.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use patchbay_ambient::{Clock as _, Entropy as _, OsEntropy, SystemClock};
use redb::{Database, Durability, TableDefinition};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::bare_guest::Guest;
use crate::recorder::Write;
use crate::shape::{Shape, measure};

/// What the bare program does per request.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct BareArgs {
    /// Its file.
    #[arg(long)]
    store: PathBuf,
    /// Only acknowledge: one commit per request, and one call of this validator.
    #[arg(long)]
    validator: Option<PathBuf>,
    /// Where the webhook goes; what is asked before: see [`Exchange`].
    #[arg(long)]
    exchange: Option<PathBuf>,
    /// Sizes in bytes.
    #[arg(long)]
    body: usize,
    #[arg(long)]
    webhook: usize,
}

/// The HTTP exchanges of a workflow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Exchange {
    /// What the backend is asked, in turn: as the service asked it in the same run.
    pub(crate) queries: Vec<String>,
    /// How many queries a workflow makes.
    pub(crate) per_workflow: usize,
    /// Shown to the backend.
    pub(crate) token: String,
    /// Where the webhook goes.
    pub(crate) webhook: String,
}

const TABLE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("rows");
/// As many as the service has workers.
const AT_ONCE: usize = 64;

struct Bare {
    shape: Shape,
    commits: mpsc::Sender<(Vec<Write>, oneshot::Sender<()>)>,
    guest: Option<Guest>,
    exchange: Option<Exchange>,
    http: reqwest::Client,
    places: Semaphore,
    entropy: OsEntropy,
}

/// Serves until the process is killed. Prints its address first.
pub(crate) async fn run(args: BareArgs) {
    let exchange = args.exchange.map(|file| {
        let bytes = std::fs::read(file).expect("the exchange's file");
        serde_json::from_slice(&bytes).expect("an exchange")
    });
    let bare = Arc::new(Bare {
        shape: measure(args.body, args.webhook).await,
        commits: writer(Database::create(args.store).expect("a store")),
        guest: args.validator.map(|file| Guest::load(&file)),
        exchange,
        http: crate::client::http(),
        places: Semaphore::new(AT_ONCE),
        entropy: OsEntropy::new(),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .expect("a port");
    println!("http://{}/", listener.local_addr().expect("an address"));
    let router = Router::new().route("/link", post(link)).with_state(bare);
    axum::serve(listener, router).await.expect("served");
}

async fn link(State(bare): State<Arc<Bare>>, body: Bytes) -> (StatusCode, String) {
    let id = bare.entropy.uuid_v7(SystemClock::new().now());
    if let Some(guest) = &bare.guest {
        guest.validate(&body).await;
    }
    bare.commit(0, id).await;
    if bare.exchange.is_some() {
        tokio::spawn(work(bare, id, body));
    }
    (
        StatusCode::ACCEPTED,
        format!("{{\"workflow-id\":\"{id}\"}}"),
    )
}

async fn work(bare: Arc<Bare>, id: uuid::Uuid, body: Bytes) {
    let Ok(_place) = bare.places.acquire().await else {
        return;
    };
    let Some(exchange) = &bare.exchange else {
        return;
    };
    bare.commit(1, id).await;
    let number = id.as_u128() as usize;
    let queries = exchange.per_workflow;
    for query in 0..queries {
        let url = &exchange.queries[(number + query) % exchange.queries.len()];
        let answer = bare
            .http
            .get(url)
            .bearer_auth(&exchange.token)
            .send()
            .await
            .expect("answered");
        answer.bytes().await.expect("an answer");
    }
    bare.commit(2, id).await;
    let patient = crate::client::patient_of(&body);
    let mut webhook = format!("{{\"data\":{{\"patient-id\":\"{patient}\",\"pad\":\"");
    webhook.push_str(&"x".repeat(900));
    webhook.push_str("\"}}");
    let sent = bare
        .http
        .post(&exchange.webhook)
        .body(webhook)
        .send()
        .await
        .expect("answered");
    sent.bytes().await.expect("an answer");
    bare.commit(3, id).await;
}

impl Bare {
    /// The same keys and bytes as the service's commit of this number, but each workflow's own.
    async fn commit(&self, number: usize, id: uuid::Uuid) {
        let own = |key: &[u8]| {
            let mut key = key.to_vec();
            let at = key.len().saturating_sub(16);
            for (to, from) in key[at..].iter_mut().zip(id.as_bytes()) {
                *to ^= from;
            }
            key
        };
        let writes = self.shape.0[number].iter().map(|write| match write {
            Write::Set(key, value) => Write::Set(own(key), value.clone()),
            Write::Clear(key) => Write::Clear(own(key)),
        });
        let (done, wait) = oneshot::channel();
        self.commits
            .send((writes.collect(), done))
            .await
            .expect("the writer lives");
        wait.await.expect("committed");
    }
}

/// One thread that makes everything that waits durable in one transaction.
fn writer(database: Database) -> mpsc::Sender<(Vec<Write>, oneshot::Sender<()>)> {
    let (sender, mut commits) = mpsc::channel::<(Vec<Write>, oneshot::Sender<()>)>(4096);
    std::thread::spawn(move || {
        let mut group = Vec::new();
        while commits.blocking_recv_many(&mut group, 4096) > 0 {
            let mut transaction = database.begin_write().expect("a transaction");
            transaction
                .set_durability(Durability::Immediate)
                .expect("a durability");
            transaction.set_quick_repair(true);
            {
                let mut table = transaction.open_table(TABLE).expect("a table");
                for write in group.iter().flat_map(|(writes, _)| writes) {
                    match write {
                        Write::Set(key, value) => {
                            table
                                .insert(key.as_slice(), value.as_slice())
                                .expect("written");
                        }
                        Write::Clear(key) => {
                            table.remove(key.as_slice()).expect("written");
                        }
                    }
                }
            }
            transaction.commit().expect("durable");
            for (_, done) in group.drain(..) {
                let _ = done.send(());
            }
        }
    });
    sender
}
