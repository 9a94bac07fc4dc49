//! One transaction against an ordered map: any reads and writes in any order, and what is left of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use patchbay_store::engine::{AtomicOp, EngineError, KeyRange, RangeOptions, Read, Transaction};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::{Outcome, Subject};

/// What a transaction may do. Keys are without the test's prefix.
#[derive(Debug, Clone)]
pub enum Op {
    Get(Vec<u8>, Read),
    GetRange(Vec<u8>, Vec<u8>, usize, bool, Read),
    Set(Vec<u8>, Vec<u8>),
    Clear(Vec<u8>),
    ClearRange(Vec<u8>, Vec<u8>),
    Atomic(Vec<u8>, AtomicOp, Vec<u8>),
}

/// What a read gave: one value under no key, or rows.
pub type Seen = Vec<(Vec<u8>, Vec<u8>)>;

/// The rows there are.
pub type Model = BTreeMap<Vec<u8>, Vec<u8>>;

impl Op {
    /// Does it in a transaction.
    pub async fn run(&self, prefix: &[u8], tx: &mut dyn Transaction) -> Result<Seen, EngineError> {
        let key = |name: &[u8]| [prefix, name].concat();
        let range = |begin: &[u8], end: &[u8]| KeyRange::new(key(begin), key(end));
        let mut seen = Seen::new();
        match self {
            Self::Get(name, read) => {
                let value = tx.get(&key(name), *read).await?;
                seen.extend(value.map(|value| (Vec::new(), value.to_vec())));
            }
            Self::GetRange(begin, end, limit, reverse, read) => {
                let options = RangeOptions {
                    limit: *limit,
                    reverse: *reverse,
                    read: *read,
                };
                let rows = tx.get_range(&range(begin, end), options).await?;
                seen.extend(rows.into_iter().map(|row| named(prefix, row)));
            }
            Self::Set(name, value) => tx.set(&key(name), value),
            Self::Clear(name) => tx.clear(&key(name)),
            Self::ClearRange(begin, end) => tx.clear_range(&range(begin, end)),
            Self::Atomic(name, op, operand) => tx.atomic(&key(name), *op, operand),
        }
        Ok(seen)
    }

    /// Does it to a map.
    pub fn apply(&self, model: &mut Model) -> Seen {
        let mut seen = Seen::new();
        match self {
            Self::Get(name, _) => {
                seen.extend(model.get(name).map(|value| (Vec::new(), value.clone())));
            }
            Self::GetRange(begin, end, limit, reverse, _) => {
                let mut rows: Seen = model
                    .iter()
                    .filter(|(name, _)| (begin..end).contains(name))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                if *reverse {
                    rows.reverse();
                }
                rows.truncate(*limit);
                seen = rows;
            }
            Self::Set(name, value) => {
                model.insert(name.clone(), value.clone());
            }
            Self::Clear(name) => {
                model.remove(name);
            }
            Self::ClearRange(begin, end) => {
                model.retain(|name, _| !(begin..end).contains(&name));
            }
            Self::Atomic(name, op, operand) => {
                let existing = model.get(name).map_or(&[][..], Vec::as_slice);
                let result = arithmetic(*op, existing, operand);
                model.insert(name.clone(), result);
            }
        }
        seen
    }

    /// Whether it takes part in conflict detection.
    pub fn is_serializable_read(&self) -> bool {
        matches!(
            self,
            Self::Get(_, Read::Serializable) | Self::GetRange(.., Read::Serializable)
        )
    }
}

/// The two operations on numbers of up to eight bytes, by arithmetic rather than byte by byte.
fn arithmetic(op: AtomicOp, existing: &[u8], operand: &[u8]) -> Vec<u8> {
    if existing.is_empty() {
        return operand.to_vec();
    }
    let number = |bytes: &[u8]| {
        let mut padded = [0; 8];
        let length = bytes.len().min(operand.len());
        padded[..length].copy_from_slice(&bytes[..length]);
        u64::from_le_bytes(padded)
    };
    let (a, b) = (number(existing), number(operand));
    let result = match op {
        AtomicOp::Add => a.wrapping_add(b),
        AtomicOp::Max => a.max(b),
    };
    result.to_le_bytes()[..operand.len()].to_vec()
}

fn named(prefix: &[u8], (key, value): (Bytes, Bytes)) -> (Vec<u8>, Vec<u8>) {
    (key[prefix.len()..].to_vec(), value.to_vec())
}

/// Few names, so that operations meet; some that are prefixes of others.
fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (b'a'..b'h').prop_map(|byte| vec![byte]),
        (b'a'..b'h', 0..3u8).prop_map(|(byte, tail)| vec![byte, tail]),
    ]
}

fn bounds() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
    (name(), name()).prop_map(|(a, b)| if a <= b { (a, b) } else { (b, a) })
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(0u8), Just(255), any::<u8>()], 0..5)
}

fn read() -> impl Strategy<Value = Read> {
    prop_oneof![Just(Read::Serializable), Just(Read::Snapshot)]
}

/// One operation.
pub fn op() -> impl Strategy<Value = Op> {
    let atomic = prop_oneof![Just(AtomicOp::Add), Just(AtomicOp::Max)];
    prop_oneof![
        3 => (name(), read()).prop_map(|(name, read)| Op::Get(name, read)),
        4 => (bounds(), 0..8usize, any::<bool>(), read())
            .prop_map(|((b, e), limit, reverse, read)| Op::GetRange(b, e, limit, reverse, read)),
        4 => (name(), value()).prop_map(|(name, value)| Op::Set(name, value)),
        2 => name().prop_map(Op::Clear),
        2 => bounds().prop_map(|(begin, end)| Op::ClearRange(begin, end)),
        4 => (name(), atomic, value()).prop_map(|(name, op, value)| Op::Atomic(name, op, value)),
    ]
}

pub async fn one_transaction_is_an_ordered_map(subject: &Subject) -> Outcome {
    compare_many(subject, TestRunner::deterministic(), 512).await;
    Ok(())
}

/// Makes that many transactions and compares each with the map; a failure is first made as small as
/// possible.
pub async fn compare_many(subject: &Subject, mut runner: TestRunner, transactions: u32) {
    let stored = prop::collection::btree_map(name(), value(), 0..12);
    let ops = prop::collection::vec(op(), 0..24);
    let strategy = (stored, ops);
    for _ in 0..transactions {
        let mut tree = strategy.new_tree(&mut runner).unwrap();
        let Err(mut failure) = compare(subject, tree.current()).await else {
            continue;
        };
        let mut smallest = tree.current();
        let mut more = tree.simplify();
        while more {
            match compare(subject, tree.current()).await {
                Err(smaller) => {
                    failure = smaller;
                    smallest = tree.current();
                    more = tree.simplify();
                }
                Ok(()) => more = tree.complicate(),
            }
        }
        panic!("{failure}\nstored and done: {smallest:?}");
    }
}

/// Runs the transaction until it is known whether it has committed.
async fn compare(subject: &Subject, (before, ops): (Model, Vec<Op>)) -> Result<(), String> {
    let everything = subject.everything();
    subject
        .write(|tx| {
            tx.clear_range(&everything);
            for (name, value) in &before {
                tx.set(&subject.key(name), value);
            }
        })
        .await;
    for _ in 0..1000 {
        let mut after = before.clone();
        let outcome = attempt(subject, &ops, &mut after).await?;
        let rows = subject.stored_rows(&everything).await;
        let rows: Model = rows
            .into_iter()
            .map(|row| named(&subject.prefix, row))
            .collect();
        let is_expected = match outcome {
            Ok(()) => rows == after,
            Err(EngineError::MaybeCommitted) => rows == after || rows == before,
            Err(_) => rows == before,
        };
        if !is_expected {
            return Err(format!("after {outcome:?}: {rows:?} instead of {after:?}"));
        }
        match outcome {
            Ok(()) | Err(EngineError::MaybeCommitted) => return Ok(()),
            Err(error) if !error.is_retryable() => return Err(error.to_string()),
            Err(_) => {}
        }
    }
    Err("the engine asks to run it again for ever".to_owned())
}

/// Runs it once; tells of a read that gave something else than the map, and how the commit ended.
async fn attempt(
    subject: &Subject,
    ops: &[Op],
    model: &mut Model,
) -> Result<Result<(), EngineError>, String> {
    let mut tx = match subject.begin().await {
        Ok(tx) => tx,
        Err(error) => return Ok(Err(error)),
    };
    for op in ops {
        let seen = match op.run(&subject.prefix, &mut *tx).await {
            Ok(seen) => seen,
            Err(error) => return Ok(Err(error)),
        };
        let expected = op.apply(model);
        if seen != expected {
            return Err(format!("{op:?}: {seen:?} instead of {expected:?}"));
        }
    }
    Ok(tx.commit().await.map(drop))
}
