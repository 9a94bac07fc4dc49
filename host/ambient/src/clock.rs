//! The time, and waiting for it.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use parking_lot::Mutex;
use patchbay_workflow::Timestamp;

/// A source of time. Deadlines are wall-clock instants, because they outlive the process.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment; never goes backwards. For measuring durations.
    fn monotonic(&self) -> Duration;

    /// Ends once `instant` is reached.
    fn sleep_until(&self, instant: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;

    /// Ends after `duration`.
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.sleep_until(self.now().after(duration))
    }
}

/// A clock shared by the whole service.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    /// Starts measuring.
    #[allow(
        clippy::disallowed_methods,
        reason = "this is where the machine's clock is read"
    )]
    pub fn new() -> Self {
        Self {
            started: std::time::Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "this is where the machine's clock is read"
)]
impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since_epoch = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }

    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn sleep_until(&self, instant: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        // Long waits are cut so that a clock that was set forward is noticed within a minute.
        Box::pin(async move {
            loop {
                let left = instant.since(self.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(Duration::from_mins(1))).await;
            }
        })
    }
}

/// A clock that moves only when it is told to. Those it wakes are woken in the order of their instants and
/// then of their falling asleep, so that a run on one thread can be repeated to the byte.
#[derive(Debug)]
pub struct ManualClock {
    start: Timestamp,
    hands: Mutex<Hands>,
}

#[derive(Debug)]
struct Hands {
    now: Timestamp,
    sleepers: BTreeMap<(Timestamp, u64), Waker>,
    next_sleeper: u64,
}

impl ManualClock {
    /// A clock that stands at `start`.
    pub fn at(start: Timestamp) -> Self {
        Self {
            start,
            hands: Mutex::new(Hands {
                now: start,
                sleepers: BTreeMap::new(),
                next_sleeper: 0,
            }),
        }
    }

    /// Moves it forward and wakes whoever waited for an instant now reached.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.hands.lock();
        let to = hands.now.after(by);
        let woken = hands.reach(to);
        drop(hands);
        wake(woken);
    }

    /// Moves it to the earliest instant that somebody waits for; tells whether there is one. Called
    /// whenever nothing else can run, it makes time pass by itself.
    pub fn advance_to_next(&self) -> bool {
        let mut hands = self.hands.lock();
        let Some((&(earliest, _), _)) = hands.sleepers.first_key_value() else {
            return false;
        };
        let woken = hands.reach(earliest);
        drop(hands);
        wake(woken);
        true
    }
}

impl Hands {
    /// Moves to `to`, and takes out who waited for that.
    fn reach(&mut self, to: Timestamp) -> BTreeMap<(Timestamp, u64), Waker> {
        self.now = self.now.max(to);
        let later = self.sleepers.split_off(&(self.now, u64::MAX));
        std::mem::replace(&mut self.sleepers, later)
    }
}

fn wake(sleepers: BTreeMap<(Timestamp, u64), Waker>) {
    for waker in sleepers.into_values() {
        waker.wake();
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.hands.lock().now
    }

    fn monotonic(&self) -> Duration {
        self.now().since(self.start)
    }

    fn sleep_until(&self, instant: Timestamp) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(Sleep {
            clock: self,
            until: instant,
            sleeper: None,
        })
    }
}

/// A wait for a manual clock.
struct Sleep<'c> {
    clock: &'c ManualClock,
    until: Timestamp,
    /// Its number among the sleepers, once it has fallen asleep.
    sleeper: Option<u64>,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let mut hands = self.clock.hands.lock();
        if hands.now >= self.until {
            return Poll::Ready(());
        }
        let sleeper = self.sleeper.unwrap_or(hands.next_sleeper);
        hands.next_sleeper = hands.next_sleeper.max(sleeper + 1);
        hands
            .sleepers
            .insert((self.until, sleeper), context.waker().clone());
        drop(hands);
        self.sleeper = Some(sleeper);
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        if let Some(sleeper) = self.sleeper {
            self.clock
                .hands
                .lock()
                .sleepers
                .remove(&(self.until, sleeper));
        }
    }
}
