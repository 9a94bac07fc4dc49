//! The worker's loops: lease what is due, start it, wait for more.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, FutureExt as _};
use patchbay_store::StoreError;
use patchbay_store::engine::Watch;
use patchbay_store::keys::QueueKind;
use patchbay_store::lease::{Batch, Cursor, LeaseBatch, Taken, WatchQueue};
use patchbay_store::queue::{Lease, Tend};
use patchbay_workflow::{LeaseToken, Timestamp};

use crate::pool::{Place, Pool, Room};
use crate::service::Service;

/// The longest wait without looking, whatever the watches say.
const LOOK_AT_LEAST: Duration = Duration::from_secs(30);
/// So many looks at once that find nothing to take, though there is more to look at: it is all of customers
/// who have their share under way, and one of those has to end first.
const MOST_FRUITLESS: u32 = 16;
/// The wait after the store failed.
const STORE_PAUSE: Duration = Duration::from_millis(500);

impl Service {
    /// Processes workflows and delivers webhooks until [`Self::stop`].
    pub async fn run_worker(self: Arc<Self>) {
        let serving = async {
            tokio::join!(
                self.serve_queue(QueueKind::Work),
                self.serve_queue(QueueKind::Delivery)
            )
        };
        // Tracked, so that a stop waits for what is being leased right now to become work under way.
        self.tasks.track_future(serving).await;
    }

    fn pool(&self, kind: QueueKind) -> &Pool {
        match kind {
            QueueKind::Work => &self.processing,
            QueueKind::Delivery => &self.delivering,
        }
    }

    async fn serve_queue(self: &Arc<Self>, kind: QueueKind) {
        let pool = self.pool(kind).clone();
        let mut watches: Vec<Watch> = Vec::new();
        let mut after = Cursor::default();
        let mut fruitless = 0;
        while !self.is_stopping() {
            let room = pool.room();
            if room.places == 0 {
                self.unless_stopping(pool.freed()).await;
                continue;
            }
            let batch = match self.lease_batch(kind, &room, &after).await {
                Ok(batch) => batch,
                Err(error) => {
                    tracing::error!(%error, "the queue cannot be read");
                    watches.clear();
                    self.unless_stopping(self.parts.clock.sleep(STORE_PAUSE))
                        .await;
                    continue;
                }
            };
            self.tend(kind, &batch).await;
            after = batch.after;
            let found = !batch.leases.is_empty();
            fruitless = if found || !batch.idle_zones.is_empty() {
                0
            } else {
                fruitless + 1
            };
            for lease in batch.leases {
                let place = pool.take(&lease.customer);
                self.start(lease, place);
            }
            if found || (batch.more && fruitless < MOST_FRUITLESS) {
                watches.clear();
            } else if watches.is_empty() {
                // Look once more after the watches are set: what came in between is not missed.
                watches = self
                    .parts
                    .store
                    .run(&WatchQueue(kind))
                    .await
                    .unwrap_or_default();
            } else {
                self.wait(&pool, std::mem::take(&mut watches), batch.next_due)
                    .await;
            }
        }
    }

    async fn lease_batch(
        &self,
        kind: QueueKind,
        room: &Room,
        after: &Cursor,
    ) -> Result<Batch, StoreError> {
        let now = self.parts.clock.now();
        let max = room.places.min(self.parts.settings.batch);
        let tokens: Vec<LeaseToken> = (0..max)
            .map(|_| self.parts.entropy.lease_token(now))
            .collect();
        let operation = LeaseBatch {
            kind,
            now,
            length: self.parts.settings.lease,
            max,
            room: &room.by_customer,
            default_room: room.per_customer,
            turn: self.parts.entropy.next_u64(),
            tokens: &tokens,
            after,
            taken: Taken::default(),
        };
        self.parts.store.run(&operation).await
    }

    async fn tend(&self, kind: QueueKind, batch: &Batch) {
        for customer in &batch.idle_zones {
            if let Err(error) = self.parts.store.run(&Tend { kind, customer }).await {
                tracing::warn!(%error, %customer, "a queue pointer could not be moved");
            }
        }
    }

    /// Until there is something new, something vests, or a place is freed.
    async fn wait(&self, pool: &Pool, watches: Vec<Watch>, next_due: Option<Timestamp>) {
        let latest = self.parts.clock.now().after(LOOK_AT_LEAST);
        let until = next_due.map_or(latest, |due| due.min(latest));
        let anything = async {
            tokio::select! {
                _ = future::select_all(watches) => {}
                () = self.parts.clock.sleep_until(until) => {}
                () = pool.freed() => {}
            }
        };
        self.unless_stopping(anything).await;
    }

    pub(crate) async fn unless_stopping(&self, future: impl Future<Output = ()>) {
        tokio::select! {
            () = self.stopping.cancelled() => {}
            () = future => {}
        }
    }

    fn start(self: &Arc<Self>, lease: Lease, place: Place) {
        let service = Arc::clone(self);
        let work = match lease.kind {
            QueueKind::Work => service.process(lease, place).boxed(),
            QueueKind::Delivery => service.deliver(lease, place, None).boxed(),
        };
        self.tasks.spawn(work);
    }
}
