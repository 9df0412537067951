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
    bytes: Vec<u8>,
    /// Bits not yet in `bytes`; those above `filled` are zero.
    word: u64,
    /// 0..=63.
    filled: u32,
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
    #[inline]
    pub fn bits(&mut self, value: u64, count: u32) {
        debug_assert!(count <= 64 && (count == 64 || value >> count == 0), "{value:#x} has more than {count} bits");
        self.word |= value << self.filled;
        let filled = self.filled + count;
        if filled >= 64 {
            self.bytes.extend_from_slice(&self.word.to_le_bytes());
            // The shift is 64 only when the word was empty, and then nothing of `value` is left.
            self.word = value.checked_shr(64 - self.filled).unwrap_or(0);
        }
        self.filled = filled & 63;
    }

    /// Writes one bit.
    #[inline]
    pub fn bool(&mut self, value: bool) {
        self.bits(u64::from(value), 1);
    }

    /// Writes `value >= 1` in 2⌊log₂ value⌋ + 1 bits: as many zeros as bits follow the leading one, the one, those bits
    /// (Elias gamma, 1975). 1 costs one bit, 2 and 3 cost three. Zero is written as 1 in release builds.
    #[inline]
    pub fn gamma(&mut self, value: u32) {
        debug_assert!(value != 0, "gamma codes start at 1");
        let value = u64::from(value.max(1));
        let tail = value.ilog2();
        self.bits(1 << tail, tail + 1);
        self.bits(value & ((1 << tail) - 1), tail);
    }

    /// Writes `value` in groups of seven bits, least significant first, each followed by a bit that says whether another
    /// group comes: 8 bits below 128, 16 below 16,384, and so on.
    #[inline]
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bits(value & 0x7F | 0x80, 8);
            value >>= 7;
        }
        self.bits(value, 8);
    }

    /// Writes whole bytes, at any bit position.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.filled.is_multiple_of(8) {
            self.flush();
            self.bytes.extend_from_slice(bytes);
        } else {
            self.append(bytes, bytes.len() * 8);
        }
    }

    /// Copies the first `count` bits of `source`: how one encoding reaches many datagrams.
    ///
    /// # Panics
    /// When `source` holds fewer than `count` bits.
    #[inline]
    pub fn append(&mut self, source: &[u8], count: usize) {
        let (words, rest) = source[..count.div_ceil(8)].as_chunks::<8>();
        let mut left = count;
        for word in words {
            let take = left.min(64);
            let value = u64::from_le_bytes(*word);
            #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
            self.bits(if take == 64 { value } else { value & ((1 << take) - 1) }, take as u32);
            left -= take;
        }
        if left > 0 {
            let mut word = [0; 8];
            word[..rest.len()].copy_from_slice(rest);
            #[expect(clippy::cast_possible_truncation, reason = "fewer than 64")]
            self.bits(u64::from_le_bytes(word) & ((1 << left) - 1), left as u32);
        }
    }

    /// Bits written so far.
    #[inline]
    pub const fn len(&self) -> usize {
        self.bytes.len() * 8 + self.filled as usize
    }

    /// True when nothing was written.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Pads to a byte boundary with zeros and shows everything written. Writing may go on after it.
    pub fn finish(&mut self) -> &[u8] {
        self.flush();
        &self.bytes
    }

    /// Forgets the bits and the error, keeps the memory.
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

    /// Copies the next `count` bits of `source`, or what is left of it.
    pub fn append_from(&mut self, source: &mut BitReader<'_>, count: usize) {
        let mut left = count.min(source.remaining());
        while left > 0 {
            let take = left.min(64);
            #[expect(clippy::cast_possible_truncation, reason = "at most 64")]
            if let Ok(word) = source.bits(take as u32) {
                self.bits(word, take as u32);
            }
            left -= take;
        }
    }

    fn flush(&mut self) {
        let whole = self.filled.div_ceil(8) as usize;
        self.bytes.extend_from_slice(&self.word.to_le_bytes()[..whole]);
        self.word = 0;
        self.filled = 0;
    }
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
    /// Next byte to load into `word`.
    next: usize,
    word: u64,
    /// Bits of `word` not yet handed out.
    filled: u32,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, next: 0, word: 0, filled: 0 }
    }

    /// Reads `count` bits, 0..=64.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`] when fewer are left; none are consumed then.
    #[inline]
    pub fn bits(&mut self, count: u32) -> Result<u64, WireError> {
        debug_assert!(count <= 64, "{count} bits do not fit a word");
        if count <= self.filled {
            let value = self.word & low_mask(count);
            self.word = self.word.checked_shr(count).unwrap_or(0);
            self.filled -= count;
            return Ok(value);
        }
        self.bits_across(count)
    }

    /// Reads one bit.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`] when none is left.
    #[inline]
    pub fn bool(&mut self) -> Result<bool, WireError> {
        Ok(self.bits(1)? != 0)
    }

    /// Reads what [`BitWriter::gamma`] wrote.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`]; [`WireError::Invalid`] for more than 32 bits.
    #[inline]
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
    #[inline]
    pub(super) fn zeros(&mut self, most: u32) -> Result<u32, WireError> {
        let count = self.peek().trailing_zeros();
        if count > most {
            return Err(if self.remaining() <= most as usize { WireError::UnexpectedEnd } else { WireError::Invalid });
        }
        self.bits(count + 1)?;
        Ok(count)
    }

    /// Reads what [`BitWriter::varint`] wrote. Only the shortest form is accepted.
    ///
    /// # Errors
    /// [`WireError::UnexpectedEnd`]; [`WireError::Invalid`] for a padded form or more than 64 bits.
    #[inline]
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
        for byte in rest {
            *byte = self.bits(8)?.to_le_bytes()[0];
        }
        Ok(())
    }

    /// Bits not yet read.
    #[inline]
    pub const fn remaining(&self) -> usize {
        (self.bytes.len() - self.next) * 8 + self.filled as usize
    }

    /// Bits read so far.
    pub const fn position(&self) -> usize {
        self.bytes.len() * 8 - self.remaining()
    }

    /// The next bits, 64 of them or all that are left; zeros follow the end.
    #[inline]
    fn peek(&self) -> u64 {
        let rest = &self.bytes[self.next..];
        let word = match rest.first_chunk::<8>() {
            Some(word) => u64::from_le_bytes(*word),
            None => {
                let mut word = [0; 8];
                word[..rest.len()].copy_from_slice(rest);
                u64::from_le_bytes(word)
            }
        };
        self.word | word.checked_shl(self.filled).unwrap_or(0)
    }

    fn bits_across(&mut self, count: u32) -> Result<u64, WireError> {
        if self.remaining() < count as usize {
            return Err(WireError::UnexpectedEnd);
        }
        let low = self.word;
        let have = self.filled;
        let rest = &self.bytes[self.next..];
        let (word, loaded) = match rest.first_chunk::<8>() {
            Some(word) => (u64::from_le_bytes(*word), 8),
            None => {
                let mut word = [0; 8];
                word[..rest.len()].copy_from_slice(rest);
                (u64::from_le_bytes(word), rest.len())
            }
        };
        self.next += loaded;
        let need = count - have;
        let value = low | (word & low_mask(need)) << have;
        self.word = word.checked_shr(need).unwrap_or(0);
        #[expect(clippy::cast_possible_truncation, reason = "at most 64 bits were loaded")]
        {
            self.filled = loaded as u32 * 8 - need;
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
