//! Customers' and admins' tokens.

use std::sync::Arc;
use std::time::Duration;

use pasetors::keys::SymmetricKey;
use pasetors::version4::{LocalToken, V4};
use patchbay_registry::{Fault, Registry, TokenError, TokenKind};
use patchbay_workflow::Sensitive;
use proptest::prelude::*;

use crate::fixture::{ALICE, Installation, On, customer, new_customer, on_each_database};

on_each_database! {
    async a_token_is_good_until_it_expires,
    async a_revoked_token_is_refused_here_at_once_and_elsewhere_after_the_next_refresh,
    async a_changed_or_made_up_token_is_refused,
    async tokens_of_a_former_key_stay_good,
    async another_installation_accepts_nothing_of_this_one,
    async with_the_database_away_credentials_fail_closed_after_the_bound,
    async admins_come_and_go_but_never_all,
    fn no_text_makes_verification_panic,
}

const HOUR: Duration = Duration::from_hours(1);

async fn with_customer(installation: &Installation) -> Arc<Registry> {
    let registry = installation.open().await;
    registry
        .add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();
    registry
}

async fn issue(registry: &Registry, kind: TokenKind) -> patchbay_registry::IssuedToken {
    registry
        .issue_token(ALICE, &customer("north"), kind, HOUR)
        .await
        .unwrap()
}

async fn a_token_is_good_until_it_expires(on: On) {
    let installation = Installation::new(on);
    let registry = with_customer(&installation).await;
    for kind in [TokenKind::Live, TokenKind::Test] {
        let issued = issue(&registry, kind).await;
        let verified = registry.verify_token(issued.token.expose()).unwrap();
        assert_eq!(verified.customer, customer("north"));
        assert_eq!((verified.kind, verified.token_id), (kind, issued.token_id));
    }
    let issued = issue(&registry, TokenKind::Live).await;
    let listed = registry.tokens(&customer("north")).await.unwrap();
    assert_eq!(listed.len(), 3);
    assert_eq!(listed[0].expires_at, issued.expires_at);

    let check = || registry.verify_token(issued.token.expose());
    installation.advance(HOUR.saturating_sub(Duration::from_millis(1)));
    registry.refresh().await.unwrap();
    assert!(check().is_ok());
    installation.advance(Duration::from_millis(1));
    assert_eq!(check(), Err(TokenError::Expired));

    for bad in [Duration::ZERO, HOUR * 24 * 3661] {
        let refused = registry
            .issue_token(ALICE, &customer("north"), TokenKind::Live, bad)
            .await;
        assert_eq!(refused.unwrap_err().code(), "expiry-invalid");
    }
    let refused = registry
        .issue_token(ALICE, &customer("south"), TokenKind::Live, HOUR)
        .await;
    assert_eq!(refused.unwrap_err().code(), "customer-unknown");
}

async fn a_revoked_token_is_refused_here_at_once_and_elsewhere_after_the_next_refresh(on: On) {
    let installation = Installation::new(on);
    let registry = with_customer(&installation).await;
    let other = installation.open().await;
    let (kept, revoked) = (
        issue(&registry, TokenKind::Live).await,
        issue(&registry, TokenKind::Live).await,
    );
    assert!(other.verify_token(revoked.token.expose()).is_ok());

    registry
        .revoke_token(ALICE, revoked.token_id)
        .await
        .unwrap();
    assert_eq!(
        registry.verify_token(revoked.token.expose()),
        Err(TokenError::Revoked)
    );
    other.refresh().await.unwrap();
    assert_eq!(
        other.verify_token(revoked.token.expose()),
        Err(TokenError::Revoked)
    );
    assert!(other.verify_token(kept.token.expose()).is_ok());
    let reopened = installation.open().await;
    assert_eq!(
        reopened.verify_token(revoked.token.expose()),
        Err(TokenError::Revoked)
    );

    let revision = registry.snapshot().revision;
    registry
        .revoke_token(ALICE, revoked.token_id)
        .await
        .unwrap();
    assert_eq!(
        registry.snapshot().revision,
        revision,
        "revoking twice changes nothing"
    );
    let unknown = "0191d5a0-0000-7000-8000-000000000000".parse().unwrap();
    let refused = registry.revoke_token(ALICE, unknown).await.unwrap_err();
    assert_eq!(refused.code(), "token-unknown");
}

async fn a_changed_or_made_up_token_is_refused(on: On) {
    let installation = Installation::new(on);
    let registry = with_customer(&installation).await;
    let issued = issue(&registry, TokenKind::Live).await;
    let token = issued.token.expose();

    for at in 0..token.len() {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(registry.verify_token(&changed).is_err(), "byte {at}");
        assert!(registry.verify_token(&token[..at]).is_err(), "cut at {at}");
    }
    let long = format!("{token}{}", "A".repeat(2000));
    assert_eq!(registry.verify_token(&long), Err(TokenError::Malformed));

    // A key of one's own, under an id that is not known, and under the one that is.
    let footer = footer_of(token);
    let key = SymmetricKey::<V4>::from(&[7; 32]).unwrap();
    let claims = r#"{"sub":"north","jti":"0191d5a0-0000-7000-8000-000000000000","kind":"live","iat":"2025-01-01T00:00:00Z","exp":"2099-01-01T00:00:00Z"}"#;
    let forge = |footer: &str| {
        let assertion = b"patchbay customer token 1";
        LocalToken::encrypt(
            &key,
            claims.as_bytes(),
            Some(footer.as_bytes()),
            Some(assertion),
        )
        .unwrap()
    };
    let unknown = forge(r#"{"kid":"0000000000000000"}"#);
    assert_eq!(registry.verify_token(&unknown), Err(TokenError::UnknownKey));
    assert_eq!(
        registry.verify_token(&forge(&footer)),
        Err(TokenError::Invalid)
    );
    assert_eq!(
        registry.verify_token(&forge("no json")),
        Err(TokenError::Malformed)
    );
}

fn footer_of(token: &str) -> String {
    use base64::Engine as _;
    let footer = token.rsplit('.').next().unwrap();
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    String::from_utf8(engine.decode(footer).unwrap()).unwrap()
}

async fn tokens_of_a_former_key_stay_good(on: On) {
    let installation = Installation::new(on);
    let registry = with_customer(&installation).await;
    let old = issue(&registry, TokenKind::Live).await;
    registry.rotate_token_key(ALICE).await.unwrap();
    let new = issue(&registry, TokenKind::Live).await;
    assert_ne!(footer_of(old.token.expose()), footer_of(new.token.expose()));
    for registry in [&registry, &installation.open().await] {
        assert!(registry.verify_token(old.token.expose()).is_ok());
        assert!(registry.verify_token(new.token.expose()).is_ok());
    }
}

async fn another_installation_accepts_nothing_of_this_one(on: On) {
    let (here, there) = (Installation::seeded(on, 1), Installation::seeded(on, 2));
    let (registry, other) = (with_customer(&here).await, with_customer(&there).await);
    let token = issue(&registry, TokenKind::Live).await.token;
    assert_eq!(
        other.verify_token(token.expose()),
        Err(TokenError::UnknownKey)
    );

    let error = here.open_with(there.keys.clone()).await.unwrap_err();
    assert_eq!(
        (error.code(), error.blame()),
        ("registry-secret", Fault::Host)
    );
}

async fn with_the_database_away_credentials_fail_closed_after_the_bound(on: On) {
    let installation = Installation::new(on);
    let registry = with_customer(&installation).await;
    let token = issue(&registry, TokenKind::Live).await.token;
    let admin = registry.add_admin(ALICE, "bob").await.unwrap();
    let bound = Duration::from_mins(5);

    // As long as it is confirmed, time alone does not matter.
    for _ in 0..3 {
        installation.advance(bound);
        registry.refresh().await.unwrap();
    }
    assert_eq!(
        registry.snapshot().confirmed_at(),
        patchbay_ambient::Clock::now(&*installation.clock)
    );
    registry.close().await;
    let error = registry.refresh().await.unwrap_err();
    assert_eq!(
        (error.code(), error.blame()),
        ("registry-unavailable", Fault::Host)
    );

    installation.advance(bound);
    assert!(registry.verify_token(token.expose()).is_ok());
    assert!(registry.verify_admin(admin.expose()).is_ok());
    installation.advance(Duration::from_millis(1));
    assert_eq!(
        registry.verify_token(token.expose()),
        Err(TokenError::Stale)
    );
    assert_eq!(
        registry.verify_admin(admin.expose()),
        Err(TokenError::Stale)
    );
    assert!(
        registry.snapshot().customer(&customer("north")).is_some(),
        "the rest keeps serving"
    );
}

async fn admins_come_and_go_but_never_all(on: On) {
    let installation = Installation::new(on);
    let registry = installation.open().await;
    let path = installation.home.path().join("admin-token");
    assert!(registry.ensure_first_admin(&path).await.unwrap());
    let first = Sensitive::new(std::fs::read_to_string(&path).unwrap());
    assert_eq!(registry.verify_admin(first.expose()).unwrap().name, "admin");
    assert_eq!(
        registry.verify_admin(first.expose().trim()).unwrap().name,
        "admin"
    );
    assert!(!registry.ensure_first_admin(&path).await.unwrap());
    assert!(
        !installation
            .open()
            .await
            .ensure_first_admin(&path)
            .await
            .unwrap()
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), *first.expose());

    for bad in ["", "\n", "pbadmin_", &first.expose()[1..]] {
        assert_eq!(registry.verify_admin(bad), Err(TokenError::Invalid));
    }
    let refused = registry.revoke_admin("admin", "admin").await.unwrap_err();
    assert_eq!(refused.code(), "last-admin");
    let bob = registry.add_admin("admin", "bob").await.unwrap();
    assert_eq!(registry.verify_admin(bob.expose()).unwrap().name, "bob");
    registry.revoke_admin("bob", "admin").await.unwrap();
    assert_eq!(
        registry.verify_admin(first.expose()),
        Err(TokenError::Invalid)
    );
    for (name, code) in [
        ("admin", "admin-unknown"),
        ("a\nb", "admin-unknown"),
        ("bob", "last-admin"),
    ] {
        assert_eq!(
            registry.revoke_admin("bob", name).await.unwrap_err().code(),
            code
        );
    }
    for (name, code) in [
        ("bob", "admin-exists"),
        ("admin", "admin-exists"),
        ("a b", "name-invalid"),
    ] {
        assert_eq!(
            registry.add_admin("bob", name).await.unwrap_err().code(),
            code
        );
    }
    let admins = registry.admins().await.unwrap();
    let names: Vec<_> = admins
        .iter()
        .map(|it| (&*it.name, it.revoked_at.is_some()))
        .collect();
    assert_eq!(names, [("admin", true), ("bob", false)]);
}

fn no_text_makes_verification_panic(on: On) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let installation = Installation::new(on);
    let registry = runtime.block_on(with_customer(&installation));
    let kid = {
        let issued = runtime.block_on(issue(&registry, TokenKind::Live));
        issued.token.expose().rsplit('.').next().unwrap().to_owned()
    };
    proptest!(|(text in ".*", body in "[A-Za-z0-9_-]{0,400}", footer in "[A-Za-z0-9_-]{0,80}")| {
        for text in [
            text.clone(),
            format!("v4.local.{text}"),
            format!("v4.local.{body}"),
            format!("v4.local.{body}.{footer}"),
            format!("v4.local.{body}.{kid}"),
        ] {
            prop_assert!(registry.verify_token(&text).is_err());
            prop_assert!(registry.verify_admin(&text).is_err());
        }
    });
}
