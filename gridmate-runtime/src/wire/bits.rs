//! Bits in and out of bytes, a word at a time.
//!
//! The first bit written is the least significant bit of the first byte. A value of `n` bits is written from its least
//! significant bit on, so bytes written at a byte boundary look like themselves and integers are little-endian. Unused bits
//! of the last byte are zero.

use super::WireError;
use super::ladder::low_mask;

/// Collects bits in a growing byte buffer that is kept across [`clear`](Self::clear).
///
/// A value that breaks a limit does not stop the writer: it is left out, [`error`](Self::error) remembers the first such
/// fault and whoever owns the buffer must look before sending it.
///
/// ```
/// use gridmate_runtime::wire::{BitReader, BitWriter};
///
/// let mut w = BitWriter::new();
/// w.bits(0b101, 3);
/// w.bool(true);
/// w.gamma(9);
/// let bytes = w.finish().to_vec();
/// assert_eq!(bytes.len(), 2); // 3 + 1 + 7 bits
///
/// let mut r = BitReader::new(&bytes);
/// assert_eq!(r.bits(3), Ok(0b101));
/// assert_eq!(r.bool(), Ok(true));
/// assert_eq!(r.gamma(), Ok(9));
/// ```
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    pub(super) bytes: Vec<u8>,
    /// Bits not yet in `bytes`; those above `filled` are zero.
    pub(super) word: u64,
    /// 0..=63.
    pub(super) filled: u32,
    error: Option<WireError>,
}

impl BitWriter {
    /// An empty writer; allocates with the first word.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), word: 0, filled: 0, error: None }
    }

    /// An empty writer with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes + 8), ..Self::new() }
    }

    /// Writes the low `count` bits of `value`; `count` is 0..=64 and the bits above must be zero.
    #[inline(always)]
    pub fn bits(&mut self, value: u64, count: u32) {
        debug_assert!(count <= 64 && (count == 64 || value >> count == 0), "{value:#x} has more than {count} bits");
        // Which is so anyway; the compiler does not know.
        let before = self.filled & 63;
        let word = self.word | value << before;
        let filled = before + count;
        if filled >= 64 {
            self.bytes.extend_from_slice(&word.to_le_bytes());
            self.word = behind(value, 64 - before);
        } else {
            self.word = word;
        }
        self.filled = filled & 63;
    }

    /// Writes one bit.
    #[inline(always)]
    pub fn bool(&mut self, value: bool) {
        self.bits(u64::from(value), 1);
    }

    /// Writes `value >= 1` in 2⌊log₂ value⌋ + 1 bits: as many zeros as bits follow the leading one, the one, those bits
    /// (Elias gamma, 1975). 1 costs one bit, 2 and 3 cost three. Zero is written as 1 in release builds.
    #[inline(always)]
    pub fn gamma(&mut self, value: u32) {
        debug_assert!(value != 0, "gamma codes start at 1");
        let value = u64::from(value.max(1));
        let tail = value.ilog2();
        self.bits(1 << tail, tail + 1);
        self.bits(value & ((1 << tail) - 1), tail);
    }

    /// Writes `value` in groups of seven bits, least significant first, each followed by a bit that says whether another
    /// group comes: 8 bits below 128, 16 below 16,384, and so on.
    #[inline(always)]
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bits(value & 0x7F | 0x80, 8);
            value >>= 7;
        }
        self.bits(value, 8);
    }

    /// Writes whole bytes, at any bit position.
    pub fn bytes(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        if self.filled.is_multiple_of(8) && bytes.len() > 32 {
            self.flush();
            self.bytes.extend_from_slice(bytes);
            return;
        }
        for word in words {
            self.bits(u64::from_le_bytes(*word), 64);
        }
        if !rest.is_empty() {
            #[expect(clippy::cast_possible_truncation, reason = "fewer than eight")]
            self.bits(tail(bytes), rest.len() as u32 * 8);
        }
    }

    /// The bytes written so far, of what ends at one: see [`finish`](Self::finish).
    #[inline(always)]
    pub(crate) fn finished(&self) -> &[u8] {
        debug_assert!(self.filled == 0, "there are bits behind the last byte");
        &self.bytes
    }

    /// Bits written so far.
    #[inline(always)]
    pub const fn len(&self) -> usize {
        self.bytes.len() * 8 + self.filled as usize
    }

    /// True when nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pads to a byte boundary with zeros and shows everything written. Writing may go on after it.
    #[inline]
    pub fn finish(&mut self) -> &[u8] {
        self.flush();
        &self.bytes
    }

    /// Replaces `out` by everything written, and forgets it here, as well as the error. Where `out` has room for it there is no copy: the
    /// two change memory.
    #[inline]
    pub fn finish_into(&mut self, out: &mut Vec<u8>) {
        self.flush();
        if out.capacity() >= self.bytes.len() {
            core::mem::swap(&mut self.bytes, out);
        } else {
            out.clear();
            out.extend_from_slice(&self.bytes);
        }
        self.clear();
    }

    /// Forgets the bits and the error, keeps the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.word = 0;
        self.filled = 0;
        self.error = None;
    }

    /// Takes back everything after the first `bits` bits, for a record that turned out not to fit.
    pub fn truncate(&mut self, bits: usize) {
        if bits >= self.len() {
            return;
        }
        self.flush();
        let whole = bits / 64 * 8;
        let mut word = [0; 8];
        let tail = &self.bytes[whole..self.bytes.len().min(whole + 8)];
        word[..tail.len()].copy_from_slice(tail);
        let keep = bits % 64;
        self.word = u64::from_le_bytes(word) & ((1 << keep) - 1);
        #[expect(clippy::cast_possible_truncation, reason = "below 64")]
        {
            self.filled = keep as u32;
        }
        self.bytes.truncate(whole);
    }

    /// Marks what was written as unfit to send; the first fault stays.
    #[cold]
    pub fn fail(&mut self, error: WireError) {
        self.error.get_or_insert(error);
    }

    /// The first fault since the last [`clear`](Self::clear).
    pub const fn error(&self) -> Option<WireError> {
        self.error
    }

    /// Like [`error`](Self::error), and forgets it.
    pub const fn take_error(&mut self) -> Option<WireError> {
        self.error.take()
    }

    #[inline(always)]
    fn flush(&mut self) {
        let end = self.bytes.len() + self.filled.div_ceil(8) as usize;
        // All of the word, which is quicker than a part.
        self.bytes.extend_from_slice(&self.word.to_le_bytes());
        self.bytes.truncate(end);
        self.word = 0;
        self.filled = 0;
    }
}

/// What is left of `value` without its first `count` bits, 1..=64.
#[inline(always)]
pub(super) const fn behind(value: u64, count: u32) -> u64 {
    value >> 1 >> (count - 1)
}

/// A mask of the lowest `count` bits, fewer than 64.
#[inline(always)]
pub(super) const fn lowest(count: u32) -> u64 {
    (1 << (count & 63)) - 1
}

/// The bytes that are left when all whole words of `bytes` are gone, at least one; the first is the lowest.
#[inline(always)]
pub(super) fn tail(bytes: &[u8]) -> u64 {
    let left = bytes.len() % 8;
    if let Some(last) = bytes.last_chunk::<8>() {
        // With those before it, which are shifted out.
        return u64::from_le_bytes(*last) >> (64 - left * 8);
    }
    // Of four and more the ends overlap, of three and fewer the middle.
    if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        return u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << ((left - 4) * 8);
    }
    let at = |i: usize| u64::from(bytes[i]) << (i * 8);
    at(0) | at(left / 2) | at(left - 1)
}

/// Reads what a [`BitWriter`] wrote. Never panics and never allocates, whatever the bytes.
///
/// ```
/// use gridmate_runtime::wire::{BitReader, BitWriter, WireError};
///
/// let mut w = BitWriter::new();
/// w.bits(0b101, 3);
/// w.varint(300);
/// let mut r = BitReader::new(w.finish());
/// assert_eq!((r.bits(3)?, r.varint()?), (0b101, 300));
/// assert_eq!(r.position(), 3 + 16);
/// assert_eq!(r.bits(64), Err(WireError::UnexpectedEnd)); // only the rest of the last byte is left
/// # Ok::<(), WireError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits read so far.
    at: usize,
}

/// Bits that one load is sure to bring, wherever they begin in a byte.
pub(super) const AT_ONCE: u32 = 57;

impl<'a> BitReader<'a> {
    /// Starts at the first bit of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Reads `count` bits, 0..=64.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`] when fewer are left; none are consumed then.
    #[inline(always)]
    pub fn bits(&mut self, count: u32) -> Result<u64, WireError> {
        debug_assert!(count <= 64, "{count} bits do not fit a word");
        if self.remaining() < count as usize {
            return Err(WireError::UnexpectedEnd);
        }
        let mut bits = self.load();
        if count > AT_ONCE {
            // What the shift has made room for is in the ninth byte, if anything is.
            let ninth = self.bytes.get(self.at / 8 + 8).map_or(0, |byte| u64::from(*byte));
            bits |= ninth << 1 << (63 - self.at % 8);
        }
        self.at += count as usize;
        Ok(bits & low_mask(count))
    }

    /// Reads one bit.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`] when none is left.
    #[inline(always)]
    pub fn bool(&mut self) -> Result<bool, WireError> {
        Ok(self.bits(1)? != 0)
    }

    /// Reads what [`BitWriter::gamma`] wrote.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`]; [`WireError::Invalid`] for more than 32 bits.
    #[inline(always)]
    pub fn gamma(&mut self) -> Result<u32, WireError> {
        let tail = self.zeros(31)?;
        #[expect(clippy::cast_possible_truncation, reason = "at most 31 bits are read")]
        let low = self.bits(tail)? as u32;
        Ok(1 << tail | low)
    }

    /// Reads zeros and the one behind them, and counts the zeros.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`]; [`WireError::Invalid`] for more than `most`, which is at most 32.
    #[inline(always)]
    pub(super) fn zeros(&mut self, most: u32) -> Result<u32, WireError> {
        let left = self.remaining();
        let count = if left == 0 { 64 } else { self.load().trailing_zeros() };
        if count > most {
            return Err(if left <= most as usize { WireError::UnexpectedEnd } else { WireError::Invalid });
        }
        self.at += count as usize + 1;
        Ok(count)
    }

    /// Reads what [`BitWriter::varint`] wrote. Only the shortest form is accepted.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`]; [`WireError::Invalid`] for a padded form or more than 64 bits.
    #[inline(always)]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        super::Source::varint(self)
    }

    /// Reads `out.len()` whole bytes, from any bit position.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`] when fewer are left; none are consumed then.
    pub fn bytes(&mut self, out: &mut [u8]) -> Result<(), WireError> {
        if self.remaining() < out.len() * 8 {
            return Err(WireError::UnexpectedEnd);
        }
        let (words, rest) = out.as_chunks_mut::<8>();
        for word in words {
            *word = self.bits(64)?.to_le_bytes();
        }
        if !rest.is_empty() {
            #[expect(clippy::cast_possible_truncation, reason = "fewer than eight")]
            let word = self.bits(rest.len() as u32 * 8)?.to_le_bytes();
            rest.iter_mut().zip(word).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }

    /// Bits not yet read.
    #[inline(always)]
    pub const fn remaining(&self) -> usize {
        self.bytes.len() * 8 - self.at
    }

    /// Bits read so far.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// What it reads from.
    pub(super) const fn source(&self) -> &'a [u8] {
        self.bytes
    }

    /// Goes past bits that were loaded, and are there.
    #[inline(always)]
    pub(super) const fn skip(&mut self, count: usize) {
        self.at += count;
    }

    /// The next bits, at least [`AT_ONCE`] of them or all that are left; zeros follow the end. At the end itself, anything.
    #[inline(always)]
    fn load(&self) -> u64 {
        self.load_behind(0)
    }

    /// As [`load`](Self::load), when there are `skipped` bits and they have been skipped.
    #[inline(always)]
    pub(super) fn load_behind(&self, skipped: usize) -> u64 {
        let at = self.at + skipped;
        let from = at / 8;
        match self.bytes.get(from..from + 8).and_then(<[u8]>::first_chunk::<8>) {
            Some(word) => u64::from_le_bytes(*word) >> (at % 8),
            None => load_last(self.bytes, at),
        }
    }
}

/// The bits from one on and how many they are: all that are left, but at most 63, and at least 56 if there are so many.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most 63")]
pub(super) fn load_at(bytes: &[u8], at: usize) -> (u64, u32) {
    let from = at / 8;
    match bytes.get(from..from + 8).and_then(<[u8]>::first_chunk::<8>) {
        Some(word) => (u64::from_le_bytes(*word) >> (at % 8), 63 - (at % 8) as u32),
        None => (load_last(bytes, at), (bytes.len() * 8 - at) as u32),
    }
}

/// As [`BitReader::load`], where no eight bytes are left.
#[inline]
fn load_last(bytes: &[u8], at: usize) -> u64 {
    match bytes.last_chunk::<8>() {
        #[expect(clippy::cast_possible_truncation, reason = "64 at the end, else below")]
        Some(word) => u64::from_le_bytes(*word).wrapping_shr((at + 64 - bytes.len() * 8) as u32),
        None => load_short(bytes, at),
    }
}

/// As [`load_last`], of fewer than eight bytes in all.
#[cold]
fn load_short(bytes: &[u8], at: usize) -> u64 {
    let mut word = [0; 8];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_le_bytes(word) >> at.min(63)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn memory_changes_hands_where_there_is_enough_on_the_other() {
        for (room, changed) in [(0, false), (7, false), (8, true), (100, true)] {
            let mut w = BitWriter::new();
            w.bits(0x0123_4567_89AB_CDEF, 64);
            let (place, mut out) = (w.finish().as_ptr(), Vec::with_capacity(room));
            out.extend_from_slice(&[7; 5][..room.min(5)]);
            w.finish_into(&mut out);
            assert_eq!(out, 0x0123_4567_89AB_CDEF_u64.to_le_bytes());
            assert_eq!(out.as_ptr() == place, changed, "room for {room}");
            assert!(w.is_empty());
            w.bits(0b101, 3);
            assert_eq!(w.finish(), [0b101]);
        }
    }

    proptest! {
        #[test]
        fn every_value_comes_back_and_nothing_more(values in prop::collection::vec((any::<u64>(), 0u32..=64), 0..50)) {
            let mut w = BitWriter::new();
            let mut total = 0;
            for &(value, count) in &values {
                w.bits(value & low_mask(count), count);
                total += count as usize;
                prop_assert_eq!(w.len(), total);
            }
            let bytes = w.finish().to_vec();
            prop_assert_eq!(bytes.len(), total.div_ceil(8));
            let mut r = BitReader::new(&bytes);
            for &(value, count) in &values {
                prop_assert_eq!(r.bits(count), Ok(value & low_mask(count)));
            }
            prop_assert!(r.remaining() < 8);
            prop_assert_eq!(r.bits(8), Err(WireError::UnexpectedEnd));
        }

        #[test]
        fn append_and_truncate_agree_with_plain_writing(
            lead in 0u32..64, source in prop::collection::vec(any::<u8>(), 0..40), drop in 0usize..80,
        ) {
            let bits = (source.len() * 8).saturating_sub(drop % 8);
            let (mut copied, mut plain) = (BitWriter::new(), BitWriter::new());
            for w in [&mut copied, &mut plain] {
                w.bits(low_mask(lead) & 0x5555_5555_5555_5555, lead);
            }
            copied.append(&source, bits);
            for i in 0..bits {
                plain.bool(source[i / 8] >> (i % 8) & 1 == 1);
            }
            let keep = plain.len().saturating_sub(drop);
            let mut cut = copied.clone();
            cut.truncate(keep);
            prop_assert_eq!(cut.len(), keep);
            cut.bits(0x2A, 6);
            prop_assert_eq!(copied.finish(), plain.finish());
            let mut r = BitReader::new(plain.finish());
            let mut again = BitWriter::new();
            for _ in 0..keep {
                again.bool(r.bool().unwrap());
            }
            again.bits(0x2A, 6);
            prop_assert_eq!(cut.finish(), again.finish());
        }

        #[test]
        fn variable_lengths_round_trip(small in 1u32.., large in any::<u64>(), lead in 0u32..8) {
            let mut w = BitWriter::new();
            w.bits(0, lead);
            w.gamma(small);
            w.varint(large);
            let bytes = w.finish().to_vec();
            let mut r = BitReader::new(&bytes);
            r.bits(lead).unwrap();
            prop_assert_eq!(r.gamma(), Ok(small));
            prop_assert_eq!(r.varint(), Ok(large));
            prop_assert!(r.remaining() < 8);
        }

        #[test]
        fn no_input_panics(bytes in prop::collection::vec(any::<u8>(), 0..64), calls in prop::collection::vec(0u8..5, 0..64)) {
            let mut r = BitReader::new(&bytes);
            let mut out = [0; 11];
            for call in calls {
                let before = r.remaining();
                let _ = match call {
                    0 => r.bits(13),
                    1 => r.bits(64),
                    2 => r.varint(),
                    3 => r.gamma().map(u64::from),
                    _ => r.bytes(&mut out).map(|()| 0),
                };
                prop_assert!(r.remaining() <= before);
                prop_assert_eq!(r.position() + r.remaining(), bytes.len() * 8);
            }
        }
    }

    #[test]
    fn the_first_bit_is_the_lowest_bit_of_the_first_byte() {
        let mut w = BitWriter::new();
        w.bool(true);
        w.bits(0x1234, 16);
        w.varint(300);
        assert_eq!(w.finish(), [0x69, 0x24, 0x58, 0x05, 0x00]);
    }

    #[test]
    fn padded_and_oversized_varints_are_refused() {
        assert_eq!(BitReader::new(&[0x80, 0x00]).varint(), Err(WireError::Invalid));
        assert_eq!(BitReader::new(&[0xFF; 10]).varint(), Err(WireError::Invalid));
        assert_eq!(BitReader::new(&[0; 8]).gamma(), Err(WireError::Invalid));
        assert_eq!(BitReader::new(&[0; 4]).gamma(), Err(WireError::Invalid));
        assert_eq!(BitReader::new(&[0; 3]).gamma(), Err(WireError::UnexpectedEnd));
    }

    #[test]
    fn gammas_are_found_at_every_position_and_cut_ones_are_not() {
        for lead in 0..=64 {
            for value in [1, 2, 3, 255, 256, 1 << 16, u32::MAX] {
                let mut w = BitWriter::new();
                w.bits(0, lead);
                w.gamma(value);
                let end = w.len();
                let bytes = w.finish();
                let mut r = BitReader::new(bytes);
                r.bits(lead).unwrap();
                assert_eq!((r.gamma(), r.position()), (Ok(value), end), "{value} after {lead} bits");
                let mut cut = BitReader::new(&bytes[..(end - 1) / 8]);
                if cut.bits(lead).is_ok() {
                    assert_eq!(cut.gamma(), Err(WireError::UnexpectedEnd), "{value} after {lead} bits, cut");
                }
            }
        }
    }
}
