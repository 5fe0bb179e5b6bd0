//! Networks of addresses: those that the configuration names, and the one that a client comes from.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Leading bits of an IPv6 address that a provider gives to one customer.
const CUSTOMER_BITS: u32 = 64;

/// A range of addresses: one address, or `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    first: u128,
    bits: u32,
}

impl Network {
    /// Reads `192.0.2.1`, `10.0.0.0/8` or `2001:db8::/32`. Bits behind the prefix must be zero: whoever
    /// wrote others meant another range than this.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|bits| *bits <= width)?
            }
            Some(_) => return None,
            None => width,
        };
        let (first, bits) = (number(address), 128 - width + prefix);
        (first & mask(bits) == first).then_some(Self { first, bits })
    }

    pub fn contains(&self, address: IpAddr) -> bool {
        number(address) & mask(self.bits) == self.first
    }
}

/// What one customer of a network may count as one: the address, of IPv6 its first 64 bits. Whoever has
/// one address there has all others with the same beginning.
pub fn customer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & mask(CUSTOMER_BITS)).into(),
    }
}

/// Addresses of both kinds in one row: IPv4 as IPv6 writes it.
fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => Ipv4Addr::to_ipv6_mapped(&address).to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

const fn mask(bits: u32) -> u128 {
    if bits == 0 { 0 } else { u128::MAX << (128 - bits) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_holds_what_begins_like_it() {
        let cases = [
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("192.0.2.1", "192.0.2.1", "192.0.2.2"),
            ("192.0.2.1", "::ffff:192.0.2.1", "::192.0.2.1"),
            ("0.0.0.0/0", "8.8.8.8", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "127.0.0.1"),
            ("172.16.0.0/12", "172.31.255.255", "172.32.0.0"),
        ];
        for (network, inside, outside) in cases {
            let network = Network::parse(network).expect("a network");
            assert!(network.contains(address(inside)), "{inside}");
            assert!(!network.contains(address(outside)), "{outside}");
        }
        for wrong in ["", "10", "10.0.0.0/33", "10.0.0.1/8", "::/129", "a/8", "10.0.0.0/+8", "::1/"]
        {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_customer_of_ipv6_has_many_addresses() {
        assert_eq!(customer(address("2001:db8:1:2:3::4")), address("2001:db8:1:2::"));
        assert_eq!(customer(address("::ffff:192.0.2.1")), address("192.0.2.1"));
    }
}
