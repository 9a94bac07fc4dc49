//! The service as a process, set up with its customers.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use patchbay_api::admin::{
    BackendLimits, Credentials, NewBackend, NewBinding, NewCustomer, NewToken, TokenKind,
};
use patchbay_api::{AdminClient, Object};
use patchbay_workflow::{Role, Sensitive};
use serde::Deserialize;
use serde_json::json;
use tempfile::TempDir;
use url::Url;

use crate::client::{TOKEN, Target, World, http};

/// A running service; killed when dropped.
pub(crate) struct Service {
    process: Child,
    folder: TempDir,
    running: Running,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Running {
    customer_url: Url,
    admin_url: Url,
}

impl Service {
    pub(crate) async fn start(program: &Path, roles: &str) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (process, running) = launch(program, folder.path(), roles).await;
        Self {
            process,
            folder,
            running,
        }
    }

    /// The same folder with other roles.
    pub(crate) async fn restart(&mut self, program: &Path, roles: &str) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        (self.process, self.running) = launch(program, self.folder.path(), roles).await;
    }

    pub(crate) fn target(&self, tokens: &Arc<Vec<String>>, until_told: bool) -> Target {
        let url = self.running.customer_url.to_string();
        Target {
            url,
            tokens: tokens.clone(),
            until_told,
        }
    }

    /// Pushes the plugins and adds the customers; gives their tokens.
    pub(crate) async fn set_up(
        &self,
        plugins: &Path,
        world: &World,
        customers: usize,
    ) -> Arc<Vec<String>> {
        let file = self.folder.path().join("data/admin-token");
        let token = std::fs::read_to_string(file)
            .expect("a token")
            .trim()
            .to_owned();
        let admin =
            AdminClient::new(http(), self.running.admin_url.clone(), token).expect("a client");
        for name in ["validator-standard", "search-fhir", "format-standard"] {
            let bytes = std::fs::read(plugins.join(format!("{name}.wasm"))).expect("a plugin");
            admin.push_plugin(name, bytes.into()).await.expect("pushed");
        }
        let backend = NewBackend {
            id: "fhir".parse().expect("an id"),
            base_url: format!("{}/fhir", world.backend()),
            adapter: "search-fhir".to_owned(),
            config: Object::new(),
            credentials: Credentials::Bearer {
                token: Sensitive::new(TOKEN.to_owned()),
            },
            limits: BackendLimits {
                concurrent: Some(1_000),
                ..BackendLimits::default()
            },
        };
        admin.create_backend(&backend).await.expect("a backend");
        let mut tokens = Vec::with_capacity(customers);
        for number in 0..customers {
            tokens.push(add_customer(&admin, world, number).await);
        }
        Arc::new(tokens)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn add_customer(admin: &AdminClient, world: &World, number: usize) -> String {
    let id = format!("customer-{number:04}").parse().expect("an id");
    let new = NewCustomer {
        id,
        name: None,
        // Every workflow ends with a webhook, also where several people fit: clients wait for it.
        settings: object(json!({ "link": { "on-ambiguity": "no-results" } })),
        webhook_url: Some(format!("{}/{number}", world.sink())),
        backends: vec!["fhir".parse().expect("an id")],
    };
    admin.create_customer(&new).await.expect("a customer");
    let config = Some(object(json!({ "required": [] })));
    let validator = NewBinding {
        plugin: "validator-standard".to_owned(),
        config,
    };
    admin
        .bind(&new.id, Role::Validator, &validator)
        .await
        .expect("bound");
    let formatter = NewBinding {
        plugin: "format-standard".to_owned(),
        config: None,
    };
    admin
        .bind(&new.id, Role::WebhookFormatter, &formatter)
        .await
        .expect("bound");
    let token = NewToken {
        kind: TokenKind::Live,
        expires_in_seconds: None,
    };
    admin
        .issue_token(&new.id, &token)
        .await
        .expect("a token")
        .token
        .expose()
        .clone()
}

fn object(value: serde_json::Value) -> Object {
    match value {
        serde_json::Value::Object(object) => object,
        _ => Object::new(),
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "another process is waited for, by looking for its file"
)]
async fn launch(program: &Path, folder: &Path, roles: &str) -> (Child, Running) {
    let announcement = folder.join("data/serve.json");
    let _ = std::fs::remove_file(&announcement);
    let mut process = Command::new(program)
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .args(["--allow-destination", "127.0.0.0/8", "--role", roles])
        .arg("--data")
        .arg(folder.join("data"))
        .env("PATCHBAY_LOG", "warn")
        .stdin(Stdio::null())
        .spawn()
        .expect("the program can be started");
    loop {
        if let Ok(bytes) = std::fs::read(&announcement)
            && let Ok(running) = serde_json::from_slice(&bytes)
        {
            return (process, running);
        }
        let ended = process.try_wait().expect("the process can be asked");
        assert!(ended.is_none(), "the service ended: {ended:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
