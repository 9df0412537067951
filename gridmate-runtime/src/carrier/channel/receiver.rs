//! The receiving half of a reliable channel: what came, what waits, and what may be delivered.
//!
//! Segments that arrive ahead of a gap wait. On an ordered channel everything behind the gap does; on an unordered one only
//! what belongs to a message that is not complete. Both windows are equal ([`limits::RELIABLE_WINDOW`]), so an honest sender
//! never exceeds the receiver's.

use super::super::frame::{Segment, half_range};
use super::super::packet::expand;
use super::super::pool::Pool;
use super::super::ring::Ring;
use crate::limits;

/// A message grew longer than its channel allows, or its parts do not fit together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::carrier) struct TooLong;

/// Something that came early.
#[derive(Debug, Default)]
enum Waiting {
    #[default]
    Missing,
    /// Half of it is here: that one.
    Half {
        half: u8,
        part: bool,
        more: bool,
        bytes: Vec<u8>,
    },
    Here {
        part: bool,
        more: bool,
        bytes: Vec<u8>,
    },
    /// It was delivered already, out of order.
    Done,
}

/// The receiving half.
#[derive(Debug)]
#[repr(C)]
pub(in crate::carrier) struct Receiver {
    /// Number of the segment that everything behind waits for.
    next: u64,
    /// What arrived early: place 0 belongs to `next`.
    ahead: Ring<Waiting, 0>,
    max_message: usize,
    /// Segments of a message that goes on; whether there is one.
    partial: Vec<u8>,
    held: usize,
    open: bool,
    ordered: bool,
}

impl Receiver {
    pub(in crate::carrier) fn new(first: u64, ordered: bool, max_message: usize) -> Self {
        Self { ordered, max_message, next: first, ahead: Ring::new(), partial: Vec::new(), open: false, held: 0 }
    }

    /// Bytes of memory that wait for others.
    pub(in crate::carrier) const fn held(&self) -> usize {
        self.held + self.partial.capacity()
    }

    /// Whether a segment is within the window, or was received before.
    pub(in crate::carrier) fn check(&self, sequence: u32) -> bool {
        self.ahead_by(sequence).is_none_or(|ahead| ahead < limits::RELIABLE_WINDOW)
    }

    /// The whole of a number of which `bits` bits are known.
    pub(in crate::carrier) const fn expand(&self, low: u64, bits: u32) -> Option<u64> {
        expand(low, bits, self.next)
    }

    /// Takes a segment that [`check`](Self::check) let through, and hands over every message that is complete now.
    pub(in crate::carrier) fn insert(
        &mut self,
        segment: Segment<'_>,
        pool: &mut Pool,
        mut deliver: impl FnMut(Vec<u8>),
    ) -> Result<(), TooLong> {
        let Some(ahead) = self.ahead_by(segment.sequence) else { return Ok(()) };
        let Segment { part, more, bytes, .. } = segment;
        if ahead == 0 && (self.ordered || !part && !more) && !matches!(self.ahead.front(), Some(Waiting::Done)) {
            // What is expected most: the next one.
            self.forget(0, pool);
            self.advance();
            self.append(part, more, bytes, pool, &mut deliver)?;
            return self.run(pool, &mut deliver);
        }
        if !self.is_missing(ahead) {
            return Ok(());
        }
        if !self.ordered && !part && !more {
            self.put(ahead, Waiting::Done, pool);
            deliver(pool.copy(bytes));
            return Ok(());
        }
        let bytes = pool.copy(bytes);
        self.put(ahead, Waiting::Here { part, more, bytes }, pool);
        self.settle(ahead, pool, deliver)
    }

    /// Takes half of a segment of `len` bytes that [`check`](Self::check) let through.
    pub(in crate::carrier) fn insert_half(
        &mut self,
        half: u8,
        len: usize,
        segment: Segment<'_>,
        pool: &mut Pool,
        deliver: impl FnMut(Vec<u8>),
    ) -> Result<(), TooLong> {
        let Some(ahead) = self.ahead_by(segment.sequence) else { return Ok(()) };
        let Segment { part, more, bytes, .. } = segment;
        match self.ahead.get_mut(ahead) {
            None | Some(Waiting::Missing) => {
                let mut buffer = pool.take(len);
                buffer.resize(len, 0);
                buffer[half_range(len, half)].copy_from_slice(bytes);
                self.put(ahead, Waiting::Half { half, part, more, bytes: buffer }, pool);
                Ok(())
            }
            Some(Waiting::Half { half: other, part: p, more: m, bytes: buffer }) => {
                if *other == half {
                    return Ok(());
                }
                if buffer.len() != len || (*p, *m) != (part, more) {
                    return Err(TooLong);
                }
                buffer[half_range(len, half)].copy_from_slice(bytes);
                let bytes = core::mem::take(buffer);
                self.ahead[ahead] = Waiting::Here { part, more, bytes };
                self.settle(ahead, pool, deliver)
            }
            Some(Waiting::Here { .. } | Waiting::Done) => Ok(()),
        }
    }

    /// Ends the channel.
    pub(in crate::carrier) fn clear(&mut self, pool: &mut Pool) {
        while let Some(waiting) = self.ahead.pop_front() {
            if let Waiting::Half { bytes, .. } | Waiting::Here { bytes, .. } = waiting {
                pool.give(bytes);
            }
        }
        pool.give(core::mem::take(&mut self.partial));
        self.held = 0;
    }

    /// Something new is at `ahead`: delivers what that completes.
    fn settle(&mut self, ahead: usize, pool: &mut Pool, mut deliver: impl FnMut(Vec<u8>)) -> Result<(), TooLong> {
        if !self.ordered
            && let Some(range) = self.complete(ahead)
        {
            let mut message = Vec::new();
            for place in range {
                let Waiting::Here { bytes, .. } = core::mem::replace(&mut self.ahead[place], Waiting::Done) else {
                    continue;
                };
                self.held -= bytes.capacity();
                if message.len() + bytes.len() > self.max_message {
                    return Err(TooLong);
                }
                pool.append(&mut message, &bytes);
                pool.give(bytes);
            }
            deliver(message);
        }
        self.run(pool, &mut deliver)
    }

    /// Takes what is in order off the front.
    fn run(&mut self, pool: &mut Pool, deliver: &mut impl FnMut(Vec<u8>)) -> Result<(), TooLong> {
        loop {
            match self.ahead.get_mut(0) {
                Some(Waiting::Here { part, more, bytes }) => {
                    let (part, more, bytes) = (*part, *more, core::mem::take(bytes));
                    self.held -= bytes.capacity();
                    self.advance();
                    if !part && !more && !self.open {
                        deliver(bytes);
                    } else {
                        self.append(part, more, &bytes, pool, deliver)?;
                        pool.give(bytes);
                    }
                }
                Some(Waiting::Done) => self.advance(),
                Some(Waiting::Missing | Waiting::Half { .. }) | None => return Ok(()),
            }
        }
    }

    /// The places of a message, all of which are here, that the segment at `ahead` belongs to.
    fn complete(&self, ahead: usize) -> Option<core::ops::RangeInclusive<usize>> {
        let flags = |place: usize| match self.ahead.get(place) {
            Some(Waiting::Here { part, more, .. }) => Some((*part, *more)),
            _ => None,
        };
        let mut first = ahead;
        while flags(first)?.0 {
            first = first.checked_sub(1)?;
        }
        let mut last = ahead;
        while flags(last)?.1 {
            last += 1;
        }
        Some(first..=last)
    }

    fn append(
        &mut self,
        part: bool,
        more: bool,
        bytes: &[u8],
        pool: &mut Pool,
        deliver: &mut impl FnMut(Vec<u8>),
    ) -> Result<(), TooLong> {
        if part != self.open || self.partial.len() + bytes.len() > self.max_message {
            return Err(TooLong);
        }
        self.open = more;
        if !part && !more {
            deliver(pool.copy(bytes));
            return Ok(());
        }
        pool.append(&mut self.partial, bytes);
        if !more {
            deliver(core::mem::take(&mut self.partial));
        }
        Ok(())
    }

    fn is_missing(&self, ahead: usize) -> bool {
        matches!(self.ahead.get(ahead), None | Some(Waiting::Missing | Waiting::Half { .. }))
    }

    fn put(&mut self, ahead: usize, waiting: Waiting, pool: &mut Pool) {
        while self.ahead.len() <= ahead {
            self.ahead.push_back(Waiting::Missing);
        }
        self.forget(ahead, pool);
        if let Waiting::Half { bytes, .. } | Waiting::Here { bytes, .. } = &waiting {
            self.held += bytes.capacity();
        }
        self.ahead[ahead] = waiting;
    }

    /// Gives back what is at a place.
    fn forget(&mut self, ahead: usize, pool: &mut Pool) {
        if let Some(place) = self.ahead.get_mut(ahead)
            && let Waiting::Half { bytes, .. } | Waiting::Here { bytes, .. } =
                core::mem::replace(place, Waiting::Missing)
        {
            self.held -= bytes.capacity();
            pool.give(bytes);
        }
    }

    fn advance(&mut self) {
        self.next += 1;
        self.ahead.pop_front();
    }

    /// How far ahead of `next` a segment is; `None` when it is behind.
    #[expect(clippy::cast_possible_truncation, reason = "the low 24 bits are what is compared")]
    fn ahead_by(&self, sequence: u32) -> Option<usize> {
        let ahead = sequence.wrapping_sub(self.next as u32) & 0xFF_FFFF;
        (ahead < 1 << 23).then_some(ahead as usize)
    }
}

#[cfg(test)]
#[path = "receiver_tests.rs"]
mod tests;
