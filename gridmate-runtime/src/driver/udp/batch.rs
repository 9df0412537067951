//! Datagrams back to back in one buffer, with a list that says whose each stretch is.

use std::net::SocketAddr;

use crate::driver::Ecn;

/// Bytes in a batch: what one send may carry as segments, and a little more.
const BATCH_BYTES: usize = 64 << 10;

/// Datagrams in a batch, count: as many of 64 bytes as its bytes hold.
const BATCH_DATAGRAMS: usize = 1_024;

/// One datagram's place in a buffer: its bytes follow those of the entry before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// The other end: where it goes, spelled as the socket wants it, or where it came from.
    pub(super) address: SocketAddr,
    /// What the network wrote on it; unused on the way out.
    pub(super) ecn: Ecn,
    /// Its bytes, count.
    pub(super) len: u16,
    /// Bytes to pass over before it, count: only the first entry at the start of a ring has any.
    pub(super) skip: u16,
}

/// The bytes of all `entries`, count.
pub(super) fn total(entries: &[Entry]) -> usize {
    entries.iter().map(|entry| usize::from(entry.len)).sum()
}

/// What waits for a flush. Its room is taken once.
#[derive(Debug)]
pub(super) struct Batch {
    entries: Vec<Entry>,
    bytes: Vec<u8>,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self { entries: Vec::with_capacity(BATCH_DATAGRAMS), bytes: Vec::with_capacity(BATCH_BYTES) }
    }

    /// Appends a datagram; false when it does not fit any more.
    pub(super) fn push(&mut self, address: SocketAddr, datagram: &[u8]) -> bool {
        let Ok(len) = u16::try_from(datagram.len()) else {
            return false;
        };
        if self.entries.len() == BATCH_DATAGRAMS || self.bytes.len() + datagram.len() > BATCH_BYTES {
            return false;
        }
        self.entries.push(Entry { address, ecn: Ecn::NotCapable, len, skip: 0 });
        self.bytes.extend_from_slice(datagram);
        true
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
    }
}
