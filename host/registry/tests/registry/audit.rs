//! What the audit log proves.

use patchbay_registry::{Fault, RegistryError};
use patchbay_workflow::Role;

use crate::fixture::{ALICE, Installation, On, customer, new_customer, on_each_database, push};

on_each_database! {
    async every_change_is_one_entry_that_says_who_did_what,
    async whatever_is_changed_in_the_log_is_found,
}

async fn written(installation: &Installation) -> u64 {
    let registry = installation.open().await;
    registry
        .add_customer(ALICE, new_customer("north"))
        .await
        .unwrap();
    push(&registry, "strict", b"validator", &[Role::Validator]).await;
    registry
        .bind("bob", &customer("north"), Role::Validator, "strict", "")
        .await
        .unwrap();
    registry
        .set_webhook(ALICE, &customer("north"), None)
        .await
        .unwrap();
    let entries = registry.verify_audit().await.unwrap().entries;
    registry.close().await;
    entries
}

async fn every_change_is_one_entry_that_says_who_did_what(on: On) {
    let installation = Installation::new(on);
    let entries = written(&installation).await;
    let registry = installation.open().await;
    let log = registry.audit(0, 100).await.unwrap();
    let told: Vec<_> = log
        .iter()
        .map(|it| {
            format!(
                "{} {} {} {}",
                it.actor, it.action, it.subject_kind, it.subject_id
            )
        })
        .collect();
    assert!(told[0].starts_with("patchbay token-key-created token-key "));
    assert_eq!(
        told[1..],
        [
            "alice customer-added customer north",
            "alice plugin-pushed plugin strict",
            "bob plugin-bound customer north",
            "alice webhook-set customer north",
        ]
    );
    assert_eq!(log[3].detail["role"], "validator");
    assert_eq!(log.len() as u64, entries);
    assert_eq!(registry.snapshot().revision, entries);
    assert_eq!(registry.verify_audit().await.unwrap().head, log[4].hash);
    assert_eq!(registry.audit(2, 2).await.unwrap(), log[2..4]);
    assert_eq!(registry.audit(99, 5).await.unwrap(), []);
}

async fn whatever_is_changed_in_the_log_is_found(on: On) {
    let changes = [
        ("UPDATE audit_log SET detail = '{}' WHERE revision = 4", 4),
        ("UPDATE audit_log SET actor = 'alice' WHERE revision = 4", 4),
        ("UPDATE audit_log SET at = at + 1 WHERE revision = 2", 2),
        (
            "UPDATE audit_log SET subject_id = 'south' WHERE revision = 2",
            2,
        ),
        ("UPDATE audit_log SET hash = ZEROS WHERE revision = 5", 5),
        (
            "UPDATE audit_log SET previous_hash = ZEROS WHERE revision = 3",
            3,
        ),
        ("DELETE FROM audit_log WHERE revision = 3", 3),
        ("DELETE FROM audit_log WHERE revision = 1", 1),
        ("DELETE FROM audit_log WHERE revision = 5", 5),
        (
            "DELETE FROM audit_log WHERE revision = 5; UPDATE registry SET revision = 4",
            4,
        ),
        ("UPDATE audit_log SET revision = 6 WHERE revision = 5", 5),
    ];
    for (change, at) in changes {
        let installation = Installation::new(on);
        assert_eq!(written(&installation).await, 5);
        let change = change.replace("ZEROS", &installation.zeros(32));
        let refused = installation.run(change.clone()).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{refused}");

        // Who can write the tables can also drop the triggers.
        let unguarded = format!("{} {change}", installation.unguard());
        installation.run(unguarded).await.unwrap();
        let registry = installation.open().await;
        let error = registry.verify_audit().await.unwrap_err();
        assert_eq!((error.code(), error.blame()), ("audit-broken", Fault::Host));
        assert!(
            matches!(error, RegistryError::AuditBroken { revision, .. } if revision == at),
            "{change}: {error}"
        );
    }
}
