//! Who knows what arrived: the receiver's window of packet numbers, the sender's table of packets.
//!
//! [`Received`] remembers which of the last [`limits::PACKET_WINDOW`] numbers came, in a ring of bits. Whatever is older is
//! not accepted, so a number is never taken twice. From it come acknowledgements: the newest number and, going down, ranges
//! of received numbers. How far down they go is learned: once the peer has acknowledged a packet that carried an
//! acknowledgement up to *n*, nothing much below *n* needs saying again. Without loss that keeps it at three bytes.
//!
//! [`Sent`] holds what each packet contained until it is acknowledged or given up. A packet is given up when
//! [`PACKET_THRESHOLD`] later ones were acknowledged, when one later was and enough time passed, or when nothing was heard
//! for the resend timeout. Whatever is decided is final: an acknowledgement that comes after that changes nothing.

use core::time::Duration;
use std::collections::VecDeque;

use super::packet::{Ack, low16, put_varint};
use super::stats::Cause;
use crate::limits;
use crate::time::Instant;

/// Later packets acknowledged before an unacknowledged one counts as lost, count: what reordering usually stays below.
const PACKET_THRESHOLD: u64 = 3;

/// Numbers below one the peer is known to have seen acknowledged that are still reported, for late arrivals.
const LATE: u64 = 64;

/// Packets whose acknowledgement tells us that the peer saw ours, count.
const CARRIERS: usize = 64;

const WINDOW: u64 = limits::PACKET_WINDOW as u64;

/// The numbers received.
#[derive(Debug)]
pub(super) struct Received {
    /// One bit per number, at its remainder by the window.
    bits: [u64; limits::PACKET_WINDOW / 64],
    /// Those among them that must not be acknowledged: what they brought was of no use. They still count as seen.
    refused: [u64; limits::PACKET_WINDOW / 64],
    /// One more than the newest number received; the first number when none was.
    end: u64,
    first: u64,
    /// Own packets that carried acknowledgements: their number, and the newest number they acknowledged.
    carriers: VecDeque<(u64, u64)>,
    /// The peer is known to have seen everything up to here acknowledged.
    confirmed: u64,
}

impl Received {
    pub(super) fn new(first: u64) -> Self {
        Self {
            bits: [0; limits::PACKET_WINDOW / 64],
            refused: [0; limits::PACKET_WINDOW / 64],
            end: first,
            first,
            carriers: VecDeque::with_capacity(CARRIERS),
            confirmed: first,
        }
    }

    /// The number the next packet would have if nothing were lost.
    pub(super) const fn expected(&self) -> u64 {
        self.end
    }

    /// Whether a packet with this number may be looked at.
    pub(super) fn check(&self, number: u64) -> Result<(), Cause> {
        if number < self.first || number + WINDOW < self.end {
            Err(Cause::TooOld)
        } else if number < self.end && self.contains(number) {
            Err(Cause::Duplicate)
        } else {
            Ok(())
        }
    }

    /// Notes a number that [`check`](Self::check) let through.
    pub(super) fn insert(&mut self, number: u64) {
        if number >= self.end {
            if number - self.end >= WINDOW {
                self.bits.fill(0);
            } else {
                (self.end..number).for_each(|skipped| self.bits[word(skipped)] &= !bit(skipped));
            }
            self.end = number + 1;
        }
        self.bits[word(number)] |= bit(number);
        self.refused[word(number)] &= !bit(number);
    }

    /// A packet that was received is not to be acknowledged. Comes too late once an acknowledgement was written.
    pub(super) fn refuse(&mut self, number: u64) {
        if number < self.end && number + WINDOW >= self.end {
            self.refused[word(number)] |= bit(number);
        }
    }

    /// Appends an acknowledgement, unless there is nothing to acknowledge; true when it has ranges beyond the first. `carrier`
    /// is the number of the packet it goes in.
    pub(super) fn write(&mut self, carrier: u64, out: &mut Vec<u8>) -> Option<bool> {
        let floor = self.confirmed.saturating_sub(LATE).max(self.end.saturating_sub(WINDOW)).max(self.first);
        let newest = (floor..self.end).rev().find(|number| self.reports(*number))?;
        if self.carriers.len() == CARRIERS {
            self.carriers.pop_front();
        }
        self.carriers.push_back((carrier, newest));
        let mut low = self.run_down(newest, floor, true);
        out.extend_from_slice(&low16(newest).to_le_bytes());
        put_varint(out, small(newest - low));
        let place = out.len();
        let mut ranges = 0_u8;
        while usize::from(ranges) < limits::ACK_RANGES - 1 && low > floor {
            let missing_to = self.run_down(low - 1, floor, false);
            if missing_to <= floor {
                break;
            }
            let high = missing_to - 1;
            let next = self.run_down(high, floor, true);
            if ranges == 0 {
                out.push(0);
            }
            put_varint(out, small(low - 1 - missing_to));
            put_varint(out, small(high - next));
            (low, ranges) = (next, ranges + 1);
        }
        if ranges > 0 {
            out[place] = ranges;
        }
        Some(ranges > 0)
    }

    /// The peer acknowledged our packets `low..=high` in the newest range of an acknowledgement.
    pub(super) fn confirm(&mut self, low: u64, high: u64) {
        while let Some(&(carrier, newest)) = self.carriers.front() {
            if carrier > high {
                return;
            }
            if carrier >= low {
                self.confirmed = self.confirmed.max(newest);
            }
            self.carriers.pop_front();
        }
    }

    fn contains(&self, number: u64) -> bool {
        self.bits[word(number)] & bit(number) != 0
    }

    fn reports(&self, number: u64) -> bool {
        self.bits[word(number)] & !self.refused[word(number)] & bit(number) != 0
    }

    /// The lowest number from `high` down to `floor` such that it and all between are (`present`) or are not to be reported.
    fn run_down(&self, high: u64, floor: u64, present: bool) -> u64 {
        let mut low = high;
        while low > floor && self.reports(low - 1) == present {
            low -= 1;
        }
        low
    }
}

const fn word(number: u64) -> usize {
    (number % WINDOW / 64) as usize
}

const fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[expect(clippy::cast_possible_truncation, reason = "differences within the packet window")]
const fn small(difference: u64) -> usize {
    difference as usize
}

/// Something a packet contained whose fate matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Consecutive segments of a reliable channel.
    Segments { channel: u8, count: u16, first: u64 },
    /// An unreliable message, or a fragment of one, with a token: its place in the table of tokens.
    Token { place: u32 },
}

/// A packet taken out of the table because its fate is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) at: Instant,
    /// Place of its first record, and how many there are.
    pub(super) first_record: u64,
    pub(super) records: u16,
    /// Not acknowledged and not given up, and it asked for an acknowledgement.
    in_flight: bool,
}

/// The packets sent.
#[derive(Debug)]
pub(super) struct Sent {
    packets: VecDeque<Packet>,
    /// Number of the first in `packets`. It is in flight, or there are none.
    base: u64,
    first: u64,
    records: VecDeque<Record>,
    /// Place of the first in `records`, and of the first of the packet being written.
    records_base: u64,
    open_record: u64,
    in_flight: usize,
    /// One more than the newest acknowledged number.
    acked_end: u64,
}

impl Sent {
    pub(super) const fn new(first: u64) -> Self {
        Self {
            packets: VecDeque::new(),
            base: first,
            first,
            records: VecDeque::new(),
            records_base: 0,
            open_record: 0,
            in_flight: 0,
            acked_end: first,
        }
    }

    /// The number of the packet being written.
    pub(super) fn next(&self) -> u64 {
        self.base + self.packets.len() as u64
    }

    /// Packets in flight.
    pub(super) const fn in_flight(&self) -> usize {
        self.in_flight
    }

    /// Whether a packet with frames may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.in_flight < limits::IN_FLIGHT && self.next() - self.acked_end < limits::UNACKED_SPAN
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
    pub(super) fn commit(&mut self, at: Instant, ack_eliciting: bool) {
        let end = self.records_base + self.records.len() as u64;
        let records = u16::try_from(end - self.open_record).unwrap_or(u16::MAX);
        self.packets.push_back(Packet { at, first_record: self.open_record, records, in_flight: ack_eliciting });
        self.open_record = end;
        self.in_flight += usize::from(ack_eliciting);
        self.trim();
    }

    /// Expands the newest number of an acknowledgement and checks that all of it is about packets that were sent.
    pub(super) fn check(&self, ack: &Ack<'_>) -> Result<u64, Cause> {
        let next = self.next();
        let newest = super::packet::expand(ack.newest, next.max(1) - 1).ok_or(Cause::AckFuture)?;
        if newest >= next || newest < self.first {
            return Err(Cause::AckFuture);
        }
        let sound = |range: Option<(u64, u64)>| range.is_some_and(|(low, _)| low >= self.first);
        if ack.ranges(newest).all(sound) { Ok(newest) } else { Err(Cause::AckFuture) }
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
    pub(super) fn lost(&mut self, now: Instant, delay: Duration) -> Result<Packet, Option<Instant>> {
        let mut soonest: Option<Instant> = None;
        for number in self.clamp(self.base, self.acked_end.saturating_sub(1)) {
            let packet = self.packets[small(number - self.base)];
            if number >= self.acked_end || !packet.in_flight {
                continue;
            }
            let due = packet.at + delay;
            if number + PACKET_THRESHOLD < self.acked_end || due <= now {
                return self.take(number).ok_or(None);
            }
            soonest = Some(soonest.map_or(due, |s| s.min(due)));
        }
        Err(soonest)
    }

    /// When the oldest packet in flight was sent.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.packets.front().map(|packet| packet.at)
    }

    /// Takes out the oldest packet in flight, whenever it was sent.
    pub(super) fn take_oldest(&mut self) -> Option<Packet> {
        self.take(self.base)
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
            *packet
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::packet::{ACK, DATA, Data, RANGES};
    use crate::rng::Rng;

    fn ack_of(received: &mut Received) -> Vec<u8> {
        let mut packet = vec![DATA + ACK, 0, 0, 0, 0, 0, 0];
        if received.write(0, &mut packet) == Some(true) {
            packet[0] |= RANGES;
        }
        packet
    }

    #[test]
    fn an_acknowledgement_says_exactly_what_came() {
        for seed in 0..200 {
            let mut rng = Rng::new(seed);
            let first = if seed % 2 == 0 { 0 } else { 65_000 };
            let (mut received, mut model) = (Received::new(first), std::collections::BTreeSet::new());
            let chance = rng.unit();
            for number in first..first + 1_500 {
                if !rng.chance(chance) {
                    continue;
                }
                let number = number.saturating_sub(rng.below(8)).max(first);
                assert_eq!(received.check(number).is_ok(), model.insert(number));
                if received.check(number).is_ok() {
                    received.insert(number);
                }
            }
            let Some(&newest) = model.last() else { continue };
            let packet = ack_of(&mut received);
            let ack = Data::parse(&packet).unwrap().ack.unwrap();
            assert_eq!(ack.newest, low16(newest));
            let mut reported = std::collections::BTreeSet::new();
            let mut lowest = newest;
            for range in ack.ranges(newest) {
                let (low, high) = range.unwrap();
                reported.extend(low..=high);
                lowest = low;
            }
            assert!(model.range(lowest..).eq(reported.iter()), "seed {seed}");
        }
    }

    #[test]
    fn the_window_forgets_from_its_end() {
        let mut received = Received::new(0);
        received.insert(0);
        received.insert(WINDOW - 1);
        assert_eq!(received.check(0), Err(Cause::Duplicate));
        assert_eq!(received.check(1), Ok(()));
        received.insert(WINDOW);
        assert_eq!(received.check(0), Err(Cause::TooOld));
        assert_eq!(received.check(1), Ok(()));
        received.insert(10 * WINDOW + 5);
        assert_eq!(received.check(9 * WINDOW + 5), Err(Cause::TooOld));
        assert_eq!(received.check(9 * WINDOW + 6), Ok(()), "bits of the old window are gone");
    }

    #[test]
    fn range_loop_bounded() {
        let mut sent = Sent::new(100);
        for i in 0..10 {
            sent.commit(Instant::from_millis(i), true);
        }
        // The widest ranges the format can express, from a number that was sent: they reach far below what ever was.
        let packet =
            [&[DATA | ACK | RANGES, 0, 0, 0, 0, 0, 0, 109, 0, 0xFF, 0x7F, 31][..], &[0xFF, 0x7F].repeat(62)].concat();
        let ack = Data::parse(&packet).unwrap().ack.unwrap();
        assert_eq!(sent.check(&ack), Err(Cause::AckFuture));
        assert_eq!(sent.clamp(0, u64::MAX - 1).count(), 10);
    }

    #[test]
    fn ack_future_packet() {
        let mut sent = Sent::new(0);
        let check = |sent: &Sent, newest: u16| {
            let [low, high] = newest.to_le_bytes();
            let packet = [DATA | ACK, 0, 0, 0, 0, 0, 0, low, high, 0];
            sent.check(&Data::parse(&packet).unwrap().ack.unwrap())
        };
        assert_eq!(check(&sent, 0), Err(Cause::AckFuture), "nothing was sent");
        for _ in 0..5 {
            sent.commit(Instant::ZERO, true);
        }
        assert_eq!(check(&sent, 4), Ok(4));
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
            sent.commit(at(u64::from(i)), true);
        }
        sent.heard(4);
        assert!(sent.acked(4).is_some() && sent.acked(4).is_none());
        let delay = Duration::from_millis(50);
        let lost: Vec<_> = core::iter::from_fn(|| sent.lost(at(10), delay).ok()).map(|p| p.first_record).collect();
        assert_eq!(lost, [0, 1], "three or more before the newest acknowledged");
        assert_eq!(sent.lost(at(10), delay).unwrap_err(), Some(at(52)));
        assert!(sent.acked(0).is_none(), "an acknowledgement after the verdict changes nothing");
        assert_eq!(sent.lost(at(52), delay).unwrap().first_record, 2);
        assert_eq!(sent.lost(at(52), delay).unwrap_err(), Some(at(53)));
        sent.trim();
        assert_eq!((sent.base, sent.records_base, sent.in_flight()), (3, 3, 2));
    }
}
