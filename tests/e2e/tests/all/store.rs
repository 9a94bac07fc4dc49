//! A store that is not the service's own, or not whole, is not served; the refusal says what to do.

use std::path::Path;
use std::sync::Arc;

use patchbay_ambient::{OsEntropy, SharedClock, SystemClock};
use patchbay_e2e::{Host, Place, is_passed_over};
use patchbay_store::Database;
use patchbay_store::check::Progress;
use patchbay_store::copy::{CopyOptions, copy};
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use patchbay_workflow::Deadlines;

#[tokio::test]
async fn a_store_is_served_with_the_key_file_it_was_first_used_with_alone() {
    if is_passed_over("another key file") {
        return;
    }
    let mut host = Host::start().await;
    assert!(host.stop());
    let theirs = host.place().with_new_registry(&host.data());
    let refused = Host::refused_at(&theirs).await;
    let says = "the store belongs to an installation with another key file: start every process with the \
                key file of the first one";
    assert!(refused.contains(says), "{refused}");
    host.restart().await;
    assert!(host.stop());
}

/// Ends a copy as a crash does, once its first page is written.
struct Interrupts;

impl Progress for Interrupts {
    fn rows(&self, _: &str, _: u64) {
        panic!("interrupted");
    }
}

fn open(file: &Path) -> Database {
    let clock: SharedClock = Arc::new(SystemClock::new());
    let engine = EmbeddedEngine::open(file, EmbeddedOptions::new(clock.clone())).unwrap();
    let entropy = Arc::new(OsEntropy::new());
    Database::new(engine, clock, entropy, Deadlines::default())
}

#[tokio::test]
async fn the_target_of_an_interrupted_copy_is_not_served_until_it_is_complete() {
    if is_passed_over("an interrupted copy") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let from = folder.path().join("from.redb");
    let mut host = Host::start_at(Place::default()).await;
    assert!(host.stop());
    let own = host.data().join("store.redb");
    std::fs::rename(&own, &from).unwrap();
    let (source, target) = (open(&from), open(&own));
    let (reading, writing) = (source.clone(), target.clone());
    let options = CopyOptions {
        page_rows: 1,
        ..CopyOptions::default()
    };
    let copying =
        tokio::spawn(async move { copy(&reading, &writing, options, &Interrupts).await.is_ok() });
    assert!(copying.await.unwrap_err().is_panic());
    for store in [source, target] {
        store.engine().close().await;
    }

    let refused = host.restart_refused().await;
    let says = "the store is the target of a copy that is not complete: run the same `patchbay store copy` \
                again";
    assert!(refused.contains(says), "{refused}");
    let named = |file: &Path| format!("embedded:{}", file.display());
    let (from, to) = (named(&from), named(&own));
    host.command(&["store", "copy", "--from", &from, "--to", &to])
        .unwrap();
    host.restart().await;
    assert!(host.stop());
}
