//! What was written lately, to check reads against.
//!
//! Knows versions, keys and ranges; nothing of storage, time sources or transactions' life.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;

use super::KeyRange;
use super::pending::ReadSet;

/// What remembering one key costs besides its bytes, roughly: an entry of the map and one of the set.
const ENTRY_BYTES: usize = 128;

/// What became of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing that was read has changed.
    Fine,
    /// Something was changed at this version.
    Conflict(u64),
    /// Writes after the read version have been forgotten.
    TooOld,
}

/// The writes of the last few seconds by version. A key's last version is found by hash; a range is looked
/// up in each group after the read version, of which there are few unless the transaction is old.
pub(super) struct Window {
    last_write: HashMap<Bytes, u64>,
    ranges: VecDeque<(u64, KeyRange)>,
    groups: VecDeque<Group>,
    /// All writes after this version are known.
    oldest: u64,
    bytes: usize,
    max_bytes: usize,
    max_age: Duration,
}

struct Group {
    version: u64,
    keys: BTreeSet<Bytes>,
    bytes: usize,
    /// When it could first be read, once that is so.
    readable_since: Option<Duration>,
}

impl Window {
    /// A window that knows nothing up to `version`, and forgets what has been readable for longer than
    /// `max_age` or what takes more than `max_bytes`.
    pub(super) fn new(version: u64, max_age: Duration, max_bytes: usize) -> Self {
        Self {
            last_write: HashMap::new(),
            ranges: VecDeque::new(),
            groups: VecDeque::new(),
            oldest: version,
            bytes: 0,
            max_bytes,
            max_age,
        }
    }

    /// Whether what was read at `read_version` still stands.
    pub(super) fn check(&self, read_version: u64, reads: &ReadSet) -> Verdict {
        if reads.is_empty() {
            return Verdict::Fine;
        }
        if read_version < self.oldest {
            return Verdict::TooOld;
        }
        let newer_ranges = || {
            self.ranges
                .iter()
                .rev()
                .take_while(|(version, _)| *version > read_version)
        };
        for key in &reads.keys {
            if let Some(version) = self.last_write.get(key).filter(|v| **v > read_version) {
                return Verdict::Conflict(*version);
            }
            if let Some((version, _)) =
                newer_ranges().find(|(_, range)| range.begin <= *key && *key < range.end)
            {
                return Verdict::Conflict(*version);
            }
        }
        for read in &reads.ranges {
            if let Some((version, _)) =
                newer_ranges().find(|(_, range)| range.begin < read.end && read.begin < range.end)
            {
                return Verdict::Conflict(*version);
            }
            let newer_groups = self.groups.iter().rev();
            for group in newer_groups.take_while(|group| group.version > read_version) {
                let mut inside = group.keys.range::<[u8], _>((
                    Bound::Included(&read.begin[..]),
                    Bound::Excluded(&read.end[..]),
                ));
                if inside.next().is_some() {
                    return Verdict::Conflict(group.version);
                }
            }
        }
        Verdict::Fine
    }

    /// Notes writes at `version`, which is not less than any noted before.
    pub(super) fn add(
        &mut self,
        version: u64,
        keys: impl IntoIterator<Item = Bytes>,
        ranges: impl IntoIterator<Item = KeyRange>,
    ) {
        if self
            .groups
            .back()
            .is_none_or(|group| group.version != version)
        {
            self.groups.push_back(Group {
                version,
                keys: BTreeSet::new(),
                bytes: 0,
                readable_since: None,
            });
        }
        let Some(group) = self.groups.back_mut() else {
            return;
        };
        let before = group.bytes;
        for key in keys {
            if group.keys.insert(key.clone()) {
                group.bytes += key.len() + ENTRY_BYTES;
                self.last_write.insert(key, version);
            }
        }
        for range in ranges {
            group.bytes += range.begin.len() + range.end.len() + ENTRY_BYTES;
            self.ranges.push_back((version, range));
        }
        self.bytes += group.bytes - before;
    }

    /// Everything noted can be read from `now` on. Forgets what no transaction that is still young enough
    /// can need, and what there is no room for.
    pub(super) fn readable(&mut self, now: Duration) {
        if let Some(group) = self.groups.back_mut() {
            group.readable_since.get_or_insert(now);
        }
        while let Some(group) = self.groups.front() {
            // Whoever began before it could be read is by now too old anyway.
            let aged = group
                .readable_since
                .is_some_and(|since| now.saturating_sub(since) > self.max_age);
            if !aged && self.bytes <= self.max_bytes {
                break;
            }
            let Some(group) = self.groups.pop_front() else {
                break;
            };
            self.oldest = group.version;
            self.bytes -= group.bytes;
            for key in group.keys {
                if self.last_write.get(&key) == Some(&group.version) {
                    self.last_write.remove(&key);
                }
            }
            while self
                .ranges
                .front()
                .is_some_and(|(version, _)| *version <= group.version)
            {
                self.ranges.pop_front();
            }
        }
    }
}
