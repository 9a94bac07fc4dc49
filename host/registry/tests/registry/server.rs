//! What only a server can do: be away, be busy with others, and serve several nodes.

use std::sync::Arc;
use std::time::Duration;

use patchbay_registry::{CustomerSettings, Registry, TokenError, TokenKind};
use patchbay_test_servers::postgres::Postgres;
use patchbay_workflow::Role;
use sqlx::{AnyConnection, Executor as _};

use crate::fixture::{ALICE, Installation, On, customer, new_customer, push};

/// What a change on one node is worth to the others: they have it one poll later, by themselves.
#[tokio::test]
async fn nodes_converge_within_the_poll_interval() {
    let Some(on) = On::postgres() else { return };
    let installation = Installation::new(on);
    let (one, two) = (installation.open().await, installation.open().await);
    let north = customer("north");
    let (stop, stopped) = tokio::sync::watch::channel(());
    let refreshers = [&one, &two].map(|node| {
        let (node, mut stopped) = (Arc::clone(node), stopped.clone());
        tokio::spawn(async move {
            let cancel = async move { drop(stopped.changed().await) };
            node.run_refresher(cancel).await;
        })
    });

    one.add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();
    push(&one, "strict", b"validator", &[Role::Validator]).await;
    let hour = Duration::from_hours(1);
    let issued = one
        .issue_token(ALICE, &north, TokenKind::Live, hour)
        .await
        .unwrap();
    let token = issued.token.expose();
    converge(&installation, &one, &two).await;
    assert!(two.verify_token(token).is_ok());

    two.bind(ALICE, &north, Role::Validator, "strict", "")
        .await
        .unwrap();
    two.revoke_token(ALICE, issued.token_id).await.unwrap();
    let settings = CustomerSettings {
        idempotency_hours: 7,
        ..CustomerSettings::default()
    };
    two.set_settings(ALICE, &north, &settings).await.unwrap();
    converge(&installation, &two, &one).await;
    let snapshot = one.snapshot();
    let seen = snapshot.customer(&north).unwrap();
    assert_eq!(seen.binding(Role::Validator).unwrap().plugin.name, "strict");
    assert_eq!(seen.settings, settings);
    assert_eq!(one.verify_token(token), Err(TokenError::Revoked));

    stop.send(()).unwrap();
    for refresher in refreshers {
        refresher.await.unwrap();
    }
}

/// Moves the clock on by the poll interval, once more where the other node was just looking.
async fn converge(installation: &Installation, from: &Registry, to: &Registry) {
    let revision = from.snapshot().revision;
    let mut changes = to.changes();
    for _ in 0..2 {
        installation.advance(Duration::from_secs(2));
        let arrived = changes.wait_for(|seen| *seen >= revision);
        if let Ok(seen) = tokio::time::timeout(Duration::from_secs(10), arrived).await {
            seen.unwrap();
            return;
        }
    }
    panic!("revision {revision} is not seen elsewhere");
}

#[tokio::test]
async fn a_server_that_is_away_is_told_apart_and_comes_back() {
    let Some(on) = On::postgres() else { return };
    let Some(server) = Postgres::start() else {
        return;
    };
    let installation = Installation::of(&server, on);
    let registry = installation.open().await;
    registry
        .add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();

    server.stop();
    let unread = registry.refresh().await.unwrap_err();
    let unwritten = registry.add_admin(ALICE, "bob").await.unwrap_err();
    let unopened = installation
        .open_with(installation.keys.clone())
        .await
        .unwrap_err();
    for error in [unread, unwritten, unopened] {
        assert_eq!(error.code(), "registry-unavailable");
        assert!(error.is_unreachable(), "{error}");
    }
    assert!(registry.snapshot().customer(&customer("north")).is_some());

    server.restart();
    assert!(!registry.refresh().await.unwrap());
    registry.add_admin(ALICE, "bob").await.unwrap();
    assert_eq!(installation.open().await.admins().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_waiting_does_not_help_is_not_called_away() {
    let Some(on) = On::postgres() else { return };
    let mut installation = Installation::new(on);
    let url = installation.url.split('?').next().unwrap().to_owned();
    let (user, rest) = url.split_once('@').unwrap();
    let (name, _) = user.rsplit_once(':').unwrap();
    for wrong in [
        format!("{url}_absent"),
        format!("{name}:planted@{rest}"),
        format!("{url}?sslmode=verify-full&sslrootcert=/absent"),
    ] {
        installation.url = wrong;
        let error = installation
            .open_with(installation.keys.clone())
            .await
            .unwrap_err();
        assert!(!error.is_unreachable(), "{error}");
        assert!(!format!("{error} {error:?}").contains("planted"));
    }
}

/// Whoever holds the registry's row keeps the others waiting only so long.
#[tokio::test]
async fn a_change_does_not_wait_without_end() {
    let Some(on) = On::postgres() else { return };
    let installation = Installation::new(on);
    let registry = installation.open().await;
    let mut other = installation.sql().await;
    run(&mut other, "BEGIN; UPDATE registry SET revision = revision").await;
    let error = registry.add_admin(ALICE, "bob").await.unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    run(&mut other, "ROLLBACK").await;
    registry.add_admin(ALICE, "bob").await.unwrap();
}

/// PostgreSQL ends a deadlock at the cost of one: a look is taken again, a change is refused whole.
#[tokio::test]
async fn a_deadlock_is_survived() {
    let Some(on) = On::postgres() else { return };
    let installation = Installation::new(on);
    // Of the registry's sessions: they find the deadlock, and well before they are tired of waiting.
    set_default(&installation, "deadlock_timeout = '3s'").await;
    let registry = installation.open().await;
    registry
        .add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();
    let reader = installation.open().await;
    registry
        .set_webhook(ALICE, &customer("north"), None)
        .await
        .unwrap();

    let mut other = installation.sql().await;
    run(
        &mut other,
        "SET deadlock_timeout = '60s'; BEGIN; LOCK TABLE customers",
    )
    .await;
    let refreshed = tokio::spawn({
        let reader = Arc::clone(&reader);
        async move { reader.refresh().await }
    });
    waits_for_lock(&installation).await;
    run(&mut other, "LOCK TABLE registry; COMMIT").await;
    assert!(refreshed.await.unwrap().unwrap());

    run(&mut other, "BEGIN; LOCK TABLE customers").await;
    let written = tokio::spawn({
        let registry = Arc::clone(&registry);
        async move { registry.set_webhook(ALICE, &customer("north"), None).await }
    });
    waits_for_lock(&installation).await;
    run(&mut other, "LOCK TABLE registry; COMMIT").await;
    let error = written.await.unwrap().unwrap_err();
    assert!(error.is_unreachable(), "{error}");
    let entries = registry.verify_audit().await.unwrap().entries;
    assert_eq!(entries, reader.snapshot().revision);
}

/// A server may have any default; the order of the writers does not hang on it.
#[tokio::test]
async fn writers_take_turns_whatever_the_servers_default_is() {
    let Some(on) = On::postgres() else { return };
    let installation = Installation::new(on);
    set_default(
        &installation,
        "default_transaction_isolation = 'serializable'",
    )
    .await;
    let (one, two) = (installation.open().await, installation.open().await);
    let tasks = (0..16).map(|n| {
        let registry = Arc::clone(if n % 2 == 0 { &one } else { &two });
        tokio::spawn(async move { registry.add_admin(ALICE, &format!("a{n}")).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().unwrap();
    }
    assert_eq!(one.verify_audit().await.unwrap().entries, 17);
}

/// Tables, columns, what may be null, and indexes.
#[tokio::test]
async fn both_databases_have_the_same_tables() {
    let Some(on) = On::postgres() else { return };
    let columns = async |on: On, statement: &'static str| -> Vec<(String, String, String, i64)> {
        let installation = Installation::new(on);
        installation.open().await.close().await;
        let mut sql = installation.sql().await;
        sqlx::query_as(statement).fetch_all(&mut sql).await.unwrap()
    };
    let sqlite = columns(
        On::Sqlite,
        "SELECT m.name, c.name, c.type, c.\"notnull\" FROM sqlite_master m, \
         pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name NOT LIKE '\\_%' ESCAPE '\\' \
         UNION ALL SELECT tbl_name, name, 'index', 0 FROM sqlite_master \
         WHERE type = 'index' AND sql IS NOT NULL ORDER BY 1, 2",
    )
    .await;
    let postgres = columns(
        on,
        "SELECT table_name::text COLLATE \"C\", column_name::text COLLATE \"C\", \
         CASE data_type WHEN 'bigint' THEN 'INTEGER' WHEN 'bytea' THEN 'BLOB' \
         WHEN 'text' THEN 'TEXT' ELSE data_type::text END, \
         CASE is_nullable WHEN 'NO' THEN 1::bigint ELSE 0::bigint END \
         FROM information_schema.columns \
         WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_%' \
         UNION ALL SELECT tablename::text, indexname::text, 'index', 0 FROM pg_indexes \
         WHERE schemaname = current_schema() AND tablename NOT LIKE '\\_%' \
         AND indexname NOT LIKE '%\\_pkey' AND indexname NOT LIKE '%\\_key' ORDER BY 1, 2",
    )
    .await;
    assert!(sqlite.len() > 60, "{}", sqlite.len());
    assert_eq!(postgres, sqlite);
}

async fn run(connection: &mut AnyConnection, statements: &'static str) {
    connection.execute(sqlx::raw_sql(statements)).await.unwrap();
}

/// Changes a default of the installation's database.
async fn set_default(installation: &Installation, setting: &str) {
    let setting = setting.replace('\'', "''");
    let statement = format!(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting}', current_database()); END $$"
    );
    installation.run(statement).await.unwrap();
}

/// Returns once somebody waits for a lock in the installation's database.
pub(crate) async fn waits_for_lock(installation: &Installation) {
    let mut sql = installation.sql().await;
    loop {
        let (waiting,): (i64,) = sqlx::query_as(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&mut sql)
        .await
        .unwrap();
        if waiting > 0 {
            return;
        }
    }
}
