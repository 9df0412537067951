//! The bits of state messages and RPC messages: everything of a replica's traffic that is not a chunk's own encoding. Bodies of
//! records are put together in `marshal` and taken apart in `unmarshal`, from the parts that are here.
//!
//! A **state message** is a header and records until the bits run out:
//!
//! ```text
//! message = tick:32  common  record*                common = 1 (none) | (d + 1):gamma past, with base = tick - d
//! record  = id kind
//! id      = 1                                       same creator as the record before, next serial
//!         | 01 skipped:gamma                        same creator, so many serials further (never 0)
//!         | 001 back:gamma                          same creator, so many before the next serial (never 0)
//!         | 000 creator:gamma serial:gamma
//! kind    = 1                body-delta             against the message's common base and past
//!         | 01 d:gamma past  body-delta             against the sender's version tick - d, and its past
//!         | 001              body-full              against the defaults; creates the replica
//!         | 0001 rpcs epoch:gamma                   destroy, in the epoch in which it ends; rpcs = 0 | 1 count:32
//! body-delta = chunk*            chunk = encoding, preceded by a "differs" bit when the replica has several
//! body-full  = owner migratable:1 epoch:gamma count:gamma type* encoding*
//! type    = (class + 1):gamma                       and refused:1 if the type is `host_only`; see `refuse`
//! past    = 1 (none) | (p + 1):gamma calm:3         the sender's version base - p, and how calm the motion is
//! owner   = owner:gamma assigned                    assigned = 1 (to the owner) | 0 member:gamma
//! ```
//!
//! A message ends where fewer than eight bits are left and all of them are zero: every record has a one among its first eight
//! bits. Records of one message share nothing but the header, so a body can be encoded once and copied to every peer it suits.
//!
//! An **RPC message** is one call:
//!
//! ```text
//! call    = creator:gamma serial:gamma chunk+1:gamma rpc:8 (request | echo) argument*
//! request = 0 source                                source = 0 (the sender) | 1 member:gamma
//! echo    = 1 member:gamma epoch:gamma after to     after = 0 | 1 version:32; epoch = of the owner that it is from
//! to      = 0 (every proxy)                         one member's proxy, or the answer to what it has asked
//!         | 1 member:gamma (0 | 1 ticket:gamma)
//! ```
//!
//! One that begins with 64 zeros is about names for people: `names`. Another that begins with 32 zeros is a report to a newcomer: `sync`.
//! One of chunk 255 is about who owns the replica: `handoff`.
//! The arguments of a request that is a question follow its ticket:gamma. An answer has, in place of arguments, two bits and, if they
//! are 0, the value: 1 not permitted, 2 too often, 3 no answer.

use crate::chunk::{Basis, Head};
use crate::ids::{MemberId, ReplicaId};
use crate::wire::{BitReader, BitWriter, Sink, Source, WireError};

/// What opens a state message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// The sender's tick.
    pub(super) tick: u32,
    /// The versions most records of the message are encoded against; both 0 if there are none.
    pub(super) common: Basis,
}

/// What a record is about; its body follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Against the sender's versions named.
    Delta { basis: Basis },
    /// Against the defaults.
    Full,
    /// The replica is gone, once so many reliable RPCs have been received (counted over the whole connection). Its last epoch says
    /// whether that is about the replica as it is known.
    Destroy { after_rpcs: Option<u32>, epoch: u32 },
}

/// What most records begin with: the next serial, against the message's common base and past.
pub(super) const USUAL: Head = (0b11, 2);

/// Where the id of the next record counts from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor(ReplicaId);

impl Header {
    pub(super) fn write(self, w: &mut BitWriter) {
        w.bits(u64::from(self.tick), 32);
        self.write_common(w);
    }

    /// Everything but the tick.
    pub(super) fn write_common(self, w: &mut impl Sink) {
        if self.common.base == 0 {
            w.gamma(1);
        } else {
            w.gamma((self.tick - self.common.base).saturating_add(1));
            write_past(self.common, w);
        }
    }

    pub(super) fn read(r: &mut BitReader<'_>) -> Result<Self, WireError> {
        let tick = bits32(r)?;
        Self::read_common(tick, r)
    }

    /// Reads everything but the tick.
    pub(super) fn read_common(tick: u32, r: &mut impl Source) -> Result<Self, WireError> {
        let common = match r.gamma()? {
            1 => Basis::DEFAULTS,
            d => read_basis(tick, d - 1, r)?,
        };
        Ok(Self { tick, common })
    }
}

impl Cursor {
    pub(super) const START: Self = Self(ReplicaId { creator: MemberId::NONE, serial: 0 });

    /// What a single one says; the last is none that there is.
    #[inline]
    pub(super) const fn next(self) -> ReplicaId {
        ReplicaId { serial: self.0.serial.wrapping_add(1), ..self.0 }
    }

    /// Goes on to what so many ones say.
    pub(super) const fn skip(&mut self, count: u32) {
        self.0.serial = self.0.serial.wrapping_add(count);
    }

    /// Goes on to `id` if that is what a single one says.
    #[inline]
    pub(super) fn advance(&mut self, id: ReplicaId) -> bool {
        let next = id.creator == self.0.creator && id.serial == self.0.serial.wrapping_add(1);
        if next {
            self.0 = id;
        }
        next
    }

    /// Goes on from `id`, which was written before.
    #[inline]
    pub(super) const fn go_to(&mut self, id: ReplicaId) {
        self.0 = id;
    }

    #[inline]
    pub(super) fn write(&mut self, id: ReplicaId, w: &mut BitWriter) {
        if id.creator == self.0.creator {
            // Records go by place, and places fill up in the order of serials: most steps are small and ahead.
            let step = id.serial.wrapping_sub(self.0.serial).wrapping_sub(1).cast_signed();
            match step {
                0 => w.bool(true),
                1.. => {
                    w.bits(0b10, 2);
                    w.gamma(step.unsigned_abs());
                }
                _ => {
                    w.bits(0b100, 3);
                    w.gamma(step.unsigned_abs());
                }
            }
        } else {
            w.bits(0b000, 3);
            w.gamma(id.creator.0);
            w.gamma(id.serial);
        }
        self.0 = id;
    }

    #[inline]
    pub(super) fn read(&mut self, r: &mut impl Source) -> Result<ReplicaId, WireError> {
        let last = self.0;
        self.0 = if r.bool()? {
            ReplicaId { serial: last.serial.wrapping_add(1), ..last }
        } else if r.bool()? {
            ReplicaId { serial: last.serial.wrapping_add(1).wrapping_add(r.gamma()?), ..last }
        } else if r.bool()? {
            ReplicaId { serial: last.serial.wrapping_add(1).wrapping_sub(r.gamma()?), ..last }
        } else {
            ReplicaId { creator: MemberId(r.gamma()?), serial: r.gamma()? }
        };
        if self.0.creator == MemberId::NONE || self.0.serial == 0 { Err(WireError::Invalid) } else { Ok(self.0) }
    }
}

impl Kind {
    #[inline]
    pub(super) fn write(self, header: Header, w: &mut BitWriter) {
        match self {
            Self::Delta { basis } if basis == header.common => w.bool(true),
            Self::Delta { basis } => {
                w.bits(0b10, 2);
                w.gamma(header.tick - basis.base);
                write_past(basis, w);
            }
            Self::Full => w.bits(0b100, 3),
            Self::Destroy { after_rpcs, epoch } => {
                w.bits(0b1000, 4);
                optional32(after_rpcs, w);
                w.gamma(epoch);
            }
        }
    }

    #[inline]
    pub(super) fn read(header: Header, r: &mut impl Source) -> Result<Self, WireError> {
        Ok(if r.bool()? {
            if header.common.base == 0 {
                return Err(WireError::Invalid);
            }
            Self::Delta { basis: header.common }
        } else if r.bool()? {
            let back = r.gamma()?;
            Self::Delta { basis: read_basis(header.tick, back, r)? }
        } else if r.bool()? {
            Self::Full
        } else if r.bool()? {
            Self::Destroy { after_rpcs: read_optional32(r)?, epoch: r.gamma()? }
        } else {
            return Err(WireError::Invalid);
        })
    }
}

#[inline]
fn write_past(basis: Basis, w: &mut impl Sink) {
    if basis.past == 0 {
        return w.gamma(1);
    }
    w.gamma(basis.base - basis.past + 1);
    w.bits(basis.calm.into(), 3);
}

#[inline]
fn read_basis(tick: u32, back: u32, r: &mut impl Source) -> Result<Basis, WireError> {
    let further = r.gamma()? - 1;
    let basis = basis(tick, back, further)?;
    if further == 0 { Ok(basis) } else { Ok(Basis { calm: r.bits(3)?.to_le_bytes()[0], ..basis }) }
}

/// So many ticks back, and so many further to the past, if any.
pub(super) fn basis(tick: u32, back: u32, further: u32) -> Result<Basis, WireError> {
    let before = |of: u32, ticks| of.checked_sub(ticks).filter(|tick| *tick != 0).ok_or(WireError::Invalid);
    let base = before(tick, back)?;
    Ok(Basis { base, past: if further == 0 { 0 } else { before(base, further)? }, calm: 0 })
}

/// Whether nothing but padding is left of a message.
#[inline]
pub(super) fn at_end(r: &(impl Source + Clone)) -> bool {
    match r.remaining() {
        0 => true,
        #[expect(clippy::cast_possible_truncation, reason = "at most 7")]
        left @ 1..=7 => r.clone().bits(left as u32) == Ok(0),
        _ => false,
    }
}

/// Who a replica belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ownership {
    pub(super) owner: MemberId,
    pub(super) assigned: MemberId,
    pub(super) migratable: bool,
    /// Counts owners: 1 for the first.
    pub(super) epoch: u32,
}

impl Ownership {
    pub(super) fn write(self, w: &mut impl Sink) {
        w.gamma(self.owner.0);
        w.bool(self.assigned == self.owner);
        if self.assigned != self.owner {
            w.gamma(self.assigned.0);
        }
        w.bool(self.migratable);
        w.gamma(self.epoch);
    }

    pub(super) fn read(r: &mut impl Source) -> Result<Self, WireError> {
        let owner = MemberId(r.gamma()?);
        let assigned = if r.bool()? { owner } else { MemberId(r.gamma()?) };
        Ok(Self { owner, assigned, migratable: r.bool()?, epoch: r.gamma()? })
    }
}

/// The fixed part of an RPC message; the arguments follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) replica: ReplicaId,
    pub(super) chunk: u8,
    pub(super) rpc: u8,
    pub(super) route: Route,
}

/// Whom an echo is for alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct To {
    pub(super) member: MemberId,
    /// The question that it answers; none of a call.
    pub(super) ticket: Option<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Towards the primary. A node that forwards names the member it came from.
    Request { source: Option<MemberId> },
    /// From the primary of that epoch to the proxies, or to one of them, on behalf of `source`; not before the sender's version `after`
    /// is there.
    Echo { source: MemberId, epoch: u32, after: Option<u32>, to: Option<To> },
}

impl Call {
    /// Whether it is a request that the sender has from another. It vouches for who that was, and cannot read the arguments:
    /// only the primary runs requests.
    pub(super) const fn is_passed_on(&self) -> bool {
        matches!(self.route, Route::Request { source: Some(_) })
    }

    pub(super) fn write(self, w: &mut BitWriter) {
        w.gamma(self.replica.creator.0);
        w.gamma(self.replica.serial);
        w.gamma(u32::from(self.chunk) + 1);
        w.bits(u64::from(self.rpc), 8);
        match self.route {
            Route::Request { source } => {
                w.bool(false);
                w.bool(source.is_some());
                if let Some(source) = source {
                    w.gamma(source.0);
                }
            }
            Route::Echo { source, epoch, after, to } => {
                w.bool(true);
                w.gamma(source.0);
                w.gamma(epoch);
                optional32(after, w);
                w.bool(to.is_some());
                if let Some(To { member, ticket }) = to {
                    w.gamma(member.0);
                    w.bool(ticket.is_some());
                    if let Some(ticket) = ticket {
                        w.gamma(ticket);
                    }
                }
            }
        }
    }

    pub(super) fn read(r: &mut BitReader<'_>) -> Result<Self, WireError> {
        let replica = ReplicaId { creator: MemberId(r.gamma()?), serial: r.gamma()? };
        let chunk = u8::try_from(r.gamma()? - 1).map_err(|_| WireError::Invalid)?;
        #[expect(clippy::cast_possible_truncation, reason = "eight bits are read")]
        let rpc = r.bits(8)? as u8;
        let route = if r.bool()? {
            let (source, epoch) = (MemberId(r.gamma()?), r.gamma()?);
            Route::Echo { source, epoch, after: read_optional32(r)?, to: read_to(r)? }
        } else {
            Route::Request { source: if r.bool()? { Some(MemberId(r.gamma()?)) } else { None } }
        };
        Ok(Self { replica, chunk, rpc, route })
    }
}

fn read_to(r: &mut BitReader<'_>) -> Result<Option<To>, WireError> {
    if !r.bool()? {
        return Ok(None);
    }
    let member = MemberId(r.gamma()?);
    Ok(Some(To { member, ticket: if r.bool()? { Some(r.gamma()?) } else { None } }))
}

fn optional32(value: Option<u32>, w: &mut BitWriter) {
    w.bool(value.is_some());
    if let Some(value) = value {
        w.bits(u64::from(value), 32);
    }
}

fn read_optional32(r: &mut impl Source) -> Result<Option<u32>, WireError> {
    if r.bool()? { bits32(r).map(Some) } else { Ok(None) }
}

fn bits32(r: &mut impl Source) -> Result<u32, WireError> {
    #[expect(clippy::cast_possible_truncation, reason = "32 bits are read")]
    r.bits(32).map(|bits| bits as u32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id() -> impl Strategy<Value = ReplicaId> {
        (1u32..5, prop_oneof![1u32..20, 1u32..]).prop_map(|(c, serial)| ReplicaId { creator: MemberId(c), serial })
    }

    proptest! {
        #[test]
        fn headers_ids_and_kinds_come_back(
            tick in 2u32.., back in prop::option::of((1u32..1000, 0u32..9)), ids in prop::collection::vec((id(), 0u8..4, 1u32..500), 0..40),
        ) {
            let basis = |back: u32, further: u32| {
                let base = tick.saturating_sub(back).max(1);
                let past = if further == 0 { 0 } else { base.saturating_sub(further) };
                Basis { base, past, calm: if past == 0 { 0 } else { 5 } }
            };
            let header = Header { tick, common: back.map_or(Basis::DEFAULTS, |(back, further)| basis(back, further)) };
            let kind = |k: u8, n: u32| match k {
                0 if back.is_none() => Kind::Full,
                0 => Kind::Delta { basis: header.common },
                1 => Kind::Delta { basis: basis(n, n % 4) },
                2 => Kind::Full,
                _ => Kind::Destroy { after_rpcs: n.is_multiple_of(2).then_some(n), epoch: 1 + n % 5 },
            };
            let mut w = BitWriter::new();
            header.write(&mut w);
            let mut cursor = Cursor::START;
            for &(id, k, n) in &ids {
                cursor.write(id, &mut w);
                kind(k, n).write(header, &mut w);
            }
            let bytes = w.finish().to_vec();
            let mut r = BitReader::new(&bytes);
            prop_assert_eq!(Header::read(&mut r), Ok(header));
            let mut cursor = Cursor::START;
            for &(id, k, n) in &ids {
                prop_assert!(!at_end(&r));
                prop_assert_eq!(cursor.read(&mut r), Ok(id));
                prop_assert_eq!(Kind::read(header, &mut r), Ok(kind(k, n)));
            }
            prop_assert!(at_end(&r));
        }

        #[test]
        fn calls_come_back(replica in id(), chunk in any::<u8>(), rpc in any::<u8>(), n in 0u32..9, m in any::<u32>()) {
            let route = match n % 4 {
                0 => Route::Request { source: None },
                1 => Route::Request { source: Some(MemberId(n + 1)) },
                2 => Route::Echo { source: MemberId(n + 1), epoch: 1, after: None, to: None },
                _ => {
                    let ticket = m.checked_sub(1 << 31).map(|ticket| ticket + 1);
                    let to = (n > 4).then_some(To { member: MemberId(n), ticket });
                    Route::Echo { source: MemberId(n + 1), epoch: n, after: Some(m), to }
                }
            };
            let call = Call { replica, chunk, rpc, route };
            let mut w = BitWriter::new();
            call.write(&mut w);
            prop_assert_eq!(Call::read(&mut BitReader::new(w.finish())), Ok(call));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let mut r = BitReader::new(&bytes);
            let _ = Call::read(&mut r.clone());
            if let Ok(header) = Header::read(&mut r) {
                let mut cursor = Cursor::START;
                while !at_end(&r) {
                    if cursor.read(&mut r).and_then(|_| Kind::read(header, &mut r)).is_err() {
                        break;
                    }
                }
            }
        }
    }
}
