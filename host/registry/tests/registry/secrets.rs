//! What can be found in the files by somebody who has no key.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use base64::Engine as _;
use patchbay_registry::{Credentials, TokenKind};
use patchbay_workflow::{Role, Sensitive};

use crate::fixture::{ALICE, Installation, customer, new_backend, new_customer, push};

#[tokio::test]
async fn no_secret_is_found_in_any_file() {
    let installation = Installation::new();
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
    let search = |when: &str| {
        let mut files = 0;
        for entry in std::fs::read_dir(installation.home.path()).unwrap() {
            let path = entry.unwrap().path();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{when}: {}", path.display());
            if path == admin_file {
                continue;
            }
            let content = std::fs::read(&path).unwrap();
            for secret in &planted {
                let found = content.windows(secret.len()).any(|window| window == secret);
                assert!(
                    !found,
                    "{when}: {}: {}",
                    path.display(),
                    String::from_utf8_lossy(secret)
                );
            }
            files += 1;
        }
        files
    };
    assert!(search("open") > 1, "the write-ahead log is looked at, too");
    registry.close().await;
    assert_eq!(search("closed"), 1);
    for secret in &planted {
        assert!(!shown.contains(&*String::from_utf8_lossy(secret)));
    }
    // That the search finds what is there.
    let content = std::fs::read(installation.path()).unwrap();
    assert!(
        content
            .windows(15)
            .any(|window| window == b"planted-path-7f")
    );

    let audit = installation.open().await.audit(0, 100).await.unwrap();
    assert!(
        !format!("{audit:?}").contains("planted"),
        "not even a webhook's path is in the audit log"
    );
}
