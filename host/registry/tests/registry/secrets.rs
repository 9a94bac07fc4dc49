//! What can be found in the files by somebody who has no key.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use base64::Engine as _;
use patchbay_registry::{Credentials, TokenKind};
use patchbay_workflow::{Role, Sensitive};

use crate::fixture::{
    ALICE, Installation, On, customer, new_backend, new_customer, on_each_database, push,
};

on_each_database! {
    async no_secret_is_found_in_what_is_stored,
}

async fn no_secret_is_found_in_what_is_stored(on: On) {
    let installation = Installation::new(on);
    let registry = installation.open().await;
    let admin_file = installation.home.path().join("admin-token");
    registry.ensure_first_admin(&admin_file).await.unwrap();
    let admin = std::fs::read_to_string(&admin_file).unwrap();
    let second_admin = registry.add_admin("admin", "bob").await.unwrap();
    let webhook_secret = registry
        .add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();
    let token = registry
        .issue_token(
            ALICE,
            &customer("north"),
            TokenKind::Live,
            Duration::from_mins(1),
        )
        .await
        .unwrap();
    push(&registry, "fhir", b"adapter", &[Role::SearchAdapter]).await;
    registry
        .add_backend(ALICE, new_backend("main", "fhir"))
        .await
        .unwrap();
    for (id, credentials) in [
        (
            "basic",
            Credentials::Basic {
                user: Sensitive::new("planted-user-91".to_owned()),
                password: Sensitive::new("planted-password-5e".to_owned()),
            },
        ),
        (
            "header",
            Credentials::Header {
                name: "x-api-key".to_owned(),
                value: Sensitive::new("planted-header-value-b2".to_owned()),
            },
        ),
    ] {
        let mut new = new_backend(id, "fhir");
        new.credentials = credentials;
        registry.add_backend(ALICE, new).await.unwrap();
    }

    let secret_bytes = registry
        .snapshot()
        .customer(&customer("north"))
        .unwrap()
        .webhook_secrets[0]
        .0
        .expose()
        .clone();
    let mut planted: Vec<Vec<u8>> = [
        "planted-bearer-token-3c",
        "planted-user-91",
        "planted-password-5e",
        "planted-header-value-b2",
        admin.trim(),
        second_admin.expose(),
        token.token.expose(),
        webhook_secret.expose().trim_start_matches("whsec_"),
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    planted.push(hex::encode(&secret_bytes).into_bytes());
    planted.push(secret_bytes);
    let admin_bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(admin.trim().trim_start_matches("pbadmin_"))
        .unwrap();
    planted.push(admin_bytes);

    let shown = format!(
        "{registry:?} {:?}",
        registry.snapshot().backends().collect::<Vec<_>>()
    );
    for secret in &planted {
        assert!(!shown.contains(&*String::from_utf8_lossy(secret)));
    }
    match on {
        On::Sqlite => {
            let open = search_files(&installation, &planted, "open");
            assert!(open > 1, "the write-ahead log is looked at, too");
            registry.close().await;
            assert_eq!(search_files(&installation, &planted, "closed"), 1);
        }
        On::Postgres(_) => search_tables(&installation, &planted).await,
    }

    let audit = installation.open().await.audit(0, 100).await.unwrap();
    assert!(
        !format!("{audit:?}").contains("planted"),
        "not even a webhook's path is in the audit log"
    );
}

/// Looks for the secrets in every file but the admin's; gives how many there are.
fn search_files(installation: &Installation, planted: &[Vec<u8>], when: &str) -> usize {
    let mut files = 0;
    let mut seen = false;
    for entry in std::fs::read_dir(installation.home.path()).unwrap() {
        let path = entry.unwrap().path();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{when}: {}", path.display());
        if path.ends_with("admin-token") {
            continue;
        }
        let content = std::fs::read(&path).unwrap();
        seen |= holds(&content, b"planted-path-7f");
        for secret in planted {
            let secret_text = String::from_utf8_lossy(secret);
            let found = holds(&content, secret);
            assert!(!found, "{when}: {}: {secret_text}", path.display());
        }
        files += 1;
    }
    assert!(seen, "that the search finds what is there");
    files
}

/// The same in every row, whose bytes show as hexadecimal digits.
async fn search_tables(installation: &Installation, planted: &[Vec<u8>]) {
    let mut sql = installation.sql().await;
    let tables: Vec<(String,)> =
        sqlx::query_as("SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema()")
            .fetch_all(&mut sql)
            .await
            .unwrap();
    let mut stored = String::new();
    for (table,) in tables {
        let rows: Vec<(String,)> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
            "SELECT t::text FROM {table} t"
        )))
        .fetch_all(&mut sql)
        .await
        .unwrap();
        stored.extend(rows.into_iter().map(|(row,)| row));
    }
    assert!(holds(stored.as_bytes(), b"planted-path-7f"));
    for secret in planted {
        let secret_text = String::from_utf8_lossy(secret);
        assert!(!holds(stored.as_bytes(), secret), "{secret_text}");
        assert!(!stored.contains(&hex::encode(secret)), "{secret_text}");
    }
}

fn holds(content: &[u8], wanted: &[u8]) -> bool {
    content.windows(wanted.len()).any(|window| window == wanted)
}
