//! Compiled files: found again, refused when they are not what this installation wrote.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use common::{Fixture, Setup, call, guest, open, reference};
use patchbay_sandbox::LoadError;

fn file(host: &Fixture) -> PathBuf {
    let mut files = std::fs::read_dir(host.directory.path()).unwrap();
    let path = files.next().unwrap().unwrap().path();
    assert!(
        files.next().is_none(),
        "one file per plugin, and no temporary ones"
    );
    path
}

#[tokio::test]
async fn a_prepared_plugin_is_found_by_the_next_process() {
    let host = Setup::default().build();
    let wasm = guest("spin");
    let digest = host.sandbox.inspect(&wasm).unwrap().digest;
    let plugin = reference("spin", digest);
    assert!(matches!(
        host.sandbox.load(&plugin).await,
        Err(LoadError::NotPrepared)
    ));

    let inspection = host.sandbox.prepare(&wasm).await.unwrap();
    assert_eq!(inspection.digest, digest);
    let path = file(&host);
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
    host.sandbox.prepare(&wasm).await.unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().modified().unwrap(),
        metadata.modified().unwrap(),
        "the second time does nothing"
    );

    let next = open(host.directory.path(), [7; 32], &Setup::default());
    let loaded = next.load(&plugin).await.unwrap();
    assert_eq!(loaded.roles(), inspection.roles);
    let stranger = open(host.directory.path(), [8; 32], &Setup::default());
    assert!(matches!(
        stranger.load(&plugin).await,
        Err(LoadError::NotPrepared)
    ));
}

#[tokio::test]
async fn a_changed_file_is_refused_and_made_anew() {
    let host = Setup::default().build();
    let wasm = guest("polite");
    let digest = host.sandbox.prepare(&wasm).await.unwrap().digest;
    let plugin = reference("polite", digest);
    let path = file(&host);
    let good = std::fs::read(&path).unwrap();

    let mut changed = vec![
        Vec::new(),
        good[..39].to_vec(),
        good[..good.len() - 1].to_vec(),
    ];
    for place in [0, 8, 39, 40, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[place] ^= 1;
        changed.push(bytes);
    }
    changed.push([good.as_slice(), b"x"].concat());
    for bytes in changed {
        std::fs::write(&path, &bytes).unwrap();
        let fresh = open(host.directory.path(), [7; 32], &Setup::default());
        assert!(matches!(
            fresh.load(&plugin).await,
            Err(LoadError::NotPrepared)
        ));
    }

    let fresh = open(host.directory.path(), [7; 32], &Setup::default());
    fresh.prepare(&wasm).await.unwrap();
    let loaded = fresh.load(&plugin).await.unwrap();
    let outcome = fresh.validate(&loaded, call("{}"), "{}").await;
    assert_eq!(outcome.result.unwrap().unwrap().expose(), "{}");
    assert_eq!(std::fs::read(&path).unwrap().len(), good.len());
}

#[tokio::test]
async fn a_file_counts_only_for_its_own_plugin() {
    let host = Setup::default().build();
    let spin = host.sandbox.prepare(&guest("spin")).await.unwrap().digest;
    let path = file(&host);
    let polite = host.sandbox.inspect(&guest("polite")).unwrap().digest;
    let name = path.file_name().unwrap().to_str().unwrap();
    let hexadecimal = |digest: patchbay_workflow::PluginDigest| {
        digest.to_string().trim_start_matches("sha256:").to_owned()
    };
    let other = path.with_file_name(name.replace(&hexadecimal(spin), &hexadecimal(polite)));
    std::fs::rename(&path, &other).unwrap();
    let fresh = open(host.directory.path(), [7; 32], &Setup::default());
    let load = fresh.load(&reference("polite", polite)).await;
    assert!(matches!(load, Err(LoadError::NotPrepared)));
}
