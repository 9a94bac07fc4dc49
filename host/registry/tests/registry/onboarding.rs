//! Adding customers, plugins and backends, and binding them.

use patchbay_registry::{
    BackendLimits, Credentials, CustomerSettings, Fault, NewBackendBinding, Object, RegistryError,
    WebhookSecret,
};
use patchbay_vault::{Context, RecordKind};
use patchbay_workflow::{CustomerId, Role, Sensitive};
use serde_json::json;

use crate::fixture::{
    ALICE, Installation, On, backend_id, customer, digest, new_backend, new_customer,
    on_each_database, push, view,
};

on_each_database! {
    async what_was_onboarded_is_there_after_a_restart,
    async a_refused_change_leaves_nothing_behind_and_says_what_to_do,
    async a_name_means_its_newest_version_and_a_digest_one_version,
    async replacing_a_backend_reaches_its_customers,
    async a_webhook_is_set_and_unset_under_the_same_secret,
    async settings_are_checked_to_the_last_member,
}

const ADAPTER: &[Role] = &[Role::SearchAdapter, Role::PatientDetails];

async fn what_was_onboarded_is_there_after_a_restart(on: On) {
    let installation = Installation::new(on);
    let registry = installation.open().await;
    let north = customer("north");

    let secret = registry
        .add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();
    push(&registry, "strict", b"validator", &[Role::Validator]).await;
    push(&registry, "fhir", b"adapter", ADAPTER).await;
    registry
        .add_backend(ALICE, new_backend("main", "fhir"))
        .await
        .unwrap();
    registry
        .bind(
            ALICE,
            &north,
            Role::Validator,
            "strict",
            r#"{"require": ["dob"]}"#,
        )
        .await
        .unwrap();
    let bound = NewBackendBinding {
        backend: backend_id("main"),
        config_override: Some(
            r#"{"page": 5, "fields": {"given": null, "dob": "birthdate"}}"#.into(),
        ),
    };
    registry
        .bind_backends(ALICE, &north, &[bound])
        .await
        .unwrap();

    let entropy = patchbay_ambient::SeededEntropy::new(1);
    let context = Context {
        owner: "north",
        kind: RecordKind::Request,
        id: b"1",
    };
    let sealed = registry
        .snapshot()
        .customer(&north)
        .unwrap()
        .data_key
        .seal(&context, b"patient", &entropy);
    let before = view(&registry);
    registry.close().await;

    let registry = installation.open().await;
    assert_eq!(view(&registry), before);
    let snapshot = registry.snapshot();
    let found = snapshot.customer(&north).unwrap();
    assert_eq!(
        found.data_key.open(&context, &sealed).unwrap().expose(),
        b"patient"
    );
    let webhook = found.webhook.as_ref().unwrap();
    assert!(webhook.enabled);
    assert_eq!(
        webhook.url.as_str(),
        "https://north.example/hooks/planted-path-7f"
    );
    assert_eq!(webhook.secrets[0].to_text(), secret);
    assert_eq!(webhook.secrets[0].0.expose().len(), WebhookSecret::LEN);
    assert!(secret.expose().starts_with("whsec_"));

    let validator = found.binding(Role::Validator).unwrap();
    assert_eq!(validator.plugin.digest, digest(b"validator"));
    assert_eq!(&*validator.config, r#"{"require":["dob"]}"#);
    assert_eq!(validator.bound_by, ALICE);
    let backend = snapshot.backend(&backend_id("main")).unwrap();
    assert_eq!(backend.roles, ADAPTER);
    assert_eq!(
        backend.credentials,
        Credentials::Bearer(Sensitive::new("planted-bearer-token-3c".to_owned()))
    );
    let effective = found
        .backend(&backend.id)
        .unwrap()
        .effective_config(backend);
    let effective: serde_json::Value = serde_json::from_str(&effective).unwrap();
    assert_eq!(
        effective,
        json!({"page": 5, "fields": {"family": "family", "dob": "birthdate"}})
    );
    assert_eq!(snapshot.bound_digests().into_iter().collect::<Vec<_>>(), {
        let mut digests = vec![digest(b"validator"), digest(b"adapter")];
        digests.sort();
        digests
    });
    assert_eq!(
        registry
            .plugin_bytes(&digest(b"adapter"))
            .await
            .unwrap()
            .as_deref(),
        Some(&b"adapter"[..])
    );
    assert_eq!(
        registry.plugin_bytes(&digest(b"other")).await.unwrap(),
        None
    );
}

async fn a_refused_change_leaves_nothing_behind_and_says_what_to_do(on: On) {
    let installation = Installation::new(on);
    let registry = installation.open().await;
    let north = customer("north");
    registry
        .add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();
    push(&registry, "strict", b"validator", &[Role::Validator]).await;
    push(&registry, "fhir", b"adapter", ADAPTER).await;
    registry
        .add_backend(ALICE, new_backend("main", "fhir"))
        .await
        .unwrap();
    let before = view(&registry);

    let bind = async |customer: &CustomerId, role, plugin: &str, config: &str| {
        registry
            .bind(ALICE, customer, role, plugin, config)
            .await
            .unwrap_err()
    };
    let strict = digest(b"validator").to_string();
    let lacks = bind(&north, Role::WebhookFormatter, "strict", "").await;
    assert!(lacks.to_string().contains("only validator"), "{lacks}");
    let mut errors = vec![
        (lacks, "plugin-lacks-role"),
        (
            bind(&north, Role::WebhookFormatter, &strict, "").await,
            "plugin-lacks-role",
        ),
        (
            bind(&north, Role::Validator, "strickt", "").await,
            "plugin-unknown",
        ),
        (
            bind(&north, Role::Validator, "../etc\npasswd", "").await,
            "plugin-unknown",
        ),
        (
            bind(&north, Role::Validator, &digest(b"?").to_string(), "").await,
            "plugin-unknown",
        ),
        (
            bind(&north, Role::Validator, "strict", "[]").await,
            "config-invalid",
        ),
        (
            bind(&north, Role::Validator, "strict", "{").await,
            "config-invalid",
        ),
        (
            bind(&customer("south"), Role::Validator, "strict", "").await,
            "customer-unknown",
        ),
    ];
    for role in [Role::SearchAdapter, Role::SearchAsync, Role::PatientDetails] {
        errors.push((bind(&north, role, "fhir", "").await, "role-of-backend"));
    }

    let backends = async |ids: &[&str]| {
        let backends: Vec<_> = ids
            .iter()
            .map(|id| NewBackendBinding {
                backend: backend_id(id),
                config_override: None,
            })
            .collect();
        registry
            .bind_backends(ALICE, &north, &backends)
            .await
            .unwrap_err()
    };
    errors.push((backends(&["main", "other"]).await, "backend-unknown"));
    errors.push((backends(&["main", "main"]).await, "backend-repeated"));
    errors.push((backends(&["main"; 33]).await, "too-many-backends"));

    let backend = async |change: fn(&mut patchbay_registry::NewBackend)| {
        let mut new = new_backend("second", "fhir");
        change(&mut new);
        registry.add_backend(ALICE, new).await.unwrap_err()
    };
    errors.push((
        backend(|new| new.id = backend_id("main")).await,
        "backend-exists",
    ));
    errors.push((
        backend(|new| new.adapter = "strict".into()).await,
        "plugin-lacks-role",
    ));
    errors.push((
        backend(|new| new.base_url = "ftp://x/".into()).await,
        "url-invalid",
    ));
    errors.push((
        backend(|new| new.base_url = "https://u:p@x/".into()).await,
        "url-invalid",
    ));
    errors.push((
        backend(|new| new.base_url = "https://x/?a=b".into()).await,
        "url-invalid",
    ));
    errors.push((
        backend(|new| new.limits.attempts = 0).await,
        "limit-invalid",
    ));
    let header = |name: &str, value: &str| Credentials::Header {
        name: name.to_owned(),
        value: Sensitive::new(value.to_owned()),
    };
    for bad in [
        header("x key", "v"),
        header("host", "v"),
        header("x-key", "a\r\nb: c"),
        Credentials::Bearer(Sensitive::new(String::new())),
        Credentials::Basic {
            user: Sensitive::new("a:b".to_owned()),
            password: Sensitive::new("p".to_owned()),
        },
    ] {
        let mut new = new_backend("second", "fhir");
        new.credentials = bad;
        errors.push((
            registry.add_backend(ALICE, new).await.unwrap_err(),
            "credentials-invalid",
        ));
    }
    let replaced = registry
        .replace_backend(ALICE, new_backend("second", "fhir"))
        .await;
    errors.push((replaced.unwrap_err(), "backend-unknown"));

    let again = registry.add_customer(ALICE, new_customer("north")).await;
    errors.push((again.unwrap_err(), "customer-exists"));
    for url in [
        "north.example",
        "javascript:alert(1)",
        "https://u:p@north.example/",
        "https://x/#f",
    ] {
        let mut new = new_customer("south");
        new.webhook_url = Some(url.to_owned());
        errors.push((
            registry.add_customer(ALICE, new).await.unwrap_err(),
            "url-invalid",
        ));
        let set = registry.set_webhook(ALICE, &north, Some(url)).await;
        errors.push((set.unwrap_err(), "url-invalid"));
    }
    let mut new = new_customer("south");
    new.settings.max_executions = 0;
    errors.push((
        registry.add_customer(ALICE, new).await.unwrap_err(),
        "settings-invalid",
    ));

    let pushed = registry
        .add_plugin(ALICE, "x", b"a", digest(b"b"), &[Role::Validator])
        .await;
    errors.push((pushed.unwrap_err(), "plugin-digest-mismatch"));
    let pushed = registry
        .add_plugin(ALICE, "x", b"a", digest(b"a"), &[])
        .await;
    errors.push((pushed.unwrap_err(), "plugin-without-role"));
    let pushed = registry
        .add_plugin(ALICE, "X/y", b"a", digest(b"a"), &[Role::Validator])
        .await;
    errors.push((pushed.unwrap_err(), "name-invalid"));
    let large = vec![0; (64 << 20) + 1];
    let pushed = registry
        .add_plugin(ALICE, "x", &large, digest(&large), &[Role::Validator])
        .await;
    errors.push((pushed.unwrap_err(), "plugin-too-large"));

    for (error, code) in errors {
        assert_eq!(error.code(), code, "{error}");
        assert_eq!(error.blame(), Fault::Caller, "{error}");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    assert_eq!(
        view(&registry),
        before,
        "no refused change may leave a trace"
    );
    assert_eq!(view(&*installation.open().await), before);
}

async fn a_name_means_its_newest_version_and_a_digest_one_version(on: On) {
    let installation = Installation::new(on);
    let registry = installation.open().await;
    let north = customer("north");
    registry
        .add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();
    let roles = &[Role::Validator];
    let first = push(&registry, "strict", b"1", roles).await;
    let second = push(&registry, "strict", b"2", roles).await;
    let newest = || registry.snapshot().plugin_by_name("strict").unwrap().digest;
    assert_eq!(newest(), second.digest);

    let revision = registry.snapshot().revision;
    assert_eq!(
        push(&registry, "strict", b"2", roles).await,
        second,
        "pushing again changes nothing"
    );
    assert_eq!(registry.snapshot().revision, revision);
    push(&registry, "strict", b"1", roles).await;
    assert_eq!(
        newest(),
        first.digest,
        "an old version that is pushed again is the newest"
    );

    let binding = registry
        .bind(ALICE, &north, Role::Validator, "strict", "")
        .await
        .unwrap();
    assert_eq!(
        (binding.plugin.digest, &*binding.config),
        (first.digest, "{}")
    );
    let by_digest = second.digest.to_string();
    registry
        .bind(ALICE, &north, Role::Validator, &by_digest, "")
        .await
        .unwrap();
    let history = registry
        .binding_history(&north, Role::Validator)
        .await
        .unwrap();
    let digests: Vec<_> = history.iter().map(|it| it.binding.plugin.digest).collect();
    assert_eq!(digests, [second.digest, first.digest]);
    let snapshot = registry.snapshot();
    let bound = snapshot
        .customer(&north)
        .unwrap()
        .binding(Role::Validator)
        .unwrap();
    assert_eq!(*bound, history[0].binding);
}

async fn replacing_a_backend_reaches_its_customers(on: On) {
    let installation = Installation::new(on);
    let registry = installation.open().await;
    push(&registry, "fhir", b"1", ADAPTER).await;
    registry
        .add_backend(ALICE, new_backend("main", "fhir"))
        .await
        .unwrap();
    let second = push(&registry, "fhir", b"2", ADAPTER).await;

    let mut new = new_backend("main", "fhir");
    new.limits = BackendLimits {
        attempts: 1,
        ..BackendLimits::default()
    };
    new.credentials = Credentials::None;
    registry.replace_backend(ALICE, new).await.unwrap();
    let snapshot = registry.snapshot();
    let backend = snapshot.backend(&backend_id("main")).unwrap();
    assert_eq!(backend.adapter, second.reference());
    assert_eq!(
        (backend.limits.attempts, &backend.credentials),
        (1, &Credentials::None)
    );
}

async fn a_webhook_is_set_and_unset_under_the_same_secret(on: On) {
    let installation = Installation::new(on);
    let registry = installation.open().await;
    let north = customer("north");
    let mut new = new_customer("north");
    new.webhook_url = None;
    new.name = String::new();
    let secret = registry.add_customer(ALICE, new).await.unwrap();

    let found = || registry.snapshot().customer(&north).unwrap().clone();
    assert_eq!(found().name, "north");
    assert!(found().webhook.is_none());
    assert_eq!(found().webhook_secrets[0].to_text(), secret);
    registry
        .set_webhook(ALICE, &north, Some("https://north.example/a"))
        .await
        .unwrap();
    registry
        .set_webhook(ALICE, &north, Some("https://north.example/b"))
        .await
        .unwrap();
    let webhook = found().webhook.clone().unwrap();
    assert_eq!(webhook.url.path(), "/b");
    assert_eq!(webhook.secrets[0].to_text(), secret);
    let revision = registry.snapshot().revision;
    for _ in 0..2 {
        registry
            .disable_webhook("patchbay", &north, "endpoint-gone")
            .await
            .unwrap();
        assert!(!found().webhook.clone().unwrap().enabled);
        assert_eq!(
            registry.snapshot().revision,
            revision + 1,
            "the second time changes nothing"
        );
    }
    registry.enable_webhook(ALICE, &north).await.unwrap();
    assert!(found().webhook.clone().unwrap().enabled);
    registry.set_webhook(ALICE, &north, None).await.unwrap();
    assert!(found().webhook.is_none());
    registry.enable_webhook(ALICE, &north).await.unwrap();
    assert!(found().webhook.is_none());
}

async fn settings_are_checked_to_the_last_member(on: On) {
    let parse = |value: serde_json::Value| match value {
        serde_json::Value::Object(object) => CustomerSettings::parse(&object),
        _ => CustomerSettings::parse(&Object::new()),
    };
    assert_eq!(parse(json!({})).unwrap(), CustomerSettings::default());
    let given =
        parse(json!({"link": {"auto-link": 0.8, "on-ambiguity": "best"}, "request-webhook": true}));
    let given = given.unwrap();
    assert_eq!((given.link.auto_link, given.link.margin), (0.8, 0.1));
    assert_eq!((given.request_webhook, given.idempotency_hours), (true, 24));

    for (value, pointer) in [
        (json!({"lnik": {}}), "/lnik"),
        (json!({"link": {"auto_link": 0.8}}), "/link/auto_link"),
        (json!({"link": {"auto-link": 1.5}}), "/link/auto-link"),
        (
            json!({"link": {"choice-seconds": 0}}),
            "/link/choice-seconds",
        ),
        (json!({"idempotency-hours": 0}), "/idempotency-hours"),
        (json!({"max-executions": "many"}), ""),
    ] {
        match parse(value) {
            Err(RegistryError::SettingsInvalid { pointer: found, .. }) => {
                assert_eq!(found, pointer);
            }
            other => panic!("{pointer}: {other:?}"),
        }
    }

    let installation = Installation::new(on);
    let registry = installation.open().await;
    let north = customer("north");
    registry
        .add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();
    registry.set_settings(ALICE, &north, &given).await.unwrap();
    let snapshot = installation.open().await.snapshot();
    assert_eq!(snapshot.customer(&north).unwrap().settings, given);
    let unknown = registry
        .set_settings(ALICE, &customer("south"), &given)
        .await;
    assert_eq!(unknown.unwrap_err().code(), "customer-unknown");
}
