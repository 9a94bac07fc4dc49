//! How changes reach every process.

use std::sync::Arc;
use std::time::Duration;

use patchbay_registry::{NewBackendBinding, Registry};
use patchbay_workflow::Role;
use proptest::prelude::*;

use crate::fixture::{
    ALICE, Installation, On, backend_id, customer, new_backend, new_customer, on_each_database,
    push, view,
};

on_each_database! {
    async a_change_of_another_process_arrives_by_itself,
    async more_changes_than_are_worth_following_load_everything,
    async a_database_put_back_from_its_backup_is_read_anew,
    async processes_that_start_at_once_make_one_registry,
    async many_writers_take_turns,
    async every_migration_of_the_directory_is_applied,
    async one_damaged_customer_does_not_stop_the_others,
    fn catching_up_is_the_same_as_starting_anew,
}

#[derive(Debug, Clone)]
enum Change {
    Customer(u8),
    Plugin(u8, u8),
    Backend(u8, u8),
    Replace(u8, u8),
    Bind(u8, u8),
    Backends(u8, Vec<u8>),
    Webhook(u8, bool),
}

fn change() -> impl Strategy<Value = Change> {
    let n = || 0..3_u8;
    prop_oneof![
        n().prop_map(Change::Customer),
        (n(), n()).prop_map(|(name, bytes)| Change::Plugin(name, bytes)),
        (n(), n()).prop_map(|(id, plugin)| Change::Backend(id, plugin)),
        (n(), n()).prop_map(|(id, plugin)| Change::Replace(id, plugin)),
        (n(), n()).prop_map(|(id, plugin)| Change::Bind(id, plugin)),
        (n(), prop::collection::vec(n(), 0..3)).prop_map(|(id, to)| Change::Backends(id, to)),
        (n(), any::<bool>()).prop_map(|(id, set)| Change::Webhook(id, set)),
    ]
}

/// Some of these are refused; that is as good a change as any.
async fn make(registry: &Registry, change: Change) {
    let id = |kind: &str, n: u8| format!("{kind}{n}");
    let north = |n| customer(&id("c", n));
    let _ = match change {
        Change::Customer(n) => registry
            .add_customer(ALICE, new_customer(&id("c", n)))
            .await
            .map(drop),
        Change::Plugin(name, bytes) => {
            push(
                registry,
                &id("p", name),
                &[bytes],
                &[Role::Validator, Role::SearchAdapter],
            )
            .await;
            Ok(())
        }
        Change::Backend(n, plugin) => {
            registry
                .add_backend(ALICE, new_backend(&id("b", n), &id("p", plugin)))
                .await
        }
        Change::Replace(n, plugin) => {
            registry
                .replace_backend(ALICE, new_backend(&id("b", n), &id("p", plugin)))
                .await
        }
        Change::Bind(n, plugin) => registry
            .bind(ALICE, &north(n), Role::Validator, &id("p", plugin), "")
            .await
            .map(drop),
        Change::Backends(n, to) => {
            let bound = |n| NewBackendBinding {
                backend: backend_id(&id("b", n)),
                config_override: (n == 1).then(|| r#"{"page": 1}"#.to_owned()),
            };
            let bound: Vec<_> = to.into_iter().map(bound).collect();
            registry.bind_backends(ALICE, &north(n), &bound).await
        }
        Change::Webhook(n, set) => {
            let url = set.then_some("https://x.example/");
            registry.set_webhook(ALICE, &north(n), url).await
        }
    };
}

/// Reading only what the audit log names leads to the same snapshot as reading everything: in the process
/// that made the changes, and in another that catches up with all at once.
fn catching_up_is_the_same_as_starting_anew(on: On) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    proptest!(ProptestConfig::with_cases(24), |(changes in prop::collection::vec(change(), 1..16))| {
        runtime.block_on(async {
            let installation = Installation::new(on);
            let (writer, reader) = (installation.open().await, installation.open().await);
            let start = reader.snapshot().revision;
            for change in changes {
                make(&writer, change).await;
            }
            let changed = reader.refresh().await.unwrap();
            let fresh = installation.open().await;
            prop_assert_eq!(changed, writer.snapshot().revision != start);
            prop_assert_eq!(view(&writer), view(&fresh));
            prop_assert_eq!(view(&reader), view(&fresh));
            for registry in [writer, reader, fresh] {
                registry.close().await;
            }
            Ok(())
        })?;
    });
}

async fn a_change_of_another_process_arrives_by_itself(on: On) {
    let installation = Installation::new(on);
    let (writer, reader) = (installation.open().await, installation.open().await);
    let mut changes = reader.changes();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let refresher = tokio::spawn({
        let reader = Arc::clone(&reader);
        async move { reader.run_refresher(async { drop(stopped.await) }).await }
    });
    writer
        .add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();
    let revision = writer.snapshot().revision;
    assert!(reader.snapshot().customer(&customer("north")).is_none());

    // Whether the refresher waits already or not, it wakes once the interval has passed.
    let arrived = changes.wait_for(|seen| *seen == revision);
    tokio::pin!(arrived);
    loop {
        installation.advance(Duration::from_secs(2));
        tokio::select! {
            seen = &mut arrived => { seen.unwrap(); break }
            () = tokio::task::yield_now() => {}
        }
    }
    assert!(reader.snapshot().customer(&customer("north")).is_some());
    stop.send(()).unwrap();
    refresher.await.unwrap();
}

async fn more_changes_than_are_worth_following_load_everything(on: On) {
    let installation = Installation::new(on);
    let (writer, reader) = (installation.open().await, installation.open().await);
    writer
        .add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();
    let north = customer("north");
    for _ in 0..520 {
        writer.set_webhook(ALICE, &north, None).await.unwrap();
    }
    writer
        .set_webhook(ALICE, &north, Some("https://north.example/last"))
        .await
        .unwrap();
    assert!(reader.refresh().await.unwrap());
    assert_eq!(view(&reader), view(&writer));
    assert!(!reader.refresh().await.unwrap());
}

/// What makes a backup, and what puts it back row by row, because the reader has the tables open.
fn backup_of(installation: &Installation) -> (String, String) {
    const TABLES: [&str; 5] = [
        "audit_log",
        "webhook_endpoints",
        "webhook_secrets",
        "customers",
        "registry",
    ];
    let copied = TABLES.map(|table| {
        format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM backup.{table};")
    });
    let (unguard, copied) = (installation.unguard(), copied.concat());
    match installation.on {
        On::Sqlite => {
            let file = installation.home.path().join("backup");
            let file = file.display();
            let put_back =
                format!("PRAGMA foreign_keys = OFF; ATTACH '{file}' AS backup; {unguard} {copied}");
            (format!("VACUUM INTO '{file}'"), put_back)
        }
        On::Postgres(_) => {
            let tables = TABLES.map(|it| format!("CREATE TABLE backup.{it} AS TABLE {it};"));
            let put_back = format!("SET session_replication_role = replica; {unguard} {copied}");
            (
                format!("CREATE SCHEMA backup; {}", tables.concat()),
                put_back,
            )
        }
    }
}

/// The history that a process has seen may be gone, and another one may be as long or longer.
async fn a_database_put_back_from_its_backup_is_read_anew(on: On) {
    for later in [&[][..], &["west"], &["west", "east"]] {
        let installation = Installation::new(on);
        let writer = installation.open().await;
        writer
            .add_customer(ALICE, new_customer("north"))
            .await
            .unwrap();
        let (backup, put_back) = backup_of(&installation);
        installation.run(backup).await.unwrap();
        writer
            .add_customer(ALICE, new_customer("south"))
            .await
            .unwrap();
        let reader = installation.open().await;
        writer.close().await;

        installation.run(put_back).await.unwrap();
        let writer = installation.open().await;
        for id in later {
            writer.add_customer(ALICE, new_customer(id)).await.unwrap();
        }
        assert!(reader.refresh().await.unwrap());
        assert_eq!(view(&reader), view(&writer));
        assert!(reader.snapshot().customer(&customer("south")).is_none());
    }
}

async fn processes_that_start_at_once_make_one_registry(on: On) {
    let installation = Arc::new(Installation::new(on));
    let started = (0..4).map(|n| {
        let installation = Arc::clone(&installation);
        tokio::spawn(async move {
            let registry = installation.open().await;
            let admin = installation.home.path().join(format!("admin-{n}"));
            let made = registry.ensure_first_admin(&admin).await.unwrap();
            assert_eq!(admin.exists(), made);
            (registry, made)
        })
    });
    let mut made_one = 0;
    for process in started.collect::<Vec<_>>() {
        let (registry, made) = process.await.unwrap();
        registry.refresh().await.unwrap();
        made_one += usize::from(made);
        let actions = registry.audit(0, 10).await.unwrap();
        let actions: Vec<_> = actions.iter().map(|it| it.action.as_str()).collect();
        assert_eq!(actions, ["token-key-created", "admin-added"]);
    }
    assert_eq!(made_one, 1);
}

async fn many_writers_take_turns(on: On) {
    let installation = Installation::new(on);
    let (one, two) = (installation.open().await, installation.open().await);
    let tasks = (0..24).map(|n| {
        let registry = Arc::clone(if n % 2 == 0 { &one } else { &two });
        tokio::spawn(async move {
            registry
                .add_customer(ALICE, new_customer(&format!("c{n}")))
                .await
                .unwrap();
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    one.refresh().await.unwrap();
    assert_eq!(one.snapshot().customers().len(), 24);
    assert_eq!(one.verify_audit().await.unwrap().entries, 25);
}

async fn every_migration_of_the_directory_is_applied(on: On) {
    let installation = Installation::new(on);
    installation.open().await.close().await;
    let directory = match on {
        On::Sqlite => "sqlite",
        On::Postgres(_) => "postgres",
    };
    let files = migrations(directory);
    let applied: Vec<(i64, String)> =
        sqlx::query_as("SELECT version, description FROM _sqlx_migrations ORDER BY version")
            .fetch_all(&mut installation.sql().await)
            .await
            .unwrap();
    let applied: Vec<_> = applied
        .into_iter()
        .map(|(version, description)| format!("{version:04}_{}.sql", description.replace(' ', "_")))
        .collect();
    assert_eq!(applied, files);
}

fn migrations(directory: &str) -> Vec<String> {
    let all = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations");
    let mut files: Vec<_> = std::fs::read_dir(format!("{all}/{directory}"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    files
}

#[test]
fn both_databases_have_the_same_migrations() {
    assert_eq!(migrations("sqlite"), migrations("postgres"));
}

async fn one_damaged_customer_does_not_stop_the_others(on: On) {
    let installation = Installation::new(on);
    let registry = installation.open().await;
    for id in ["north", "south"] {
        registry
            .add_customer(ALICE, new_customer(id))
            .await
            .unwrap();
    }
    registry.close().await;
    let damage = installation.zeros(81);
    installation
        .run(format!(
            "UPDATE customers SET sealed_data_key = {damage} WHERE id = 'north'"
        ))
        .await
        .unwrap();
    let snapshot = installation.open().await.snapshot();
    assert!(snapshot.customer(&customer("north")).is_none());
    assert!(snapshot.customer(&customer("south")).is_some());
}
