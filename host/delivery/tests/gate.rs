//! The gate: what one endpoint takes never reaches another.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use patchbay_ambient::ManualClock;
use patchbay_delivery::{EndpointGate, EndpointKey, GateLimits, NotEntered, Slot};
use patchbay_workflow::Timestamp;
use proptest::prelude::*;

fn key(customer: &str, url: &str) -> EndpointKey {
    EndpointKey::of(&customer.parse().unwrap(), &url.parse().unwrap())
}

fn gate(
    concurrent: u32,
    per_second: Option<u32>,
    burst: u32,
    endpoints: usize,
) -> (EndpointGate, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_millis(0)));
    let limits = GateLimits {
        concurrent: NonZeroU32::new(concurrent).unwrap(),
        per_second: per_second.and_then(NonZeroU32::new),
        burst: NonZeroU32::new(burst).unwrap(),
        endpoints: NonZeroUsize::new(endpoints).unwrap(),
    };
    (EndpointGate::new(limits, clock.clone()), clock)
}

#[test]
fn a_slow_endpoint_takes_its_own_slots_only() {
    let (gate, _clock) = gate(2, None, 1, 10);
    let slow = key("north", "https://slow.example/a");
    let held = [
        gate.try_enter(&slow).unwrap(),
        gate.try_enter(&slow).unwrap(),
    ];
    assert_eq!(gate.try_enter(&slow).unwrap_err(), NotEntered::Busy);
    // Another path is the same endpoint; another customer's is not.
    let path = key("north", "https://slow.example:443/b?c");
    assert_eq!(gate.try_enter(&path).unwrap_err(), NotEntered::Busy);
    assert!(
        gate.try_enter(&key("south", "https://slow.example/a"))
            .is_ok()
    );
    assert!(
        gate.try_enter(&key("north", "https://fast.example/"))
            .is_ok()
    );
    drop(held);
    assert!(gate.try_enter(&slow).is_ok());
}

#[test]
fn the_rate_is_kept_after_a_burst() {
    let (gate, clock) = gate(100, Some(10), 3, 10);
    let endpoint = key("north", "https://clinic.example/");
    let enter = || gate.try_enter(&endpoint).map(drop);
    for _ in 0..3 {
        assert_eq!(enter(), Ok(()));
    }
    let NotEntered::TooFast(wait) = enter().unwrap_err() else {
        panic!("let in")
    };
    assert_eq!(wait, Duration::from_millis(100));
    clock.advance(wait);
    assert_eq!(enter(), Ok(()));
    assert!(enter().is_err());
    clock.advance(Duration::from_mins(1));
    for _ in 0..3 {
        assert_eq!(enter(), Ok(()));
    }
    assert!(enter().is_err());
}

#[test]
fn endpoints_in_use_are_never_forgotten() {
    let (gate, _clock) = gate(1, None, 1, 2);
    let [a, b, c] = [
        "https://a.example",
        "https://b.example",
        "https://c.example",
    ]
    .map(|url| key("north", url));
    let first = gate.try_enter(&a).unwrap();
    drop(gate.try_enter(&b).unwrap());
    let third = gate.try_enter(&c).unwrap();
    assert_eq!(gate.try_enter(&a).unwrap_err(), NotEntered::Busy);
    assert_eq!(gate.try_enter(&b).unwrap_err(), NotEntered::Full);
    drop(third);
    assert!(gate.try_enter(&b).is_ok());
    drop(first);
    assert!(gate.try_enter(&a).is_ok());
}

proptest! {
    /// However entries and exits are mixed, and whatever is forgotten on the way, no endpoint ever has
    /// more than its slots, and an endpoint with a free slot is let in unless the gate is full.
    #[test]
    fn slots_are_exact(steps in prop::collection::vec((0_usize..6, any::<bool>()), 0..200)) {
        let (gate, _clock) = gate(3, None, 1, 4);
        let keys: Vec<_> = (0..6).map(|n| key("north", &format!("https://e{n}.example"))).collect();
        let mut held: Vec<Vec<Slot>> = (0..6).map(|_| Vec::new()).collect();
        for (endpoint, enter) in steps {
            if !enter {
                held[endpoint].pop();
                continue;
            }
            let in_use = held.iter().filter(|slots| !slots.is_empty()).count();
            match gate.try_enter(&keys[endpoint]) {
                Ok(slot) => {
                    held[endpoint].push(slot);
                    prop_assert!(held[endpoint].len() <= 3);
                }
                Err(NotEntered::Busy) => prop_assert_eq!(held[endpoint].len(), 3),
                Err(NotEntered::Full) => prop_assert!(in_use == 4 && held[endpoint].is_empty()),
                Err(NotEntered::TooFast(_)) => prop_assert!(false, "no rate was set"),
            }
        }
    }
}
