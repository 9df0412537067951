//! The one stretch in which two sequences differ.
//!
//! A sequence of which the reader has an older state of *n* elements is written as a **splice**: how many elements stay in
//! front, in the fewest bits that hold *n*; how many then go, in the fewest bits that hold what is left of *n*; the number of
//! those that come in their place, plus one, as a gamma code. What stays behind them follows from the rest.

use crate::wire::{Sink, Source, WireError};

/// `removed` elements from `at` on make room for `inserted` others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::wire) struct Splice {
    pub(in crate::wire) at: usize,
    pub(in crate::wire) removed: usize,
    pub(in crate::wire) inserted: usize,
}

impl Splice {
    /// The shortest stretch that makes `new` elements of `old`; `same` compares two of them.
    #[inline]
    pub(in crate::wire) fn between(old: usize, new: usize, same: impl Fn(usize, usize) -> bool) -> Self {
        let shorter = old.min(new);
        let at = (0..shorter).take_while(|i| same(*i, *i)).count();
        let behind = (1..=shorter - at).take_while(|i| same(old - i, new - i)).count();
        Self { at, removed: old - at - behind, inserted: new - at - behind }
    }

    /// Bits that [`write`](Self::write) takes.
    #[inline]
    pub(in crate::wire) const fn cost(self, old: usize) -> usize {
        (width(old) + width(old - self.at)) as usize + gamma_cost(self.inserted)
    }

    #[inline]
    pub(in crate::wire) fn write(self, old: usize, w: &mut impl Sink) {
        w.bits(self.at as u64, width(old));
        w.bits(self.removed as u64, width(old - self.at));
        write_count(self.inserted, w);
    }

    /// Reads a splice of `old` elements that leaves at most `limit`.
    #[inline]
    pub(in crate::wire) fn read(old: usize, limit: usize, r: &mut impl Source) -> Result<Self, WireError> {
        let at = read_up_to(old, r)?;
        let removed = read_up_to(old - at, r)?;
        let inserted = read_count(r)?;
        if old - removed + inserted > limit { Err(WireError::TooLong) } else { Ok(Self { at, removed, inserted }) }
    }
}

/// The fewest bits that hold `max`.
#[inline]
pub(in crate::wire) const fn width(max: usize) -> u32 {
    usize::BITS - max.leading_zeros()
}

/// Reads a number written in the fewest bits that hold `max`.
#[inline]
pub(in crate::wire) fn read_up_to(max: usize, r: &mut impl Source) -> Result<usize, WireError> {
    usize::try_from(r.bits(width(max))?).ok().filter(|value| *value <= max).ok_or(WireError::Invalid)
}

/// Writes a number that is usually small: one more as a gamma code.
#[inline]
pub(in crate::wire) fn write_count(count: usize, w: &mut impl Sink) {
    match u32::try_from(count + 1) {
        Ok(next) => w.gamma(next),
        Err(_) => w.fail(WireError::TooLong),
    }
}

/// Reads what [`write_count`] wrote.
#[inline]
pub(in crate::wire) fn read_count(r: &mut impl Source) -> Result<usize, WireError> {
    usize::try_from(r.gamma()? - 1).map_err(|_| WireError::TooLong)
}

/// Bits that [`write_count`] takes.
#[inline]
pub(in crate::wire) const fn gamma_cost(count: usize) -> usize {
    2 * (count + 1).ilog2() as usize + 1
}

/// Writes bytes of which the reader has an older state.
pub(in crate::wire) fn write_bytes_change(bytes: &[u8], base: &[u8], w: &mut impl Sink) {
    let splice = Splice::between(base.len(), bytes.len(), |old, new| base[old] == bytes[new]);
    splice.write(base.len(), w);
    w.bytes(&bytes[splice.at..][..splice.inserted]);
}

/// Reads what [`write_bytes_change`] wrote, in the memory of the older state.
pub(in crate::wire) fn read_bytes_change(
    bytes: &mut Vec<u8>,
    limit: usize,
    r: &mut impl Source,
) -> Result<(), WireError> {
    let Splice { at, removed, inserted } = Splice::read(bytes.len(), limit, r)?;
    if r.remaining() < inserted * 8 {
        return Err(WireError::UnexpectedEnd);
    }
    bytes.drain(at..at + removed);
    let end = bytes.len();
    bytes.resize(end + inserted, 0);
    r.bytes(&mut bytes[end..])?;
    bytes[at..].rotate_right(inserted);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{BitReader, BitWriter};

    #[test]
    fn a_splice_is_the_shortest_stretch() {
        let splice = |old: &[u8], new: &[u8]| {
            let Splice { at, removed, inserted } = Splice::between(old.len(), new.len(), |i, j| old[i] == new[j]);
            (at, removed, inserted)
        };
        assert_eq!(splice(b"abcd", b"abxd"), (2, 1, 1));
        assert_eq!(splice(b"abcd", b"abcde"), (4, 0, 1));
        assert_eq!(splice(b"abcd", b"bcd"), (0, 1, 0));
        assert_eq!(splice(b"aaaa", b"aaa"), (3, 1, 0), "what could be in front is");
        assert_eq!(splice(b"abcd", b"abcd"), (4, 0, 0));
        assert_eq!(splice(b"", b"xy"), (0, 0, 2));
    }

    #[test]
    fn counts_cost_what_they_take() {
        for count in [0, 1, 2, 3, 6, 7, 1000, 65_535] {
            let mut w = BitWriter::new();
            write_count(count, &mut w);
            assert_eq!(w.len(), gamma_cost(count));
            assert_eq!(read_count(&mut BitReader::new(w.finish())), Ok(count));
        }
    }

    #[test]
    fn splices_outside_the_base_or_above_the_limit_are_refused() {
        let read = |at: u64, removed: u64, inserted: usize, limit| {
            let mut w = BitWriter::new();
            w.bits(at, 3);
            w.bits(removed, width(5_usize.saturating_sub(usize::try_from(at).unwrap_or(0))));
            write_count(inserted, &mut w);
            Splice::read(5, limit, &mut BitReader::new(w.finish()))
        };
        assert_eq!(read(2, 3, 1, 5), Ok(Splice { at: 2, removed: 3, inserted: 1 }));
        assert_eq!(read(6, 0, 1, 9), Err(WireError::Invalid));
        assert_eq!(read(0, 6, 1, 9), Err(WireError::Invalid));
        assert_eq!(read(5, 0, 1, 5), Err(WireError::TooLong));
    }
}
