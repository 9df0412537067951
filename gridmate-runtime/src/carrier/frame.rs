//! Frames: how messages, segments, fragments and the carrier's own words lie in a data packet.
//!
//! A frame starts with one byte: the channel in the low five bits (31: the channel is the next byte), then `RUN` (0x20), `PART`
//! (0x40) and `MORE` (0x80). What follows depends on the kind of the channel, which both ends know. *Item* means a length
//! (varint) and as many bytes. *Run* means a count (2 to 127) and as many items; or the count plus 128, one length (varint), and
//! the bytes of as many items of that length.
//!
//! ```text
//! reliable, one segment         channel                     sequence u24  item
//! reliable, of a long message   channel | PART? | MORE?     sequence u24  item
//! reliable, several             channel | RUN               sequence u24  run
//! reliable, half a segment      channel | RUN | PART        sequence u24  kind u8  length varint  bytes
//! unreliable, one message       channel                     item
//! unreliable, several           channel | RUN               run
//! unreliable, part of a message channel | PART              group u16  index u8  count u8  item
//! control                       RUN | MORE | word           see below
//! ```
//!
//! - `MORE`: the message goes on in the next segment. `PART`: it began in an earlier one. Either is at least one byte long.
//! - The items of a reliable run have consecutive sequence numbers from `sequence` on (low 24 bits: the number of segments
//!   in a window of packets stays far below half of that) and each is a whole message.
//! - A segment that no longer fits the path is sent in halves, the first of which has the odd byte. `length` is that of the whole
//!   segment; `kind` is 0 or 1 for the half, plus 2 for `PART`, plus 4 for `MORE`.
//! - Messages on sequenced channels have no number of their own: packet number and place in the packet order them.
//! - All fragments but the last are exactly [`limits::FRAGMENT_BYTES`] long, the last has at least one byte, `count` is 2 to
//!   [`limits::FRAGMENTS`] and `index` is below it. Groups count up per connection; within a packet they ascend.
//!
//! ```text
//! word  0 padding         zeros to the end of the datagram
//!       1 path challenge  token u64: whoever gets it at this address sends it back
//!       2 path response   token u64
//!       3 clock request   time u32, of whoever asks
//!       4 clock response  time u32, as it was asked  session time u64, µs, when that came  µs until this left u32
//!       5 marks           packets received with the congestion mark, so far, low 16 bits
//! ```
//!
//! Anything else is malformed, and the packet is dropped whole.

use super::config::ChannelKind;
use super::mtu::largest_message;
use super::packet::{Reader, put_varint, varint_len};
use super::sent::Sent;
use crate::limits;

const CHANNEL: u8 = 0x1F;
const RUN: u8 = 0x20;
const PART: u8 = 0x40;
const MORE: u8 = 0x80;
const CONTROL: u8 = RUN | MORE;

/// The channel is in the next byte.
const EXTENDED: u8 = CHANNEL;

/// All items of a run have one length.
const UNIFORM: u8 = 0x80;

/// Items in a run, count.
const RUN_MAX: u8 = 127;

/// Group, index, count.
const FRAGMENT_HEADER: usize = 4;

/// One thing found in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Segment { channel: u8, segment: Segment<'a> },
    Half { channel: u8, half: u8, len: usize, segment: Segment<'a> },
    Message { channel: u8, bytes: &'a [u8] },
    Fragment { channel: u8, fragment: Fragment<'a> },
    Control(Control),
}

/// Part of a reliable channel, or the whole of a short message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    /// Low 24 bits.
    pub(super) sequence: u32,
    /// Its message began in an earlier one.
    pub(super) part: bool,
    /// Its message goes on in the next one.
    pub(super) more: bool,
    pub(super) bytes: &'a [u8],
}

/// Part of an unreliable message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fragment<'a> {
    pub(super) group: u16,
    pub(super) index: u8,
    pub(super) count: u8,
    pub(super) bytes: &'a [u8],
}

/// A word of the carrier's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Control {
    Padding,
    PathChallenge(u64),
    PathResponse(u64),
    ClockRequest(u32),
    ClockResponse { asked: u32, received: u64, held: u32 },
    Marks(u16),
}

impl Control {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Padding => out.push(CONTROL),
            Self::PathChallenge(token) => {
                out.push(CONTROL | 1);
                out.extend_from_slice(&token.to_le_bytes());
            }
            Self::PathResponse(token) => {
                out.push(CONTROL | 2);
                out.extend_from_slice(&token.to_le_bytes());
            }
            Self::ClockRequest(time) => {
                out.push(CONTROL | 3);
                out.extend_from_slice(&time.to_le_bytes());
            }
            Self::ClockResponse { asked, received, held } => {
                out.push(CONTROL | 4);
                out.extend_from_slice(&asked.to_le_bytes());
                out.extend_from_slice(&received.to_le_bytes());
                out.extend_from_slice(&held.to_le_bytes());
            }
            Self::Marks(count) => {
                out.push(CONTROL | 5);
                out.extend_from_slice(&count.to_le_bytes());
            }
        }
    }

    fn read(word: u8, reader: &mut Reader<'_>) -> Option<Self> {
        Some(match word {
            0 => {
                let rest = core::mem::take(&mut reader.0);
                return rest.iter().all(|&byte| byte == 0).then_some(Self::Padding);
            }
            1 => Self::PathChallenge(reader.u64()?),
            2 => Self::PathResponse(reader.u64()?),
            3 => Self::ClockRequest(reader.u32()?),
            4 => Self::ClockResponse { asked: reader.u32()?, received: reader.u64()?, held: reader.u32()? },
            5 => Self::Marks(reader.u16()?),
            _ => return None,
        })
    }
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
    reliable: bool,
    /// Items of the current run still to come, the number of the next, and the length of all if they have one.
    left: u8,
    sequence: u32,
    uniform: Option<usize>,
}

impl<'a> Items<'a> {
    pub(super) const fn new(frames: &'a [u8], kinds: &'a [ChannelKind]) -> Self {
        Self { reader: Reader(frames), kinds, channel: 0, reliable: false, left: 0, sequence: 0, uniform: None }
    }

    fn read(&mut self) -> Option<Item<'a>> {
        if self.left > 0 {
            return self.item(false, false);
        }
        let header = self.reader.u8()?;
        let (run, part, more) = (header & RUN != 0, header & PART != 0, header & MORE != 0);
        self.channel = header & CHANNEL;
        if run && more {
            let control = Control::read(self.channel, &mut self.reader).filter(|_| !part)?;
            return Some(Item::Control(control));
        }
        if self.channel == EXTENDED {
            self.channel = self.reader.u8().filter(|channel| *channel >= EXTENDED)?;
        }
        self.reliable = self.kinds.get(usize::from(self.channel))?.is_reliable();
        self.uniform = None;
        if self.reliable {
            self.sequence = self.reader.u24()?;
            if run && part {
                return self.half();
            }
        } else if part {
            let fragments = self.kinds[usize::from(self.channel)] == ChannelKind::Unreliable && !run && !more;
            return fragments.then(|| self.fragment())?;
        } else if more {
            return None;
        }
        self.left = 1;
        if run {
            let count = self.reader.u8()?;
            self.left = count & !UNIFORM;
            if self.left < 2 {
                return None;
            }
            if count & UNIFORM != 0 {
                self.uniform = Some(usize::from(self.reader.varint()?));
            }
        }
        self.item(part, more)
    }

    fn item(&mut self, part: bool, more: bool) -> Option<Item<'a>> {
        let bytes = match self.uniform {
            Some(len) => self.reader.take(len).filter(|_| len <= limits::DATAGRAM_BYTES_MAX)?,
            None => self.bytes()?,
        };
        self.left -= 1;
        let channel = self.channel;
        if !self.reliable {
            return Some(Item::Message { channel, bytes });
        }
        let sequence = self.sequence;
        self.sequence = (sequence + 1) & 0xFF_FFFF;
        let sound = !(part || more) || !bytes.is_empty();
        sound.then_some(Item::Segment { channel, segment: Segment { sequence, part, more, bytes } })
    }

    fn half(&mut self) -> Option<Item<'a>> {
        let (kind, len) = (self.reader.u8()?, usize::from(self.reader.varint()?));
        if kind >= 8 || !(2..=limits::DATAGRAM_BYTES_MAX).contains(&len) {
            return None;
        }
        let half = kind & 1;
        let bytes = self.reader.take(half_range(len, half).len())?;
        let segment = Segment { sequence: self.sequence, part: kind & 2 != 0, more: kind & 4 != 0, bytes };
        Some(Item::Half { channel: self.channel, half, len, segment })
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
        self.reader.take(len).filter(|_| len <= limits::DATAGRAM_BYTES_MAX)
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

/// Where a half lies in its segment of `len` bytes.
pub(super) const fn half_range(len: usize, half: u8) -> core::ops::Range<usize> {
    let middle = len.div_ceil(2);
    if half == 0 { 0..middle } else { middle..len }
}

/// Appends frames to a packet, joining neighbours of one channel into runs, and notes in the table of sent packets what
/// went in.
#[derive(Debug)]
pub(super) struct FrameWriter<'a> {
    pub(super) out: &'a mut Vec<u8>,
    pub(super) sent: &'a mut Sent,
    /// The link loses packets now and then.
    pub(super) lossy: bool,
    /// Largest length of the datagram.
    limit: usize,
    /// Where the first frame begins.
    start: usize,
    /// The frame that may still be joined.
    open: Option<Open>,
    last_group: Option<u64>,
    /// The first frame, while it is the only one and nothing but a message.
    sole: Option<Sole>,
    frames: usize,
}

/// A frame of one or more whole messages.
#[derive(Clone, Copy, Debug)]
struct Open {
    channel: u8,
    /// Where its header is, and where its count is or would be.
    header: usize,
    place: usize,
    items: u8,
    /// Length of all items, if they have one, and of the first.
    uniform: bool,
    len: usize,
    /// Number of the next item, on channels that have numbers.
    next: Option<u64>,
}

/// A packet's only message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sole {
    pub(super) channel: u8,
    pub(super) sequence: Option<u64>,
    /// Its length: it ends where the packet ends.
    pub(super) len: usize,
}

impl<'a> FrameWriter<'a> {
    pub(super) const fn new(out: &'a mut Vec<u8>, sent: &'a mut Sent, limit: usize) -> Self {
        let start = out.len();
        Self { out, sent, lossy: false, limit, start, open: None, last_group: None, sole: None, frames: 0 }
    }

    /// Bytes that the largest segment in a frame of its own could have in what is left of the packet.
    pub(super) fn room(&self, channel: u8) -> usize {
        self.limit.saturating_sub(self.out.len() + header_len(channel) + 3 + 2)
    }

    /// The same in a packet with nothing else in it.
    pub(super) fn room_alone(&self, channel: u8) -> usize {
        self.limit.saturating_sub(self.start + header_len(channel) + 3 + 2)
    }

    /// Bytes of the largest unreliable message that a packet takes whole.
    pub(super) const fn largest_message(&self) -> usize {
        largest_message(self.limit)
    }

    /// The packet's only message, if there is nothing else in it. Where its bytes are is known from its length.
    pub(super) const fn sole(&self) -> Option<Sole> {
        self.sole
    }

    /// Whether anything was written.
    pub(super) const fn is_empty(&self) -> bool {
        self.frames == 0
    }

    /// Adds a segment, if it fits.
    pub(super) fn segment(&mut self, channel: u8, sequence: u64, part: bool, more: bool, bytes: &[u8]) -> bool {
        let whole = !part && !more;
        if whole && self.join(channel, Some(sequence), bytes) {
            return true;
        }
        if !self.fits(header_len(channel) + 3, bytes.len()) {
            return false;
        }
        let flags = if part { PART } else { 0 } | if more { MORE } else { 0 };
        self.begin(channel, flags, Some(sequence), whole, bytes.len());
        self.item(bytes);
        true
    }

    /// Adds one half of a segment, if it fits; `bytes` is the whole segment.
    pub(super) fn half(&mut self, channel: u8, sequence: u64, half: u8, part: bool, more: bool, bytes: &[u8]) -> bool {
        let range = half_range(bytes.len(), half);
        if !self.fits(header_len(channel) + 4, range.len()) {
            return false;
        }
        self.begin(channel, RUN | PART, Some(sequence), false, 0);
        self.out.push(half | if part { 2 } else { 0 } | if more { 4 } else { 0 });
        put_varint(self.out, bytes.len());
        self.out.extend_from_slice(&bytes[range]);
        true
    }

    /// Adds a whole unreliable message, if it fits.
    pub(super) fn message(&mut self, channel: u8, bytes: &[u8]) -> bool {
        if self.join(channel, None, bytes) {
            return true;
        }
        if !self.fits(header_len(channel), bytes.len()) {
            return false;
        }
        self.begin(channel, 0, None, true, bytes.len());
        self.item(bytes);
        true
    }

    /// Adds a fragment, if it fits and its group may follow those already in the packet.
    pub(super) fn fragment(&mut self, channel: u8, group: u64, index: u8, count: u8, bytes: &[u8]) -> bool {
        let header = header_len(channel) + FRAGMENT_HEADER;
        if self.last_group.is_some_and(|last| last >= group) || !self.fits(header, bytes.len()) {
            return false;
        }
        self.last_group = Some(group);
        self.begin(channel, PART, None, false, 0);
        let [low, high, ..] = group.to_le_bytes();
        self.out.extend_from_slice(&[low, high, index, count]);
        self.item(bytes);
        true
    }

    /// Adds a word of the carrier's own, if it fits.
    pub(super) fn control(&mut self, control: Control) -> bool {
        const LONGEST: usize = 17;
        if self.out.len() + LONGEST > self.limit {
            return false;
        }
        (self.open, self.sole) = (None, None);
        self.frames += 1;
        control.write(self.out);
        true
    }

    fn begin(&mut self, channel: u8, flags: u8, sequence: Option<u64>, whole: bool, len: usize) {
        let header = self.out.len();
        self.out.push(channel.min(EXTENDED) | flags);
        if channel >= EXTENDED {
            self.out.push(channel);
        }
        if let Some(sequence) = sequence {
            self.out.extend_from_slice(&sequence.to_le_bytes()[..3]);
        }
        let (place, next) = (self.out.len(), sequence.map(|sequence| sequence + 1));
        self.open = whole.then_some(Open { channel, header, place, items: 1, uniform: false, len, next });
        self.sole = (whole && self.frames == 0).then_some(Sole { channel, sequence, len });
        self.frames += 1;
    }

    /// Extends the open frame by one item.
    fn join(&mut self, channel: u8, sequence: Option<u64>, bytes: &[u8]) -> bool {
        let Some(open) = &mut self.open else { return false };
        let next = open.channel == channel && open.next == sequence && open.items < RUN_MAX;
        let fits = self.out.len() + 1 + varint_len(bytes.len()) + bytes.len() <= self.limit;
        if !next || !fits || open.uniform && open.len != bytes.len() {
            return false;
        }
        if open.items == 1 {
            // The frame turns into a run only now: make room for its count.
            open.uniform = open.len == bytes.len();
            self.out[open.header] |= RUN;
            self.out.insert(open.place, 2 | if open.uniform { UNIFORM } else { 0 });
        } else {
            self.out[open.place] += 1;
        }
        open.items += 1;
        open.next = sequence.map(|sequence| sequence + 1);
        let uniform = open.uniform;
        self.sole = None;
        if uniform {
            self.out.extend_from_slice(bytes);
        } else {
            self.item(bytes);
        }
        true
    }

    fn fits(&self, header: usize, len: usize) -> bool {
        self.out.len() + header + varint_len(len) + len <= self.limit
    }

    fn item(&mut self, bytes: &[u8]) {
        put_varint(self.out, bytes.len());
        self.out.extend_from_slice(bytes);
    }
}

const fn header_len(channel: u8) -> usize {
    if channel < EXTENDED { 1 } else { 2 }
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
