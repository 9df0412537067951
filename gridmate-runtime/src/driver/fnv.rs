//! FNV-1a, 64 bits: a digest of what happened, and a way to make one seed per address. Not for keys or hash maps.

use std::net::{IpAddr, SocketAddr};

/// A hash in the making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fnv(u64);

impl Fnv {
    pub(super) const fn new() -> Self {
        Self(0xCBF2_9CE4_8422_2325)
    }

    pub(super) fn bytes(mut self, bytes: &[u8]) -> Self {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
        self
    }

    pub(super) fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }

    /// The address's octets, scope and port. The family needs no byte of its own: the lengths differ.
    pub(super) fn address(self, address: SocketAddr) -> Self {
        match address.ip() {
            IpAddr::V4(ip) => self.bytes(&ip.octets()),
            IpAddr::V6(ip) => self.bytes(&ip.octets()),
        }
        .bytes(&scope(address).to_le_bytes())
        .bytes(&address.port().to_le_bytes())
    }

    pub(super) const fn finish(self) -> u64 {
        self.0
    }
}

fn scope(address: SocketAddr) -> u32 {
    match address {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(v6) => v6.scope_id(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_published_vectors() {
        assert_eq!(Fnv::new().finish(), 0xCBF2_9CE4_8422_2325);
        assert_eq!(Fnv::new().bytes(b"a").finish(), 0xAF63_DC4C_8601_EC8C);
        assert_eq!(Fnv::new().bytes(b"foobar").finish(), 0x8594_4171_F739_67E8);
    }
}
