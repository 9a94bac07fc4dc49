//! The rows, as they were at each version somebody may still read.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::engine::overlay::{self, Snapshot, Write, resolve};
use crate::engine::pending::Pending;
use crate::engine::{EngineError, KeyRange, Versionstamp};

/// All rows with their past.
#[derive(Default)]
pub(super) struct Rows {
    /// What each key held since which version, oldest first.
    by_key: BTreeMap<Bytes, Vec<(u64, Option<Bytes>)>>,
    /// What was written when, to find what can be forgotten.
    written: VecDeque<(u64, Bytes)>,
}

impl Rows {
    /// The rows at one version.
    pub(super) fn at(&self, version: u64) -> At<'_> {
        At {
            rows: self,
            version,
        }
    }

    /// Does what a transaction wishes, at its commit's version.
    pub(super) fn apply(&mut self, pending: &Pending, stamp: Versionstamp, version: u64) {
        for range in pending.overlay.cleared() {
            let inside = self.by_key.range::<[u8], _>(range.bounds());
            let doomed: Vec<Bytes> = inside.map(|(key, _)| key.clone()).collect();
            for key in doomed {
                self.put(&key, version, None);
            }
        }
        for (key, write) in pending.overlay.keys() {
            let value = match write {
                Write::Set(value) => Some(value.clone()),
                Write::Clear => None,
                Write::Atomics(ops) => resolve(self.newest(key), ops),
            };
            self.put(key, version, value);
        }
        for row in &pending.stamped {
            self.put(&row.key(stamp), version, Some(row.value.clone()));
        }
    }

    /// What a key holds now.
    pub(super) fn newest(&self, key: &[u8]) -> Option<Bytes> {
        let (_, value) = self.by_key.get(key)?.last()?;
        value.clone()
    }

    /// Forgets what can be read only before `version`.
    pub(super) fn forget(&mut self, version: u64) {
        while self.written.front().is_some_and(|(at, _)| *at <= version) {
            let Some((_, key)) = self.written.pop_front() else {
                return;
            };
            let Some(past) = self.by_key.get_mut(&key) else {
                continue;
            };
            let known = past.partition_point(|(at, _)| *at <= version);
            past.drain(..known.saturating_sub(1));
            if matches!(&past[..], [(at, None)] if *at <= version) {
                self.by_key.remove(&key);
            }
        }
    }

    fn put(&mut self, key: &Bytes, version: u64, value: Option<Bytes>) {
        let past = self.by_key.entry(key.clone()).or_default();
        match past.last_mut() {
            Some((at, last)) if *at == version => *last = value,
            _ => past.push((version, value)),
        }
        self.written.push_back((version, key.clone()));
    }
}

/// The rows at one version.
pub(super) struct At<'r> {
    rows: &'r Rows,
    version: u64,
}

impl At<'_> {
    fn value(&self, past: &[(u64, Option<Bytes>)]) -> Option<Bytes> {
        let known = past.partition_point(|(at, _)| *at <= self.version);
        let (_, value) = past.get(known.checked_sub(1)?)?;
        value.clone()
    }
}

impl Snapshot for At<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let past = self.rows.by_key.get(key);
        Ok(past.and_then(|past| self.value(past)))
    }

    fn rows(&self, range: &KeyRange, reverse: bool) -> Result<overlay::Rows<'_>, EngineError> {
        if range.is_empty() {
            return Ok(Box::new(std::iter::empty()));
        }
        let mut found = self.rows.by_key.range::<[u8], _>(range.bounds());
        Ok(Box::new(std::iter::from_fn(move || {
            loop {
                let (key, past) = if reverse {
                    found.next_back()
                } else {
                    found.next()
                }?;
                if let Some(value) = self.value(past) {
                    return Some(Ok((key.clone(), value)));
                }
            }
        })))
    }
}
