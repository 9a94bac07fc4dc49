//! Ports that stay free while their server is down.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below where systems take the ports of outgoing connections from: one of those must not be in the way
/// when a killed server comes back.
const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;

/// A loopback address that nobody listens at, different at each call.
///
/// # Panics
/// Where there is none, after all were tried.
pub fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes that run at the same time begin at different places.
    let offset = (std::process::id() % u32::from(COUNT)) as u16;
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let place = (u32::from(offset) * 61 + u32::from(step)) % u32::from(COUNT);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, FIRST + place as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free between {FIRST} and {}", FIRST + COUNT)
}
