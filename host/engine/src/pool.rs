//! How much of one kind of work a process does at once, over all and per customer.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use patchbay_workflow::CustomerId;
use tokio::sync::Notify;

/// A bounded number of places. The caps hold per process: a cluster of n workers does n times as much.
#[derive(Debug, Clone)]
pub(crate) struct Pool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    places: usize,
    per_customer: usize,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Only customers with something under way.
    by_customer: HashMap<CustomerId, usize>,
}

/// A place; dropping it frees it.
#[derive(Debug)]
pub(crate) struct Place {
    pool: Pool,
    customer: CustomerId,
}

/// What is left.
#[derive(Debug)]
pub(crate) struct Room {
    /// Of places.
    pub(crate) places: usize,
    /// For each customer with something under way.
    pub(crate) by_customer: HashMap<CustomerId, usize>,
    /// For the others.
    pub(crate) per_customer: usize,
}

impl Pool {
    pub(crate) fn new(places: usize, per_customer: usize) -> Self {
        let (taken, freed) = (Mutex::new(Taken::default()), Notify::new());
        Self(Arc::new(Shared {
            places,
            per_customer,
            taken,
            freed,
        }))
    }

    /// What is left now. One task alone takes places by leases, so that what it sees does not shrink
    /// but for the few that [`Self::try_take`] takes.
    pub(crate) fn room(&self) -> Room {
        let taken = self.0.taken.lock();
        let left = |used: &usize| self.0.per_customer.saturating_sub(*used);
        Room {
            places: self.0.places.saturating_sub(taken.all),
            by_customer: taken
                .by_customer
                .iter()
                .map(|(c, used)| (c.clone(), left(used)))
                .collect(),
            per_customer: self.0.per_customer,
        }
    }

    /// Takes a place whether or not there is room: for work that is already leased.
    pub(crate) fn take(&self, customer: &CustomerId) -> Place {
        let mut taken = self.0.taken.lock();
        taken.all += 1;
        *taken.by_customer.entry(customer.clone()).or_default() += 1;
        Place {
            pool: self.clone(),
            customer: customer.clone(),
        }
    }

    /// Takes a place if there is room.
    pub(crate) fn try_take(&self, customer: &CustomerId) -> Option<Place> {
        let room = self.room();
        let own = room
            .by_customer
            .get(customer)
            .copied()
            .unwrap_or(room.per_customer);
        (room.places > 0 && own > 0).then(|| self.take(customer))
    }

    /// Ends when a place was freed since the last call.
    pub(crate) async fn freed(&self) {
        self.0.freed.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.pool.0.taken.lock();
        taken.all = taken.all.saturating_sub(1);
        if let Some(used) = taken.by_customer.get_mut(&self.customer) {
            *used = used.saturating_sub(1);
            if *used == 0 {
                taken.by_customer.remove(&self.customer);
            }
        }
        drop(taken);
        self.pool.0.freed.notify_one();
    }
}
