//! Moving a registry: everything arrives as it was, and nothing else is touched.

use std::sync::Arc;
use std::time::Duration;

use patchbay_registry::copy::{Copied, CopyError, copy};
use patchbay_registry::{Database, Fault, NewBackendBinding, Registry, RegistryError, TokenKind};
use patchbay_workflow::Role;

use crate::fixture::{
    ALICE, Installation, On, backend_id, customer, digest, new_backend, new_customer,
    on_each_database, push, view,
};
use crate::server::waits_for_lock;

on_each_database! {
    async there_and_back_everything_is_what_it_was,
    async what_is_no_empty_target_is_refused,
    async a_source_that_cannot_be_taken_as_it_is_is_refused,
}

const HOUR: Duration = Duration::from_hours(1);
/// More than a page of a table, so that reading goes on after each kind of key.
const TOKENS: usize = 260;
const BINDINGS: usize = 20;

fn place(installation: &Installation) -> Database {
    Database::parse(&installation.url).unwrap()
}

async fn moved(from: &Installation, to: &Installation) -> Result<Copied, CopyError> {
    copy(&place(from), &place(to)).await
}

/// Rows in every table. Gives a token that is good, and one that is revoked.
async fn filled(registry: &Registry) -> [String; 2] {
    let north = customer("north");
    for id in ["north", "south"] {
        let mut new = new_customer(id);
        new.name = format!("Klinik {id} 日本 ß");
        registry.add_customer(ALICE, new).await.unwrap();
    }
    registry
        .disable_webhook("patchbay", &customer("south"), "endpoint-gone")
        .await
        .unwrap();
    push(registry, "strict", b"validator", &[Role::Validator]).await;
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    push(registry, "strict", &large, &[Role::Validator]).await;
    push(registry, "fhir", b"\0\xff", &[Role::SearchAdapter]).await;
    for n in 0..BINDINGS {
        let config = format!(r#"{{"n": {n}, "text": "Ä \u0000 日本"}}"#);
        registry
            .bind(ALICE, &north, Role::Validator, "strict", &config)
            .await
            .unwrap();
    }
    for id in ["main", "other"] {
        registry
            .add_backend(ALICE, new_backend(id, "fhir"))
            .await
            .unwrap();
    }
    let bound = [("other", None), ("main", Some(r#"{"page": 5}"#))].map(|(id, config)| {
        let config_override = config.map(str::to_owned);
        let backend = backend_id(id);
        NewBackendBinding {
            backend,
            config_override,
        }
    });
    registry.bind_backends(ALICE, &north, &bound).await.unwrap();
    for name in ["bob", "carol"] {
        registry.add_admin(ALICE, name).await.unwrap();
    }
    registry.revoke_admin(ALICE, "bob").await.unwrap();
    let mut tokens = Vec::new();
    for _ in 0..TOKENS {
        let issued = registry.issue_token(ALICE, &north, TokenKind::Live, HOUR);
        tokens.push(issued.await.unwrap());
    }
    registry
        .revoke_token(ALICE, tokens[1].token_id)
        .await
        .unwrap();
    [0, 1].map(|n| tokens[n].token.expose().to_owned())
}

/// Everything that the registry tells.
async fn told(registry: &Registry) -> String {
    let north = customer("north");
    let audit = registry.audit(0, 1000).await.unwrap();
    let history = registry.binding_history(&north, Role::Validator).await;
    let tokens = registry.tokens(&north).await.unwrap();
    let admins = registry.admins().await.unwrap();
    let history = history.unwrap();
    assert_eq!((tokens.len(), history.len()), (TOKENS, BINDINGS));
    format!(
        "{} {audit:?} {history:?} {tokens:?} {admins:?}",
        view(registry)
    )
}

async fn there_and_back_everything_is_what_it_was(on: On) {
    let first = Installation::new(On::Sqlite);
    let registry = first.open().await;
    let [good, revoked] = filled(&registry).await;
    let before = told(&registry).await;
    let verified = registry.verify_audit().await.unwrap();
    registry.close().await;
    let file = std::fs::read(first.home.path().join("registry.sqlite")).unwrap();

    let (second, third) = (Installation::new(on), Installation::new(On::Sqlite));
    let there = moved(&first, &second).await.unwrap();
    assert_eq!(there.audit_entries, verified.entries);
    assert_eq!(there.audit_head, hex::encode(verified.head));
    for table in &there.tables {
        assert!(table.rows > 0, "{} is not tried", table.table);
    }
    let after = std::fs::read(first.home.path().join("registry.sqlite")).unwrap();
    assert!(after == file, "the source is only read");
    let back = moved(&second, &third).await.unwrap();
    assert_eq!(back, there);

    // What the copies are is asked of the registry itself, and not of what was copied.
    for copied in [&second, &third] {
        let registry = copied.open_with(first.keys.clone()).await.unwrap();
        assert_eq!(told(&registry).await, before);
        assert_eq!(registry.verify_audit().await.unwrap(), verified);
        assert!(registry.verify_token(&good).is_ok());
        assert!(registry.verify_token(&revoked).is_err());
        for version in registry.snapshot().plugins() {
            let bytes = registry.plugin_bytes(&version.digest).await.unwrap();
            assert_eq!(digest(&bytes.unwrap()), version.digest);
        }
        // It goes on where the first one was.
        registry.add_admin(ALICE, "dora").await.unwrap();
        let entries = registry.verify_audit().await.unwrap().entries;
        assert_eq!(entries, verified.entries + 1);
        registry.close().await;
    }
    // An id that the database made would have to be carried over with what it was made from.
    if let On::Postgres(_) = on {
        let generated = sqlx::query_scalar::<_, i64>(
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = current_schema() \
             AND table_name <> '_sqlx_migrations' AND (column_default IS NOT NULL OR is_identity = 'YES')",
        );
        let generated = generated.fetch_one(&mut second.sql().await).await.unwrap();
        assert_eq!(generated, 0);
    }
}

async fn small(on: On) -> Installation {
    let installation = Installation::new(on);
    let registry = installation.open().await;
    let north = new_customer("north");
    registry.add_customer(ALICE, north).await.unwrap();
    registry.close().await;
    installation
}

async fn what_is_no_empty_target_is_refused(on: On) {
    let source = small(On::Sqlite).await;

    // A service was started on it, and did nothing more.
    let used = Installation::new(on);
    let registry = used.open().await;
    let before = view(&registry);
    registry.close().await;
    let error = moved(&source, &used).await.unwrap_err();
    assert!(
        matches!(&error, CopyError::TargetNotEmpty { rows: 1, .. }),
        "{error}"
    );
    assert_eq!(error.blame(), Fault::Caller);
    let registry = used.open().await;
    assert_eq!(view(&registry), before);

    let foreign = Installation::new(on);
    let statement = "CREATE TABLE customers (id BIGINT)".to_owned();
    if let On::Sqlite = on {
        std::fs::write(foreign.home.path().join("registry.sqlite"), b"").unwrap();
    }
    foreign.run(statement).await.unwrap();
    let error = moved(&source, &foreign).await.unwrap_err();
    assert!(
        matches!(&error, CopyError::TargetForeign(table) if table == "customers"),
        "{error}"
    );

    // By another name too.
    let mut same = small(on).await;
    let named = place(&same);
    same.url = match on {
        On::Sqlite => {
            let link = same.home.path().join("link.sqlite");
            std::os::unix::fs::symlink(same.home.path().join("registry.sqlite"), &link).unwrap();
            format!("sqlite:{}", link.display())
        }
        On::Postgres(_) => same.url.replace("127.0.0.1", "localhost"),
    };
    for other in [place(&same), named.clone()] {
        let error = copy(&named, &other).await.unwrap_err();
        assert!(matches!(error, CopyError::SameRegistry), "{error}");
    }
}

async fn a_source_that_cannot_be_taken_as_it_is_is_refused(on: On) {
    let target = Installation::new(On::Sqlite);
    let target_file = target.home.path().join("registry.sqlite");

    let nothing = Installation::new(on);
    let error = moved(&nothing, &target).await.unwrap_err();
    assert!(matches!(error, CopyError::SourceMissing(_)), "{error}");
    assert!(!nothing.home.path().join("registry.sqlite").exists());

    let newer = small(on).await;
    let statement = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
         SELECT 9999, description, success, checksum, 0 FROM _sqlx_migrations WHERE version = 1";
    newer.run(statement.to_owned()).await.unwrap();
    let error = moved(&newer, &target).await.unwrap_err();
    assert!(
        matches!(error, CopyError::SourceVersion { found: 9999, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("the newer program"));
    assert!(!target_file.exists(), "the target is not made for nothing");

    // What fails late leaves the target as empty as before, so that it can be used the next time.
    let broken = small(on).await;
    let change = "UPDATE audit_log SET actor = 'mallory' WHERE revision = 2";
    let unguarded = format!("{} {change}", broken.unguard());
    broken.run(unguarded).await.unwrap();
    let error = moved(&broken, &target).await.unwrap_err();
    assert_eq!(error.blame(), Fault::Host);
    let told = error.to_string();
    assert!(
        told.contains("the source") && told.contains("revision 2"),
        "{told}"
    );
    assert!(
        matches!(
            error,
            CopyError::Registry {
                error: RegistryError::AuditBroken { revision: 2, .. },
                ..
            }
        ),
        "{told}"
    );
    assert!(target_file.exists());
    let sound = small(on).await;
    moved(&sound, &target).await.unwrap();
    let registry = target.open_with(Arc::clone(&sound.keys)).await.unwrap();
    assert_eq!(registry.verify_audit().await.unwrap().entries, 2);
}

/// Somebody forgot to stop the service. The copy would be whole, but what is written from now on is lost.
#[tokio::test]
async fn a_source_that_is_still_used_is_noticed() {
    let Some(on) = On::postgres() else { return };
    let (source, target) = (small(on).await, Installation::new(on));
    let mut service = source.sql().await;
    let run = |statements: &'static str| sqlx::raw_sql(statements);
    let begun = run("BEGIN; LOCK TABLE admins").execute(&mut service).await;
    begun.unwrap();
    let places = (place(&source), place(&target));
    let copied = tokio::spawn(async move { copy(&places.0, &places.1).await });
    // It is reading the last table now, at the point in time of the first.
    waits_for_lock(&source).await;
    let changed = run("UPDATE registry SET revision = revision + 1; COMMIT");
    changed.execute(&mut service).await.unwrap();
    let error = copied.await.unwrap().unwrap_err();
    assert!(matches!(error, CopyError::SourceChanged), "{error}");
    run("UPDATE registry SET revision = revision - 1")
        .execute(&mut service)
        .await
        .unwrap();
    moved(&source, &target).await.unwrap();
}
