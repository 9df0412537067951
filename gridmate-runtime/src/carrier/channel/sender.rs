//! The sending half of a reliable channel: segments, a window, and everything again until it is acknowledged.
//!
//! Messages are cut into segments when they are sent, as long as the packet at hand has room for, and numbered per channel. At
//! most [`limits::RELIABLE_WINDOW`] of them are beyond the oldest unacknowledged one. A segment keeps its length for good; when
//! the path has shrunk below it meanwhile, it is sent in two halves.
//!
//! Repairing a loss takes a round trip and more, since the news of it has to come back. On a link that loses, short segments are
//! therefore [repeated](Sender::repeat) once without waiting for news, where a packet has room for them.

use super::super::frame::FrameWriter;
use super::super::pool::{Bytes, Pool};
use super::super::ring::Ring;
use super::super::sent::Record;
use crate::limits;

/// Room in a packet below which a long message waits for the next one, bytes.
const LEAST_CUT: usize = 128;

/// Longest segment worth repeating before it is known to be lost, bytes.
const SHORT: usize = 256;

/// Packets after which it is not repeated any more, count: something else was more urgent.
const STALE: u64 = 16;

const _: () = assert!(limits::MESSAGE_BYTES <= u32::MAX as usize, "an offset into a message");

/// Both halves of a segment.
const WHOLE: u8 = 0b11;

/// Segments beyond the oldest unacknowledged one for which eight bits of a number suffice, count.
const NARROW: usize = 64;

/// A message until the last of its bytes is acknowledged.
#[derive(Debug, Default)]
struct Outgoing {
    bytes: Vec<u8>,
    token: Option<u64>,
    /// Bytes not acknowledged, those not yet cut included; 1 for an empty message.
    left: usize,
}

/// A segment that was sent, or is about to be.
#[derive(Clone, Copy, Debug, Default)]
struct Segment {
    message: u64,
    offset: u32,
    len: u16,
    more: bool,
    /// The halves that were acknowledged, a bit each.
    acked: u8,
}

/// The sending half.
#[derive(Debug)]
#[repr(C)]
pub(in crate::carrier) struct Sender {
    /// What `messages` cost, bytes.
    queued: usize,
    /// Running number of the first of `messages`.
    first_message: u64,
    /// Where the next segment is cut: a message's running number and an offset in it.
    cut: (u64, usize),
    /// Segments, or halves of them, whose packet was lost.
    resend: Ring<(u64, u8), 0>,
    /// Short segments that were sent once on a link that loses, with the number of the packet.
    once: Ring<(u64, u64), 0>,
    pub(in crate::carrier) resent: u64,
    /// Number of the first in `window`.
    base: u64,
    /// Segments from the first unacknowledged one on.
    window: Ring<Segment, 2>,
    /// Messages from the first with an unacknowledged segment on.
    messages: Ring<Outgoing, 2>,
}

/// How far [`Sender::pack`] came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::carrier) enum Packed {
    /// Nothing more is to be sent now.
    All,
    /// Its share is used up.
    Share,
    /// What comes next does not fit.
    Full,
}

impl Sender {
    pub(in crate::carrier) fn new(first: u64) -> Self {
        Self {
            messages: Ring::new(),
            first_message: 0,
            cut: (0, 0),
            window: Ring::new(),
            base: first,
            resend: Ring::new(),
            once: Ring::new(),
            queued: 0,
            resent: 0,
        }
    }

    /// Bytes waiting, with bookkeeping.
    pub(in crate::carrier) const fn queued(&self) -> usize {
        self.queued
    }

    /// Queues a message; false when that would make more than `limit` bytes wait.
    pub(in crate::carrier) fn push(
        &mut self,
        message: impl Bytes,
        token: Option<u64>,
        limit: usize,
        pool: &mut Pool,
    ) -> bool {
        let len = message.as_ref().len();
        let cost = len + limits::MESSAGE_OVERHEAD;
        if self.queued + cost > limit {
            return false;
        }
        self.queued += cost;
        self.messages.push_back(Outgoing { bytes: message.into_pooled(pool), token, left: len.max(1) });
        true
    }

    /// Whether a packet could take something.
    pub(in crate::carrier) fn has_more(&self) -> bool {
        !self.resend.is_empty() || self.can_cut()
    }

    /// Whether eight bits of a sequence number are enough for the peer.
    pub(in crate::carrier) fn is_narrow(&self) -> bool {
        self.window.len() <= NARROW
    }

    /// Fills a packet until it is full or `share` bytes were written.
    pub(in crate::carrier) fn pack(&mut self, channel: u8, writer: &mut FrameWriter<'_>, share: &mut isize) -> Packed {
        while let Some(&(sequence, halves)) = self.resend.front() {
            if *share <= 0 {
                return Packed::Share;
            }
            if self.segment(sequence).is_none_or(|segment| segment.acked & halves == halves) {
                self.resend.pop_front();
                continue;
            }
            let before = writer.out.len();
            let left = self.write(channel, sequence, halves, writer);
            *share -= (writer.out.len() - before).cast_signed();
            if left != 0 {
                self.resend[0].1 = left;
                return Packed::Full;
            }
            self.resend.pop_front();
            self.resent += 1;
        }
        while self.can_cut() {
            if *share <= 0 {
                return Packed::Share;
            }
            let (message, offset) = self.cut;
            let rest = self.message(message).map_or(0, |m| m.bytes.len() - offset);
            let room = writer.room(channel);
            let len = if rest <= room {
                rest
            } else if room >= LEAST_CUT && (offset > 0 || rest > writer.room_alone(channel)) {
                room
            } else {
                return Packed::Full;
            };
            let end = len == rest;
            #[expect(
                clippy::cast_possible_truncation,
                reason = "room in a datagram, and a message is not longer than some megabytes"
            )]
            self.window.push_back(Segment { message, offset: offset as u32, len: len as u16, more: !end, acked: 0 });
            if self.write(channel, self.base + self.window.len() as u64 - 1, WHOLE, writer) != 0 {
                self.window.pop_back();
                return Packed::Full;
            }
            if writer.lossy && len <= SHORT {
                self.once.push_back((self.base + self.window.len() as u64 - 1, writer.sent.next()));
            }
            *share -= len.cast_signed() + 1;
            self.cut = if end { (message + 1, 0) } else { (message, offset + len) };
        }
        Packed::All
    }

    /// Whether segments wait to be repeated.
    pub(in crate::carrier) fn may_repeat(&self) -> bool {
        !self.once.is_empty()
    }

    /// Fills what is left of a packet with segments that were sent once in earlier packets and are not acknowledged.
    pub(in crate::carrier) fn repeat(&mut self, channel: u8, writer: &mut FrameWriter<'_>) {
        let number = writer.sent.next();
        while let Some(&(sequence, packet)) = self.once.front().filter(|(_, packet)| *packet < number) {
            let arrived = self.segment(sequence).is_none_or(|segment| segment.acked == WHOLE);
            if !arrived && number - packet <= STALE {
                if self.write(channel, sequence, WHOLE, writer) != 0 {
                    return;
                }
                self.resent += 1;
            }
            self.once.pop_front();
        }
    }

    /// Segments `first..first + count` were acknowledged, or one half of one. Tokens of messages that are complete now go to
    /// `receipt`.
    pub(in crate::carrier) fn acked(
        &mut self,
        first: u64,
        count: u16,
        halves: u8,
        pool: &mut Pool,
        mut receipt: impl FnMut(u64),
    ) {
        for sequence in first..first + u64::from(count) {
            let Some(segment) = self.segment(sequence) else { continue };
            let before = segment.acked;
            segment.acked |= halves;
            if before == WHOLE || segment.acked != WHOLE {
                continue;
            }
            let (message, len) = (segment.message, usize::from(segment.len).max(1));
            let index = message - self.first_message;
            let Some(message) = usize::try_from(index).ok().and_then(|index| self.messages.get_mut(index)) else {
                continue;
            };
            message.left -= len;
            if message.left == 0
                && let Some(token) = message.token.take()
            {
                receipt(token);
            }
        }
        while self.window.front().is_some_and(|segment| segment.acked == WHOLE) {
            self.window.pop_front();
            self.base += 1;
        }
        while self.once.front().is_some_and(|(sequence, _)| *sequence < self.base) {
            self.once.pop_front();
        }
        while self.messages.front().is_some_and(|message| message.left == 0) {
            let Some(message) = self.messages.pop_front() else { return };
            self.queued -= message.bytes.len() + limits::MESSAGE_OVERHEAD;
            pool.give(message.bytes);
            self.first_message += 1;
        }
    }

    /// The packet with segments `first..first + count` was lost, or with one half of one.
    pub(in crate::carrier) fn lost(&mut self, first: u64, count: u16, halves: u8) {
        // A segment is in one packet at a time, or in two when it was repeated: it is queued here when one is lost and leaves in
        // another, unless the other one arrived.
        for sequence in first..first + u64::from(count) {
            if self.segment(sequence).is_some_and(|segment| segment.acked & halves != halves) {
                self.resend.push_back((sequence, halves));
            }
        }
    }

    /// Ends the channel: every token not yet reported goes to `receipt`.
    pub(in crate::carrier) fn clear(&mut self, pool: &mut Pool, mut receipt: impl FnMut(u64)) {
        while let Some(message) = self.messages.pop_front() {
            message.token.into_iter().for_each(&mut receipt);
            pool.give(message.bytes);
        }
        self.window.clear();
        self.resend.clear();
        self.once.clear();
        self.queued = 0;
    }

    fn can_cut(&self) -> bool {
        self.window.len() < limits::RELIABLE_WINDOW && self.cut.0 < self.first_message + self.messages.len() as u64
    }

    /// Writes those `halves` of a segment that fit; returns those that do not.
    fn write(&mut self, channel: u8, sequence: u64, halves: u8, writer: &mut FrameWriter<'_>) -> u8 {
        let Some(&mut Segment { message, offset, len, more, acked }) = self.segment(sequence) else { return 0 };
        let Some(message) = self.message(message) else { return 0 };
        let offset = offset as usize;
        let bytes = &message.bytes[offset..offset + usize::from(len)];
        let part = offset > 0;
        if halves == WHOLE {
            if writer.segment(channel, sequence, part, more, bytes) {
                writer.sent.note(Record::Segments { channel, count: 1, first: sequence });
                return 0;
            }
            if bytes.len() <= writer.room_alone(channel) {
                return WHOLE;
            }
        }
        let mut left = halves & !acked;
        for half in 0..2 {
            if left & 1 << half != 0 && writer.half(channel, sequence, half, part, more, bytes) {
                writer.sent.note(Record::Half { channel, half, sequence });
                left &= !(1 << half);
            }
        }
        left
    }

    fn segment(&mut self, sequence: u64) -> Option<&mut Segment> {
        self.window.get_mut(usize::try_from(sequence.checked_sub(self.base)?).ok()?)
    }

    fn message(&self, number: u64) -> Option<&Outgoing> {
        self.messages.get(usize::try_from(number.checked_sub(self.first_message)?).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::carrier::sent::{Purpose, Sent};
    use crate::time::Instant;

    /// Writes one packet of what is new or lost, and of what is to be repeated, and returns the numbers in it.
    fn packet(sender: &mut Sender, sent: &mut Sent) -> Vec<u64> {
        let mut out = Vec::new();
        let mut writer = FrameWriter::new(&mut out, sent, 1_200);
        writer.lossy = true;
        sender.pack(0, &mut writer, &mut { isize::MAX });
        sender.repeat(0, &mut writer);
        let before = sent.next();
        sent.commit(Instant::ZERO, out.len(), Purpose::Data, false);
        let taken = sent.acked(before).unwrap();
        let records = taken.first_record..taken.first_record + u64::from(taken.records);
        let mut numbers = Vec::new();
        for place in records {
            if let Some(Record::Segments { count, first, .. }) = sent.record(place) {
                numbers.extend(first..first + u64::from(count));
            }
        }
        numbers
    }

    #[test]
    fn short_segments_are_repeated_once_and_only_what_is_missing_is_sent_again() {
        let (mut sender, mut sent, mut pool) = (Sender::new(0), Sent::new(0), Pool::default());
        let mut push = |sender: &mut Sender, len| assert!(sender.push(&vec![7; len][..], None, 1 << 20, &mut pool));
        push(&mut sender, 64);
        push(&mut sender, 64);
        push(&mut sender, SHORT + 1);
        assert_eq!(packet(&mut sender, &mut sent), [0, 1, 2]);
        push(&mut sender, 64);
        assert_eq!(packet(&mut sender, &mut sent), [3, 0, 1], "what is long is not repeated");
        assert_eq!(packet(&mut sender, &mut sent), [3]);
        assert_eq!(packet(&mut sender, &mut sent), [0_u64; 0]);
        // The second packet counts as lost, and then the repetition of 3 arrives.
        sender.lost(3, 1, WHOLE);
        sender.lost(0, 2, WHOLE);
        assert!(sender.has_more());
        let mut pool = Pool::default();
        sender.acked(3, 1, WHOLE, &mut pool, |_| {});
        assert_eq!(packet(&mut sender, &mut sent), [0, 1]);
        sender.lost(3, 1, WHOLE);
        assert!(!sender.has_more(), "it has arrived");
    }
}
