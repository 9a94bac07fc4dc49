//! What somebody writes to say where the registry is.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;

use patchbay_ambient::{ManualClock, SeededEntropy};
use patchbay_registry::{Database, Fault, Registry, RegistryConfig};
use patchbay_vault::KeyRing;
use patchbay_workflow::Timestamp;

#[test]
fn a_location_is_understood_and_no_password_is_shown() {
    for (given, path) in [
        ("registry.sqlite", "registry.sqlite"),
        ("/var/lib/a b?.sqlite", "/var/lib/a b?.sqlite"),
        ("sqlite:registry.sqlite", "registry.sqlite"),
        ("sqlite:/var/r", "/var/r"),
        ("sqlite:///var/r", "/var/r"),
    ] {
        assert_eq!(Database::parse(given).unwrap(), Database::File(path.into()));
    }
    for (given, shown) in [
        (
            "postgres://me:planted@db.example/p",
            "postgres://db.example/p",
        ),
        (
            "postgresql://me:planted@db.example:5433/p?sslmode=verify-full",
            "postgres://db.example:5433/p",
        ),
        (
            "postgres:///?host=/run/pg&user=me&password=planted&dbname=p&options[search_path]=x",
            "postgres:///run/pg/p",
        ),
    ] {
        let database = Database::parse(given).unwrap();
        assert_eq!(database.to_string(), shown);
        let debug = format!("{:?}", RegistryConfig::new(database));
        assert!(
            debug.contains(shown) && !debug.contains("planted"),
            "{debug}"
        );
    }
    for refused in [
        "",
        "sqlite:",
        "sqlite::memory:",
        "mysql://me:planted@db.example/p",
        "postgres:db",
        "postgres://me:plan/ted@db.example/p",
        "postgres://me:12#planted@db.example/p",
        "postgres://me:12?planted@db.example/p",
        "postgres://me:planted@db.example/p?sslmod=verify-full",
        "postgres://me:planted@db.example/p?sslmode=planted",
    ] {
        let error = Database::parse(refused).unwrap_err();
        assert_eq!(
            (error.code(), error.blame(), error.is_unreachable()),
            ("registry-location", Fault::Host, false),
            "{refused}"
        );
        let told = format!("{error} {error:?}");
        assert!(
            !told.contains("planted") && !told.contains("ted@"),
            "{told}"
        );
    }
}

#[tokio::test]
async fn a_file_may_have_any_name_and_its_folder_must_be_there() {
    let home = tempfile::tempdir().unwrap();
    let entropy = Arc::new(SeededEntropy::new(1));
    let open = async |path: std::path::PathBuf| {
        let config = RegistryConfig::file(path);
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(1)));
        let keys = Arc::new(KeyRing::ephemeral(&*entropy));
        Registry::open(&config, keys, clock, entropy.clone()).await
    };
    let odd = home.path().join("ä b?mode=memory#%2e..");
    open(odd.clone()).await.unwrap().close().await;
    let mode = std::fs::metadata(&odd).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let error = open(home.path().join("absent/registry.sqlite"))
        .await
        .unwrap_err();
    assert_eq!(error.code(), "registry-unavailable");
    assert!(!error.is_unreachable(), "waiting would not help");
}
