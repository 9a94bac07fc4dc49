//! One transaction against an ordered map: any reads and writes in any order, and what is left of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use patchbay_store::engine::{AtomicOp, KeyRange, RangeOptions, Read, Transaction};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use super::{Subject, snapshot};

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
    pub async fn run(
        &self,
        prefix: &[u8],
        tx: &mut dyn Transaction,
    ) -> Result<Seen, patchbay_store::engine::EngineError> {
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

pub async fn one_transaction_is_an_ordered_map(subject: Subject) {
    let mut runner = TestRunner::new(Config {
        cases: 512,
        failure_persistence: None,
        ..Config::default()
    });
    let stored = prop::collection::btree_map(name(), value(), 0..12);
    let ops = prop::collection::vec(op(), 0..24);
    let runtime = tokio::runtime::Handle::current();
    let outcome = tokio::task::block_in_place(|| {
        runner.run(&(stored, ops), |(stored, ops)| {
            runtime.block_on(compare(&subject, stored, &ops))
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

async fn compare(subject: &Subject, mut model: Model, ops: &[Op]) -> Result<(), TestCaseError> {
    let everything = subject.everything();
    subject
        .write(|tx| {
            tx.clear_range(&everything);
            for (name, value) in &model {
                tx.set(&subject.key(name), value);
            }
        })
        .await;
    let mut tx = subject.begin().await;
    for op in ops {
        let seen = op.run(&subject.prefix, &mut *tx).await.unwrap();
        prop_assert_eq!(seen, op.apply(&mut model), "{:?}", op);
    }
    tx.commit().await.unwrap();
    let mut tx = subject.begin().await;
    let rows = tx.get_range(&everything, snapshot()).await.unwrap();
    let rows: Model = rows
        .into_iter()
        .map(|row| named(&subject.prefix, row))
        .collect();
    prop_assert_eq!(rows, model);
    Ok(())
}
