//! Names of connections on the wire: which slot a datagram is for, without a look at where it comes from.
//!
//! An id is drawn at random from a table at least four times as large as the number of connections, so that one that is free
//! is found in a few draws, and one that was guessed is mostly nobody's. Ids are as short as that table allows: one byte in a
//! program with few connections, else two.

use prefetch_index::prefetch_index;

use super::packet::WireId;
use super::secret::Secret;
use crate::limits;

/// Connections that one byte tells apart well, count.
const SHORT: usize = 64;

/// Nobody's. Slots are numbered below it, so that the table, of which every packet needs another place, is small.
const FREE: u16 = u16::MAX;

const _: () = assert!(limits::CONNECTIONS <= FREE as usize, "a slot's number fits into the table");

/// Slots by id.
#[derive(Debug)]
pub(super) struct Ids {
    slots: Vec<u16>,
    len: u8,
    used: usize,
}

impl Ids {
    /// For at most `connections` connections.
    pub(super) const fn new(connections: usize) -> Self {
        Self { slots: Vec::new(), len: if connections <= SHORT { 1 } else { 2 }, used: 0 }
    }

    /// Bytes of an id.
    pub(super) const fn len(&self) -> u8 {
        self.len
    }

    /// Gives a slot an id.
    pub(super) fn take(&mut self, slot: u32, secret: &mut Secret) -> WireId {
        // One byte has room for all there may be; two grow with the need.
        let most = 1 << (8 * u32::from(self.len));
        let size = if self.len == 1 { most } else { (4 * (self.used + 1)).next_power_of_two().clamp(1 << 10, most) };
        if self.slots.len() < size {
            self.slots.resize(size, FREE);
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded by limits::CONNECTIONS")]
        let slot = slot as u16;
        loop {
            #[expect(clippy::cast_possible_truncation, reason = "the low bits are wanted")]
            let value = secret.next() as u16 as usize & (self.slots.len() - 1);
            if self.slots[value] == FREE {
                self.slots[value] = slot;
                self.used += 1;
                #[expect(clippy::cast_possible_truncation, reason = "the table has at most 65,536 places")]
                return WireId { value: value as u16, len: self.len };
            }
        }
    }

    /// An id is nobody's again.
    pub(super) fn release(&mut self, id: WireId) {
        self.slots[usize::from(id.value)] = FREE;
        self.used -= 1;
    }

    /// Fetches the place of an id.
    pub(super) fn fetch(&self, value: u16) {
        prefetch_index(&self.slots, usize::from(value));
    }

    /// Whose an id is.
    pub(super) fn slot(&self, value: u16) -> Option<u32> {
        self.slots.get(usize::from(value)).copied().filter(|slot| *slot != FREE).map(u32::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_is_one_slots() {
        for (connections, len) in [(1, 1), (64, 1), (65, 2), (16_384, 2)] {
            let (mut ids, mut secret) = (Ids::new(connections), Secret::new(3));
            let taken: Vec<_> =
                (0..u32::try_from(connections).unwrap()).map(|slot| (slot, ids.take(slot, &mut secret))).collect();
            for (slot, id) in &taken {
                assert_eq!((ids.slot(id.value), id.len), (Some(*slot), len));
            }
            taken.iter().for_each(|(_, id)| ids.release(*id));
            assert!((0..=u16::MAX).all(|value| ids.slot(value).is_none()));
        }
    }
}
