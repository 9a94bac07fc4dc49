//! What is refused when it is pushed, and what the refusal says.

mod common;

use common::{Setup, guest};
use patchbay_sandbox::{CallLimits, Inspection, PushError};
use patchbay_workflow::Role;
use proptest::prelude::*;
use std::time::Duration;

fn inspect(wasm: &[u8]) -> Result<Inspection, PushError> {
    thread_local! {
        static HOST: common::Fixture = Setup::default().build();
    }
    HOST.with(|host| host.sandbox.inspect(wasm))
}

fn refusal(text: &str) -> PushError {
    inspect(&wat::parse_str(text).unwrap()).unwrap_err()
}

/// A component whose one role is exported by a core module with the functions given.
fn component(core: &str, lift: &str) -> Vec<u8> {
    wat::parse_str(format!(
        r#"(component
            (core module $m {core})
            (core instance $i (instantiate $m))
            {lift}
            (instance $v (export "validate" (func $f)))
            (export "patchbay:plugin/validator@1.0.0" (instance $v)))"#
    ))
    .unwrap()
}

#[test]
fn roles_are_found() {
    let polite = inspect(&guest("polite")).unwrap();
    assert_eq!(polite.roles, Role::ALL.into());
    assert!(
        polite
            .imports
            .contains(&"patchbay:plugin/backend@1.0.0".to_owned())
    );
    let spin = inspect(&guest("spin")).unwrap();
    assert_eq!(
        spin.roles.into_iter().collect::<Vec<_>>(),
        [Role::Validator, Role::SearchAdapter, Role::WebhookFormatter]
    );
}

#[test]
fn a_refusal_names_what_it_found_and_what_to_do() {
    let error = refusal(
        r#"(component
            (import "patchbay:plugin/log@2.0.0" (instance))
            (import "wasi:http/outgoing-handler@0.2.3" (instance))
            (import "wasi:clocks/timezone@0.2.3" (instance))
            (import "wasi:io/poll@0.3.0" (instance))
            (import "acme:db/sql" (instance)))"#,
    );
    assert_eq!(error.code(), "plugin-import-refused");
    let PushError::Imports(refused) = &error else {
        panic!("{error}")
    };
    assert_eq!(refused.len(), 5);
    assert_eq!(refused[0].found.as_deref(), Some("2.0.0"));
    assert_eq!(refused[0].offered, ["1.0.0"]);
    insta::assert_snapshot!(error.to_string(), @r"
    the component imports what this host does not offer:
      patchbay:plugin/log@2.0.0 (found: 2.0.0; offered: 1.0.0): rebuild against patchbay:plugin@1.0.0, with the SDK of that version
      wasi:http/outgoing-handler@0.2.3 (found: 0.2.3; offered: none): plugins reach their backend through patchbay:plugin/backend alone; for JavaScript build with `jco componentize --disable http`
      wasi:clocks/timezone@0.2.3 (found: 0.2.3; offered: none): remove the dependency that needs it; `wasm-tools component wit` shows all imports
      wasi:io/poll@0.3.0 (found: 0.3.0; offered: 0.2.12): build for WASI 0.2, for example with `cargo build --target wasm32-wasip2`
      acme:db/sql (found: no version; offered: none): remove the dependency that needs it; `wasm-tools component wit` shows all imports
    ");

    let error = refusal(
        r#"(component (instance $i) (export "patchbay:plugin/validator@3.1.0" (instance $i)))"#,
    );
    assert_eq!(error.code(), "plugin-export-refused");
    assert!(
        error.to_string().contains("found: 3.1.0; offered: 1.0.0"),
        "{error}"
    );

    let error =
        refusal(r#"(component (instance $i) (export "acme:shop/cart@1.0.0" (instance $i)))"#);
    assert_eq!(error.code(), "plugin-without-role");
    assert!(
        error
            .to_string()
            .contains("it exports acme:shop/cart@1.0.0"),
        "{error}"
    );

    let error = refusal("(module)");
    assert!(matches!(error, PushError::CoreModule), "{error}");
    // A role of a nested component is not a role of the component.
    let error = refusal(
        r#"(component (component (instance $i) (export "patchbay:plugin/validator@1.0.0" (instance $i))))"#,
    );
    assert!(matches!(error, PushError::NoRole(_)), "{error}");
}

#[tokio::test]
async fn what_can_never_run_is_refused() {
    let limits = CallLimits {
        total: Duration::from_millis(100),
        ..CallLimits::default()
    };
    let host = Setup {
        limits,
        ..Setup::default()
    }
    .build();
    let lift = r#"(func $f (canon lift (core func $i "f")))"#;
    let refused = async |wasm: &[u8]| host.sandbox.prepare(wasm).await.unwrap_err().to_string();

    let error = refused(&component(r#"(func (export "f"))"#, lift)).await;
    assert!(error.contains("type mismatch"), "{error}");
    let error = refused(&component(r#"(memory 2000) (func (export "f"))"#, lift)).await;
    assert!(
        error.contains("memory minimum size of 2000 pages exceeds"),
        "{error}"
    );
    let error = refused(&component(
        r#"(table 100000 funcref) (func (export "f"))"#,
        lift,
    ))
    .await;
    assert!(error.contains("table"), "{error}");
    let spins = r#"(func $s (loop (br 0))) (start $s) (func (export "f"))"#;
    let error = refused(&component(spins, lift)).await;
    assert!(error.contains("processor time"), "{error}");
    // An offered interface with a function that it does not have.
    let wants = wat::parse_str(
        r#"(component
            (import "patchbay:plugin/clock@1.0.0" (instance (export "tomorrow" (func))))
            (instance $i) (export "patchbay:plugin/validator@1.0.0" (instance $i)))"#,
    );
    let error = refused(&wants.unwrap()).await;
    assert!(error.contains("tomorrow"), "{error}");
    let empty = wat::parse_str(
        r#"(component (instance $i) (export "patchbay:plugin/validator@1.0.0" (instance $i)))"#,
    );
    let error = refused(&empty.unwrap()).await;
    assert!(error.contains("does not have export `validate`"), "{error}");
    assert_eq!(std::fs::read_dir(host.directory.path()).unwrap().count(), 0);
}

#[test]
fn truncated_components_are_refused() {
    let whole = guest("spin");
    for length in (0..whole.len()).step_by(997) {
        assert!(inspect(&whole[..length]).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(inspect(&bytes).is_err());
        let mut headed = b"\0asm\x0d\0\x01\0".to_vec();
        headed.extend(&bytes);
        prop_assert!(inspect(&headed).is_err());
    }

    /// Changed components may still be valid; they must never be more than refused.
    #[test]
    fn changed_components_do_no_harm(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = guest("spin");
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        let _ = inspect(&bytes);
    }
}
