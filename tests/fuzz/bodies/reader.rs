//! A second reader of data packets, written after `docs/WIRE.md` and not after the first: the two must find the same in
//! everything.

use gridmate_runtime::carrier::ChannelKind;
use gridmate_runtime::limits;

use super::packets::{PREFIX, WIDE};

/// A data packet up to its content.
pub(crate) struct Data<'a> {
    pub(crate) wide: bool,
    /// Low bits.
    pub(crate) number: u64,
    pub(crate) ack: Option<Ack>,
    pub(crate) content: u8,
    pub(crate) rest: &'a [u8],
}

pub(crate) struct Ack {
    /// Low bits.
    pub(crate) newest: u64,
    /// How many directly below, and what is missing and there further down. Without it, 63 below.
    ranges: Option<(u64, Vec<(u64, u64)>)>,
}

/// One thing in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    Message {
        channel: u8,
        bytes: &'a [u8],
    },
    /// With which half of how many bytes it is.
    Segment {
        channel: u8,
        sequence: u32,
        half: Option<(u8, usize)>,
        part: bool,
        more: bool,
        bytes: &'a [u8],
    },
    Fragment {
        channel: u8,
        group: u16,
        index: u8,
        count: u8,
        bytes: &'a [u8],
    },
    /// A word of the carrier's own, with the number in it if it has one of eight bytes.
    Word {
        word: u8,
        number: u64,
    },
}

impl<'a> Data<'a> {
    /// `None` when it is malformed.
    pub(crate) fn read(packet: &'a [u8], id_len: u8) -> Option<Self> {
        let first = *packet.first()?;
        let mut rest = packet.get(PREFIX + usize::from(id_len)..)?;
        let (wide, form, content) = (first & WIDE != 0, first >> 1 & 3, first >> 3 & 7);
        let number = low(&mut rest, width(wide))?;
        let ack = match form {
            0 => None,
            3 => return None,
            _ => {
                let newest = low(&mut rest, width(wide))?;
                byte(&mut rest)?;
                let ranges = if form == 2 {
                    let (below, count) = (varint(&mut rest)?, byte(&mut rest)?);
                    let further = (0..count).map(|_| Some((varint(&mut rest)?, varint(&mut rest)?)));
                    let further = further.collect::<Option<Vec<_>>>()?;
                    if further.len() > 31 {
                        return None;
                    }
                    Some((below, further))
                } else {
                    None
                };
                Some(Ack { newest, ranges })
            }
        };
        let says_something = !rest.is_empty() || ack.is_some() || content != 0;
        says_something.then_some(Self { wide, number, ack, content, rest })
    }
}

impl Ack {
    /// Lowest and highest of each range, from the newest down; `None` when one reaches below `first`.
    pub(crate) fn all(&self, newest: u64, first: u64) -> Option<Vec<(u64, u64)>> {
        let Some((below, further)) = &self.ranges else {
            return Some(vec![(newest.saturating_sub(63).max(first), newest)]);
        };
        let floor = |number: u64| (number >= first).then_some(number);
        let mut low = newest.checked_sub(*below).and_then(floor)?;
        let mut ranges = vec![(low, newest)];
        for (gap, more) in further {
            let high = low.checked_sub(gap + 2)?;
            low = high.checked_sub(*more).and_then(floor)?;
            ranges.push((low, high));
        }
        Some(ranges)
    }
}

/// Bytes of a number.
pub(crate) const fn width(wide: bool) -> usize {
    if wide { 2 } else { 1 }
}

/// Bytes of the sequence number of a packet's only message.
pub(crate) const fn sequence_width(wide: bool) -> usize {
    if wide { 3 } else { 1 }
}

/// What is in the frames, up to where they are malformed, and whether they are not.
pub(crate) fn frames<'a>(mut rest: &'a [u8], kinds: &[ChannelKind]) -> (Vec<Item<'a>>, bool) {
    let mut items = Vec::new();
    while !rest.is_empty() {
        if frame(&mut rest, kinds, &mut items).is_none() {
            return (items, false);
        }
    }
    (items, true)
}

fn frame<'a>(rest: &mut &'a [u8], kinds: &[ChannelKind], items: &mut Vec<Item<'a>>) -> Option<()> {
    let head = byte(rest)?;
    let [run, part, more] = [0x20, 0x40, 0x80].map(|flag| head & flag != 0);
    let mut channel = head & 0x1F;
    if run && more {
        items.push(word(rest, channel).filter(|_| !part)?);
        return Some(());
    }
    if channel == 31 {
        channel = byte(rest).filter(|channel| *channel >= 31)?;
    }
    let kind = *kinds.get(usize::from(channel))?;
    let mut sequence = if kind.is_reliable() { u32::try_from(low(rest, 3)?).ok()? } else { 0 };
    if part && !kind.is_reliable() {
        let (group, index, count) = (u16::try_from(low(rest, 2)?).ok()?, byte(rest)?, byte(rest)?);
        let bytes = item(rest, None)?;
        let last = index.checked_add(1)? == count && (1..=limits::FRAGMENT_BYTES).contains(&bytes.len());
        let whole = index.checked_add(1)? < count && bytes.len() == limits::FRAGMENT_BYTES;
        let sound = kind == ChannelKind::Unreliable && !run && !more && (2..=16).contains(&count) && (last || whole);
        items.push(sound.then_some(Item::Fragment { channel, group, index, count, bytes })?);
        return Some(());
    }
    if run && part {
        let (kind, len) = (byte(rest).filter(|kind| *kind < 8)?, usize::try_from(varint(rest)?).ok()?);
        if !(2..=limits::DATAGRAM_BYTES_MAX).contains(&len) {
            return None;
        }
        let (half, part, more) = (kind & 1, kind & 2 != 0, kind & 4 != 0);
        let bytes = item(rest, Some(if half == 0 { len.div_ceil(2) } else { len / 2 }))?;
        items.push(Item::Segment { channel, sequence, half: Some((half, len)), part, more, bytes });
        return Some(());
    }
    if more && !kind.is_reliable() {
        return None;
    }
    let (mut count, mut uniform) = (1, None);
    if run {
        let head = byte(rest)?;
        count = head & 0x7F;
        if count < 2 {
            return None;
        }
        if head & 0x80 != 0 {
            uniform = Some(usize::try_from(varint(rest)?).ok()?);
        }
    }
    for _ in 0..count {
        let bytes = item(rest, uniform)?;
        if kind.is_reliable() {
            if (part || more) && bytes.is_empty() {
                return None;
            }
            items.push(Item::Segment { channel, sequence, half: None, part, more, bytes });
            sequence = (sequence + 1) & 0xFF_FFFF;
        } else {
            items.push(Item::Message { channel, bytes });
        }
    }
    Some(())
}

fn word<'a>(rest: &mut &'a [u8], word: u8) -> Option<Item<'a>> {
    let number = match word {
        0 => {
            let zeros = core::mem::take(rest);
            return zeros.iter().all(|byte| *byte == 0).then_some(Item::Word { word, number: 0 });
        }
        1 | 2 => low(rest, 8)?,
        3 => low(rest, 4)?,
        4 => {
            item(rest, Some(16))?;
            0
        }
        5 => low(rest, 2)?,
        _ => return None,
    };
    Some(Item::Word { word, number })
}

/// As many bytes, or as many as it says.
fn item<'a>(rest: &mut &'a [u8], len: Option<usize>) -> Option<&'a [u8]> {
    let len = match len {
        Some(len) => len,
        None => usize::try_from(varint(rest)?).ok()?,
    };
    let (bytes, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(bytes)
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    low(rest, 1).and_then(|byte| u8::try_from(byte).ok())
}

fn low(rest: &mut &[u8], bytes: usize) -> Option<u64> {
    let (bytes, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn varint(rest: &mut &[u8]) -> Option<u64> {
    let first = u64::from(byte(rest)?);
    if first < 0x80 {
        return Some(first);
    }
    let second = u64::from(byte(rest)?);
    (1..0x80).contains(&second).then_some(first & 0x7F | second << 7)
}
