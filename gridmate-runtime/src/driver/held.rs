//! Datagrams that wait for their time: a heap ordered by time, then by who came first, over reused buffers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use crate::time::Instant;

/// Datagrams held at once, count: half a second of 32,768 datagrams a second, 24 MiB when all are long. What comes
/// beyond is dropped and counted.
const HELD_DATAGRAMS: usize = 16_384;

/// The heap. Allocates only when more datagrams wait than ever before, or longer ones.
#[derive(Debug, Default)]
pub(super) struct Held {
    heap: BinaryHeap<Reverse<Entry>>,
    /// Buffers by slot; those whose slot is in `free` are between uses.
    buffers: Vec<Vec<u8>>,
    free: Vec<usize>,
    inserted: u64,
}

/// Compared field by field: `number` differs always, so the rest never decides.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Instant,
    number: u64,
    address: SocketAddr,
    slot: usize,
}

impl Held {
    /// Keeps a copy until `at`, with one bit turned over where `corrupt_bit` says so. False when there is no room.
    pub(super) fn insert(
        &mut self,
        at: Instant,
        address: SocketAddr,
        datagram: &[u8],
        corrupt_bit: Option<usize>,
    ) -> bool {
        if self.heap.len() >= HELD_DATAGRAMS {
            return false;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(Vec::new());
            self.buffers.len() - 1
        });
        let buffer = &mut self.buffers[slot];
        buffer.clear();
        buffer.extend_from_slice(datagram);
        if let Some(bit) = corrupt_bit {
            buffer[bit / 8] ^= 1 << (bit % 8);
        }
        self.inserted += 1;
        self.heap.push(Reverse(Entry { at, number: self.inserted, address, slot }));
        true
    }

    /// The next datagram due by `now`. Valid until the next [`insert`](Self::insert).
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<(SocketAddr, &[u8])> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        self.free.push(entry.slot);
        Some((entry.address, &self.buffers[entry.slot]))
    }

    /// When the next datagram is due.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn yields_by_time_then_by_insertion() {
        let (mut held, to) = (Held::default(), SocketAddr::from(([10, 0, 0, 1], 1)));
        for (at, byte) in [(5, 0), (3, 1), (5, 2), (3, 3), (9, 4)] {
            assert!(held.insert(Instant::from_micros(at), to, &[byte], None));
        }
        let mut order = Vec::new();
        while let Some((_, datagram)) = held.pop_due(Instant::from_micros(5)) {
            order.push(datagram[0]);
        }
        assert_eq!(order, [1, 3, 0, 2]);
        assert_eq!((held.len(), held.next_at()), (1, Some(Instant::from_micros(9))));
    }

    #[test]
    fn is_bounded_and_reuses_buffers() {
        let (mut held, to) = (Held::default(), SocketAddr::from(([10, 0, 0, 1], 1)));
        for _ in 0..HELD_DATAGRAMS {
            assert!(held.insert(Instant::ZERO, to, &[0], None));
        }
        assert!(!held.insert(Instant::ZERO, to, &[0], None));
        for _ in 0..10 {
            assert!(held.pop_due(Instant::ZERO).is_some());
            assert!(held.insert(Instant::ZERO, to, &[1], None));
        }
        assert_eq!(held.buffers.len(), HELD_DATAGRAMS);
    }
}
