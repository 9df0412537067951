//! Where the parts of one value meet before they are bits: a word in a register, at a place that the compiler knows.
//!
//! A [`BitWriter`] may stand at any bit, so each write to it shifts by an amount that only the running program knows, and has
//! to ask whether the word is full. Most values are made of parts whose widths are constants. A stage starts empty, so the
//! compiler knows where in its word each part goes, and nothing is left at run time but to put the parts together and to
//! hand on whole words. The bits are the same.
//!
//! That is so only where all of it becomes one function, which is what `inline(always)` is for on these and on codecs whose
//! parts fit a word. Left to itself the compiler counts the instructions before they fold away, and calls.

use super::bits::{AT_ONCE, behind, tail};
use super::ladder::low_mask;
use super::stream::read_varint_rest;
use super::{BitReader, BitWriter, Sink, Source, WireError};

/// The stage of a [`BitWriter`].
///
/// ```
/// use gridmate_runtime::wire::{BitWriter, Sink};
///
/// let mut w = BitWriter::new();
/// let mut stage = w.stage();
/// stage.bits(0b101, 3);
/// stage.bool(true);
/// stage.commit(); // without which nothing is written
/// assert_eq!(w.finish(), [0b1101]);
/// ```
#[derive(Debug)]
pub struct WriteStage<'a> {
    to: &'a mut BitWriter,
    /// Bits not yet written; those above `filled` are zero.
    word: u64,
    /// 0..=63.
    filled: u32,
}

impl<'a> WriteStage<'a> {
    #[inline(always)]
    pub(super) const fn new(to: &'a mut BitWriter) -> Self {
        Self { to, word: 0, filled: 0 }
    }

    #[inline(always)]
    fn flush(&mut self) {
        if self.filled > 0 {
            self.to.bits(self.word, self.filled);
        }
        self.word = 0;
        self.filled = 0;
    }
}

impl Sink for WriteStage<'_> {
    type Stage<'a>
        = WriteStage<'a>
    where
        Self: 'a;

    #[inline(always)]
    fn stage(&mut self) -> WriteStage<'_> {
        self.flush();
        WriteStage::new(self.to)
    }

    #[inline(always)]
    fn commit(mut self) {
        self.flush();
    }

    #[inline(always)]
    fn bits(&mut self, value: u64, count: u32) {
        debug_assert!(count <= 64 && (count == 64 || value >> count == 0), "{value:#x} has more than {count} bits");
        self.word |= value << self.filled;
        let filled = self.filled + count;
        if filled >= 64 {
            self.to.bits(self.word, 64);
            self.word = behind(value, 64 - self.filled);
        }
        self.filled = filled & 63;
    }

    /// Begins anew behind it, since how long it is cannot be foreseen.
    #[inline(always)]
    fn varint(&mut self, value: u64) {
        self.flush();
        self.to.varint(value);
    }

    #[inline(always)]
    fn bytes(&mut self, bytes: &[u8]) {
        if bytes.len() >= 16 {
            self.flush();
            self.to.bytes(bytes);
            return;
        }
        if let Some(word) = bytes.first_chunk::<8>() {
            self.bits(u64::from_le_bytes(*word), 64);
        }
        let left = bytes.len() % 8;
        if left > 0 {
            #[expect(clippy::cast_possible_truncation, reason = "fewer than eight")]
            self.bits(tail(bytes), left as u32 * 8);
        }
    }

    #[inline(always)]
    fn fail(&mut self, error: WireError) {
        self.to.fail(error);
    }
}

/// The stage of a [`BitReader`].
///
/// ```
/// use gridmate_runtime::wire::{BitReader, Source, WireError};
///
/// let mut r = BitReader::new(&[0b1101]);
/// let mut stage = r.stage();
/// assert_eq!((stage.bits(3)?, stage.bool()?), (0b101, true));
/// stage.leave(); // without which the reader stands where it stood
/// assert_eq!(r.position(), 4);
/// # Ok::<(), WireError>(())
/// ```
#[derive(Debug)]
pub struct ReadStage<'a, 'b> {
    from: &'a mut BitReader<'b>,
    /// Bits behind where that stands that were handed out.
    used: usize,
    /// What was loaded and not handed out.
    word: u64,
    left: u32,
}

impl<'a, 'b> ReadStage<'a, 'b> {
    #[inline(always)]
    pub(super) const fn new(from: &'a mut BitReader<'b>) -> Self {
        Self { from, used: 0, word: 0, left: 0 }
    }

    /// The reader itself, which then stands where this does.
    #[inline(always)]
    fn reader(&mut self) -> &mut BitReader<'b> {
        self.from.skip(self.used);
        self.used = 0;
        self.left = 0;
        self.from
    }
}

impl<'b> Source for ReadStage<'_, 'b> {
    type Stage<'a>
        = ReadStage<'a, 'b>
    where
        Self: 'a;

    #[inline(always)]
    fn stage(&mut self) -> ReadStage<'_, 'b> {
        ReadStage::new(self.reader())
    }

    #[inline(always)]
    fn leave(mut self) {
        self.reader();
    }

    #[inline(always)]
    fn bits(&mut self, count: u32) -> Result<u64, WireError> {
        debug_assert!(count <= 64, "{count} bits do not fit a word");
        if count > AT_ONCE {
            return self.reader().bits(count);
        }
        let used = self.used + count as usize;
        if self.from.remaining() < used {
            return Err(WireError::UnexpectedEnd);
        }
        if self.left < count {
            self.word = self.from.load_behind(self.used);
            self.left = AT_ONCE;
        }
        let bits = self.word & low_mask(count);
        self.word >>= count;
        self.left -= count;
        self.used = used;
        Ok(bits)
    }

    #[inline(always)]
    fn gamma(&mut self) -> Result<u32, WireError> {
        self.reader().gamma()
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, WireError> {
        let first = self.bits(8)?;
        if first < 0x80 { Ok(first) } else { read_varint_rest(first, self.reader()) }
    }

    #[inline(always)]
    fn bytes(&mut self, out: &mut [u8]) -> Result<(), WireError> {
        self.reader().bytes(out)
    }

    #[inline(always)]
    fn remaining(&self) -> usize {
        self.from.remaining() - self.used
    }

    #[inline(always)]
    fn residual(&mut self, expected: u64) -> Result<i64, WireError> {
        self.reader().residual(expected)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A stage begins, or bits and bytes follow.
    type Part = (bool, u64, u32, Vec<u8>);

    fn parts() -> impl Strategy<Value = Vec<Part>> {
        let bytes = prop::collection::vec(any::<u8>(), 0..20);
        let part = (any::<bool>(), any::<u64>(), 0u32..=64, bytes);
        prop::collection::vec(
            part.prop_map(|(begins, value, count, bytes)| (begins, value & low_mask(count), count, bytes)),
            0..20,
        )
    }

    fn write_directly(parts: &[Part], w: &mut BitWriter) {
        for (_, value, count, bytes) in parts {
            w.bytes(bytes);
            w.varint(*value);
            w.bits(*value, *count);
        }
    }

    /// Every stage ends after half of what is left.
    fn write<S: Sink>(parts: &[Part], w: &mut S) {
        let Some(((begins, value, count, bytes), rest)) = parts.split_first() else { return };
        w.bytes(bytes);
        w.varint(*value);
        w.bits(*value, *count);
        if !*begins {
            return write(rest, w);
        }
        let (inner, after) = rest.split_at(rest.len() / 2);
        let mut stage = w.stage();
        write(inner, &mut stage);
        stage.commit();
        write(after, w);
    }

    fn read<S: Source>(parts: &[Part], r: &mut S) -> Result<(), WireError> {
        let Some(((begins, value, count, bytes), rest)) = parts.split_first() else { return Ok(()) };
        let mut read_bytes = vec![0; bytes.len()];
        r.bytes(&mut read_bytes)?;
        assert_eq!(&read_bytes, bytes);
        assert_eq!(r.varint()?, *value);
        let before = r.remaining();
        assert_eq!(r.bits(*count)?, *value);
        assert_eq!(r.remaining(), before - *count as usize);
        if !*begins {
            return read(rest, r);
        }
        let (inner, after) = rest.split_at(rest.len() / 2);
        let mut stage = r.stage();
        read(inner, &mut stage)?;
        stage.leave();
        read(after, r)
    }

    proptest! {
        #[test]
        fn stages_change_no_bit(parts in parts(), lead in 0u32..64) {
            let (mut staged, mut direct) = (BitWriter::new(), BitWriter::new());
            for w in [&mut staged, &mut direct] {
                w.bits(0, lead);
            }
            write(&parts, &mut staged);
            write_directly(&parts, &mut direct);
            prop_assert_eq!(staged.len(), direct.len());
            let len = direct.len();
            let bytes = direct.finish().to_vec();
            prop_assert_eq!(staged.finish(), &bytes[..]);
            let mut r = BitReader::new(&bytes);
            r.bits(lead).unwrap();
            prop_assert_eq!(read(&parts, &mut r), Ok(()));
            prop_assert_eq!(r.position(), len);
            // A byte less and something is missing.
            let mut cut = BitReader::new(&bytes[..bytes.len().saturating_sub(1)]);
            if len > lead as usize && cut.bits(lead).is_ok() {
                prop_assert_eq!(read(&parts, &mut cut), Err(WireError::UnexpectedEnd));
            }
        }
    }
}
