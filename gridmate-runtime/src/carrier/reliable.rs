//! Reliable ordered channels: segments, a window, and everything again until it is acknowledged.
//!
//! Messages are cut into segments of at most [`limits::SEGMENT_BYTES`], numbered per channel. The sender keeps at most
//! [`limits::RELIABLE_WINDOW`] of them beyond the oldest unacknowledged one; the receiver holds back what arrives ahead of
//! a gap. Both windows are equal, so an honest sender never exceeds the receiver's.

use std::collections::VecDeque;

use super::ack::Record;
use super::frame::FrameWriter;
use super::pool::Pool;
use crate::limits;

/// A message until the last of its segments is acknowledged.
#[derive(Debug)]
struct Outgoing {
    bytes: Vec<u8>,
    token: Option<u64>,
    /// Segments not acknowledged, those not yet cut included.
    left: u32,
}

/// A segment that was sent, or is about to be.
#[derive(Clone, Copy, Debug)]
struct Segment {
    message: u64,
    offset: usize,
    len: usize,
    more: bool,
    acked: bool,
}

/// The sending half.
#[derive(Debug)]
pub(super) struct Sender {
    /// Messages from the first with an unacknowledged segment on.
    messages: VecDeque<Outgoing>,
    /// Running number of the first of `messages`.
    first_message: u64,
    /// Where the next segment is cut: a message's running number and an offset in it.
    cut: (u64, usize),
    /// Segments from the first unacknowledged one on.
    window: VecDeque<Segment>,
    /// Number of the first in `window`.
    base: u64,
    /// Segments whose packet was lost.
    resend: VecDeque<u64>,
    /// What `messages` cost, bytes.
    queued: usize,
    pub(super) resent: u64,
}

impl Sender {
    pub(super) const fn new(first: u64) -> Self {
        Self {
            messages: VecDeque::new(),
            first_message: 0,
            cut: (0, 0),
            window: VecDeque::new(),
            base: first,
            resend: VecDeque::new(),
            queued: 0,
            resent: 0,
        }
    }

    /// Bytes waiting, with bookkeeping.
    pub(super) const fn queued(&self) -> usize {
        self.queued
    }

    /// Queues a message; false when too much is waiting.
    pub(super) fn push(&mut self, message: &[u8], token: Option<u64>, pool: &mut Pool) -> bool {
        let cost = message.len() + limits::MESSAGE_OVERHEAD;
        if self.queued + cost > limits::RELIABLE_BYTES {
            return false;
        }
        self.queued += cost;
        #[expect(clippy::cast_possible_truncation, reason = "a message has at most a few thousand segments")]
        let left = message.len().div_ceil(limits::SEGMENT_BYTES).max(1) as u32;
        self.messages.push_back(Outgoing { bytes: pool.copy(message), token, left });
        true
    }

    /// Whether a packet could take something.
    pub(super) fn has_more(&self) -> bool {
        !self.resend.is_empty() || self.can_cut()
    }

    /// Fills a packet as far as it goes.
    pub(super) fn pack(&mut self, channel: u8, writer: &mut FrameWriter<'_>) {
        while let Some(&sequence) = self.resend.front() {
            if !self.write(channel, sequence, writer) {
                return;
            }
            self.resend.pop_front();
            self.resent += 1;
        }
        while self.can_cut() {
            let (message, offset) = self.cut;
            let len = self.message(message).map_or(0, |m| m.bytes.len() - offset).min(limits::SEGMENT_BYTES);
            let end = self.message(message).is_none_or(|m| offset + len == m.bytes.len());
            self.window.push_back(Segment { message, offset, len, more: !end, acked: false });
            if !self.write(channel, self.base + self.window.len() as u64 - 1, writer) {
                self.window.pop_back();
                return;
            }
            self.cut = if end { (message + 1, 0) } else { (message, offset + len) };
        }
    }

    /// Segments `first..first + count` were acknowledged. Tokens of messages that are complete now go to `receipt`.
    pub(super) fn acked(&mut self, first: u64, count: u16, pool: &mut Pool, mut receipt: impl FnMut(u64)) {
        for sequence in first..first + u64::from(count) {
            let Some(segment) = self.segment(sequence) else { continue };
            if core::mem::replace(&mut segment.acked, true) {
                continue;
            }
            let index = segment.message - self.first_message;
            let Some(message) = usize::try_from(index).ok().and_then(|index| self.messages.get_mut(index)) else {
                continue;
            };
            message.left -= 1;
            if message.left == 0
                && let Some(token) = message.token.take()
            {
                receipt(token);
            }
        }
        while self.window.front().is_some_and(|segment| segment.acked) {
            self.window.pop_front();
            self.base += 1;
        }
        while self.messages.front().is_some_and(|message| message.left == 0) {
            let Some(message) = self.messages.pop_front() else { return };
            self.queued -= message.bytes.len() + limits::MESSAGE_OVERHEAD;
            pool.give(message.bytes);
            self.first_message += 1;
        }
    }

    /// The packet with segments `first..first + count` was lost.
    pub(super) fn lost(&mut self, first: u64, count: u16) {
        // A segment is in one packet at a time: it is queued here when that one is lost and leaves in another.
        self.resend.extend((first..first + u64::from(count)).filter(|&sequence| sequence >= self.base));
    }

    /// Ends the channel: every token not yet reported goes to `receipt`.
    pub(super) fn clear(&mut self, pool: &mut Pool, mut receipt: impl FnMut(u64)) {
        for message in self.messages.drain(..) {
            message.token.into_iter().for_each(&mut receipt);
            pool.give(message.bytes);
        }
        self.window.clear();
        self.resend.clear();
        self.queued = 0;
    }

    fn can_cut(&self) -> bool {
        self.window.len() < limits::RELIABLE_WINDOW && self.cut.0 < self.first_message + self.messages.len() as u64
    }

    fn write(&mut self, channel: u8, sequence: u64, writer: &mut FrameWriter<'_>) -> bool {
        let Some(&mut Segment { message, offset, len, more, .. }) = self.segment(sequence) else { return true };
        let Some(message) = self.message(message) else { return true };
        let bytes = &message.bytes[offset..offset + len];
        let written = writer.segment(channel, sequence, more, bytes);
        if written {
            writer.sent.note(Record::Segments { channel, count: 1, first: sequence });
        }
        written
    }

    fn segment(&mut self, sequence: u64) -> Option<&mut Segment> {
        self.window.get_mut(usize::try_from(sequence.checked_sub(self.base)?).ok()?)
    }

    fn message(&self, number: u64) -> Option<&Outgoing> {
        self.messages.get(usize::try_from(number.checked_sub(self.first_message)?).ok()?)
    }
}

/// A message grew beyond [`limits::MESSAGE_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// The receiving half.
#[derive(Debug)]
pub(super) struct Receiver {
    /// Number of the segment that everything behind waits for.
    next: u64,
    /// What arrived early: place 0 belongs to `next` and is empty.
    ahead: VecDeque<Option<(Vec<u8>, bool)>>,
    /// Segments of a message that goes on.
    partial: Vec<u8>,
    held: usize,
}

impl Receiver {
    pub(super) const fn new(first: u64) -> Self {
        Self { next: first, ahead: VecDeque::new(), partial: Vec::new(), held: 0 }
    }

    /// Bytes of memory that wait for others.
    pub(super) const fn held(&self) -> usize {
        self.held + self.partial.capacity()
    }

    /// Whether a segment is within the window, or was received before.
    pub(super) fn check(&self, sequence: u32) -> bool {
        self.ahead_by(sequence).is_none_or(|ahead| ahead < limits::RELIABLE_WINDOW)
    }

    /// Takes a segment that [`check`](Self::check) let through, and hands over every message that is complete now.
    pub(super) fn insert(
        &mut self,
        sequence: u32,
        more: bool,
        bytes: &[u8],
        pool: &mut Pool,
        mut deliver: impl FnMut(Vec<u8>),
    ) -> Result<(), TooLong> {
        match self.ahead_by(sequence) {
            None => return Ok(()),
            Some(0) => {
                if !more && self.partial.is_empty() {
                    deliver(pool.copy(bytes));
                } else {
                    self.append(more, bytes, pool, &mut deliver)?;
                }
            }
            Some(ahead) => {
                if self.ahead.len() <= ahead {
                    self.ahead.resize_with(ahead + 1, || None);
                }
                if self.ahead[ahead].is_none() {
                    let held = pool.copy(bytes);
                    self.held += held.capacity();
                    self.ahead[ahead] = Some((held, more));
                }
                return Ok(());
            }
        }
        self.next += 1;
        self.ahead.pop_front();
        while let Some((bytes, more)) = self.ahead.front_mut().and_then(Option::take) {
            self.held -= bytes.capacity();
            if !more && self.partial.is_empty() {
                deliver(bytes);
            } else {
                self.append(more, &bytes, pool, &mut deliver)?;
                pool.give(bytes);
            }
            self.next += 1;
            self.ahead.pop_front();
        }
        Ok(())
    }

    /// Ends the channel.
    pub(super) fn clear(&mut self, pool: &mut Pool) {
        self.ahead.drain(..).flatten().for_each(|(bytes, _)| pool.give(bytes));
        pool.give(core::mem::take(&mut self.partial));
        self.held = 0;
    }

    fn append(
        &mut self,
        more: bool,
        bytes: &[u8],
        pool: &mut Pool,
        deliver: &mut impl FnMut(Vec<u8>),
    ) -> Result<(), TooLong> {
        if self.partial.len() + bytes.len() > limits::MESSAGE_BYTES {
            return Err(TooLong);
        }
        pool.append(&mut self.partial, bytes);
        if !more {
            deliver(core::mem::take(&mut self.partial));
        }
        Ok(())
    }

    /// How far ahead of `next` a segment is; `None` when it is behind.
    #[expect(clippy::cast_possible_truncation, reason = "the low 24 bits are what is compared")]
    fn ahead_by(&self, sequence: u32) -> Option<usize> {
        let ahead = sequence.wrapping_sub(self.next as u32) & 0xFF_FFFF;
        (ahead < 1 << 23).then_some(ahead as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordered_gap_unbounded() {
        let (mut receiver, mut pool) = (Receiver::new(0), Pool::default());
        let window = u32::try_from(limits::RELIABLE_WINDOW).unwrap();
        for sequence in 1..window {
            assert!(receiver.check(sequence));
            receiver.insert(sequence, false, b"waits", &mut pool, |_| panic!("out of order")).unwrap();
        }
        for sequence in [window, window + 1, 1 << 22, (1 << 23) - 1] {
            assert!(!receiver.check(sequence), "{sequence} is beyond the window");
        }
        assert!(receiver.held() <= limits::RELIABLE_WINDOW * 64);
        let mut delivered = 0;
        receiver.insert(0, false, b"first", &mut pool, |_| delivered += 1).unwrap();
        assert_eq!((delivered, receiver.held()), (window, 0));
    }

    #[test]
    fn seq_max() {
        let (mut receiver, mut pool) = (Receiver::new(0xFF_FFFE), Pool::default());
        let mut got = Vec::new();
        for sequence in [0xFF_FFFF, 0, 0xFF_FFFE, 0xFF_FFFE, 1] {
            assert!(receiver.check(sequence));
            receiver.insert(sequence, false, &sequence.to_le_bytes(), &mut pool, |m| got.push(m[0])).unwrap();
        }
        assert_eq!(got, [0xFE, 0xFF, 0, 1]);
        assert!(receiver.check(0xFF_FFFD), "long behind: a repetition");
        assert_eq!(receiver.next, 0x100_0002);
    }

    #[test]
    fn an_endless_message_is_an_error() {
        let (mut receiver, mut pool) = (Receiver::new(0), Pool::default());
        let full = [7; limits::SEGMENT_BYTES];
        let end = (0..).find(|&i| receiver.insert(i, true, &full, &mut pool, |_| {}).is_err()).unwrap();
        assert_eq!(end as usize, limits::MESSAGE_BYTES / limits::SEGMENT_BYTES);
        assert!(receiver.held() <= 2 * limits::MESSAGE_BYTES);
    }
}
