//! The address policy against the ranges as the registries publish them, and against arithmetic that
//! shares nothing with its tables.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use patchbay_delivery::GuardPolicy;
use proptest::prelude::*;

fn permits(policy: &GuardPolicy, address: impl Into<IpAddr>) -> bool {
    policy.check(&[address.into()]).is_ok()
}

fn allowing(networks: &[&str]) -> GuardPolicy {
    GuardPolicy {
        allow: networks
            .iter()
            .map(|network| network.parse().unwrap())
            .collect(),
        https_only_for_customers: true,
    }
}

/// Special or not, by the first and second octet and the standard library where it has an opinion.
fn special_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_broadcast()
        || a == 0
        || a >= 224
        || (a == 100 && b & 0b1100_0000 == 64)
        || (a == 198 && b & 0xfe == 18)
        || (a, b, c) == (192, 0, 0)
        || (a, b, c) == (192, 88, 99)
}

/// Addresses near the borders of the special ranges are as likely as those far from them.
fn v4() -> impl Strategy<Value = Ipv4Addr> {
    let first = prop_oneof![
        any::<u8>(),
        prop::sample::select(vec![
            0, 10, 100, 127, 169, 172, 192, 198, 203, 224, 239, 240, 255
        ])
    ];
    let second = prop_oneof![
        any::<u8>(),
        prop::sample::select(vec![0, 2, 16, 18, 31, 51, 64, 88, 127, 128, 168, 254])
    ];
    let third = prop_oneof![any::<u8>(), prop::sample::select(vec![0, 2, 99, 100, 113])];
    (first, second, third, any::<u8>()).prop_map(|(a, b, c, d)| Ipv4Addr::new(a, b, c, d))
}

proptest! {
    #[test]
    fn ipv4_agrees_with_arithmetic(address in v4()) {
        prop_assert_eq!(permits(&GuardPolicy::default(), address), !special_v4(address), "{}", address);
    }

    /// Whatever IPv4 address is inside, public or not, no way to write it into IPv6 gets through.
    #[test]
    fn no_ipv4_hides_in_ipv6(address in v4(), low: u64) {
        let [a, b, c, d] = address.octets();
        let (high, last) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        let inside = [
            address.to_ipv6_mapped(),
            Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, last),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, last),
            Ipv6Addr::new(0x64, 0xff9b, 1, high, last >> 8, last << 8, 0, 0),
            Ipv6Addr::from((0x2002_u128 << 112) | (u128::from(address.to_bits()) << 80) | u128::from(low)),
            Ipv6Addr::new(0x2001, 0, high, last, 0, 0, !high, !last),
        ];
        for address in inside {
            prop_assert!(!permits(&GuardPolicy::default(), address), "{}", address);
        }
    }

    /// Nothing outside 2000::/3 passes, and most of what is inside does.
    #[test]
    fn ipv6_is_global_unicast_or_nothing(bits: u128) {
        let address = Ipv6Addr::from(bits);
        let first = address.segments()[0];
        let passes = permits(&GuardPolicy::default(), address);
        if first & 0xe000 == 0x2000 {
            let carved_out = [0x2001, 0x2002, 0x3fff].contains(&first);
            prop_assert!(passes || carved_out, "{}", address);
        } else {
            prop_assert!(!passes, "{}", address);
        }
    }

    /// One forbidden address among many is enough, wherever it stands.
    #[test]
    fn any_forbidden_address_refuses_all(at in 0_usize..5) {
        let mut addresses = vec![IpAddr::from([93, 184, 215, 14]); 4];
        addresses.insert(at, IpAddr::from([10, 0, 0, 7]));
        let refused = GuardPolicy::default().check(&addresses).unwrap_err();
        prop_assert_eq!(refused.address, addresses[at]);
    }

    /// An allowed network opens itself and nothing else.
    #[test]
    fn an_allowed_network_opens_only_itself(address in v4()) {
        let inside = address.octets()[..2] == [10, 1];
        prop_assert_eq!(
            permits(&allowing(&["10.1.0.0/16"]), address),
            inside || !special_v4(address)
        );
    }
}

#[test]
fn known_addresses() {
    let policy = GuardPolicy::default();
    for public in [
        "1.1.1.1",
        "93.184.215.14",
        "2606:4700::1111",
        "2a00:1450:4001::1",
        "3ffe::1",
    ] {
        assert!(
            permits(&policy, public.parse::<IpAddr>().unwrap()),
            "{public}"
        );
    }
    for special in [
        "169.254.169.254",
        "100.100.100.200",
        "192.0.0.192",
        "::",
        "::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "2001:2::1",
        "2001:10::1",
        "3fff::1",
        "5f00::1",
        "100::1",
    ] {
        assert!(
            !permits(&policy, special.parse::<IpAddr>().unwrap()),
            "{special}"
        );
    }
}

/// An IPv6-only installation allows its translator, which opens the public internet behind it alone.
#[test]
fn an_allowed_translator_opens_no_private_network() {
    let policy = allowing(&["64:ff9b::/96"]);
    let permits = |text: &str| permits(&policy, text.parse::<IpAddr>().unwrap());
    assert!(permits("64:ff9b::5db8:d70e"));
    assert!(!permits("64:ff9b::a00:7"));
    assert!(!permits("64:ff9b::7f00:1"));
    assert!(!permits("64:ff9b:1::5db8:d70e"));
}
