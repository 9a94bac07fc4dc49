//! Randomness, and the ids made of it.

use std::sync::Arc;

use parking_lot::Mutex;
use patchbay_workflow::{EventId, LeaseToken, RequestId, Timestamp, WorkflowId};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use uuid::Uuid;

/// A source of random bytes, good enough for keys and nonces.
pub trait Entropy: Send + Sync + 'static {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);

    /// A random number.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number in `0..bound`; zero where `bound` is zero. For jitter and for choosing a shard: the
    /// bias of the remainder does not matter there.
    fn below(&self, bound: u64) -> u64 {
        self.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// A UUIDv7 (RFC 9562) of this instant.
    fn uuid_v7(&self, now: Timestamp) -> Uuid {
        let mut random = [0; 10];
        self.fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(now.as_millis(), &random).into_uuid()
    }

    /// A new workflow id.
    fn workflow_id(&self, now: Timestamp) -> WorkflowId {
        WorkflowId::from_uuid(self.uuid_v7(now))
    }

    /// A new request id.
    fn request_id(&self, now: Timestamp) -> RequestId {
        RequestId::from_uuid(self.uuid_v7(now))
    }

    /// A new event id.
    fn event_id(&self, now: Timestamp) -> EventId {
        EventId::from_uuid(self.uuid_v7(now))
    }

    /// A new fencing token.
    fn lease_token(&self, now: Timestamp) -> LeaseToken {
        LeaseToken::from_uuid(self.uuid_v7(now))
    }
}

/// A source shared by the whole service.
pub type SharedEntropy = Arc<dyn Entropy>;

/// A ChaCha20 generator seeded by the operating system, and seeded anew after every mebibyte.
#[derive(Debug)]
pub struct OsEntropy(Mutex<(ChaCha20Rng, usize)>);

const RESEED_AFTER_BYTES: usize = 1 << 20;

impl OsEntropy {
    /// Seeds the generator.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing safe can be done without.
    pub fn new() -> Self {
        Self(Mutex::new((ChaCha20Rng::from_seed(os_seed()), 0)))
    }
}

impl Default for OsEntropy {
    fn default() -> Self {
        Self::new()
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is where the machine's entropy is read"
)]
fn os_seed() -> [u8; 32] {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).expect("the operating system gives randomness");
    seed
}

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut guard = self.0.lock();
        if guard.1 >= RESEED_AFTER_BYTES {
            *guard = (ChaCha20Rng::from_seed(os_seed()), 0);
        }
        guard.1 += bytes.len();
        guard.0.fill_bytes(bytes);
    }
}

/// A generator whose whole output follows from its seed. For tests and simulations alone.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<ChaCha20Rng>);

impl SeededEntropy {
    /// A generator with this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill_bytes(bytes);
    }
}
