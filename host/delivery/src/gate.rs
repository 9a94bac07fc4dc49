//! How much one endpoint may take: so many exchanges at once, and so many a second.
//!
//! An endpoint that answers slowly fills its own slots and no one else's.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;
use patchbay_ambient::SharedClock;
use patchbay_workflow::CustomerId;
use url::Url;

/// An endpoint as far as load is concerned: a customer, and scheme, host and port of its URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EndpointKey {
    customer: CustomerId,
    origin: Box<str>,
}

impl EndpointKey {
    /// The key of a customer's URL. Two customers who use one host do not share its slots.
    pub fn of(customer: &CustomerId, url: &Url) -> Self {
        Self {
            customer: customer.clone(),
            origin: url.origin().ascii_serialization().into_boxed_str(),
        }
    }
}

/// The bounds, the same for every endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateLimits {
    /// The most exchanges with one endpoint at once.
    pub concurrent: NonZeroU32,
    /// The most exchanges begun with one endpoint per second, on average; none for no such bound.
    pub per_second: Option<NonZeroU32>,
    /// How many may begin at once after a rest.
    pub burst: NonZeroU32,
    /// The most endpoints remembered. Those in use always are; an idle one that is forgotten starts
    /// with a full burst again.
    pub endpoints: NonZeroUsize,
}

impl Default for GateLimits {
    fn default() -> Self {
        const fn at_least_one(number: u32) -> NonZeroU32 {
            match NonZeroU32::new(number) {
                Some(number) => number,
                None => NonZeroU32::MIN,
            }
        }
        Self {
            concurrent: at_least_one(16),
            per_second: Some(at_least_one(500)),
            burst: at_least_one(500),
            endpoints: NonZeroUsize::MIN.saturating_add(65_535),
        }
    }
}

/// Why an endpoint may not be asked just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotEntered {
    /// All of its slots are taken.
    #[error("the endpoint has as many exchanges under way as it may have")]
    Busy,
    /// It was asked too often; it may be asked again after this time.
    #[error("the endpoint may be asked again in {0:?}")]
    TooFast(Duration),
    /// More endpoints are in use than can be remembered.
    #[error("too many endpoints are in use at once")]
    Full,
}

/// Lends the slots.
#[derive(Clone)]
pub struct EndpointGate {
    shared: Arc<Shared>,
    clock: SharedClock,
}

struct Shared {
    limits: GateLimits,
    endpoints: Mutex<LruCache<EndpointKey, Load>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Load {
    under_way: u32,
    /// When the endpoint will be wholly rested: the theoretical arrival time of the generic cell rate
    /// algorithm (ITU-T I.371), on the monotonic clock.
    rested_at: Duration,
}

impl EndpointGate {
    /// A gate with nobody inside.
    pub fn new(limits: GateLimits, clock: SharedClock) -> Self {
        // Its own bound evicts without asking whether an endpoint is in use, so the bound is kept here.
        let endpoints = Mutex::new(LruCache::unbounded());
        Self {
            shared: Arc::new(Shared { limits, endpoints }),
            clock,
        }
    }

    /// Takes a slot of this endpoint, if one is free; it never waits.
    pub fn try_enter(&self, key: &EndpointKey) -> Result<Slot, NotEntered> {
        let limits = &self.shared.limits;
        let now = self.clock.monotonic();
        let mut endpoints = self.shared.endpoints.lock();
        if !endpoints.contains(key) {
            make_room(&mut endpoints, limits.endpoints)?;
        }
        let load = endpoints.get_or_insert_mut_ref(key, Load::default);
        if load.under_way >= limits.concurrent.get() {
            return Err(NotEntered::Busy);
        }
        if let Some(per_second) = limits.per_second {
            let interval = Duration::from_secs(1) / per_second.get();
            let tolerated = interval * (limits.burst.get() - 1);
            let start = load.rested_at.max(now);
            let too_early = start.saturating_sub(now).saturating_sub(tolerated);
            if !too_early.is_zero() {
                return Err(NotEntered::TooFast(too_early));
            }
            load.rested_at = start + interval;
        }
        load.under_way += 1;
        Ok(Slot {
            shared: Arc::clone(&self.shared),
            key: key.clone(),
        })
    }
}

/// Forgets the endpoint that was idle for longest, if there are as many as there may be.
fn make_room(
    endpoints: &mut LruCache<EndpointKey, Load>,
    most: NonZeroUsize,
) -> Result<(), NotEntered> {
    if endpoints.len() < most.get() {
        return Ok(());
    }
    let idle = endpoints
        .iter()
        .rev()
        .find(|(_, load)| load.under_way == 0)
        .map(|(key, _)| key.clone())
        .ok_or(NotEntered::Full)?;
    endpoints.pop(&idle);
    Ok(())
}

impl fmt::Debug for EndpointGate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointGate")
            .field("limits", &self.shared.limits)
            .finish_non_exhaustive()
    }
}

/// The right to one exchange; dropping it gives it back.
#[must_use = "the slot is free again as soon as this is dropped"]
pub struct Slot {
    shared: Arc<Shared>,
    key: EndpointKey,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Slot").field(&self.key).finish()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        if let Some(load) = self.shared.endpoints.lock().peek_mut(&self.key) {
            load.under_way = load.under_way.saturating_sub(1);
        }
    }
}
