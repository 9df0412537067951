//! Numbers that nobody outside can guess: nonces, tokens, and cookies that make a stranger prove an address.
//!
//! Everything comes from SipHash-2-4 (Aumasson, Bernstein 2012) under a key that never leaves the endpoint. Whoever sees some of
//! the numbers learns nothing of the others.
//!
//! A cookie is a time and a code over it, the stranger's address, its nonce and its connection id. It costs the endpoint
//! no memory: who comes back with one within [`COOKIE_AGE`] has received it at that address. The key of the code changes every
//! [`KEY_AGE`].

use core::hash::Hasher as _;
use core::time::Duration;
use std::net::{IpAddr, SocketAddr};

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::packet::WireId;
use crate::time::Instant;

/// How long a cookie is good for.
const COOKIE_AGE: Duration = Duration::from_secs(4);

/// How long the key of cookies is used, microseconds.
const KEY_AGE: u64 = 300_000_000;

/// Bytes of a cookie: time, code.
pub(super) const COOKIE_BYTES: usize = 20;

/// What a stranger shows to prove its address.
pub(super) type Cookie = [u8; COOKIE_BYTES];

/// The endpoint's secret.
#[derive(Clone)]
pub(super) struct Secret {
    key: [u8; 16],
    drawn: u64,
}

impl Secret {
    pub(super) fn new(seed: u64) -> Self {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[8..].copy_from_slice(b"gridmate");
        Self { key, drawn: 0 }
    }

    /// A number that differs from all before and that only this endpoint could have known.
    pub(super) fn next(&mut self) -> u64 {
        self.drawn += 1;
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(b"draw");
        hasher.write(&self.drawn.to_le_bytes());
        hasher.finish128().h1
    }

    /// Proof that whoever shows it with this nonce and id received it at this address.
    pub(super) fn cookie(&self, now: Instant, address: SocketAddr, nonce: u64, id: WireId) -> Cookie {
        let time = stamp(now);
        let mut cookie = [0; COOKIE_BYTES];
        cookie[..4].copy_from_slice(&time.to_le_bytes());
        cookie[4..].copy_from_slice(&self.code(now, time, address, nonce, id));
        cookie
    }

    /// Whether a cookie is ours, for this address, and fresh.
    pub(super) fn accepts(&self, now: Instant, address: SocketAddr, nonce: u64, id: WireId, cookie: &Cookie) -> bool {
        let (time, code) = cookie.split_at(4);
        let Ok(time) = <[u8; 4]>::try_from(time).map(u32::from_le_bytes) else { return false };
        let age = Duration::from_millis(u64::from(stamp(now).wrapping_sub(time)));
        if age > COOKIE_AGE {
            return false;
        }
        let made = now.saturating_sub(age);
        // Not that time matters much over a network, but it costs nothing to look at all of it.
        self.code(made, time, address, nonce, id).iter().zip(code).fold(0, |differs, (a, b)| differs | a ^ b) == 0
    }

    fn code(&self, made: Instant, time: u32, address: SocketAddr, nonce: u64, id: WireId) -> [u8; 16] {
        let epoch = made.as_micros() / KEY_AGE;
        let mut hasher = SipHasher24::new_with_key(&self.key);
        hasher.write(b"cookie key");
        hasher.write(&epoch.to_le_bytes());
        let mut hasher = SipHasher24::new_with_key(&hasher.finish128().as_bytes());
        hasher.write(&time.to_le_bytes());
        match address.ip() {
            IpAddr::V4(ip) => hasher.write(&ip.octets()),
            IpAddr::V6(ip) => hasher.write(&ip.octets()),
        }
        if let SocketAddr::V6(v6) = address {
            hasher.write(&v6.scope_id().to_le_bytes());
        }
        hasher.write(&address.port().to_le_bytes());
        hasher.write(&nonce.to_le_bytes());
        hasher.write(&[id.len]);
        hasher.write(&id.value.to_le_bytes());
        hasher.finish128().as_bytes()
    }
}

impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Secret").field("drawn", &self.drawn).finish_non_exhaustive()
    }
}

/// Milliseconds, low 32 bits.
#[expect(clippy::cast_possible_truncation, reason = "differences of a few seconds are what counts")]
const fn stamp(now: Instant) -> u32 {
    (now.as_micros() / 1_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: WireId = WireId { value: 7, len: 2 };

    #[test]
    fn a_cookie_is_for_one_address_nonce_id_and_time() {
        let secret = Secret::new(1);
        let address = SocketAddr::from(([10, 0, 0, 1], 4_000));
        for at in [0, 999, 299_999, 300_001, 4_294_967_295, 4_294_967_297] {
            let now = Instant::from_millis(at);
            let later = |millis| now + Duration::from_millis(millis);
            let cookie = secret.cookie(now, address, 5, ID);
            assert!(secret.accepts(now, address, 5, ID, &cookie));
            assert!(secret.accepts(later(4_000), address, 5, ID, &cookie));
            assert!(!secret.accepts(later(4_001), address, 5, ID, &cookie), "too old");
            assert!(!secret.accepts(later(86_400_000), address, 5, ID, &cookie), "a day old");
            assert!(!secret.accepts(now, SocketAddr::from(([10, 0, 0, 1], 4_001)), 5, ID, &cookie), "other port");
            assert!(!secret.accepts(now, SocketAddr::from(([10, 0, 0, 2], 4_000)), 5, ID, &cookie), "other address");
            assert!(!secret.accepts(now, address, 6, ID, &cookie), "other nonce");
            assert!(!secret.accepts(now, address, 5, WireId { value: 8, len: 2 }, &cookie), "other id");
            assert!(!Secret::new(2).accepts(now, address, 5, ID, &cookie), "another endpoint's");
            for bit in 0..COOKIE_BYTES * 8 {
                let mut forged = cookie;
                forged[bit / 8] ^= 1 << (bit % 8);
                assert!(!secret.accepts(now, address, 5, ID, &forged), "bit {bit}");
            }
        }
    }

    #[test]
    fn numbers_repeat_with_the_seed_and_only_then() {
        let draw = |seed| {
            let mut secret = Secret::new(seed);
            [secret.next(), secret.next()]
        };
        assert_eq!(draw(1), draw(1));
        assert_ne!(draw(1)[0], draw(1)[1]);
        assert_ne!(draw(1)[0], draw(2)[0]);
        assert_eq!(format!("{:?}", Secret::new(9)), "Secret { drawn: 0, .. }", "it does not tell");
    }
}
