//! State messages as they are read: one record after the other, of either kind.

use super::expected::{Company, Expected};
use super::message::flags;
use super::record::{Cursor, Header, Kind, USUAL, at_end, basis};
use super::unmarshal::Stop;
use crate::chunk::Basis;
use crate::chunk::coder::Supply;
use crate::ids::{MemberId, ReplicaId};
use crate::wire::entropy::{Reader, ReaderModels};
use crate::wire::{BitReader, Source as _, Window, WireError};

/// A message that is being read.
pub(super) trait Records<'b> {
    /// What bodies are read from.
    type Body: Supply<'b>;

    /// The sender's tick.
    fn tick(&self) -> u32;
    /// The next record; its body comes from [`body`](Self::body).
    fn next(&mut self) -> Result<Option<(ReplicaId, Kind)>, WireError>;
    fn body(&mut self) -> &mut Self::Body;

    /// What records of the usual kind are against, if the next may be one, and the id that it then has.
    fn usual(&mut self) -> Option<(Basis, ReplicaId)> {
        None
    }

    /// Lets these be read, and goes on behind as many as it returns.
    fn take_usual(&mut self, take: impl FnOnce(&mut Window<'b>) -> usize) {
        let _ = take;
    }
}

pub(super) struct PackedRecords<'b> {
    r: Window<'b>,
    header: Header,
    cursor: Cursor,
}

impl<'b> PackedRecords<'b> {
    pub(super) fn new(message: &'b [u8]) -> Result<Self, WireError> {
        let mut r = BitReader::new(message);
        let header = Header::read(&mut r)?;
        Ok(Self { r: Window::of(&r), header, cursor: Cursor::START })
    }
}

impl<'b> Records<'b> for PackedRecords<'b> {
    type Body = Window<'b>;

    fn tick(&self) -> u32 {
        self.header.tick
    }

    #[inline]
    fn next(&mut self) -> Result<Option<(ReplicaId, Kind)>, WireError> {
        if at_end(&self.r) {
            return Ok(None);
        }
        let id = self.cursor.read(&mut self.r)?;
        Ok(Some((id, Kind::read(self.header, &mut self.r)?)))
    }

    fn body(&mut self) -> &mut Window<'b> {
        &mut self.r
    }

    fn usual(&mut self) -> Option<(Basis, ReplicaId)> {
        let (bits, left) = self.r.at_hand(8);
        let may_be = left >= 8 && bits & 0b11 == USUAL.0 && self.header.common.base != 0;
        may_be.then(|| (self.header.common, self.cursor.next()))
    }

    fn take_usual(&mut self, take: impl FnOnce(&mut Window<'b>) -> usize) {
        let count = take(&mut self.r);
        self.cursor.skip(u32::try_from(count).expect("a short run"));
    }
}

/// The memory of reading under models, kept from message to message.
#[derive(Debug, Default)]
pub(super) struct Reading {
    models: ReaderModels,
    expected: Vec<ReplicaId>,
    list: Vec<Expected>,
}

impl Reading {
    /// Who was in the message.
    pub(super) fn list(&self) -> impl Iterator<Item = Expected> {
        self.list.iter().copied()
    }
}

/// Under models. Who is in it is noted down, to be expected in later ones.
pub(super) struct ModelledRecords<'b> {
    r: Reader<'b>,
    header: Header,
    expected: &'b [ReplicaId],
    /// How many of them were come to.
    met: usize,
    was_here: bool,
    last: ReplicaId,
    list: &'b mut Vec<Expected>,
}

impl<'b> ModelledRecords<'b> {
    pub(super) fn new(memory: &'b mut Reading, heard: &mut Company, message: &'b [u8]) -> Result<Self, Stop> {
        let Reading { models, expected, list } = memory;
        expected.clear();
        list.clear();
        let (head, rest) = message.split_first_chunk::<4>().ok_or(WireError::UnexpectedEnd)?;
        let mut r = Reader::new(models, rest);
        let header = Header::read_common(u32::from_le_bytes(*head), &mut r)?;
        if r.flag(flags::EXPECTED)? {
            // What was forgotten, because so much has come since, makes the message late.
            let known = heard.taken_in(header.common.base).ok_or(Stop::TooLate)?;
            expected.extend(known.iter().map(|expected| expected.id));
        }
        let last = ReplicaId { creator: MemberId::NONE, serial: 0 };
        Ok(Self { r, header, expected, met: 0, was_here: true, last, list })
    }

    fn next_id(&mut self) -> Result<Option<(ReplicaId, bool)>, WireError> {
        while let Some(id) = self.expected.get(self.met) {
            self.met += 1;
            self.was_here = self.r.flag(flags::HERE[usize::from(self.was_here)])?;
            if self.was_here {
                self.last = *id;
                return Ok(Some((*id, true)));
            }
        }
        if !self.r.flag(flags::MORE)? {
            return Ok(None);
        }
        self.last = if self.r.flag(flags::SAME_CREATOR)? {
            let ahead = self.r.flag(flags::AHEAD)?;
            let step = self.r.step()?;
            let serial = self.last.serial;
            ReplicaId { serial: if ahead { serial.wrapping_add(step) } else { serial.wrapping_sub(step) }, ..self.last }
        } else {
            let [creator, serial] = [self.number()?, self.number()?];
            ReplicaId { creator: MemberId(creator), serial }
        };
        if self.last.creator == MemberId::NONE || self.last.serial == 0 {
            return Err(WireError::Invalid);
        }
        Ok(Some((self.last, false)))
    }

    fn kind(&mut self, expected: bool) -> Result<Kind, WireError> {
        Ok(if self.r.flag(flags::COMMON[usize::from(expected)])? {
            if self.header.common == Basis::DEFAULTS {
                return Err(WireError::Invalid);
            }
            Kind::Delta { basis: self.header.common }
        } else if self.r.flag(flags::DELTA)? {
            let (back, further) = (self.r.step()?, self.r.step()?);
            let basis = basis(self.header.tick, back, further)?;
            let calm = if further == 0 { 0 } else { self.r.bits(3)?.to_le_bytes()[0] };
            Kind::Delta { basis: Basis { calm, ..basis } }
        } else if self.r.flag(flags::FULL)? {
            Kind::Full
        } else {
            let counted = self.r.bits(1)? != 0;
            let after_rpcs = if counted { Some(self.number()?) } else { None };
            match self.r.step()? {
                0 => return Err(WireError::Invalid),
                epoch => Kind::Destroy { after_rpcs, epoch },
            }
        })
    }

    fn number(&mut self) -> Result<u32, WireError> {
        u32::try_from(self.r.bits(32)?).map_err(|_| WireError::Invalid)
    }
}

impl<'b> Records<'b> for ModelledRecords<'b> {
    type Body = Reader<'b>;

    fn tick(&self) -> u32 {
        self.header.tick
    }

    fn next(&mut self) -> Result<Option<(ReplicaId, Kind)>, WireError> {
        let Some((id, expected)) = self.next_id()? else { return Ok(None) };
        let kind = self.kind(expected)?;
        if !matches!(kind, Kind::Destroy { .. }) {
            self.list.push(Expected { id, place: 0 });
        }
        self.r.begin_record();
        Ok(Some((id, kind)))
    }

    fn body(&mut self) -> &mut Reader<'b> {
        &mut self.r
    }
}
