//! What an operator does before a customer's first request: plugins, backends, customers, bindings and
//! tokens, all through the admin API.

use std::collections::HashMap;

use patchbay_api::admin::{
    BackendChoice, BackendChoices, Credentials, NewBackend, NewBinding, NewCustomer, NewToken,
};
use patchbay_api::{AdminClient, ClientError, Object, Role, Sensitive};
use serde_json::{Value, json};

use super::{DriveError, Endpoints};
use crate::noise::{POLICY_MASK, PROVIDERS, Sender};
use crate::progress::Progress;
use crate::sink::Sink;

const FHIR: &str = "fhir";
const DIRECTORY: &str = "directory";

/// What a customer is bound to.
struct Profile {
    validator: &'static str,
    validator_config: Value,
    formatter: &'static str,
    backends: &'static [&'static str],
}

fn profile(sender: Sender) -> Profile {
    match sender {
        Sender::NorthClinic => Profile {
            validator: "validator-standard",
            validator_config: json!({"phone-country": "1"}),
            formatter: "format-standard",
            backends: &[FHIR],
        },
        Sender::HarbourInsurance => Profile {
            validator: "validator-strict-insurance",
            validator_config: json!({
                "phone-country": "1",
                "providers": PROVIDERS,
                "policy-mask": POLICY_MASK,
            }),
            formatter: "format-hl7v2",
            backends: &[FHIR],
        },
        Sender::ValleyHospital => Profile {
            validator: "validator-standard",
            validator_config: json!({
                "phone-country": "1",
                "required": ["full_name", "contact.address"],
            }),
            formatter: "format-standard",
            backends: &[DIRECTORY, FHIR],
        },
        Sender::Records => Profile {
            validator: "validator-standard",
            validator_config: json!({"required": []}),
            formatter: "format-standard",
            backends: &[FHIR],
        },
    }
}

/// Gives each customer's token.
pub(super) async fn set_up(
    admin: &AdminClient,
    endpoints: &Endpoints,
    senders: &[Sender],
    sink: &Sink,
    progress: &Progress,
) -> Result<HashMap<Sender, String>, DriveError> {
    let profiles: Vec<(Sender, Profile)> = senders
        .iter()
        .map(|sender| (*sender, profile(*sender)))
        .collect();
    let mut backends: Vec<&str> = profiles
        .iter()
        .flat_map(|(_, profile)| profile.backends.iter().copied())
        .collect();
    backends.sort_unstable();
    backends.dedup();
    let mut plugins: Vec<&str> = profiles
        .iter()
        .flat_map(|(_, profile)| [profile.validator, profile.formatter])
        .chain(backends.iter().map(|backend| adapter(backend)))
        .collect();
    plugins.sort_unstable();
    plugins.dedup();

    let bar = progress.bar("plugins pushed", plugins.len());
    for plugin in plugins {
        push(admin, endpoints, plugin).await?;
        bar.inc(1);
    }
    bar.finish();
    for backend in backends {
        add_backend(admin, endpoints, backend).await?;
    }
    let mut tokens = HashMap::new();
    for (sender, profile) in profiles {
        let token = add_customer(admin, endpoints, sender, &profile, sink).await?;
        tokens.insert(sender, token);
    }
    Ok(tokens)
}

async fn push(admin: &AdminClient, endpoints: &Endpoints, plugin: &str) -> Result<(), DriveError> {
    let path = endpoints.plugins.join(format!("{plugin}.wasm"));
    let component = tokio::fs::read(&path)
        .await
        .map_err(|source| DriveError::Plugin {
            path: path.display().to_string(),
            source,
        })?;
    admin
        .push_plugin(plugin, component.into())
        .await
        .map_err(failed(format!("pushing {plugin}")))?;
    Ok(())
}

fn adapter(backend: &str) -> &'static str {
    if backend == DIRECTORY {
        "search-rest"
    } else {
        "search-fhir"
    }
}

async fn add_backend(
    admin: &AdminClient,
    endpoints: &Endpoints,
    backend: &str,
) -> Result<(), DriveError> {
    let step = format!("adding the backend {backend}");
    let address = endpoints.backend;
    let (base_url, config) = if backend == DIRECTORY {
        (format!("http://{address}/"), object(directory_mapping()))
    } else {
        (format!("http://{address}/fhir/"), Object::new())
    };
    let backend = NewBackend {
        id: id(backend, &step)?,
        base_url,
        adapter: adapter(backend).to_owned(),
        config,
        credentials: Credentials::Bearer {
            token: Sensitive::new(endpoints.backend_token.clone()),
        },
        limits: patchbay_api::admin::BackendLimits::default(),
    };
    admin.create_backend(&backend).await.map_err(failed(step))?;
    Ok(())
}

/// The directory for `search-rest`: how to ask it, and what it calls things. No field stands in all
/// of the searches, so that one wrong field hides nobody.
fn directory_mapping() -> Value {
    let search = |body: Value| json!({"path": "people/search", "method": "post", "body": body});
    let born = "{dob.year}-{dob.month}-{dob.day}";
    json!({
        "searches": [
            {
                "path": "people/search",
                "method": "post",
                "body": {"born": born},
                "narrower": [
                    search(json!({"born": born, "last": "{family:1}"})),
                    search(json!({"born": born, "first": "{given:1}"})),
                ],
            },
            search(json!({"last": "{family:4}", "first": "{given:2}"})),
            search(json!({"zip": "{postal_code}", "first": "{given:1}"})),
            search(json!({"zip": "{postal_code}", "last": "{family:2}"})),
        ],
        "results": "/hits",
        "truncated": {"flag": "/more"},
        "record": {
            "id": "/ref",
            "given": ["/firstName", "/middle"],
            "family": "/lastName",
            "suffix": "/suffix",
            "gender": "/sex",
            "dob": "/born",
            "address_line": "/home/street",
            "city": "/home/town",
            "state": "/home/region",
            "postal_code": "/home/zip",
            "phone": "/tel",
            "email": "/mail",
        },
        "date-format": "DD.MM.YYYY",
        "details": {"path": "people/{id}"},
    })
}

async fn add_customer(
    admin: &AdminClient,
    endpoints: &Endpoints,
    sender: Sender,
    profile: &Profile,
    sink: &Sink,
) -> Result<String, DriveError> {
    let step = |what: &str| format!("{what} {}", sender.id());
    let customer = id(sender.id(), &step("naming"))?;
    let created = admin
        .create_customer(&NewCustomer {
            id: customer,
            name: Some(sender.name().to_owned()),
            settings: Object::new(),
            webhook_url: Some(format!("http://{}/hooks/{}", endpoints.sink, sender.id())),
            backends: Vec::new(),
        })
        .await
        .map_err(failed(step("adding the customer")))?;
    if !sink.expect(sender.id(), created.webhook_secret.expose()) {
        return Err(DriveError::Secret(sender.id()));
    }
    let customer = created.customer.id;
    for (role, plugin, config) in [
        (
            Role::Validator,
            profile.validator,
            Some(object(profile.validator_config.clone())),
        ),
        (Role::WebhookFormatter, profile.formatter, None),
    ] {
        let binding = NewBinding {
            plugin: plugin.to_owned(),
            config,
        };
        admin
            .bind(&customer, role, &binding)
            .await
            .map_err(failed(step(&format!("binding {plugin} for"))))?;
    }
    let mut backends = Vec::new();
    for backend in profile.backends {
        backends.push(BackendChoice {
            backend: id(backend, &step("naming the backends of"))?,
            config: None,
        });
    }
    admin
        .choose_backends(&customer, &BackendChoices { backends })
        .await
        .map_err(failed(step("choosing the backends of")))?;
    let issued = admin
        .issue_token(&customer, &NewToken::default())
        .await
        .map_err(failed(step("issuing a token for")))?;
    Ok(issued.token.into_inner())
}

fn object(value: Value) -> Object {
    match value {
        Value::Object(members) => members,
        _ => Object::new(),
    }
}

fn id<T: std::str::FromStr<Err = patchbay_api::InvalidId>>(
    text: &str,
    step: &str,
) -> Result<T, DriveError> {
    text.parse().map_err(|error| DriveError::Name {
        step: step.to_owned(),
        source: error,
    })
}

fn failed(step: String) -> impl FnOnce(ClientError) -> DriveError {
    move |source| DriveError::Setup { step, source }
}
