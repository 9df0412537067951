//! A reader for many small parts of which nobody knows beforehand how long they are: changes of state, one after the other.
//!
//! A [`BitReader`] loads a word for every part. Here what a load has brought stays in a register until it is used up: a part that is in it
//! costs a comparison, a mask and a shift, and a load brings about as much as one replica's change.

use super::bits::{load_at, lowest};
use super::ladder::unzigzag;
use super::stream::{Golomb, golomb_parameter, read_varint_rest};
use super::{BitReader, Source, WireError};

/// Reads what a [`BitWriter`](super::BitWriter) wrote. Never panics and never allocates, whatever the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Window<'b> {
    bytes: &'b [u8],
    /// The next bits; those above `left` are anything.
    word: u64,
    /// How many of them are there: at most 63, so that no shift is of a whole word.
    left: u32,
    /// The bit behind them.
    next: usize,
}

impl<'b> Window<'b> {
    /// Starts where a reader stands.
    pub(crate) const fn of(reader: &BitReader<'b>) -> Self {
        Self { bytes: reader.source(), word: 0, left: 0, next: reader.position() }
    }

    /// A reader that stands here.
    pub(crate) fn reader(&self) -> BitReader<'b> {
        let mut reader = BitReader::new(self.bytes);
        reader.skip(self.position());
        reader
    }

    #[inline(always)]
    const fn position(&self) -> usize {
        self.next - self.left as usize
    }

    /// Goes past so many bits if they are these, and there are eight bits or more.
    #[inline(always)]
    pub(crate) fn begins(&mut self, bits: u64, count: u32) -> bool {
        self.refill();
        let (word, left) = (self.word, self.left);
        let begins = left >= 8 && word & lowest(count) == bits;
        if begins {
            self.pass(count);
        }
        begins
    }

    #[inline(always)]
    fn refill(&mut self) {
        let at = self.position();
        (self.word, self.left) = load_at(self.bytes, at);
        self.next = at + self.left as usize;
    }

    /// Reads what is not in it as a reader does: what is more than it holds, and what is beyond the end.
    #[inline(always)]
    fn by_reader<T>(&mut self, read: impl FnOnce(&mut BitReader<'b>) -> Result<T, WireError>) -> Result<T, WireError> {
        let mut reader = self.reader();
        let value = read(&mut reader)?;
        *self = Self::of(&reader);
        self.refill();
        Ok(value)
    }

    #[cold]
    fn wide(&mut self, count: u32) -> Result<u64, WireError> {
        self.by_reader(|reader| reader.bits(count))
    }

    #[cold]
    fn wide_gamma(&mut self) -> Result<u32, WireError> {
        self.by_reader(BitReader::gamma)
    }

    #[cold]
    fn wide_residual(&mut self, expected: u64) -> Result<i64, WireError> {
        self.by_reader(|reader| reader.residual(expected))
    }
}

impl Source for Window<'_> {
    type Stage<'s>
        = &'s mut Self
    where
        Self: 's;

    #[inline(always)]
    fn stage(&mut self) -> &mut Self {
        self
    }

    /// Filled up, if that is not so already.
    #[inline(always)]
    fn at_hand(&mut self, wanted: u32) -> (u64, u32) {
        if self.left < wanted {
            self.refill();
        }
        (self.word, self.left)
    }

    #[inline(always)]
    fn pass(&mut self, count: u32) {
        self.word >>= count & 63;
        self.left -= count;
    }

    #[inline(always)]
    fn aside<T>(&mut self, what: impl FnOnce(&mut Self) -> T) -> T {
        let mut elsewhere = self.clone();
        let done = what(&mut elsewhere);
        *self = elsewhere;
        done
    }

    #[inline(always)]
    fn bits(&mut self, count: u32) -> Result<u64, WireError> {
        debug_assert!(count <= 64, "{count} bits do not fit a word");
        if self.left < count {
            return self.aside(|r| r.wide(count));
        }
        let bits = self.word & lowest(count);
        self.pass(count);
        Ok(bits)
    }

    #[inline(always)]
    fn gamma(&mut self) -> Result<u32, WireError> {
        let tail = self.word.trailing_zeros();
        if 2 * tail + 1 > self.left {
            return self.aside(Self::wide_gamma);
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most 31 bits, as there are 63 at most")]
        let low = (self.word >> tail >> 1 & lowest(tail)) as u32;
        self.pass(2 * tail + 1);
        Ok(1 << tail | low)
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, WireError> {
        let first = self.bits(8)?;
        if first < 0x80 { Ok(first) } else { read_varint_rest(first, self) }
    }

    fn bytes(&mut self, out: &mut [u8]) -> Result<(), WireError> {
        self.by_reader(|reader| reader.bytes(out))
    }

    #[inline(always)]
    fn remaining(&self) -> usize {
        self.bytes.len() * 8 - self.position()
    }

    #[inline(always)]
    fn residual(&mut self, expected: u64) -> Result<i64, WireError> {
        let low = golomb_parameter(expected);
        let tail = self.word.trailing_zeros();
        if 2 * tail + 1 + low > self.left {
            return self.aside(|r| r.wide_residual(expected));
        }
        let folded = Golomb { tail, rest: self.word >> tail >> 1 & lowest(tail + low) }.folded(low);
        self.pass(2 * tail + 1 + low);
        if folded > u32::MAX.into() { Err(WireError::Invalid) } else { Ok(unzigzag(folded).cast_signed()) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::BitWriter;

    /// What is read: bits, a gamma code, a residual and what is expected of it, a varint, or bytes.
    #[derive(Clone, Debug)]
    enum Part {
        Bits(u64, u32),
        Gamma(u32),
        Residual(i64, u64),
        Varint(u64),
        Bytes(Vec<u8>),
    }

    fn part() -> impl Strategy<Value = Part> {
        prop_oneof![
            (any::<u64>(), 0u32..=64)
                .prop_map(|(value, count)| Part::Bits(if count == 64 { value } else { value & lowest(count) }, count)),
            (1u32.., 0u32..32).prop_map(|(value, shift)| Part::Gamma((value >> shift).max(1))),
            (any::<i32>(), 0u32..32, any::<u64>(), 0u32..64)
                .prop_map(|(value, shift, expected, less)| Part::Residual((value >> shift).into(), expected >> less)),
            (any::<u64>(), 0u32..64).prop_map(|(value, shift)| Part::Varint(value >> shift)),
            prop::collection::vec(any::<u8>(), 0..12).prop_map(Part::Bytes),
        ]
    }

    fn write(part: &Part, w: &mut BitWriter) {
        match part {
            Part::Bits(value, count) => w.bits(*value, *count),
            Part::Gamma(value) => w.gamma(*value),
            Part::Residual(value, expected) => crate::wire::Sink::residual(w, *value, *expected),
            Part::Varint(value) => w.varint(*value),
            Part::Bytes(bytes) => w.bytes(bytes),
        }
    }

    /// The same part, or what is read in its place.
    fn read(part: &Part, r: &mut impl Source) -> Result<Part, WireError> {
        Ok(match part {
            Part::Bits(_, count) => Part::Bits(r.bits(*count)?, *count),
            Part::Gamma(_) => Part::Gamma(r.gamma()?),
            Part::Residual(_, expected) => Part::Residual(r.residual(*expected)?, *expected),
            Part::Varint(_) => Part::Varint(r.varint()?),
            Part::Bytes(bytes) => {
                let mut read = vec![0; bytes.len()];
                r.bytes(&mut read)?;
                Part::Bytes(read)
            }
        })
    }

    proptest! {
        #[test]
        fn a_window_reads_what_a_reader_does(
            parts in prop::collection::vec(part(), 0..40), lead in 0u32..64, cut in 0usize..20, noise in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let mut w = BitWriter::new();
            w.bits(0, lead);
            parts.iter().for_each(|part| write(part, &mut w));
            let bytes = w.finish().to_vec();
            for bytes in [&bytes[..], &bytes[..bytes.len().saturating_sub(cut)], &noise] {
                let mut direct = BitReader::new(bytes);
                if direct.bits(lead).is_err() {
                    continue;
                }
                let mut window = Window::of(&direct);
                for part in &parts {
                    let (one, other) = (read(part, &mut direct), read(part, &mut window));
                    prop_assert_eq!(format!("{one:?}"), format!("{other:?}"));
                    if one.is_err() {
                        break;
                    }
                    prop_assert_eq!(direct.position(), window.position());
                    prop_assert_eq!(direct.remaining(), window.remaining());
                }
            }
        }
    }
}
