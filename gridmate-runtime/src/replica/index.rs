//! From a replica's id to its place in the table.
//!
//! Ids are a creator and a serial, and a creator's serials go up one by one: most ids that are looked up lie in a row. So before the map
//! there is a table that the low bits of a serial lead to directly. It has an entry for each replica or more, and what it does not have,
//! because two ids go by the same bits, the map has. Nothing depends on which: peers may choose ids as they like, and the map is keyed.

use core::hash::{BuildHasher, Hasher};
use std::collections::HashMap;

use crate::ids::{MemberId, ReplicaId};

/// Where replicas are. It is only ever looked up, never walked: its order must not show.
#[derive(Debug)]
pub(super) struct Index {
    all: HashMap<ReplicaId, u32, IdHash>,
    /// As many as a power of two.
    near: Vec<(ReplicaId, u32)>,
}

const NOWHERE: u32 = u32::MAX;
const NOBODY: (ReplicaId, u32) = (ReplicaId { creator: MemberId::NONE, serial: 0 }, NOWHERE);

impl Index {
    /// `seed` keys the map.
    pub(super) fn new(seed: u64) -> Self {
        Self { all: HashMap::with_hasher(IdHash(seed | 1)), near: vec![NOBODY] }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    #[inline]
    pub(super) fn get(&self, id: &ReplicaId) -> Option<&u32> {
        match self.near.get(self.bucket(id)) {
            Some((near, place)) if near == id && *place != NOWHERE => Some(place),
            _ => self.all.get(id),
        }
    }

    pub(super) fn contains_key(&self, id: &ReplicaId) -> bool {
        self.get(id).is_some()
    }

    pub(super) fn insert(&mut self, id: ReplicaId, place: u32) {
        self.all.insert(id, place);
        if self.all.len() > self.near.len() {
            let grown = vec![NOBODY; self.near.len() * 2];
            for entry in core::mem::replace(&mut self.near, grown) {
                let bucket = self.bucket(&entry.0);
                if entry != NOBODY {
                    self.near[bucket] = entry;
                }
            }
        }
        let bucket = self.bucket(&id);
        self.near[bucket] = (id, place);
    }

    pub(super) fn remove(&mut self, id: &ReplicaId) {
        self.all.remove(id);
        let bucket = self.bucket(id);
        if self.near[bucket].0 == *id {
            self.near[bucket] = NOBODY;
        }
    }

    /// Creators' serials lie in rows, each of which begins somewhere else.
    #[inline]
    fn bucket(&self, id: &ReplicaId) -> usize {
        id.serial.wrapping_add(id.creator.0.wrapping_mul(0x9E37_79B9)) as usize & (self.near.len() - 1)
    }
}

/// Of a replica that there is.
impl core::ops::Index<&ReplicaId> for Index {
    type Output = u32;

    fn index(&self, id: &ReplicaId) -> &u32 {
        self.get(id).expect("a replica that there is")
    }
}

/// The hash is keyed, because peers choose ids.
#[derive(Clone, Copy, Debug)]
struct IdHash(u64);

impl BuildHasher for IdHash {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded { state: self.0, key: self.0 }
    }
}

/// Folded multiplication: a 64 × 64 bit product, its halves xored. Two of them for an id of two words.
struct Folded {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn id(creator: u32, serial: u32) -> ReplicaId {
        ReplicaId { creator: MemberId(creator), serial }
    }

    #[test]
    fn what_goes_by_the_same_bits_is_found_all_the_same() {
        let mut index = Index::new(7);
        let ids: Vec<_> = (0..40).flat_map(|n| [id(1, n + 1), id(1, (n + 1) << 10), id(2 + n, 9)]).collect();
        for (place, id) in (0..).zip(&ids) {
            index.insert(*id, place);
        }
        assert!(index.near.iter().filter(|near| **near != NOBODY).count() < ids.len(), "some share a place");
        for (place, id) in (0..).zip(&ids) {
            assert_eq!(index.get(id), Some(&place));
        }
        for id in ids.iter().step_by(2) {
            index.remove(id);
            assert_eq!(index.get(id), None);
        }
        for (place, id) in (0..).zip(&ids).skip(1).step_by(2) {
            assert_eq!(index.get(id), Some(&place));
        }
        index.insert(ids[0], 77);
        assert_eq!((index.get(&ids[0]), index.len()), (Some(&77), ids.len() / 2 + 1));
        assert!(!index.contains_key(&id(0, 0)) && index.get(&id(0, 5)).is_none());
    }
}
