//! From a replica's id to its place in the table.

use core::hash::{BuildHasher, Hasher};
use std::collections::HashMap;

use crate::ids::ReplicaId;

/// A map that is only ever looked up, never walked: its order must not show. The hash is keyed, because peers choose ids.
pub(super) type Index = HashMap<ReplicaId, u32, IdHash>;

#[derive(Clone, Copy, Debug)]
pub(super) struct IdHash(u64);

impl IdHash {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed | 1)
    }
}

impl BuildHasher for IdHash {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { state: self.0, key: self.0 }
    }
}

/// Folded multiplication: a 64 × 64 bit product, its halves xored. Two of them for an id of two words.
pub(super) struct Folded {
    state: u64,
    key: u64,
}

impl Hasher for Folded {
    #[inline]
    fn write_u32(&mut self, word: u32) {
        let wide = u128::from(self.state ^ u64::from(word)) * u128::from(self.key ^ 0x9E37_79B9_7F4A_7C15);
        #[expect(clippy::cast_possible_truncation, reason = "the halves of a 128-bit product")]
        {
            self.state = (wide as u64) ^ ((wide >> 64) as u64);
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.state
    }
}
