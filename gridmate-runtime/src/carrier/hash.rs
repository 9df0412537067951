//! A small keyed hash for tables whose keys strangers choose.
//!
//! Addresses come off the network, so their hash must not be predictable; runs must repeat, so the key comes from the
//! endpoint's seed. Each word is folded in with one 64 × 64 → 128 bit multiplication. It is not a cryptographic hash, and
//! nothing that can be observed depends on the order of a table that uses it.

use std::hash::{BuildHasher, Hasher};

/// Makes [`FoldHasher`]s with one key.
#[derive(Clone, Debug)]
pub(super) struct SeededState(u64);

impl SeededState {
    pub(super) const fn new(key: u64) -> Self {
        Self(key)
    }
}

impl BuildHasher for SeededState {
    type Hasher = FoldHasher;

    fn build_hasher(&self) -> FoldHasher {
        FoldHasher(self.0)
    }
}

/// Folds words into 64 bits.
#[derive(Clone, Debug)]
pub(super) struct FoldHasher(u64);

impl FoldHasher {
    fn word(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word) * u128::from(0x9E37_79B9_7F4A_7C15_u64);
        #[expect(clippy::cast_possible_truncation, reason = "both halves of the product are wanted")]
        let folded = wide as u64 ^ (wide >> 64) as u64;
        self.0 = folded.rotate_left(23);
    }
}

impl Hasher for FoldHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.word(u64::from_le_bytes(*word));
        }
        if !rest.is_empty() {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            self.word(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.word(u64::from(value));
    }

    fn write_u16(&mut self, value: u16) {
        self.word(u64::from(value));
    }

    fn write_u32(&mut self, value: u32) {
        self.word(u64::from(value));
    }

    fn write_u64(&mut self, value: u64) {
        self.word(value);
    }

    fn finish(&self) -> u64 {
        let mut last = self.clone();
        last.word(0x1F83_D9AB_FB41_BD6B);
        last.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_seeds_both_matter() {
        let a = std::net::SocketAddr::from(([10, 0, 0, 1], 4_000));
        let b = std::net::SocketAddr::from(([10, 0, 0, 1], 4_001));
        let hash = |seed, value| SeededState::new(seed).hash_one(value);
        assert_eq!(hash(1, a), hash(1, a));
        assert_ne!(hash(1, a), hash(1, b));
        assert_ne!(hash(1, a), hash(2, a));
    }
}
