//! Unreliable messages on their way out, and the tokens that ask about them.

use core::time::Duration;
use std::collections::VecDeque;

use super::super::frame::FrameWriter;
use super::super::pool::{Bytes, Pool};
use super::super::sent::Record;
use super::Packed;
use crate::limits;
use crate::time::Instant;

/// A message until all of it was sent once.
#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    /// The first flush after it was queued. Programs queue between ticks, when the time of the last may be long past.
    since: Instant,
    /// Place in the table of tokens.
    token: Option<u32>,
    /// How many packets it is spread over.
    pieces: u8,
    /// Fragments sent, and the group they belong to once the first was.
    sent: u8,
    group: u64,
}

/// What the unreliable channels of a connection have in common.
#[derive(Debug)]
pub(in crate::carrier) struct Common<'a> {
    /// The group the next fragmented message gets.
    pub(in crate::carrier) groups: &'a mut u64,
    pub(in crate::carrier) tokens: &'a mut Tokens,
    pub(in crate::carrier) pool: &'a mut Pool,
    /// What waits in all of them, by [`cost`].
    pub(in crate::carrier) queued: &'a mut usize,
}

/// What one unreliable channel has yet to send.
#[derive(Debug, Default)]
pub(in crate::carrier) struct Queue {
    waiting: VecDeque<Waiting>,
    /// How many of the last have not been looked at since they were queued.
    fresh: usize,
    /// What waits here, by [`cost`].
    queued: usize,
    expired: u64,
}

impl Queue {
    pub(in crate::carrier) const fn queued(&self) -> usize {
        self.queued
    }

    /// Messages dropped because of their age.
    pub(in crate::carrier) const fn expired(&self) -> u64 {
        self.expired
    }

    /// Queues a message that is within its limits, in so many [`pieces`].
    pub(in crate::carrier) fn push(&mut self, message: impl Bytes, pieces: u8, token: Option<u32>, pool: &mut Pool) {
        let bytes = message.into_pooled(pool);
        self.queued += cost(bytes.len());
        self.waiting.push_back(Waiting { bytes, since: Instant::ZERO, token, pieces, sent: 0, group: 0 });
        self.fresh += 1;
    }

    /// Drops what has waited for longer than `age` and has not begun to leave. The places of tokens go to `lost`; what was freed of
    /// [`cost`] is taken off `queued`.
    pub(in crate::carrier) fn expire(
        &mut self,
        now: Instant,
        age: Duration,
        pool: &mut Pool,
        queued: &mut usize,
        mut lost: impl FnMut(u32, u8),
    ) {
        for waiting in self.waiting.iter_mut().rev().take(core::mem::take(&mut self.fresh)) {
            waiting.since = now;
        }
        let old = |front: &mut Waiting| front.sent == 0 && now.saturating_since(front.since) > age;
        while let Some(old) = self.waiting.pop_front_if(old) {
            *queued -= cost(old.bytes.len());
            self.queued -= cost(old.bytes.len());
            self.expired += 1;
            old.token.into_iter().for_each(|place| lost(place, old.pieces));
            pool.give(old.bytes);
        }
    }

    pub(in crate::carrier) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Fills a packet until it is full or `share` bytes were written.
    pub(in crate::carrier) fn pack(
        &mut self,
        channel: u8,
        common: &mut Common<'_>,
        writer: &mut FrameWriter<'_>,
        share: &mut isize,
    ) -> Packed {
        while let Some(front) = self.waiting.front_mut() {
            if *share <= 0 {
                return Packed::Share;
            }
            let before = writer.out.len();
            front.cut(writer.largest_message(), common.tokens);
            let given_up = front.token.is_some_and(|place| common.tokens.give_up(place, front.left()));
            if !given_up && !front.write(channel, common.groups, writer) {
                return Packed::Full;
            }
            *share -= (writer.out.len() - before).cast_signed() + 1;
            if !given_up {
                front.token.into_iter().for_each(|place| writer.sent.note(Record::Token { place }));
                front.sent += 1;
                if front.left() > 0 {
                    continue;
                }
            }
            let Some(done) = self.waiting.pop_front() else { break };
            *common.queued -= cost(done.bytes.len());
            self.queued -= cost(done.bytes.len());
            common.pool.give(done.bytes);
        }
        Packed::All
    }

    /// Drops everything.
    pub(in crate::carrier) fn clear(&mut self, pool: &mut Pool) {
        self.waiting.drain(..).for_each(|waiting| pool.give(waiting.bytes));
        self.queued = 0;
    }
}

impl Waiting {
    /// What was one piece when it was queued, and is more than a packet takes by now, is several.
    fn cut(&mut self, largest: usize, tokens: &mut Tokens) {
        if self.pieces == 1 && self.bytes.len() > largest {
            self.pieces = pieces(self.bytes.len(), largest);
            self.token.into_iter().for_each(|place| tokens.add(place, self.pieces - 1));
        }
    }

    fn write(&mut self, channel: u8, groups: &mut u64, writer: &mut FrameWriter<'_>) -> bool {
        let count = self.pieces;
        if count == 1 {
            return writer.message(channel, &self.bytes);
        }
        let first = self.sent == 0;
        let group = if first { *groups } else { self.group };
        let start = usize::from(self.sent) * limits::FRAGMENT_BYTES;
        let end = self.bytes.len().min(start + limits::FRAGMENT_BYTES);
        let written = writer.fragment(channel, group, self.sent, count, &self.bytes[start..end]);
        if written && first {
            self.group = group;
            *groups += 1;
        }
        written
    }

    fn left(&self) -> u8 {
        self.pieces - self.sent
    }
}

/// How many packets a message of this length is spread over, of which one takes the `largest`.
pub(in crate::carrier) fn pieces(len: usize, largest: usize) -> u8 {
    if len <= largest {
        return 1;
    }
    u8::try_from(len.div_ceil(limits::FRAGMENT_BYTES)).unwrap_or(u8::MAX)
}

/// What a queued message counts, bytes.
pub(in crate::carrier) const fn cost(len: usize) -> usize {
    len + limits::MESSAGE_OVERHEAD
}

/// A message somebody asked about.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    token: u64,
    /// Pieces neither acknowledged nor lost, those not sent included. The entry is free at 0.
    pending: u8,
    /// A piece was lost and that was reported.
    failed: bool,
}

/// The unreliable messages that somebody asked about, until the fate of every piece is known.
#[derive(Debug, Default)]
pub(in crate::carrier) struct Tokens {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

impl Tokens {
    /// Notes a message of `pieces` pieces; returns its place.
    pub(in crate::carrier) fn insert(&mut self, token: u64, pieces: u8) -> u32 {
        let entry = Entry { token, pending: pieces, failed: false };
        if let Some(place) = self.free.pop() {
            self.entries[place as usize] = entry;
            return place;
        }
        self.entries.push(entry);
        // Room for all of them to be free at once, made now: a quiet spell after a busy one allocates nothing.
        self.free.reserve(self.entries.capacity());
        #[expect(
            clippy::cast_possible_truncation,
            reason = "messages waiting or in flight, bounded in bytes and packets"
        )]
        {
            self.entries.len() as u32 - 1
        }
    }

    /// A message of which nothing was sent yet has so many pieces more.
    fn add(&mut self, place: u32, pieces: u8) {
        if let Some(entry) = self.entries.get_mut(place as usize) {
            entry.pending += pieces;
        }
    }

    /// A piece was acknowledged or lost. Returns the receipt that is due now.
    pub(in crate::carrier) fn settle(&mut self, place: u32, arrived: bool) -> Option<(u64, bool)> {
        let entry = self.entries.get_mut(place as usize)?;
        let reported = entry.failed;
        entry.failed |= !arrived;
        entry.pending = entry.pending.saturating_sub(1);
        if entry.pending == 0 {
            self.free.push(place);
        }
        match (reported, arrived) {
            (false, false) => Some((entry.token, false)),
            (false, true) if entry.pending == 0 => Some((entry.token, true)),
            _ => None,
        }
    }

    /// A message of `pieces` pieces will not be sent at all. Returns the receipt that is due now.
    pub(in crate::carrier) fn cancel(&mut self, place: u32, pieces: u8) -> Option<(u64, bool)> {
        let receipt = self.settle(place, false);
        if pieces > 1 {
            self.give_up(place, pieces - 1);
        }
        receipt
    }

    /// When a piece of the message was lost, the `unsent` ones need not be sent: true, and they do not count any more.
    fn give_up(&mut self, place: u32, unsent: u8) -> bool {
        let Some(entry) = self.entries.get_mut(place as usize).filter(|entry| entry.failed) else { return false };
        entry.pending = entry.pending.saturating_sub(unsent);
        if entry.pending == 0 {
            self.free.push(place);
        }
        true
    }

    /// Ends them all: those not reported go to `receipt`, in the order of their places.
    pub(in crate::carrier) fn clear(&mut self, mut receipt: impl FnMut(u64)) {
        for entry in self.entries.drain(..) {
            if entry.pending > 0 && !entry.failed {
                receipt(entry.token);
            }
        }
        self.free.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_receipt_per_token() {
        let mut tokens = Tokens::default();
        let whole = tokens.insert(1, 1);
        let parts = tokens.insert(2, 3);
        assert_eq!(tokens.settle(parts, true), None);
        assert_eq!(tokens.settle(whole, true), Some((1, true)));
        assert_eq!(tokens.settle(parts, false), Some((2, false)), "one piece lost is enough");
        assert!(tokens.give_up(parts, 1), "the rest need not be sent");
        assert_eq!(tokens.insert(3, 2), parts, "its place is free again");
        assert_eq!(tokens.settle(parts, true), None);
        assert_eq!(tokens.settle(parts, true), Some((3, true)));
        let (first, second) = (tokens.insert(5, 1), tokens.insert(6, 3));
        assert_eq!(tokens.cancel(first, 1), Some((5, false)));
        assert_eq!(tokens.cancel(second, 3), Some((6, false)));
        let places = [tokens.insert(7, 1), tokens.insert(8, 1), tokens.insert(9, 1)];
        assert!(
            places[0] != places[1] && places[1] != places[2] && places[0] != places[2],
            "each place is one token's"
        );
        for (place, token) in places.into_iter().zip(7..) {
            assert_eq!(tokens.settle(place, true), Some((token, true)));
        }
        let mut left = Vec::new();
        tokens.insert(4, 1);
        tokens.clear(|token| left.push(token));
        assert_eq!(left, [4]);
    }
}
