//! What each packet contained, until it is acknowledged or given up.
//!
//! A packet is given up when [`PACKET_THRESHOLD`] later ones were acknowledged, when one later was and enough time passed, or
//! when nothing was heard for the resend timeout (RFC 9002 §6). Whatever is decided is final: an acknowledgement that comes
//! after that changes nothing.

use core::time::Duration;

use super::due::Due;
use super::packet::{Ack, expand_down, number_bits};
use super::ring::Ring;
use super::stats::Cause;
use crate::limits;
use crate::time::Instant;

/// Later packets acknowledged before an unacknowledged one counts as lost, count: what reordering usually stays below.
const PACKET_THRESHOLD: u64 = 3;

/// Numbers without an acknowledgement up to which eight bits tell them apart, count: a quarter of what they could.
const NARROW: u64 = 64;

/// Something a packet contained whose fate matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Consecutive segments of a reliable channel.
    Segments { channel: u8, count: u16, first: u64 },
    /// One half of a segment: 0 or 1.
    Half { channel: u8, half: u8, sequence: u64 },
    /// An unreliable message, or a fragment of one, with a token: its place in the table of tokens.
    Token { place: u32 },
}

impl Default for Record {
    fn default() -> Self {
        Self::Token { place: 0 }
    }
}

/// What a packet is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Purpose {
    /// It asks for no acknowledgement.
    #[default]
    Report,
    /// It carries something, or asks whether the peer is there.
    Data,
    /// It finds out whether datagrams of its size get through. That it is lost says nothing about congestion.
    Probe,
}

/// A packet taken out of the table because its fate is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Packet {
    pub(super) at: Instant,
    /// Place of its first record, and how many there are.
    pub(super) first_record: u64,
    pub(super) records: u16,
    pub(super) size: u16,
    pub(super) purpose: Purpose,
    /// Sent when the program had no more to send.
    pub(super) app_limited: bool,
    /// Not acknowledged and not given up, and it asked for an acknowledgement.
    in_flight: bool,
}

/// The packets sent.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Sent {
    in_flight: usize,
    bytes: usize,
    /// One more than the newest acknowledged number.
    acked_end: u64,
    /// Number of the first in `packets`. It is in flight, or there are none.
    base: u64,
    packets: Ring<Packet, 2>,
    first: u64,
    /// Place of the first in `records`, and of the first of the packet being written.
    records_base: u64,
    open_record: u64,
    records: Ring<Record, 2>,
}

impl Sent {
    pub(super) fn new(first: u64) -> Self {
        Self {
            packets: Ring::new(),
            base: first,
            first,
            records: Ring::new(),
            records_base: 0,
            open_record: 0,
            in_flight: 0,
            bytes: 0,
            acked_end: first,
        }
    }

    /// The number of the packet being written.
    pub(super) fn next(&self) -> u64 {
        self.base + self.packets.len() as u64
    }

    /// The first number there is.
    pub(super) const fn first(&self) -> u64 {
        self.first
    }

    /// Packets in flight.
    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Bytes in flight, probes not counted.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a packet with frames may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight < limits::IN_FLIGHT && self.next() - self.acked_end < limits::UNACKED_SPAN
    }

    /// Whether eight bits of the next number are enough for the peer.
    pub(super) fn is_narrow(&self) -> bool {
        self.next() - self.acked_end < NARROW
    }

    /// Notes what goes into the packet being written. Consecutive segments become one record.
    pub(super) fn note(&mut self, record: Record) {
        let open = self.records_base + self.records.len() as u64 > self.open_record;
        if let (true, Some(Record::Segments { channel, count, first }), Record::Segments { channel: c, first: f, .. }) =
            (open, self.records.back_mut(), record)
            && *channel == c
            && *first + u64::from(*count) == f
        {
            *count += 1;
        } else {
            self.records.push_back(record);
        }
    }

    /// The packet being written was sent.
    pub(super) fn commit(&mut self, at: Instant, size: usize, purpose: Purpose, app_limited: bool) {
        let end = self.records_base + self.records.len() as u64;
        let records = u16::try_from(end - self.open_record).unwrap_or(u16::MAX);
        let (size, in_flight) = (u16::try_from(size).unwrap_or(u16::MAX), purpose != Purpose::Report);
        let packet = Packet { at, first_record: self.open_record, records, size, purpose, app_limited, in_flight };
        self.packets.push_back(packet);
        self.open_record = end;
        self.in_flight += usize::from(in_flight);
        self.bytes += packet.weight();
        self.trim();
    }

    /// Completes the newest number of an acknowledgement: the largest that was sent and ends like it.
    pub(super) fn expand(&self, ack: &Ack<'_>, wide: bool) -> Result<u64, Cause> {
        let last = self.next().checked_sub(1).ok_or(Cause::AckFuture)?;
        let newest = expand_down(ack.newest, number_bits(wide), last).ok_or(Cause::AckFuture)?;
        if newest < self.first { Err(Cause::AckFuture) } else { Ok(newest) }
    }

    /// Checks that all of an acknowledgement is about packets that were sent.
    pub(super) fn check(&self, ack: &Ack<'_>, newest: u64) -> Result<(), Cause> {
        if ack.ranges(newest, self.first).all(|range| range.is_some()) { Ok(()) } else { Err(Cause::AckFuture) }
    }

    /// The part of `low..=high` still in the table. Loops over acknowledged numbers are as long as this at most.
    pub(super) fn clamp(&self, low: u64, high: u64) -> core::ops::Range<u64> {
        low.max(self.base)..(high + 1).min(self.next())
    }

    /// The peer's newest packet from us is `newest`, by an acknowledgement that [`check`](Self::check) let through.
    pub(super) fn heard(&mut self, newest: u64) {
        self.acked_end = self.acked_end.max(newest + 1);
    }

    /// Takes out a packet that was acknowledged; `None` when its fate was decided before.
    pub(super) fn acked(&mut self, number: u64) -> Option<Packet> {
        self.take(number)
    }

    /// Takes out the first packet that counts as lost because later ones arrived. With none left, tells when the next will.
    pub(super) fn lost(&mut self, now: Instant, delay: Duration) -> Result<(u64, Packet), Due> {
        let mut soonest = Due::NEVER;
        for number in self.clamp(self.base, self.acked_end.saturating_sub(1)) {
            let packet = self.packets[small(number - self.base)];
            if number >= self.acked_end || !packet.in_flight {
                continue;
            }
            let due = packet.at + delay;
            if number + PACKET_THRESHOLD < self.acked_end || due <= now {
                return self.take(number).map(|packet| (number, packet)).ok_or(Due::NEVER);
            }
            soonest = soonest.min(Due::at(due));
        }
        Err(soonest)
    }

    /// When the oldest packet in flight was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.packets.front().map(|packet| packet.at)
    }

    /// Takes out the oldest packet in flight, whenever it was sent.
    pub(super) fn take_oldest(&mut self) -> Option<(u64, Packet)> {
        let number = self.base;
        self.take(number).map(|packet| (number, packet))
    }

    /// Whether there are so many entries that the oldest must go before another is made.
    pub(super) fn is_full(&self) -> bool {
        self.packets.len() >= 2 * limits::IN_FLIGHT
    }

    /// A record of a packet that was taken out.
    pub(super) fn record(&self, place: u64) -> Option<Record> {
        self.records.get(usize::try_from(place.checked_sub(self.records_base)?).ok()?).copied()
    }

    /// Forgets what precedes the oldest packet in flight. Records of packets taken out are gone after it.
    pub(super) fn trim(&mut self) {
        while self.packets.front().is_some_and(|packet| !packet.in_flight) {
            self.packets.pop_front();
            self.base += 1;
        }
        let keep = self.packets.front().map_or(self.open_record, |packet| packet.first_record);
        while self.records_base < keep {
            self.records.pop_front();
            self.records_base += 1;
        }
    }

    fn take(&mut self, number: u64) -> Option<Packet> {
        let packet = self.packets.get_mut(usize::try_from(number.checked_sub(self.base)?).ok()?)?;
        packet.in_flight.then(|| {
            packet.in_flight = false;
            self.in_flight -= 1;
            self.bytes -= packet.weight();
            *packet
        })
    }
}

impl Packet {
    /// What it counts among the bytes in flight.
    pub(super) fn weight(&self) -> usize {
        if self.purpose == Purpose::Data { usize::from(self.size) } else { 0 }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "differences within the table")]
const fn small(difference: u64) -> usize {
    difference as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::packet::{DATA, Data};

    fn commit(sent: &mut Sent, at: Instant) {
        sent.commit(at, 100, Purpose::Data, false);
    }

    #[test]
    fn range_loop_bounded() {
        let mut sent = Sent::new(100);
        (0..10).for_each(|i| commit(&mut sent, Instant::from_millis(i)));
        // The widest ranges the format can express, from a number that was sent: they reach far below what ever was.
        let packet = [&[DATA | 0x04, 0, 0, 0, 0, 1, 0, 109, 0, 0xFF, 0x7F, 31][..], &[0xFF, 0x7F].repeat(62)].concat();
        let ack = Data::parse(&packet, 1).unwrap().ack.unwrap();
        let newest = sent.expand(&ack, false).unwrap();
        assert_eq!(newest, 109);
        assert_eq!(sent.check(&ack, newest), Err(Cause::AckFuture));
        assert_eq!(sent.clamp(0, u64::MAX - 1).count(), 10);
    }

    #[test]
    fn ack_future_packet() {
        let mut sent = Sent::new(0x1_0000);
        let check = |sent: &Sent, newest: u16| {
            let [low, high] = newest.to_le_bytes();
            let packet = [DATA | 0x03, 0, 0, 0, 0, 1, 0, 0, low, high, 0];
            let ack = Data::parse(&packet, 1).unwrap().ack.unwrap();
            sent.expand(&ack, true)
        };
        assert_eq!(check(&sent, 0), Err(Cause::AckFuture), "nothing was sent");
        (0..5).for_each(|_| commit(&mut sent, Instant::ZERO));
        assert_eq!(check(&sent, 4), Ok(0x1_0004));
        for newest in [5, 6, 0x7FFF, 0x8004, 0xFFFF] {
            assert_eq!(check(&sent, newest), Err(Cause::AckFuture), "{newest}");
        }
    }

    #[test]
    fn loss_is_declared_once_and_stays() {
        let mut sent = Sent::new(0);
        let at = Instant::from_millis;
        for i in 0..6 {
            sent.note(Record::Token { place: i });
            commit(&mut sent, at(u64::from(i)));
        }
        assert_eq!(sent.bytes(), 600);
        sent.heard(4);
        assert!(sent.acked(4).is_some() && sent.acked(4).is_none());
        let delay = Duration::from_millis(50);
        let lost: Vec<_> = core::iter::from_fn(|| sent.lost(at(10), delay).ok()).map(|(_, p)| p.first_record).collect();
        assert_eq!(lost, [0, 1], "three or more before the newest acknowledged");
        assert_eq!(sent.lost(at(10), delay).unwrap_err(), Due::at(at(52)));
        assert!(sent.acked(0).is_none(), "an acknowledgement after the verdict changes nothing");
        assert_eq!(sent.lost(at(52), delay).unwrap().1.first_record, 2);
        assert_eq!(sent.lost(at(52), delay).unwrap_err(), Due::at(at(53)));
        sent.trim();
        assert_eq!((sent.base, sent.records_base, sent.in_flight(), sent.bytes()), (3, 3, 2, 200));
    }

    #[test]
    fn probes_weigh_nothing() {
        let mut sent = Sent::new(0);
        sent.commit(Instant::ZERO, 1_400, Purpose::Probe, false);
        assert_eq!((sent.in_flight(), sent.bytes()), (1, 0));
        sent.acked(0).unwrap();
        assert_eq!((sent.in_flight(), sent.bytes()), (0, 0));
    }
}
