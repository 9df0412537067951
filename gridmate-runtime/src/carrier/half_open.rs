//! Handshakes that others have begun and not finished: how many there are, and how many from one place.
//!
//! A place is what one attacker has plenty of ports at: an IPv4 address, or an IPv6 network of 64 bits, which is what a single
//! customer is given at least. Only places with such a handshake are remembered, so there are never more of them than handshakes.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::hash::SeededState;
use crate::limits;

/// See the module.
#[derive(Debug)]
pub(super) struct HalfOpen {
    total: usize,
    places: HashMap<u64, usize, SeededState>,
}

impl HalfOpen {
    pub(super) const fn new(key: u64) -> Self {
        Self { total: 0, places: HashMap::with_hasher(SeededState::new(key)) }
    }

    /// Whether nobody may begin another one now.
    pub(super) const fn is_full(&self) -> bool {
        self.total >= limits::HALF_OPEN
    }

    /// Whether there are as many from this place as may be. Those who come now are to wait, not to be sent away: it takes each of
    /// the others a round trip.
    pub(super) fn is_crowded(&self, address: SocketAddr) -> bool {
        self.places.get(&place(address)).is_some_and(|count| *count >= limits::HALF_OPEN_PER_ADDRESS)
    }

    /// Somebody at this address has begun.
    pub(super) fn begin(&mut self, address: SocketAddr) {
        self.total += 1;
        *self.places.entry(place(address)).or_default() += 1;
    }

    /// One from this address is finished, or given up.
    pub(super) fn end(&mut self, address: SocketAddr) {
        let place = place(address);
        let Some(count) = self.places.get_mut(&place) else { return };
        self.total -= 1;
        *count -= 1;
        if *count == 0 {
            self.places.remove(&place);
        }
    }
}

/// The place an address is at, as a number. Networks of IPv6 that are no larger than an IPv4 address are not anybody's.
fn place(address: SocketAddr) -> u64 {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => u64::from(ip.to_bits()),
        IpAddr::V6(ip) => u64::try_from(ip.to_bits() >> 64).unwrap_or(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    #[test]
    fn a_place_is_an_address_or_a_network() {
        assert_eq!(place(at("10.1.2.3:1")), place(at("10.1.2.3:2")));
        assert_eq!(place(at("10.1.2.3:1")), place(at("[::ffff:10.1.2.3]:1")));
        assert_ne!(place(at("10.1.2.3:1")), place(at("10.1.2.4:1")));
        assert_eq!(place(at("[2001:db8:1:2::3]:1")), place(at("[2001:db8:1:2:ffff::4]:9")));
        assert_ne!(place(at("[2001:db8:1:2::3]:1")), place(at("[2001:db8:1:3::3]:1")));
        assert_ne!(place(at("[2001:db8:1:2::3]:1")), place(at("10.1.2.3:1")));
    }

    #[test]
    fn nothing_is_remembered_of_what_is_over() {
        let mut half_open = HalfOpen::new(7);
        for n in 0..limits::HALF_OPEN_PER_ADDRESS {
            assert!(!half_open.is_crowded(at("10.0.0.1:1")), "{n}");
            half_open.begin(at("10.0.0.1:1"));
        }
        assert!(half_open.is_crowded(at("10.0.0.1:2")) && !half_open.is_crowded(at("10.0.0.2:1")));
        half_open.end(at("10.0.0.1:5"));
        assert!(!half_open.is_crowded(at("10.0.0.1:2")));
        (1..limits::HALF_OPEN_PER_ADDRESS).for_each(|_| half_open.end(at("10.0.0.1:1")));
        assert!(half_open.places.is_empty() && half_open.total == 0);
    }
}
