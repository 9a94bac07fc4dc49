//! A disk that can lose power: a redb backend around another one, which records what was written and what
//! was synced, can be told to fail, and gives the images that a crash might leave.

use std::io::{Error, ErrorKind};
use std::sync::Arc;

use parking_lot::Mutex;
use patchbay_ambient::{Entropy, SeededEntropy};
use redb::StorageBackend;
use redb::backends::InMemoryBackend;

/// What a disk writes whole, or not at all.
const SECTOR: usize = 512;

/// A handle; clones share the disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    backend: Box<dyn StorageBackend>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What survives any crash.
    synced: Vec<u8>,
    /// What came after, and survives by luck alone.
    unsynced: Vec<Change>,
    changes: u64,
    syncs: u64,
    fault: Option<Fault>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

/// A failure to come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// The number of the write, change of length or sync from which on all of them fail.
    pub(crate) from: u64,
    /// How.
    pub(crate) kind: ErrorKind,
}

impl Disk {
    /// Around `backend`, which is empty.
    pub(crate) fn around(backend: impl StorageBackend) -> Self {
        Self(Arc::new(Inner {
            backend: Box::new(backend),
            state: Mutex::default(),
        }))
    }

    /// A disk in memory that holds `image`, all of it synced.
    pub(crate) fn holding(image: Vec<u8>) -> Self {
        let backend = InMemoryBackend::new();
        backend.set_len(image.len() as u64).unwrap();
        backend.write(0, &image).unwrap();
        let disk = Self::around(backend);
        disk.0.state.lock().synced = image;
        disk
    }

    /// Fails from some call on.
    pub(crate) fn fail(&self, fault: Fault) {
        self.0.state.lock().fault = Some(fault);
    }

    /// How many writes, changes of length and syncs there were.
    pub(crate) fn changes(&self) -> u64 {
        self.0.state.lock().changes
    }

    /// How many syncs there were.
    pub(crate) fn syncs(&self) -> u64 {
        self.0.state.lock().syncs
    }

    /// What is left if everything that was not synced is lost.
    pub(crate) fn synced_image(&self) -> Vec<u8> {
        self.0.state.lock().synced.clone()
    }

    /// What may be left after a crash at this moment: of each write since the last sync nothing, all, or
    /// some of its sectors, in no particular order.
    pub(crate) fn crash_image(&self, chance: &SeededEntropy) -> Vec<u8> {
        let state = self.0.state.lock();
        let mut image = state.synced.clone();
        for change in &state.unsynced {
            match (chance.below(3), change) {
                (0, _) => {}
                (1, Change::Write(offset, data)) => {
                    for (n, sector) in data.chunks(SECTOR).enumerate() {
                        if chance.below(2) == 0 {
                            put(&mut image, *offset as usize + n * SECTOR, sector);
                        }
                    }
                }
                _ => change.apply(&mut image),
            }
        }
        image
    }

    /// Counts a call that changes something, and fails it if that is due.
    fn change(&self) -> Result<parking_lot::MutexGuard<'_, State>, Error> {
        let mut state = self.0.state.lock();
        state.changes += 1;
        match state.fault {
            Some(Fault { from, kind }) if state.changes >= from => Err(Error::from(kind)),
            _ => Ok(state),
        }
    }
}

impl Change {
    fn apply(&self, image: &mut Vec<u8>) {
        match self {
            Self::Write(offset, data) => put(image, *offset as usize, data),
            Self::SetLen(length) => image.resize(*length as usize, 0),
        }
    }
}

/// Writes, beyond the end too: the file system may have kept the write and lost the length.
fn put(image: &mut Vec<u8>, offset: usize, data: &[u8]) {
    let end = offset + data.len();
    if image.len() < end {
        image.resize(end, 0);
    }
    image[offset..end].copy_from_slice(data);
}

impl StorageBackend for Disk {
    fn len(&self) -> Result<u64, Error> {
        self.0.backend.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.0.backend.read(offset, out)
    }

    fn set_len(&self, length: u64) -> Result<(), Error> {
        let mut state = self.change()?;
        state.unsynced.push(Change::SetLen(length));
        self.0.backend.set_len(length)
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        let mut state = self.change()?;
        state.unsynced.push(Change::Write(offset, data.to_vec()));
        self.0.backend.write(offset, data)
    }

    fn sync_data(&self) -> Result<(), Error> {
        let mut state = self.change()?;
        self.0.backend.sync_data()?;
        state.syncs += 1;
        let State {
            synced, unsynced, ..
        } = &mut *state;
        for change in unsynced.drain(..) {
            change.apply(synced);
        }
        Ok(())
    }

    fn close(&self) -> Result<(), Error> {
        self.0.backend.close()
    }
}
