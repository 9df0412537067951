//! Hand-over between two threads without locks: full buffers travel one way, empty ones back.
//!
//! ```text
//!  Sender ── full ──► Receiver
//!         ◄─ empty ──
//! ```
//!
//! No more buffers exist than a ring has places, so a push never finds its ring full; a sender that gets no empty buffer
//! back is the sign that the receiver is behind. Buffers are made one by one when more are under way than ever before,
//! and live until the rings do: a driver that moves little holds little, and a steady flow allocates nothing.

use std::net::{Ipv4Addr, SocketAddr};

use rtrb::{Consumer, Producer, RingBuffer};

use super::socket::BUFFER_BYTES;

/// A datagram under way.
pub(super) struct Packet {
    /// The other end: where it goes, or where it came from.
    pub(super) address: SocketAddr,
    len: usize,
    bytes: [u8; BUFFER_BYTES],
}

impl Packet {
    fn new() -> Box<Self> {
        Box::new(Self { address: (Ipv4Addr::UNSPECIFIED, 0).into(), len: 0, bytes: [0; BUFFER_BYTES] })
    }

    pub(super) fn datagram(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Room to receive into; [`set_len`](Self::set_len) says how much was used.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.len = len.min(BUFFER_BYTES);
    }
}

/// The end that fills buffers.
pub(super) struct Sender {
    full: Producer<Box<Packet>>,
    empty: Consumer<Box<Packet>>,
    /// Buffers that may still be made.
    unmade: usize,
    /// An empty one taken and not used.
    spare: Option<Box<Packet>>,
}

/// The end that empties them.
pub(super) struct Receiver {
    full: Consumer<Box<Packet>>,
    empty: Producer<Box<Packet>>,
}

/// Rings with `capacity` places, at least one.
pub(super) fn rings(capacity: usize) -> (Sender, Receiver) {
    let (full_in, full_out) = RingBuffer::new(capacity);
    let (empty_in, empty_out) = RingBuffer::new(capacity);
    (
        Sender { full: full_in, empty: empty_out, unmade: capacity, spare: None },
        Receiver { full: full_out, empty: empty_in },
    )
}

impl Sender {
    /// An empty buffer; `None` when all are under way. Give it to [`push`](Self::push) or [`give_back`](Self::give_back).
    pub(super) fn take(&mut self) -> Option<Box<Packet>> {
        let used = self.spare.take().or_else(|| self.empty.pop().ok());
        if used.is_none() && self.unmade > 0 {
            self.unmade -= 1;
            return Some(Packet::new());
        }
        used
    }

    pub(super) fn push(&mut self, packet: Box<Packet>) {
        let pushed = self.full.push(packet);
        debug_assert!(pushed.is_ok(), "no more buffers than places");
    }

    pub(super) fn give_back(&mut self, packet: Box<Packet>) {
        self.spare = Some(packet);
    }

    /// Copies one datagram into a buffer and sends that; false when all buffers are under way.
    pub(super) fn push_copy(&mut self, address: SocketAddr, datagram: &[u8]) -> bool {
        let Some(mut packet) = self.take() else {
            return false;
        };
        packet.address = address;
        packet.bytes[..datagram.len()].copy_from_slice(datagram);
        packet.len = datagram.len();
        self.push(packet);
        true
    }
}

impl Receiver {
    /// The oldest full buffer. Hand it back to [`recycle`](Self::recycle).
    pub(super) fn pop(&mut self) -> Option<Box<Packet>> {
        self.full.pop().ok()
    }

    pub(super) fn recycle(&mut self, packet: Box<Packet>) {
        let pushed = self.empty.push(packet);
        debug_assert!(pushed.is_ok(), "no more buffers than places");
    }

    /// Full buffers waiting, count.
    pub(super) fn waiting(&self) -> usize {
        self.full.slots()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_in_order_and_stops_when_all_are_under_way() {
        let (mut sender, mut receiver) = rings(3);
        let to = SocketAddr::from(([127, 0, 0, 1], 9));
        for round in 0..10_u8 {
            for byte in 0..3 {
                assert!(sender.push_copy(to, &[round, byte]));
            }
            assert!(!sender.push_copy(to, &[9]), "three are under way");
            assert_eq!(receiver.waiting(), 3);
            for byte in 0..3 {
                let packet = receiver.pop().unwrap();
                assert_eq!((packet.address, packet.datagram()), (to, &[round, byte][..]));
                receiver.recycle(packet);
            }
            assert!(receiver.pop().is_none());
        }
        assert_eq!(sender.unmade, 0);
    }
}
