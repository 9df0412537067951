//! Datagrams that wait for their time: a heap ordered by time, then by who came first, over reused buffers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::SocketAddr;

use super::{Arrival, Ecn};
use crate::sim::Damage;
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

/// Compared by `at` and `number`, which differs always.
#[derive(Debug)]
struct Entry {
    at: Instant,
    number: u64,
    address: SocketAddr,
    ecn: Ecn,
    slot: usize,
}

impl Entry {
    const fn key(&self) -> (Instant, u64) {
        (self.at, self.number)
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Entry {}

impl Held {
    /// Keeps a copy until `at`, with the damage done to it. False when there is no room. `datagram.from` is the other
    /// end's address, whichever way the datagram goes.
    pub(super) fn insert(&mut self, at: Instant, datagram: Arrival<'_>, damage: &Damage) -> bool {
        if self.heap.len() >= HELD_DATAGRAMS {
            return false;
        }
        let slot = self.free.pop().unwrap_or_else(|| {
            self.buffers.push(Vec::new());
            self.buffers.len() - 1
        });
        let buffer = &mut self.buffers[slot];
        buffer.clear();
        buffer.extend_from_slice(datagram.bytes);
        damage.apply(buffer);
        self.inserted += 1;
        let Arrival { from: address, ecn, .. } = datagram;
        self.heap.push(Reverse(Entry { at, number: self.inserted, address, ecn, slot }));
        true
    }

    /// The next datagram due by `now`. Valid until the next [`insert`](Self::insert).
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Arrival<'_>> {
        if self.next_at()? > now {
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        self.free.push(entry.slot);
        Some(Arrival { from: entry.address, ecn: entry.ecn, bytes: &self.buffers[entry.slot] })
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

    fn datagram(bytes: &[u8]) -> Arrival<'_> {
        Arrival { from: SocketAddr::from(([10, 0, 0, 1], 1)), ecn: Ecn::NotCapable, bytes }
    }

    #[test]
    fn yields_by_time_then_by_insertion() {
        let mut held = Held::default();
        for (at, byte) in [(5, 0), (3, 1), (5, 2), (3, 3), (9, 4)] {
            assert!(held.insert(Instant::from_micros(at), datagram(&[byte]), &Damage::NONE));
        }
        let mut order = Vec::new();
        while let Some(due) = held.pop_due(Instant::from_micros(5)) {
            order.push(due.bytes[0]);
        }
        assert_eq!(order, [1, 3, 0, 2]);
        assert_eq!((held.len(), held.next_at()), (1, Some(Instant::from_micros(9))));
    }

    #[test]
    fn is_bounded_and_reuses_buffers() {
        let mut held = Held::default();
        for _ in 0..HELD_DATAGRAMS {
            assert!(held.insert(Instant::ZERO, datagram(&[0]), &Damage::NONE));
        }
        assert!(!held.insert(Instant::ZERO, datagram(&[0]), &Damage::NONE));
        for _ in 0..10 {
            assert!(held.pop_due(Instant::ZERO).is_some());
            assert!(held.insert(Instant::ZERO, datagram(&[1]), &Damage::NONE));
        }
        assert_eq!(held.buffers.len(), HELD_DATAGRAMS);
    }

    #[test]
    fn damages_the_copy_and_keeps_the_mark() {
        let mut held = Held::default();
        let marked = Arrival { ecn: Ecn::CongestionExperienced, ..datagram(b"hello") };
        assert!(held.insert(Instant::ZERO, marked, &Damage::NONE.bit(0).truncated(2)));
        assert!(held.insert(Instant::ZERO, marked, &Damage::NONE));
        assert_eq!(held.pop_due(Instant::ZERO), Some(Arrival { bytes: b"ie", ..marked }));
        assert_eq!(held.pop_due(Instant::ZERO), Some(marked), "the buffer is as good as new");
    }
}
