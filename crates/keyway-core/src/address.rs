//! Which addresses anything may be fetched from.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is, to somebody who connects to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Public,
    /// Of this machine or its network: only where the configuration says so.
    Private,
    /// No provider lives there: where clouds tell machines their secrets, what is reserved, and addresses
    /// that hide others.
    Never,
}

/// Where clouds answer with secrets, on addresses that look like any other: Azure's and Alibaba's.
const METADATA_V4: [Ipv4Addr; 2] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200)];
/// Amazon's.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

const PRIVATE_V4: [(Ipv4Addr, u32); 5] = [
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
];
const NEVER_V4: [(Ipv4Addr, u32); 10] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

const UNIQUE_LOCAL: (Ipv6Addr, u32) = (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7);
const MAPPED: (Ipv6Addr, u32) = (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96);
const NAT64: (Ipv6Addr, u32) = (Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0), 96);
/// All that is given to networks of the world.
const GLOBAL_V6: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
/// Of those: Teredo and its like, documentation, 6to4, documentation again.
const NEVER_V6: [(Ipv6Addr, u32); 4] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// What `address` is, by the ranges that are set apart.
pub fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => of_v4(address),
        IpAddr::V6(address) => of_v6(address),
    }
}

fn of_v4(address: Ipv4Addr) -> Reach {
    let within = |ranges: &[(Ipv4Addr, u32)]| {
        ranges.iter().any(|(start, bits)| {
            address.to_bits() >> (u32::BITS - bits) == start.to_bits() >> (u32::BITS - bits)
        })
    };
    if METADATA_V4.contains(&address) || within(&NEVER_V4) {
        Reach::Never
    } else if within(&PRIVATE_V4) {
        Reach::Private
    } else {
        Reach::Public
    }
}

fn of_v6(address: Ipv6Addr) -> Reach {
    let within = |(start, bits): (Ipv6Addr, u32)| {
        address.to_bits() >> (u128::BITS - bits) == start.to_bits() >> (u128::BITS - bits)
    };
    if within(MAPPED) || within(NAT64) {
        // A private address is not written like this by anybody who means well.
        let [.., a, b, c, d] = address.octets();
        return match of_v4(Ipv4Addr::new(a, b, c, d)) {
            Reach::Public => Reach::Public,
            Reach::Private | Reach::Never => Reach::Never,
        };
    }
    if address == METADATA_V6 {
        Reach::Never
    } else if address.is_loopback() || within(UNIQUE_LOCAL) {
        Reach::Private
    } else if within(GLOBAL_V6) && !NEVER_V6.into_iter().any(within) {
        Reach::Public
    } else {
        Reach::Never
    }
}
