//! The one thread that commits: it decides the order, writes a group at a time, and answers only for what
//! is durable.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use redb::{Database, Durability, ReadableTable, Table};

use super::Shared;
use super::file::{ROWS, STATE, VERSION};
use super::health::describe;
use super::queue::{Answer, Request, Room};
use super::snapshot::TableSnapshot;
use crate::engine::overlay::{Snapshot, Write, resolve};
use crate::engine::pending::Pending;
use crate::engine::window::{Verdict, Window};
use crate::engine::{Committed, EngineError, Versionstamp, limits};

/// How long a group waits for commits that are about to come, as a part of what making the last one durable
/// took, and at most. Those answered last tend to come back at once; without the wait they would miss the
/// group, and groups would alternate between half full and half full.
const LINGER_PART: u32 = 10;
const LINGER_MOST: Duration = Duration::from_millis(1);

pub(super) struct Sequencer {
    shared: Arc<Shared>,
    database: Database,
    window: Window,
    version: u64,
    /// How many may come to commit next: those answered last and those who waited meanwhile.
    expected: usize,
    /// How long making the last group durable took.
    took: Duration,
}

/// A transaction of the group that is being committed.
struct Member {
    pending: Pending,
    stamp: Versionstamp,
    answer: Answer,
    _room: Room,
}

/// Why a group could not be committed.
enum Failure {
    /// Before anything of it could have become durable.
    Before(redb::Error),
    /// While it was being made durable: it may be, or not.
    During(redb::Error),
}

type RowTable<'a> = Table<'a, &'static [u8], &'static [u8]>;

impl Sequencer {
    pub(super) fn new(
        shared: Arc<Shared>,
        database: Database,
        version: u64,
        window_bytes: usize,
    ) -> Self {
        Self {
            shared,
            database,
            window: Window::new(version, limits::TRANSACTION_AGE, window_bytes),
            version,
            expected: 0,
            took: Duration::ZERO,
        }
    }

    /// Commits until nobody can ask any more, or until the storage fails; then closes the file.
    pub(super) fn run(mut self) {
        // A panic below (redb's, on a damaged file) must not leave an engine that looks alive.
        let on_panic = PoisonOnPanic(Arc::clone(&self.shared));
        let shared = Arc::clone(&self.shared);
        while let Some(group) = shared.queue.take(self.expected, self.linger()) {
            // Set by a read that failed, or by the commit before.
            if let Err(error) = shared.health.check_poison() {
                shared.queue.close();
                for request in group {
                    let _ = request.answer.send(Err(error.clone()));
                }
            } else if self.commit(group).is_err() {
                shared.queue.close();
            }
        }
        *self.shared.newest.write() = None;
        if let Err(error) = self.database.close() {
            self.shared.health.poison(describe(&error.into()));
        }
        drop(on_panic);
    }

    fn linger(&self) -> Duration {
        (self.took / LINGER_PART).min(LINGER_MOST)
    }

    /// Commits what can be committed of a group and answers all of it. An error means that the engine is
    /// poisoned.
    fn commit(&mut self, group: Vec<Request>) -> Result<(), EngineError> {
        let began = self.shared.clock.monotonic();
        let version = self.version + 1;
        let mut members: Vec<Member> = Vec::with_capacity(group.len());
        let mut losers = Vec::new();
        let mut keys = Vec::new();
        let mut ranges = Vec::new();
        for request in group {
            match self
                .window
                .check(request.read_version, &request.pending.reads)
            {
                Verdict::Fine => {}
                Verdict::TooOld => {
                    self.shared.stats.lock().too_old += 1;
                    let _ = request.answer.send(Err(EngineError::TooOld));
                    continue;
                }
                Verdict::Conflict(at) => {
                    self.shared.stats.lock().conflicts += 1;
                    if at == version {
                        // Told now, it would read the same again and lose again: the winner cannot be
                        // read yet.
                        losers.push(request.answer);
                    } else {
                        let _ = request.answer.send(Err(EngineError::Conflict));
                    }
                    continue;
                }
            }
            // The group's size is bounded below the stamp's.
            let stamp = Versionstamp::new(version, members.len() as u16);
            let (first_key, first_range) = (keys.len(), ranges.len());
            request.pending.written(stamp, &mut keys, &mut ranges);
            self.window.add(
                version,
                keys[first_key..].iter().cloned(),
                ranges[first_range..].iter().cloned(),
            );
            members.push(Member {
                pending: request.pending,
                stamp,
                answer: request.answer,
                _room: request.room,
            });
        }
        if members.is_empty() {
            return Ok(());
        }

        if let Err(failure) = self.write(version, &members) {
            let (error, outcome) = match failure {
                Failure::Before(error) => (error, None),
                Failure::During(error) => (error, Some(EngineError::MaybeCommitted)),
            };
            let poisoned = self.shared.health.poison(describe(&error));
            let outcome = outcome.unwrap_or_else(|| poisoned.clone());
            for member in members {
                let _ = member.answer.send(Err(outcome.clone()));
            }
            for loser in losers {
                let _ = loser.send(Err(poisoned.clone()));
            }
            return Err(poisoned);
        }

        // Durable. From here on the group has happened, whatever else fails.
        self.version = version;
        let published = self.publish(version, members.len() as u64);
        self.took = self.shared.clock.monotonic().saturating_sub(began);
        self.expected = members.len() + losers.len() + self.shared.queue.len();
        for member in members {
            let _ = member.answer.send(Ok(Committed {
                version,
                versionstamp: Some(member.stamp),
            }));
        }
        for loser in losers {
            let _ = loser.send(Err(EngineError::Conflict));
        }
        let snapshot = published?;
        self.shared
            .watches
            .written(&keys, &ranges, |key| snapshot.get(key))
    }

    /// Lets new transactions read `version`.
    fn publish(&mut self, version: u64, commits: u64) -> Result<Arc<TableSnapshot>, EngineError> {
        let health = &self.shared.health;
        let snapshot = TableSnapshot::open(&self.database, version, health)
            .map_err(|error| health.poison(describe(&error)))?;
        let snapshot = Arc::new(snapshot);
        let before = self.shared.newest.write().replace(Arc::clone(&snapshot));
        self.window.readable(self.shared.clock.monotonic());
        let mut stats = self.shared.stats.lock();
        stats.version = version;
        stats.commits += commits;
        stats.groups += 1;
        drop(stats);
        // Outside the lock: it may give pages back.
        drop(before);
        Ok(snapshot)
    }

    /// Writes the members' wishes and makes them durable.
    fn write(&self, version: u64, members: &[Member]) -> Result<(), Failure> {
        let before = |error: redb::Error| Failure::Before(error);
        let mut write = self
            .database
            .begin_write()
            .map_err(|error| before(error.into()))?;
        write
            .set_durability(Durability::Immediate)
            .map_err(|error| before(error.into()))?;
        // Without it a crash is followed by a walk through the whole file.
        write.set_quick_repair(true);
        apply_all(&write, version, members).map_err(before)?;
        write
            .commit()
            .map_err(|error| Failure::During(error.into()))
    }
}

fn apply_all(
    write: &redb::WriteTransaction,
    version: u64,
    members: &[Member],
) -> Result<(), redb::Error> {
    let mut rows = write.open_table(ROWS)?;
    for member in members {
        apply(&mut rows, member)?;
    }
    write.open_table(STATE)?.insert(VERSION, version)?;
    Ok(())
}

fn apply(rows: &mut RowTable<'_>, member: &Member) -> Result<(), redb::StorageError> {
    let pending = &member.pending;
    for range in pending.overlay.cleared() {
        rows.retain_in(&range.begin[..]..&range.end[..], |_, _| false)?;
    }
    for (key, write) in pending.overlay.keys() {
        match write {
            Write::Set(value) => {
                rows.insert(&key[..], &value[..])?;
            }
            Write::Clear => {
                rows.remove(&key[..])?;
            }
            Write::Atomics(ops) => {
                let stored = rows
                    .get(&key[..])?
                    .map(|row| Bytes::copy_from_slice(row.value()));
                if let Some(value) = resolve(stored, ops) {
                    rows.insert(&key[..], &value[..])?;
                }
            }
        }
    }
    for row in &pending.stamped {
        rows.insert(&row.key(member.stamp)[..], &row.value[..])?;
    }
    Ok(())
}

/// Poisons the engine if the thread unwinds.
struct PoisonOnPanic(Arc<Shared>);

impl Drop for PoisonOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0
                .health
                .poison("the thread that commits has panicked".into());
            *self.0.newest.write() = None;
            // Those who still wait learn it from their answer being dropped.
            self.0.queue.close();
            while self.0.queue.take(0, Duration::ZERO).is_some() {}
        }
    }
}
