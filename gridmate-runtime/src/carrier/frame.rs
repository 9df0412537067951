//! Frames: how messages, segments and fragments lie in a data packet.
//!
//! A frame starts with one byte: the channel in the low five bits, then `RUN` (0x20), `FRAGMENT` (0x40) and `MORE` (0x80).
//! What follows depends on the kind of the channel, which both ends know. *Item* means a length (varint) and as many bytes.
//!
//! ```text
//! reliable, one segment         channel          sequence u24           item
//! reliable, several             channel | RUN    sequence u24  count u8  item × count
//! reliable, message continues   channel | MORE   sequence u24           item
//! unreliable, one message       channel                                 item
//! unreliable, several           channel | RUN                  count u8  item × count
//! unreliable, part of a message channel | FRAGMENT  group u16  index u8  count u8  item
//! ```
//!
//! - The items of a reliable run have consecutive sequence numbers from `sequence` on (low 24 bits: the number of segments
//!   in a window of packets stays far below half of that) and each ends a message. `count` is at least 2.
//! - A segment with `MORE` is exactly [`limits::SEGMENT_BYTES`] long and its message goes on in the next one. No item is longer.
//! - Messages on sequenced channels have no number of their own: packet number and place in the packet order them.
//! - All fragments but the last are exactly [`limits::FRAGMENT_BYTES`] long, the last has at least one byte, `count` is 2 to
//!   [`limits::FRAGMENTS`] and `index` is below it. Groups count up per connection; within a packet they ascend.
//!
//! Anything else is malformed, and the packet is dropped whole.

use super::ack::Sent;
use super::config::ChannelKind;
use super::packet::{Reader, put_varint, varint_len};
use crate::limits;

const CHANNEL: u8 = 0x1F;
const RUN: u8 = 0x20;
const FRAGMENT: u8 = 0x40;
const MORE: u8 = 0x80;

/// Channel, group, index, count.
const FRAGMENT_HEADER: usize = 5;

/// One thing found in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Segment { channel: u8, sequence: u32, more: bool, bytes: &'a [u8] },
    Message { channel: u8, bytes: &'a [u8] },
    Fragment { channel: u8, fragment: Fragment<'a> },
}

/// Part of an unreliable message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment<'a> {
    pub(super) group: u16,
    pub(super) index: u8,
    pub(super) count: u8,
    pub(super) bytes: &'a [u8],
}

/// Frames did not parse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The items of a packet, in order. Stops after the first error.
#[derive(Clone, Debug)]
pub(super) struct Items<'a> {
    reader: Reader<'a>,
    kinds: &'a [ChannelKind],
    channel: u8,
    /// Items of the current run still to come, and the number of the next.
    left: u8,
    sequence: u32,
}

impl<'a> Items<'a> {
    pub(super) const fn new(frames: &'a [u8], kinds: &'a [ChannelKind]) -> Self {
        Self { reader: Reader(frames), kinds, channel: 0, left: 0, sequence: 0 }
    }

    fn read(&mut self) -> Option<Item<'a>> {
        if self.left > 0 {
            return self.item(false);
        }
        let header = self.reader.u8()?;
        self.channel = header & CHANNEL;
        let kind = *self.kinds.get(usize::from(self.channel))?;
        let (run, more) = (header & RUN != 0, header & MORE != 0);
        if header & FRAGMENT != 0 {
            return (kind == ChannelKind::Unreliable && !run && !more).then(|| self.fragment())?;
        }
        if kind == ChannelKind::ReliableOrdered {
            self.sequence = self.reader.u24()?;
        } else if more {
            return None;
        }
        self.left = if run { self.reader.u8()? } else { 1 };
        (!run || self.left >= 2 && !more).then(|| self.item(more))?
    }

    fn item(&mut self, more: bool) -> Option<Item<'a>> {
        let bytes = self.bytes()?;
        self.left -= 1;
        let channel = self.channel;
        if self.kinds[usize::from(channel)] != ChannelKind::ReliableOrdered {
            return Some(Item::Message { channel, bytes });
        }
        let sequence = self.sequence;
        self.sequence = (sequence + 1) & 0xFF_FFFF;
        (!more || bytes.len() == limits::SEGMENT_BYTES).then_some(Item::Segment { channel, sequence, more, bytes })
    }

    fn fragment(&mut self) -> Option<Item<'a>> {
        let (group, index, count) = (self.reader.u16()?, self.reader.u8()?, self.reader.u8()?);
        let bytes = self.bytes()?;
        let next = usize::from(index) + 1;
        let whole = next < usize::from(count) && bytes.len() == limits::FRAGMENT_BYTES;
        let last = next == usize::from(count) && (1..=limits::FRAGMENT_BYTES).contains(&bytes.len());
        ((2..=limits::FRAGMENTS).contains(&usize::from(count)) && (whole || last))
            .then_some(Item::Fragment { channel: self.channel, fragment: Fragment { group, index, count, bytes } })
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::from(self.reader.varint()?);
        self.reader.take(len).filter(|_| len <= limits::SEGMENT_BYTES)
    }
}

impl<'a> Iterator for Items<'a> {
    type Item = Result<Item<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.0.is_empty() && self.left == 0 {
            return None;
        }
        let item = self.read().ok_or(Malformed);
        if item.is_err() {
            self.reader.0 = &[];
            self.left = 0;
        }
        Some(item)
    }
}

/// Appends frames to a packet, joining neighbours of one channel into runs, and notes in the table of sent packets what
/// went in.
#[derive(Debug)]
pub(super) struct FrameWriter<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) sent: &'a mut Sent,
    /// The frame that may still be joined: its channel, where its count is or would be, items so far, next number.
    open: Option<(u8, usize, u8, u64)>,
    last_group: Option<u64>,
}

impl<'a> FrameWriter<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>, sent: &'a mut Sent) -> Self {
        Self { out, sent, open: None, last_group: None }
    }

    /// Adds a segment, if it fits.
    pub(super) fn segment(&mut self, channel: u8, sequence: u64, more: bool, bytes: &[u8]) -> bool {
        if !more && self.join(channel, sequence, bytes) {
            return true;
        }
        if !self.fits(4, bytes.len()) {
            return false;
        }
        self.out.push(channel | if more { MORE } else { 0 });
        self.out.extend_from_slice(&sequence.to_le_bytes()[..3]);
        self.open = (!more).then_some((channel, self.out.len(), 1, sequence + 1));
        self.item(bytes);
        true
    }

    /// Adds a whole unreliable message, if it fits.
    pub(super) fn message(&mut self, channel: u8, bytes: &[u8]) -> bool {
        if self.join(channel, 0, bytes) {
            return true;
        }
        if !self.fits(1, bytes.len()) {
            return false;
        }
        self.out.push(channel);
        self.open = Some((channel, self.out.len(), 1, 0));
        self.item(bytes);
        true
    }

    /// Adds a fragment, if it fits and its group may follow those already in the packet.
    pub(super) fn fragment(&mut self, channel: u8, group: u64, index: u8, count: u8, bytes: &[u8]) -> bool {
        if self.last_group.is_some_and(|last| last >= group) || !self.fits(FRAGMENT_HEADER, bytes.len()) {
            return false;
        }
        self.last_group = Some(group);
        self.open = None;
        let [low, high, ..] = group.to_le_bytes();
        self.out.extend_from_slice(&[channel | FRAGMENT, low, high, index, count]);
        self.item(bytes);
        true
    }

    /// Extends the open frame by one item. Its numbers are all 0 when the channel has none.
    fn join(&mut self, channel: u8, sequence: u64, bytes: &[u8]) -> bool {
        let Some((open, place, count, next)) = self.open else { return false };
        let numbered = next != 0;
        if open != channel || numbered && next != sequence || count == u8::MAX || !self.fits(1, bytes.len()) {
            return false;
        }
        if count == 1 {
            // The frame turns into a run only now: make room for its count.
            let header = place - if numbered { 4 } else { 1 };
            self.out[header] |= RUN;
            self.out.insert(place, 2);
        } else {
            self.out[place] = count + 1;
        }
        self.open = Some((channel, place, count + 1, if numbered { next + 1 } else { 0 }));
        self.item(bytes);
        true
    }

    fn fits(&self, header: usize, len: usize) -> bool {
        self.out.len() + header + varint_len(len) + len <= limits::DATAGRAM_BYTES
    }

    fn item(&mut self, bytes: &[u8]) {
        put_varint(self.out, bytes.len());
        self.out.extend_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChannelKind::{ReliableOrdered, Unreliable, UnreliableSequenced};

    const KINDS: [ChannelKind; 3] = [ReliableOrdered, UnreliableSequenced, Unreliable];

    fn items(frames: &[u8]) -> Result<Vec<Item<'_>>, Malformed> {
        Items::new(frames, &KINDS).collect()
    }

    #[test]
    fn neighbours_share_a_header() {
        let (mut out, mut sent) = (Vec::new(), Sent::new(0));
        let mut w = FrameWriter::new(&mut out, &mut sent);
        assert!(w.segment(0, 0x1FF_FFFF, false, b"a") && w.segment(0, 0x200_0000, false, b"bc"));
        assert!(w.segment(0, 0x200_0002, false, b"") && w.message(1, b"d") && w.message(1, b"e") && w.message(1, b"f"));
        assert!(w.fragment(2, 0x1_0203, 1, 2, b"g") && !w.fragment(2, 0x1_0203, 1, 2, b"g"));
        #[rustfmt::skip]
        let bytes = [
            0x20, 0xFF, 0xFF, 0xFF, 2, 1, b'a', 2, b'b', b'c',
            0x00, 2, 0, 0, 0,
            0x21, 3, 1, b'd', 1, b'e', 1, b'f',
            0x42, 3, 2, 1, 2, 1, b'g',
        ];
        assert_eq!(out, bytes);
        let segment = |sequence, bytes| Item::Segment { channel: 0, sequence, more: false, bytes };
        assert_eq!(
            items(&out).unwrap(),
            [
                segment(0xFF_FFFF, b"a".as_slice()),
                segment(0, b"bc"),
                segment(2, b""),
                Item::Message { channel: 1, bytes: b"d" },
                Item::Message { channel: 1, bytes: b"e" },
                Item::Message { channel: 1, bytes: b"f" },
                Item::Fragment { channel: 2, fragment: Fragment { group: 0x203, index: 1, count: 2, bytes: b"g" } },
            ]
        );
    }

    #[test]
    fn what_cannot_be_is_malformed() {
        let full = |header: &[u8], len: usize| {
            let mut bytes = header.to_vec();
            put_varint(&mut bytes, len);
            bytes.resize(bytes.len() + len, 7);
            items(&bytes).is_ok()
        };
        assert!(full(&[0x80, 0, 0, 0], limits::SEGMENT_BYTES));
        assert!(!full(&[0x80, 0, 0, 0], limits::SEGMENT_BYTES - 1), "a short segment that goes on");
        assert!(!full(&[0x00, 0, 0, 0], limits::SEGMENT_BYTES + 1), "too long");
        assert!(!full(&[0x81], 3), "MORE on an unreliable channel");
        assert!(!full(&[0x03], 3), "no such channel");
        assert!(!full(&[0x22, 1], 3), "a run of one");
        assert!(!full(&[0x41, 0, 0, 1, 2], 3), "a fragment on a sequenced channel");
        assert!(!full(&[0x62, 0, 0, 1, 2], 3), "a fragment run");
        assert!(full(&[0x42, 0, 0, 1, 2], 3));
        assert!(!full(&[0x42, 0, 0, 1, 2], 0), "an empty fragment");
        assert!(!full(&[0x42, 0, 0, 0, 1], 3), "a group of one");
        assert!(!full(&[0x42, 0, 0, 0, 2], 3), "a short fragment that is not the last");
        assert!(!full(&[0x42, 0, 0, 0xFF, 2], limits::FRAGMENT_BYTES));
    }

    #[test]
    fn split_index_ge_count() {
        for (index, count) in [(2, 2), (3, 2), (255, 2), (0, 0), (255, 0), (16, 16)] {
            assert!(items(&[0x42, 0, 0, index, count, 1, 7]).is_err(), "{index} of {count}");
        }
    }

    #[test]
    fn split_count_huge() {
        for count in 17..=255 {
            assert!(items(&[0x42, 0, 0, count - 1, count, 1, 7]).is_err());
        }
        assert!(items(&[0x42, 0, 0, 15, 16, 1, 7]).is_ok());
    }
}
