//! What the embedded engine promises of the disk: nothing is acknowledged before it is durable, nothing
//! acknowledged is lost, and after an error of the disk nothing is trusted.

mod disk;

use std::io::ErrorKind;
use std::sync::Arc;

use bytes::Bytes;
use patchbay_ambient::{Entropy, ManualClock, SeededEntropy, SystemClock};
use patchbay_store::engine::embedded::{EmbeddedEngine, EmbeddedOptions};
use patchbay_store::engine::{Committed, Engine, EngineError, KeyRange, RangeOptions, Read};
use patchbay_workflow::Timestamp;
use redb::backends::FileBackend;
use tokio::task::JoinSet;

use disk::{Disk, Fault};

fn options() -> EmbeddedOptions {
    let clock = ManualClock::at(Timestamp::from_millis(1));
    EmbeddedOptions {
        // Little, so that pages go to the disk before their commit.
        cache_bytes: 1 << 20,
        ..EmbeddedOptions::new(Arc::new(clock))
    }
}

fn open(disk: &Disk) -> Result<Arc<EmbeddedEngine>, EngineError> {
    EmbeddedEngine::open_with_backend(disk.clone(), options())
}

/// Commits number `n`: a row of its own under its versionstamp, a shared counter, and some bulk that is
/// replaced again and again, so that pages are freed and used anew.
async fn commit(engine: &EmbeddedEngine, n: u32) -> Result<Committed, EngineError> {
    let mut tx = engine.begin().await?;
    tx.set_versionstamped(b"log/", b"", &n.to_be_bytes());
    tx.set(format!("bulk/{}", n % 7).as_bytes(), &vec![n as u8; 3000]);
    if n.is_multiple_of(5) {
        tx.clear_range(&KeyRange::prefix(b"bulk/"));
    }
    tx.commit().await
}

/// The numbers in the order in which they were committed, with their versions.
async fn committed(engine: &EmbeddedEngine) -> Vec<(u64, u32)> {
    let mut tx = engine.begin().await.unwrap();
    let all = RangeOptions {
        limit: usize::MAX,
        reverse: false,
        read: Read::Snapshot,
    };
    let rows = tx.get_range(&KeyRange::prefix(b"log/"), all).await.unwrap();
    let number = |(key, value): (Bytes, Bytes)| {
        let version = key[4..12].try_into().unwrap();
        let n = value[..].try_into().unwrap();
        (u64::from_be_bytes(version), u32::from_be_bytes(n))
    };
    rows.into_iter().map(number).collect()
}

async fn committed_in(image: Vec<u8>) -> Vec<(u64, u32)> {
    let engine = open(&Disk::holding(image)).unwrap();
    assert!(!engine.stats().repaired, "it took reading the whole file");
    let found = committed(&engine).await;
    engine.close().await;
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_acknowledged_before_it_is_synced() {
    let file = tempfile::tempfile().unwrap();
    let disk = Disk::around(FileBackend::new(file).unwrap());
    let engine = open(&disk).unwrap();

    let mut writers = JoinSet::new();
    for writer in 0..4u32 {
        let (engine, disk) = (Arc::clone(&engine), disk.clone());
        writers.spawn(async move {
            for n in 0..12 {
                let n = writer * 100 + n;
                let version = commit(&engine, n).await.unwrap().version;
                let found = committed_in(disk.synced_image()).await;
                assert!(found.contains(&(version, n)), "{n} was not durable");
            }
        });
    }
    writers.join_all().await;

    // A read is of durable data only, too.
    let reading = tokio::spawn({
        let (engine, disk) = (Arc::clone(&engine), disk.clone());
        async move {
            loop {
                let seen = committed(&engine).await;
                let durable = committed_in(disk.synced_image()).await;
                assert!(durable.starts_with(&seen));
                if seen.last().is_some_and(|(_, n)| *n == 1019) {
                    break;
                }
            }
        }
    });
    for n in 1000..1020 {
        commit(&engine, n).await.unwrap();
    }
    reading.await.unwrap();
    engine.close().await;
}

#[tokio::test]
async fn a_crash_leaves_a_prefix_with_all_that_was_acknowledged() {
    let chance = SeededEntropy::new(7);
    let mut crashes_in_a_group = 0;
    for round in 0..60 {
        let mut image = Vec::new();
        let mut acknowledged: Vec<(u64, u32)> = Vec::new();
        let mut n = 0;
        // The same store is torn down three times, so that what recovery leaves is crashed too.
        for _ in 0..3 {
            let disk = Disk::holding(image);
            let stop = disk.changes() + 20 + chance.below(120);
            disk.fail(Fault {
                from: stop,
                kind: ErrorKind::Other,
            });
            let mut unknown = None;
            if let Ok(engine) = open(&disk) {
                loop {
                    n += 1;
                    match commit(&engine, n).await {
                        Ok(done) => acknowledged.push((done.version, n)),
                        Err(error) => {
                            unknown = (error == EngineError::MaybeCommitted).then_some(n);
                            break;
                        }
                    }
                }
                engine.close().await;
            }
            image = disk.crash_image(&chance);
            let found = committed_in(image.clone()).await;
            let known = acknowledged.len();
            assert_eq!(
                found[..known.min(found.len())],
                acknowledged,
                "round {round}"
            );
            if let [(version, extra)] = found[known..] {
                assert_eq!(Some(extra), unknown, "round {round}");
                acknowledged.push((version, extra));
                crashes_in_a_group += 1;
            } else {
                assert_eq!(found.len(), known, "round {round}");
            }
        }
        let versions: Vec<_> = acknowledged.iter().map(|(version, _)| version).collect();
        assert!(
            versions.is_sorted_by(|a, b| a < b),
            "no version comes twice"
        );
    }
    assert!(crashes_in_a_group > 0, "some crash came late in a commit");
}

#[tokio::test]
async fn any_error_of_the_disk_poisons() {
    let whole = Disk::holding(Vec::new());
    let engine = open(&whole).unwrap();
    let opened = whole.changes();
    for n in 0..6 {
        commit(&engine, n).await.unwrap();
    }
    let last = whole.changes();
    engine.close().await;

    for from in opened + 1..=last {
        let disk = Disk::holding(Vec::new());
        let engine = open(&disk).unwrap();
        let mut watching = engine.begin().await.unwrap();
        let watch = watching.watch(b"k").await.unwrap();
        watching.commit().await.unwrap();
        let mut reader = engine.begin().await.unwrap();
        disk.fail(Fault {
            from,
            kind: ErrorKind::StorageFull,
        });
        let mut acknowledged = Vec::new();
        let error = loop {
            let n = acknowledged.len() as u32;
            match commit(&engine, n).await {
                Ok(done) => acknowledged.push((done.version, n)),
                Err(error) => break error,
            }
        };

        let poisoned = engine.begin().await.err().unwrap();
        assert!(matches!(&poisoned, EngineError::Poisoned(why) if why.contains("disk is full")));
        assert!(error == EngineError::MaybeCommitted || error == poisoned);
        assert_eq!(commit(&engine, 99).await, Err(poisoned.clone()));
        let read = reader.get(b"k", Read::Snapshot).await;
        assert_eq!(read, Err(poisoned.clone()));
        assert_eq!(watch.await, Err(poisoned));
        engine.close().await;

        let found = committed_in(disk.synced_image()).await;
        assert_eq!(found[..acknowledged.len()], acknowledged);
        let more = u32::from(error == EngineError::MaybeCommitted) as usize;
        assert!(found.len() <= acknowledged.len() + more);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_that_wait_together_share_their_syncs() {
    let disk = Disk::holding(Vec::new());
    let engine = open(&disk).unwrap();
    let before = disk.syncs();
    let mut writers = JoinSet::new();
    for n in 0..400 {
        let engine = Arc::clone(&engine);
        writers.spawn(async move { commit(&engine, n).await.unwrap() });
    }
    writers.join_all().await;
    let stats = engine.stats();
    assert_eq!(stats.commits, 400);
    assert!(stats.groups < 200, "{stats:?}");
    // Two phases each, and one more where the file grows.
    assert!(disk.syncs() - before <= 4 * stats.groups, "{stats:?}");
    engine.close().await;
}

#[tokio::test]
async fn a_file_is_private_locked_and_goes_on_where_it_ended() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let options = || EmbeddedOptions::new(Arc::new(SystemClock::new()));
    let engine = EmbeddedEngine::open(&path, options()).unwrap();
    let first = commit(&engine, 1).await.unwrap();
    // It was made elsewhere, so that no crash leaves half of one, and nothing is left there.
    let names = std::fs::read_dir(directory.path()).unwrap();
    assert_eq!(names.count(), 1);

    let error = EmbeddedEngine::open(&path, options()).unwrap_err();
    assert!(matches!(&error, EngineError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("in use by another process"));
    assert!(error.to_string().contains(path.to_str().unwrap()));
    engine.close().await;

    let engine = EmbeddedEngine::open(&path, options()).unwrap();
    assert_eq!(committed(&engine).await, [(first.version, 1)]);
    assert!(commit(&engine, 2).await.unwrap().version > first.version);
    engine.close().await;

    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    std::fs::write(&path, b"this was never a store").unwrap();
    let error = EmbeddedEngine::open(&path, options()).unwrap_err();
    assert!(matches!(error, EngineError::Poisoned(_)), "{error}");
}
