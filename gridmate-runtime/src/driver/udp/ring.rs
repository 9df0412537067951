//! Hand-over between two threads without locks: datagrams back to back in one ring of bytes, and a ring of entries that
//! say whose they are.
//!
//! ```text
//!  Writer ── bytes ────► Reader      written at once, seen by nobody yet
//!         ── entries ──►             written together, by `publish`: a whole batch becomes visible with one store
//! ```
//!
//! Both rings are made once, with room for the number of datagrams asked for at their largest, so neither end ever
//! allocates; memory is only taken from the system once traffic reaches it. A datagram never lies across the end of the
//! ring: the rest of the ring is passed over instead. So everything between two such places is one slice, and goes to the
//! system as it lies.

use std::net::SocketAddr;

use rtrb::{Consumer, Producer, RingBuffer};

use super::batch::{Entry, total};
use crate::driver::Ecn;
use crate::limits::DATAGRAM_BYTES_MAX;

/// Entries that wait for `publish`, count; the first that does not fit publishes the others.
const STAGED: usize = 256;

/// Datagrams in what a reader looks at in one go, count: the room that it frees should come in portions, too.
const PORTION: usize = 1_024;

/// The end that fills.
pub(super) struct Writer {
    bytes: Producer<u8>,
    entries: Producer<Entry>,
    staged: Vec<Entry>,
    /// Where in the ring of bytes the next one goes.
    at: usize,
    /// Places in the ring of bytes, count.
    places: usize,
}

/// The end that empties.
pub(super) struct Reader {
    bytes: Consumer<u8>,
    entries: Consumer<Entry>,
}

/// Rings for `datagrams`, at least one.
pub(super) fn ring(datagrams: usize) -> (Writer, Reader) {
    // One more for what is passed over at the end, and one that tells a full ring from one that just fits.
    let places = (datagrams + 2) * DATAGRAM_BYTES_MAX;
    let (bytes_in, bytes_out) = RingBuffer::new(places);
    let (entries_in, entries_out) = RingBuffer::new(datagrams);
    let staged = Vec::with_capacity(STAGED.min(datagrams));
    (
        Writer { bytes: bytes_in, entries: entries_in, staged, at: 0, places },
        Reader { bytes: bytes_out, entries: entries_out },
    )
}

impl Writer {
    /// Copies one datagram of at most [`DATAGRAM_BYTES_MAX`] bytes into the ring; false when that is full.
    pub(super) fn push(&mut self, address: SocketAddr, ecn: Ecn, datagram: &[u8]) -> bool {
        let Ok(len) = u16::try_from(datagram.len()) else {
            return false;
        };
        if self.staged.len() == self.staged.capacity() {
            self.publish();
        }
        if self.entries.slots() <= self.staged.len() {
            return false;
        }
        let to_end = self.places - self.at;
        // One that ends with the ring would leave the next at its start without anything to pass over.
        let skip = if datagram.len() < to_end { 0 } else { to_end };
        let (Ok(skip_len), true) = (u16::try_from(skip), self.bytes.slots() >= skip + datagram.len()) else {
            return false;
        };
        if skip > 0 {
            if let Ok(passed_over) = self.bytes.write_chunk(skip) {
                passed_over.commit_all();
            }
            self.at = 0;
        }
        let pushed = self.bytes.push_entire_slice(datagram);
        debug_assert!(pushed.is_ok(), "there was room");
        self.at += datagram.len();
        self.staged.push(Entry { address, ecn, len, skip: skip_len });
        true
    }

    /// Lets the reader see what was pushed.
    pub(super) fn publish(&mut self) {
        let pushed = self.entries.push_entire_slice(&self.staged);
        debug_assert!(pushed.is_ok(), "places were counted before");
        self.staged.clear();
    }
}

impl Reader {
    /// Datagrams waiting, count.
    pub(super) fn waiting(&self) -> usize {
        self.entries.slots()
    }

    /// Shows `take` the oldest datagrams that lie in one piece, at most `most`, at least one if any wait. It says how many
    /// of them it is done with; the others stay. Returns whether it was done with all that it saw, and that number.
    pub(super) fn take(&mut self, most: usize, take: impl FnOnce(&[Entry], &[u8]) -> usize) -> (bool, usize) {
        let most = most.min(self.entries.slots()).min(PORTION);
        let Ok(chunk) = self.entries.read_chunk(most) else {
            return (true, 0);
        };
        let (front, _) = chunk.as_slices();
        let Some((first, others)) = front.split_first() else {
            return (true, 0);
        };
        let seen = 1 + others.iter().take_while(|entry| entry.skip == 0).count();
        let front = &front[..seen];
        let skip = usize::from(first.skip);
        let bytes = self.bytes.read_chunk(skip + total(front)).expect("bytes are written before their entries");
        let (end_of_ring, start_of_ring) = bytes.as_slices();
        let done = take(front, if skip > 0 { start_of_ring } else { end_of_ring }).min(seen);
        if done > 0 {
            let used = skip + total(&front[..done]);
            bytes.commit(used);
            chunk.commit(done);
        }
        (done == seen, done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything(reader: &mut Reader) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        while reader.waiting() > 0 {
            reader.take(usize::MAX, |entries, mut bytes| {
                for entry in entries {
                    let (datagram, rest) = bytes.split_at(entry.len.into());
                    all.push(datagram.to_vec());
                    bytes = rest;
                }
                assert!(bytes.is_empty());
                entries.len()
            });
        }
        all
    }

    #[test]
    fn moves_in_order_and_stops_when_full() {
        let (mut writer, mut reader) = ring(3);
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        for round in 0..100_usize {
            // Lengths that meet the end of the ring at every distance, the exact one included.
            let sent: Vec<_> = (0..3).map(|number| vec![7; 1 + (round * 500 + number * 499) % 1_500]).collect();
            for datagram in &sent {
                assert!(writer.push(to, Ecn::Capable0, datagram));
            }
            assert!(!writer.push(to, Ecn::Capable0, &[9]), "three are under way");
            writer.publish();
            assert!(!writer.push(to, Ecn::Capable0, &[9]), "three are under way");
            assert_eq!(reader.waiting(), 3);
            assert_eq!(everything(&mut reader), sent);
        }
    }

    #[test]
    fn what_is_not_published_is_not_seen_and_what_is_not_done_stays() {
        let (mut writer, mut reader) = ring(8);
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        for byte in 0..4 {
            assert!(writer.push(to, Ecn::NotCapable, &[byte]));
        }
        assert_eq!(reader.waiting(), 0);
        writer.publish();
        assert_eq!(
            reader.take(4, |entries, bytes| usize::from(entries.len() == 4 && bytes == [0, 1, 2, 3])),
            (false, 1)
        );
        assert_eq!(reader.take(2, |entries, bytes| entries.len() * usize::from(bytes == [1, 2])), (true, 2));
        assert_eq!(everything(&mut reader), [[3]]);
        assert_eq!(reader.take(1, |_, _| unreachable!()), (true, 0));
    }

    #[test]
    fn as_many_of_the_largest_fit_as_were_asked_for() {
        for datagrams in [1, 2, 7, 300] {
            let (mut writer, mut reader) = ring(datagrams);
            let to = SocketAddr::from(([127, 0, 0, 1], 9));
            for _ in 0..5 {
                assert!((0..datagrams).all(|_| writer.push(to, Ecn::NotCapable, &[7; DATAGRAM_BYTES_MAX])));
                writer.publish();
                assert_eq!(everything(&mut reader).len(), datagrams);
            }
        }
    }
}
