//! Which addresses may be asked on a customer's word.
//!
//! A customer names the endpoint, so it must not become a way to reach the installation's own network.
//! Only globally reachable unicast addresses pass, by the IANA special-purpose registries for IPv4 and
//! IPv6 (RFC 6890 and its updates); everything that carries an IPv4 address inside an IPv6 one is
//! refused too, because the packet goes where the inner address points.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why an address is not an ordinary public one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// `0.0.0.0/8`, `::`.
    Unspecified,
    /// `127.0.0.0/8`, `::1`.
    Loopback,
    /// RFC 1918.
    Private,
    /// Unique local addresses, `fc00::/7`, and the site-local ones they replaced.
    UniqueLocal,
    /// Carrier-grade NAT, `100.64.0.0/10`.
    SharedNat,
    /// `169.254.0.0/16`, `fe80::/10`; cloud metadata services live here.
    LinkLocal,
    /// Reserved for documentation.
    Documentation,
    /// Reserved for benchmarks.
    Benchmark,
    /// Multicast.
    Multicast,
    /// `255.255.255.255`.
    Broadcast,
    /// IPv4 inside IPv6: `::ffff:0:0/96` and the old compatible form.
    Ipv4Mapped,
    /// NAT64, `64:ff9b::/96` and `64:ff9b:1::/48`.
    Nat64,
    /// 6to4, `2002::/16`, and its relay anycast.
    SixToFour,
    /// Teredo, `2001::/32`.
    Teredo,
    /// Set aside for protocols or the future.
    Reserved,
}

impl AddressKind {
    /// The kind as it reads after "is".
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Unspecified => "an unspecified address",
            Self::Loopback => "a loopback address",
            Self::Private => "a private address",
            Self::UniqueLocal => "a unique local address",
            Self::SharedNat => "a carrier-grade NAT address",
            Self::LinkLocal => "a link-local address",
            Self::Documentation => "an address reserved for documentation",
            Self::Benchmark => "an address reserved for benchmarks",
            Self::Multicast => "a multicast address",
            Self::Broadcast => "the broadcast address",
            Self::Ipv4Mapped => "an IPv4 address inside an IPv6 one",
            Self::Nat64 => "a NAT64 address",
            Self::SixToFour => "a 6to4 address",
            Self::Teredo => "a Teredo address",
            Self::Reserved => "a reserved address",
        }
    }
}

/// An address that may not be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} is {}; an operator can allow its network for this installation",
    .kind.describe()
)]
pub struct Forbidden {
    /// The address.
    pub address: IpAddr,
    /// What it is.
    pub kind: AddressKind,
}

/// What an installation permits to addresses that its customers chose. The default permits nothing
/// special and asks for `https`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuardPolicy {
    /// Networks that may be asked although they are special.
    pub allow: Vec<IpNet>,
    /// Whether a customer's endpoint must use `https`.
    pub https_only_for_customers: bool,
}

impl Default for GuardPolicy {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            https_only_for_customers: true,
        }
    }
}

impl GuardPolicy {
    /// Passes only if every address may be asked: with several, a client is free to take any.
    pub fn check(&self, addresses: &[IpAddr]) -> Result<(), Forbidden> {
        addresses
            .iter()
            .try_for_each(|address| self.check_one(*address))
    }

    fn check_one(&self, address: IpAddr) -> Result<(), Forbidden> {
        let Some(kind) = special(address) else {
            return Ok(());
        };
        let forbidden = Forbidden { address, kind };
        if !self.allow.iter().any(|network| network.contains(&address)) {
            return Err(forbidden);
        }
        // Where an IPv6-only network reaches the IPv4 internet by NAT64, an operator allows the
        // translator's prefix; that must not open the private IPv4 networks behind it.
        match address {
            IpAddr::V6(outer) if NAT64_WELL_KNOWN.contains(&outer) => self
                .check_one(IpAddr::V4(last_four_bytes(outer)))
                .map_err(|_| forbidden),
            _ => Ok(()),
        }
    }
}

const NAT64_WELL_KNOWN: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

fn last_four_bytes(address: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = address.octets();
    Ipv4Addr::new(a, b, c, d)
}

/// What is special about an address; none for an ordinary public one.
pub fn special(address: IpAddr) -> Option<AddressKind> {
    match address {
        IpAddr::V4(address) => SPECIAL_V4
            .iter()
            .find(|(network, _)| network.contains(&address))
            .map(|(_, kind)| *kind),
        IpAddr::V6(address) => SPECIAL_V6
            .iter()
            .find(|(network, _)| network.contains(&address))
            .map(|(_, kind)| *kind)
            // Outside 2000::/3 nothing was ever given out as public.
            .or_else(|| (!GLOBAL_UNICAST.contains(&address)).then_some(AddressKind::Reserved)),
    }
}

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    let [a, b, c, d] = octets;
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let mut bits = 0;
    let mut at = 0;
    while at < segments.len() {
        bits = bits << 16 | segments[at] as u128;
        at += 1;
    }
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), prefix)
}

const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, without the anycast services that are
/// globally reachable. The first match names the kind.
const SPECIAL_V4: [(Ipv4Net, AddressKind); 16] = [
    (v4([0, 0, 0, 0], 8), AddressKind::Unspecified),
    (v4([10, 0, 0, 0], 8), AddressKind::Private),
    (v4([100, 64, 0, 0], 10), AddressKind::SharedNat),
    (v4([127, 0, 0, 0], 8), AddressKind::Loopback),
    (v4([169, 254, 0, 0], 16), AddressKind::LinkLocal),
    (v4([172, 16, 0, 0], 12), AddressKind::Private),
    (v4([192, 0, 0, 0], 24), AddressKind::Reserved),
    (v4([192, 0, 2, 0], 24), AddressKind::Documentation),
    (v4([192, 88, 99, 0], 24), AddressKind::SixToFour),
    (v4([192, 168, 0, 0], 16), AddressKind::Private),
    (v4([198, 18, 0, 0], 15), AddressKind::Benchmark),
    (v4([198, 51, 100, 0], 24), AddressKind::Documentation),
    (v4([203, 0, 113, 0], 24), AddressKind::Documentation),
    (v4([224, 0, 0, 0], 4), AddressKind::Multicast),
    (v4([255, 255, 255, 255], 32), AddressKind::Broadcast),
    (v4([240, 0, 0, 0], 4), AddressKind::Reserved),
];

/// <https://www.iana.org/assignments/iana-ipv6-special-registry>, for what lies inside `2000::/3` or
/// deserves a better name than reserved. The first match names the kind.
const SPECIAL_V6: [(Ipv6Net, AddressKind); 16] = [
    (v6([0; 8], 128), AddressKind::Unspecified),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), AddressKind::Loopback),
    (
        v6([0, 0, 0, 0, 0, 0xffff, 0, 0], 96),
        AddressKind::Ipv4Mapped,
    ),
    (v6([0; 8], 96), AddressKind::Ipv4Mapped),
    (NAT64_WELL_KNOWN, AddressKind::Nat64),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), AddressKind::Nat64),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32), AddressKind::Teredo),
    (
        v6([0x2001, 2, 0, 0, 0, 0, 0, 0], 48),
        AddressKind::Benchmark,
    ),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), AddressKind::Reserved),
    (
        v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
        AddressKind::Documentation,
    ),
    (
        v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
        AddressKind::SixToFour,
    ),
    (
        v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
        AddressKind::Documentation,
    ),
    (
        v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7),
        AddressKind::UniqueLocal,
    ),
    (
        v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10),
        AddressKind::UniqueLocal,
    ),
    (
        v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
        AddressKind::LinkLocal,
    ),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), AddressKind::Multicast),
];
