//! A service without a worker, its two routers, and everything it has logged.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use patchbay_ambient::{
    HttpClient, HttpError, HttpRequest, HttpResponse, ManualClock, SeededEntropy, SharedClock,
    SharedEntropy,
};
use patchbay_engine::{ListQuery, Parts, Service, Settings};
use patchbay_registry::{
    BackendLimits, Credentials, CustomerSettings, NewBackend, NewBackendBinding, NewCustomer,
    Registry, RegistryConfig, TokenKind,
};
use patchbay_sandbox::{CallLimits, CompileMode, Sandbox, SandboxConfig};
use patchbay_server::{ServerSettings, admin_router, customer_router};
use patchbay_store::Database;
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use patchbay_vault::KeyRing;
use patchbay_workflow::{CustomerId, Deadlines, Role, Timestamp, Workflow};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

/// A patient whom no other text of this repository names.
pub(crate) const NAME: &str = "Zebulon Quagmire";
pub(crate) const PATIENT: &str = "mrn-zq-48151623";

pub(crate) const DAY: Duration = Duration::from_hours(24);

pub(crate) struct Fixture {
    pub(crate) service: Arc<Service>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: Database,
    pub(crate) customers: Router,
    pub(crate) admins: Router,
    /// Of `north`, which has a validator and a backend.
    pub(crate) token: String,
    /// Of `south`, which has the same.
    pub(crate) other_token: String,
    pub(crate) admin_token: String,
    _directory: TempDir,
}

pub(crate) fn settings() -> ServerSettings {
    ServerSettings {
        admin_max_body: 1 << 20,
        ..ServerSettings::default()
    }
}

pub(crate) fn validator() -> Vec<u8> {
    wat::parse_str(include_str!("validator.wat")).unwrap()
}

pub(crate) fn id(text: &str) -> CustomerId {
    text.parse().unwrap()
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        listen_to_the_log();
        let directory = tempfile::tempdir().unwrap();
        // 2025-11-22T12:17:17.042Z
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1_763_813_837_042)));
        let shared_clock: SharedClock = clock.clone();
        let entropy: SharedEntropy = Arc::new(SeededEntropy::new(7));
        let keys = Arc::new(KeyRing::ephemeral(&*entropy));
        let hasher = keys.hasher();
        let registry = Registry::open(
            &RegistryConfig::file(directory.path().join("registry.db")),
            keys,
            shared_clock.clone(),
            entropy.clone(),
        )
        .await
        .unwrap();
        let engine = EmbeddedEngine::in_memory(EmbeddedOptions::new(shared_clock.clone())).unwrap();
        let store = Database::new(
            engine,
            shared_clock.clone(),
            entropy.clone(),
            Deadlines::default(),
        );
        let sandbox = SandboxConfig {
            cache_dir: directory.path().join("compiled"),
            cache_mac_key: [7; 32],
            compile: CompileMode::InProcess,
            limits: CallLimits::default(),
            concurrency: 2,
        };
        let service = Service::new(Parts {
            store: store.clone(),
            registry: registry.clone(),
            sandbox: Sandbox::new(sandbox, shared_clock.clone(), entropy.clone()).unwrap(),
            hasher,
            http: Arc::new(Nobody),
            clock: shared_clock,
            entropy,
            settings: Settings::default(),
        });

        let admin_token = registry
            .add_admin("test", "ada")
            .await
            .unwrap()
            .into_inner();
        let mut tokens = Vec::new();
        for customer in ["north", "south"] {
            let new = NewCustomer {
                id: id(customer),
                name: String::new(),
                settings: CustomerSettings::default(),
                webhook_url: None,
            };
            registry.add_customer("test", new).await.unwrap();
            let issued = registry
                .issue_token("test", &id(customer), TokenKind::Live, DAY)
                .await
                .unwrap();
            tokens.push(issued.token.into_inner());
        }
        let other_token = tokens.pop().unwrap();
        Self {
            customers: customer_router(service.clone(), settings()),
            admins: admin_router(service.clone(), settings()),
            service,
            clock,
            store,
            token: tokens.pop().unwrap(),
            other_token,
            admin_token,
            _directory: directory,
        }
    }

    /// Gives both customers what a request needs before it is accepted.
    pub(crate) async fn with_plugins() -> Self {
        let fixture = Self::new().await;
        let registry = fixture.service.registry();
        fixture
            .service
            .push_plugin("test", "echo", &validator())
            .await
            .unwrap();
        fixture.add_adapter().await;
        let backend = NewBackend {
            id: "mpi".parse().unwrap(),
            base_url: "http://mpi.test/".to_owned(),
            adapter: "adapter".to_owned(),
            config: String::new(),
            credentials: Credentials::None,
            limits: BackendLimits::default(),
        };
        registry.add_backend("test", backend).await.unwrap();
        for customer in ["north", "south"] {
            let bound = [NewBackendBinding {
                backend: "mpi".parse().unwrap(),
                config_override: None,
            }];
            let customer = id(customer);
            registry
                .bind_backends("test", &customer, &bound)
                .await
                .unwrap();
            registry
                .bind("test", &customer, Role::Validator, "echo", "")
                .await
                .unwrap();
        }
        fixture
    }

    /// A plugin that can be bound as an adapter; nobody runs it here.
    pub(crate) async fn add_adapter(&self) {
        let bytes = b"never run";
        let digest = sha256(bytes);
        let roles = [Role::SearchAdapter];
        self.service
            .registry()
            .add_plugin("test", "adapter", bytes, digest, &roles)
            .await
            .unwrap();
    }

    pub(crate) async fn customer(&self, request: Request<Body>) -> Answer {
        Answer::of(self.customers.clone(), request).await
    }

    pub(crate) async fn admin(&self, request: Request<Body>) -> Answer {
        Answer::of(self.admins.clone(), request).await
    }

    /// `POST /link` of `north` as it should be.
    pub(crate) fn link(&self, key: &str, body: &str) -> Request<Body> {
        Request::post("/link")
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .header("customer-token", &self.token)
            .body(Body::from(body.to_owned()))
            .unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> Request<Body> {
        self.get_with(path, &[])
    }

    pub(crate) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Request<Body> {
        let mut request = Request::get(path).header("customer-token", &self.token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).unwrap()
    }

    /// A request to the admin API, with a body where there is one.
    pub(crate) fn operate(&self, method: &str, path: &str, body: Option<Value>) -> Request<Body> {
        let request = Request::builder()
            .method(method)
            .uri(format!("/admin/v1{path}"))
            .header("authorization", format!("Bearer {}", self.admin_token));
        match body {
            Some(body) => request
                .header("content-type", "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        }
        .unwrap()
    }

    pub(crate) async fn stored(&self) -> Vec<Workflow> {
        let query = ListQuery {
            limit: 100,
            ..ListQuery::default()
        };
        self.service.list_workflows(&query).await.unwrap()
    }
}

/// The body of a request for a patient.
pub(crate) fn body(patient: &str, name: &str) -> String {
    serde_json::json!({ "patient": { "id": patient, "full_name": name } }).to_string()
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn of(router: Router, request: Request<Body>) -> Self {
        let response = router.oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        Self {
            status: head.status,
            headers: head.headers,
            body: body.collect().await.unwrap().to_bytes(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers[name].to_str().unwrap()
    }

    pub(crate) fn workflow_id(&self) -> String {
        self.json()["workflow-id"].as_str().unwrap().to_owned()
    }

    /// Status and code of a problem, which has to be one in every respect.
    pub(crate) fn problem(&self) -> (u16, String) {
        let problem = self.json();
        let code = problem["code"].as_str().unwrap();
        assert_eq!(self.header("content-type"), "application/problem+json");
        assert_eq!(self.header("cache-control"), "no-store");
        assert_eq!(problem["status"], self.status.as_u16());
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert!(
            problem["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty())
        );
        assert!(
            problem["detail"]
                .as_str()
                .is_some_and(|detail| !detail.is_empty())
        );
        let challenged = self.headers.contains_key("www-authenticate");
        assert_eq!(challenged, self.status == StatusCode::UNAUTHORIZED);
        let deferred = self.headers.contains_key("retry-after");
        assert_eq!(deferred, self.status == StatusCode::SERVICE_UNAVAILABLE);
        (self.status.as_u16(), code.to_owned())
    }

    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, code: &str) {
        assert_eq!(self.problem(), (status, code.to_owned()));
    }
}

/// There is no internal system.
struct Nobody;

#[async_trait]
impl HttpClient for Nobody {
    async fn send(&self, _: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::Connection("nobody listens".to_owned()))
    }
}

fn sha256(bytes: &[u8]) -> patchbay_workflow::PluginDigest {
    use sha2::Digest as _;
    patchbay_workflow::PluginDigest::from_bytes(sha2::Sha256::digest(bytes).into())
}

/// What every test of this program logged, on all threads and at every level.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

struct ToLog;

impl io::Write for ToLog {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn listen_to_the_log() {
    static ONCE: OnceLock<()> = OnceLock::new();
    ONCE.get_or_init(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::level_filters::LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(|| ToLog)
            .init();
    });
}

/// What was logged so far, once this appears in it.
pub(crate) fn log() -> String {
    String::from_utf8_lossy(&LOG.lock().unwrap()).into_owned()
}

/// Looks for what no log may hold.
#[track_caller]
pub(crate) fn not_in_the_log(texts: &[&str]) {
    let log = log();
    assert!(log.contains("answered"), "nothing was logged at all");
    for text in texts {
        let line = log.lines().find(|line| line.contains(text));
        assert_eq!(line, None, "{text:?} is in the log");
    }
}
