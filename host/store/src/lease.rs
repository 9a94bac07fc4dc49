//! Leasing: which items a worker gets next.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use patchbay_workflow::{Actor, Command, CustomerId, LeaseToken, Timestamp, Workflow, WorkflowId};
use uuid::Uuid;

use crate::codec;
use crate::database::{Operation, StoreError, Tx};
use crate::engine::{KeyRange, RangeOptions, Read, Watch};
use crate::keys::{self, QueueKind, SHARDS};
use crate::queue::{self, Held, Lease};
use crate::records::{OutboxEvent, QueueItem};
use crate::transition::{self, Cause};

/// Leases up to `max` due items, a few from each customer in turn.
///
/// The customers at the head of each shard are looked at, in an order that `turn` rotates, and items
/// are dealt one per customer and round: a customer with a long backlog takes no more of a batch than
/// one with a short one, as long as both have something due. Only the items chosen are read
/// serialisably.
#[derive(Debug)]
pub struct LeaseBatch<'a> {
    /// From which queue.
    pub kind: QueueKind,
    /// The time.
    pub now: Timestamp,
    /// For how long.
    pub length: Duration,
    /// The most items.
    pub max: usize,
    /// How many more items each customer may have under way in this process; those not named may
    /// have `default_room`.
    pub room: &'a HashMap<CustomerId, usize>,
    /// See `room`.
    pub default_room: usize,
    /// Rotates the order of shards and customers; a random number does.
    pub turn: u64,
    /// A fencing token per item.
    pub tokens: &'a [LeaseToken],
    /// Where the former batch stopped looking.
    pub after: &'a Cursor,
    /// Empty at first.
    pub taken: Taken,
}

/// What the last attempt at a batch took: if nobody knows whether it was committed, the next one looks.
/// Otherwise nobody would work on it until the leases end.
#[derive(Debug, Default)]
pub struct Taken(Mutex<Vec<Lease>>);

/// The most pointers looked at per shard and batch.
const POINTERS: usize = 64;

/// Where a batch stopped looking in each shard, and the next one goes on: so every due zone has its turn,
/// however many there are before it.
#[derive(Debug, Clone, Default)]
pub struct Cursor([Option<Bytes>; SHARDS as usize]);

/// What a batch found.
#[derive(Debug, Default)]
pub struct Batch {
    /// What was leased.
    pub leases: Vec<Lease>,
    /// Customers whose pointer is due though nothing of theirs is: see [`crate::queue::Tend`].
    pub idle_zones: Vec<CustomerId>,
    /// The earliest time at which a pointer seen is due; none if there is none.
    pub next_due: Option<Timestamp>,
    /// More was due than was taken.
    pub more: bool,
    /// Where the next batch goes on looking.
    pub after: Cursor,
}

#[async_trait]
impl Operation for LeaseBatch<'_> {
    type Output = Batch;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Batch, StoreError> {
        if tx.maybe_committed() {
            let taken = self.taken.0.lock().clone();
            let mut leases = Vec::with_capacity(taken.len());
            for lease in taken {
                if queue::held(tx, &lease).await? == Held::Yes {
                    leases.push(lease);
                }
            }
            if !leases.is_empty() {
                return Ok(Batch {
                    leases,
                    more: true,
                    ..Batch::default()
                });
            }
        }
        let mut batch = Batch::default();
        let mut zones = self.due_zones(tx, &mut batch).await?;
        let until = self.now.after(self.length);
        let most = self.max.min(self.tokens.len());
        while let Some((customer, mut items)) = zones.pop_front() {
            let Some((vested, id)) = items.pop_front() else {
                continue;
            };
            if batch.leases.len() >= most {
                batch.more = true;
                break;
            }
            let token = self.tokens[batch.leases.len()];
            match self.take(tx, &customer, id, (vested, until), token).await {
                Ok(lease) => batch.leases.extend(lease),
                // It stays where it is, and holds nobody else up. `take` writes nothing before it has read all.
                Err(StoreError::Corrupt(what)) => {
                    tracing::error!(%customer, %id, what, "cannot be read, and is passed over");
                }
                Err(error) => return Err(error),
            }
            zones.push_back((customer, items));
        }
        self.taken.0.lock().clone_from(&batch.leases);
        Ok(batch)
    }
}

type Zone = (CustomerId, VecDeque<(Timestamp, Uuid)>);

impl LeaseBatch<'_> {
    /// The due items at the head of each due zone, by snapshot reads.
    async fn due_zones(
        &self,
        tx: &mut Tx<'_>,
        batch: &mut Batch,
    ) -> Result<VecDeque<Zone>, StoreError> {
        let mut zones = VecDeque::new();
        let first = u16::try_from(self.turn % u64::from(SHARDS)).unwrap_or(0);
        for shard in (0..SHARDS).map(|offset| (first + offset) % SHARDS) {
            for (tick, customer) in self.pointers(tx, shard, batch).await? {
                if tick > self.now {
                    batch.next_due = Some(batch.next_due.map_or(tick, |due| due.min(tick)));
                    continue;
                }
                let room = self
                    .room
                    .get(&customer)
                    .copied()
                    .unwrap_or(self.default_room);
                if room == 0 {
                    continue;
                }
                let due = keys::zone_due(self.kind, &customer, self.now);
                let limit = room.min(self.max);
                let options = RangeOptions {
                    limit,
                    reverse: false,
                    read: Read::Snapshot,
                };
                let rows = tx.get_range(&due, options).await?;
                if rows.is_empty() {
                    batch.idle_zones.push(customer);
                } else {
                    batch.more |= rows.len() == limit && limit == self.max;
                    let items = rows.iter().filter_map(|(key, _)| keys::parse_item(key));
                    zones.push_back((customer, items.collect()));
                }
            }
        }
        if !zones.is_empty() {
            let by = usize::try_from(self.turn).unwrap_or(0) % zones.len();
            zones.rotate_left(by);
        }
        Ok(zones)
    }

    /// The pointers of a shard that are looked at this time: from where the former batch stopped, and then from
    /// the head. The first one that is not due is the last.
    async fn pointers(
        &self,
        tx: &mut Tx<'_>,
        shard: u16,
        batch: &mut Batch,
    ) -> Result<Vec<(Timestamp, CustomerId)>, StoreError> {
        let all = keys::pointers(self.kind, shard);
        let after = &self.after.0[usize::from(shard)];
        let parts = match after {
            Some(after) => vec![
                KeyRange::new(KeyRange::key(after).end, all.end.clone()),
                KeyRange::new(all.begin, KeyRange::key(after).end),
            ],
            None => vec![all],
        };
        let mut pointers = Vec::new();
        for part in parts {
            let limit = POINTERS - pointers.len();
            let options = RangeOptions {
                limit,
                reverse: false,
                read: Read::Snapshot,
            };
            let rows = tx.get_range(&part, options).await?;
            let mut ended = rows.len() < limit;
            let mut last = None;
            for (key, _) in rows {
                let Some((tick, customer)) = keys::parse_pointer(&key) else {
                    continue;
                };
                pointers.push((tick, customer));
                last = Some(key);
                if tick > self.now {
                    ended = true;
                    break;
                }
            }
            if !ended {
                batch.more = true;
                batch.after.0[usize::from(shard)] = last;
                break;
            }
        }
        Ok(pointers)
    }

    /// Leases one item, unless it is gone or its workflow does not want it any more.
    async fn take(
        &self,
        tx: &mut Tx<'_>,
        customer: &CustomerId,
        id: Uuid,
        (vested, until): (Timestamp, Timestamp),
        token: LeaseToken,
    ) -> Result<Option<Lease>, StoreError> {
        let key = keys::item(self.kind, customer, vested, id);
        let Some(item) = tx.record::<QueueItem>(&key, Read::Serializable).await? else {
            return Ok(None);
        };
        let item = QueueItem {
            lease: Some(token),
            ..item
        };
        if self.kind == QueueKind::Work {
            let workflow = WorkflowId::from_uuid(id);
            let stored = transition::load(tx, workflow, Read::Serializable).await?;
            let cause = Cause::new(self.now, Actor::Worker, "leased");
            let leased = match stored {
                Some(mut stored) => {
                    stored.queued = Some(until);
                    match transition::apply(tx, &mut stored, Command::Lease(token), cause) {
                        Ok(()) => true,
                        Err(StoreError::Illegal(_)) => false,
                        Err(error) => return Err(error),
                    }
                }
                None => false,
            };
            if !leased {
                tx.clear(&key);
                queue::note(tx, self.kind, id, None).await?;
                return Ok(None);
            }
        } else {
            queue::note(tx, self.kind, id, Some(until)).await?;
        }
        queue::reschedule(tx, self.kind, customer, id, (vested, until), &item).await?;
        Ok(Some(Lease {
            kind: self.kind,
            customer: customer.clone(),
            id,
            until,
            token,
            item,
        }))
    }
}

/// Watches for new work in every shard; each watch ends when something was put at the head of one.
#[derive(Debug)]
pub struct WatchQueue(pub QueueKind);

#[async_trait]
impl Operation for WatchQueue {
    type Output = Vec<Watch>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Vec<Watch>, StoreError> {
        let mut watches = Vec::with_capacity(usize::from(SHARDS));
        for shard in 0..SHARDS {
            watches.push(tx.watch(&keys::wake(self.0, shard)).await?);
        }
        Ok(watches)
    }
}

/// What a worker needs to process a leased workflow.
#[derive(Debug)]
pub struct LoadWork<'a>(pub &'a Lease);

#[async_trait]
impl Operation for LoadWork<'_> {
    type Output = Option<(Workflow, patchbay_vault::Sealed)>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        let id = self.0.item.workflow;
        let stored = transition::load(tx, id, Read::Snapshot).await?;
        let request = codec::get_chunks(tx, &keys::request(id), Read::Snapshot).await?;
        Ok(stored.zip(request).map(|(stored, request)| {
            (
                stored.workflow,
                patchbay_vault::Sealed::from_stored(request.to_vec()),
            )
        }))
    }
}

/// What a delivery worker needs: the event and its message.
#[derive(Debug)]
pub struct LoadEvent<'a>(pub &'a Lease);

#[async_trait]
impl Operation for LoadEvent<'_> {
    type Output = Option<(OutboxEvent, patchbay_vault::Sealed)>;

    async fn run(&self, tx: &mut Tx<'_>) -> Result<Self::Output, StoreError> {
        let id = patchbay_workflow::EventId::from_uuid(self.0.id);
        let event = tx
            .record::<OutboxEvent>(&keys::outbox(id), Read::Snapshot)
            .await?;
        let message = codec::get_chunks(tx, &keys::message(id), Read::Snapshot).await?;
        Ok(event
            .zip(message)
            .map(|(event, message)| (event, patchbay_vault::Sealed::from_stored(message.to_vec()))))
    }
}
