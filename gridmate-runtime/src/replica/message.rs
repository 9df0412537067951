//! State messages as they are written: what opens them, and one record after the other.
//!
//! There are two kinds, and the registry decides which: bits that are copied, or symbols under models. `marshal` decides what
//! goes in; how it is said is here.

use super::blocks::Ready;
use super::encoder::{Encoder, Encoding};
use super::expected::Expected;
use super::lanes::Copied;
use super::record::{Cursor, Header, Kind};
use crate::ids::{MemberId, ReplicaId};
use crate::wire::entropy::{Recorder, Symbols, Writer};
use crate::wire::{BitWriter, Sink as _};

/// Room kept for a record's id and kind, bits: two gamma codes of 63, and four.
const RECORD_HEAD_BITS: usize = 2 + 63 + 63 + 4 + 33;

/// How large a message may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Room {
    bits: usize,
    /// With nothing in it but one record.
    first: usize,
}

impl Room {
    /// Of `bytes`, unless there is nothing in it but one record: then of `first`.
    pub(super) const fn new(bytes: usize, first: usize) -> Self {
        Self { bits: bytes.saturating_mul(8), first: first.saturating_mul(8) }
    }

    #[inline]
    const fn holds(self, bits: usize, any: bool) -> bool {
        bits <= if any { self.bits } else { self.first }
    }

    /// Three quarters are taken.
    #[inline]
    const fn is_nearly_full(self, bits: usize) -> bool {
        bits >= self.bits / 4 * 3
    }
}

/// There was no room for a block: true if what is left is not worth filling with parts of it.
pub(super) struct NearlyFull(pub(super) bool);

/// A message that is being written.
pub(super) trait Message {
    fn header(&self) -> Header;
    /// Whether there is room for a destruction.
    fn has_room(&self) -> bool;
    /// Whether a record with this body fits.
    fn fits(&self, body: &Encoding, encoder: &Encoder) -> bool;
    fn destroy(&mut self, id: ReplicaId, kind: Kind);
    fn record(&mut self, id: ReplicaId, kind: Kind, body: &Encoding, encoder: &mut Encoder);
    /// Adds a record against the common basis whose bits are at hand, if it fits. Only bits are: under models it never does.
    fn copy(&mut self, _id: ReplicaId, _body: Copied, _encoder: &Encoder) -> bool {
        false
    }
    /// Whether whole blocks can be copied.
    fn takes_blocks(&self) -> bool {
        false
    }
    /// Adds a block that is ready, between its first id and its last, if it fits. If not: whether the message is nearly full.
    fn block(&mut self, _ids: [ReplicaId; 2], _ready: &Ready, _encoder: &Encoder) -> Result<(), NearlyFull> {
        Err(NearlyFull(false))
    }
}

/// Bits, appended to bits.
pub(super) struct Packed<'a> {
    w: &'a mut BitWriter,
    header: Header,
    cursor: Cursor,
    room: Room,
    any: bool,
}

impl<'a> Packed<'a> {
    pub(super) fn new(w: &'a mut BitWriter, header: Header, room: Room) -> Self {
        w.clear();
        header.write(w);
        Self { w, header, cursor: Cursor::START, room, any: false }
    }
}

impl Message for Packed<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn has_room(&self) -> bool {
        self.room.holds(self.w.len() + RECORD_HEAD_BITS, self.any)
    }

    #[inline]
    fn fits(&self, body: &Encoding, _: &Encoder) -> bool {
        self.room.holds(self.w.len() + RECORD_HEAD_BITS + body.length, self.any)
    }

    fn destroy(&mut self, id: ReplicaId, kind: Kind) {
        self.cursor.write(id, self.w);
        kind.write(self.header, self.w);
        self.any = true;
    }

    #[inline]
    fn record(&mut self, id: ReplicaId, kind: Kind, body: &Encoding, encoder: &mut Encoder) {
        self.cursor.write(id, self.w);
        kind.write(self.header, self.w);
        self.w.append_at(encoder.arena.finished(), body.start, body.length);
        self.any = true;
    }

    #[inline]
    fn copy(&mut self, id: ReplicaId, body: Copied, encoder: &Encoder) -> bool {
        let length = body.length as usize;
        if !self.room.holds(self.w.len() + RECORD_HEAD_BITS + length, self.any) {
            return false;
        }
        self.any = true;
        // "The next serial" and "the common basis" are a one each.
        let head = if self.cursor.advance(id) {
            (0b11, 2)
        } else {
            self.cursor.write(id, self.w);
            (0b1, 1)
        };
        self.w.append_behind(head, encoder.arena.finished(), body.start as usize, length);
        true
    }

    fn takes_blocks(&self) -> bool {
        true
    }

    #[inline]
    fn block(&mut self, [first, last]: [ReplicaId; 2], ready: &Ready, encoder: &Encoder) -> Result<(), NearlyFull> {
        let (bits, length) = encoder.bits(ready);
        // A block is no single record: what is more than a message takes goes in parts.
        if !self.room.holds(self.w.len() + RECORD_HEAD_BITS + length, true) {
            return Err(NearlyFull(self.room.is_nearly_full(self.w.len())));
        }
        self.any = true;
        self.cursor.write(first, self.w);
        self.w.append_long(bits, length);
        self.cursor.go_to(last);
        Ok(())
    }
}

/// Places of the flags about records.
pub(super) mod flags {
    /// The message begins with what was in the one it is against.
    pub(in crate::replica) const EXPECTED: u16 = 0;
    /// It is here, by whether the one before it was.
    pub(in crate::replica) const HERE: [u16; 2] = [1, 2];
    /// Another record follows.
    pub(in crate::replica) const MORE: u16 = 3;
    /// It has the creator of the one before.
    pub(in crate::replica) const SAME_CREATOR: u16 = 4;
    /// It comes after the one before.
    pub(in crate::replica) const AHEAD: u16 = 5;
    /// It is against the common basis, by whether it was expected.
    pub(in crate::replica) const COMMON: [u16; 2] = [6, 7];
    /// It is against a basis of its own.
    pub(in crate::replica) const DELTA: u16 = 8;
    /// It is whole; otherwise gone.
    pub(in crate::replica) const FULL: u16 = 9;
}

/// Symbols, played under models.
pub(super) struct Modelled<'a> {
    w: &'a mut Writer,
    header: Header,
    /// What is expected and was not come to yet.
    expected: &'a [Expected],
    was_here: bool,
    last: ReplicaId,
    room: Room,
    any: bool,
}

impl<'a> Modelled<'a> {
    /// With what was in the messages of the common base, if the peer has all of them.
    pub(super) fn new(w: &'a mut Writer, header: Header, expected: Option<&'a [Expected]>, room: Room) -> Self {
        w.start(&header.tick.to_le_bytes());
        header.write_common(w);
        w.flag(flags::EXPECTED, expected.is_some());
        Self {
            w,
            header,
            expected: expected.unwrap_or_default(),
            was_here: true,
            last: ReplicaId { creator: MemberId::NONE, serial: 0 },
            room,
            any: false,
        }
    }

    /// The next of what is expected.
    pub(super) fn next_expected(&self) -> Option<Expected> {
        self.expected.first().copied()
    }

    /// It is not here.
    pub(super) fn skip_expected(&mut self) {
        self.here(false);
    }

    /// It is here.
    pub(super) fn record_expected(&mut self, kind: Kind, body: &Encoding, recorder: &Recorder) {
        self.here(true);
        self.kind(kind, true);
        self.body(body, recorder);
    }

    /// Ends the message and shows its bytes.
    pub(super) fn finish(&mut self) -> &[u8] {
        while !self.expected.is_empty() {
            self.skip_expected();
        }
        self.w.flag(flags::MORE, false);
        self.w.finish()
    }

    fn here(&mut self, here: bool) {
        self.w.flag(flags::HERE[usize::from(self.was_here)], here);
        self.was_here = here;
        if let Some((next, rest)) = self.expected.split_first() {
            self.last = if here { next.id } else { self.last };
            self.expected = rest;
        }
    }

    fn id(&mut self, id: ReplicaId) {
        self.w.flag(flags::MORE, true);
        let same = id.creator == self.last.creator;
        self.w.flag(flags::SAME_CREATOR, same);
        if same {
            let step = id.serial.wrapping_sub(self.last.serial).cast_signed();
            self.w.flag(flags::AHEAD, step > 0);
            self.w.step(step.unsigned_abs());
        } else {
            self.w.bits(id.creator.0.into(), 32);
            self.w.bits(id.serial.into(), 32);
        }
        self.last = id;
    }

    fn kind(&mut self, kind: Kind, expected: bool) {
        let common = matches!(kind, Kind::Delta { basis } if basis == self.header.common);
        self.w.flag(flags::COMMON[usize::from(expected)], common);
        if common {
            return;
        }
        self.w.flag(flags::DELTA, matches!(kind, Kind::Delta { .. }));
        if let Kind::Delta { basis } = kind {
            self.w.step(self.header.tick - basis.base);
            self.w.step(if basis.past == 0 { 0 } else { basis.base - basis.past });
            if basis.past != 0 {
                self.w.bits(basis.calm.into(), 3);
            }
            return;
        }
        self.w.flag(flags::FULL, kind == Kind::Full);
        if let Kind::Destroy { after_rpcs, epoch } = kind {
            self.w.bits(after_rpcs.is_some().into(), 1);
            if let Some(count) = after_rpcs {
                self.w.bits(count.into(), 32);
            }
            self.w.step(epoch);
        }
    }

    fn body(&mut self, body: &Encoding, recorder: &Recorder) {
        self.w.play(recorder, Symbols { start: body.start, len: body.length });
        self.any = true;
    }

    fn used_bits(&self) -> usize {
        // What is expected and not here costs a bit each at most, as a rule far less.
        self.w.len() * 8 + self.expected.len() + RECORD_HEAD_BITS
    }
}

impl Message for Modelled<'_> {
    fn header(&self) -> Header {
        self.header
    }

    fn has_room(&self) -> bool {
        self.room.holds(self.used_bits(), self.any)
    }

    fn fits(&self, body: &Encoding, encoder: &Encoder) -> bool {
        let symbols = Symbols { start: body.start, len: body.length };
        // What fits in any case need not be weighed.
        !self.any && self.room.first == usize::MAX
            || self.room.holds(self.used_bits() + self.w.cost(&encoder.recorder, symbols), self.any)
    }

    fn destroy(&mut self, id: ReplicaId, kind: Kind) {
        self.id(id);
        self.kind(kind, false);
        self.any = true;
    }

    fn record(&mut self, id: ReplicaId, kind: Kind, body: &Encoding, encoder: &mut Encoder) {
        self.id(id);
        self.kind(kind, false);
        self.body(body, &encoder.recorder);
    }
}
