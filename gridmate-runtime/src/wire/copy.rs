//! Bits that were written before, copied: from where they are to wherever the writer is.

use super::bits::{BitReader, BitWriter, behind, lowest, tail};

impl BitWriter {
    /// Copies the first `count` bits of `source`: how one encoding reaches many datagrams.
    ///
    /// # Panics
    /// When `source` holds fewer than `count` bits.
    #[inline(always)]
    pub fn append(&mut self, source: &[u8], count: usize) {
        let (words, rest) = source.as_chunks::<8>();
        let (whole, left) = (count / 64, count % 64);
        for word in &words[..whole] {
            self.bits(u64::from_le_bytes(*word), 64);
        }
        if left > 0 {
            let word =
                words.get(whole).map_or_else(|| tail(&rest[..left.div_ceil(8)]), |word| u64::from_le_bytes(*word));
            #[expect(clippy::cast_possible_truncation, reason = "fewer than 64")]
            self.bits(word & lowest(left as u32), left as u32);
        }
    }

    /// The same as [`append`](Self::append), for many: room is made for all of them once.
    pub(crate) fn append_long(&mut self, source: &[u8], count: usize) {
        let whole = count / 64;
        let (words, _) = source[..whole * 8].as_chunks::<8>();
        let [first, .., last] = words else { return self.append(source, count) };
        let at = self.bytes.len();
        self.bytes.extend_from_slice(words.as_flattened());
        let before = self.filled & 63;
        if before != 0 {
            let (room, _) = self.bytes[at..].as_chunks_mut::<8>();
            // Each with what the one before it has too much; without a dependence from one to the next.
            for (to, pair) in room[1..].iter_mut().zip(words.windows(2)) {
                let [low, high] = [u64::from_le_bytes(pair[0]), u64::from_le_bytes(pair[1])];
                *to = (high << before | low >> (64 - before)).to_le_bytes();
            }
            room[0] = (self.word | u64::from_le_bytes(*first) << before).to_le_bytes();
            self.word = behind(u64::from_le_bytes(*last), 64 - before);
        }
        self.append(&source[whole * 8..], count % 64);
    }

    /// The same from the bit `start` of `source` on.
    #[inline(always)]
    pub(crate) fn append_at(&mut self, source: &[u8], start: usize, count: usize) {
        let source = &source[start / 8..];
        if start.is_multiple_of(8) {
            self.append(source, count);
        } else {
            self.append_shifted(source, start % 8, count);
        }
    }

    fn append_shifted(&mut self, source: &[u8], skip: usize, count: usize) {
        let mut source = BitReader::new(source);
        source.skip(skip);
        self.append_from(&mut source, count);
    }

    /// The same from what is written here already, before the last [`finish`](Self::finish).
    pub(crate) fn append_own(&mut self, start: usize, count: usize) {
        for at in (start..start + count).step_by(32) {
            let bytes = self.bytes[at / 8..].iter().take(5);
            let word = bytes.rev().fold(0, |word, byte| word << 8 | u64::from(*byte)) >> (at % 8);
            #[expect(clippy::cast_possible_truncation, reason = "at most 32")]
            let take = (start + count - at).min(32) as u32;
            self.bits(word & lowest(take), take);
        }
    }

    /// As [`append`](Self::append), behind a head of a few bits: both at once, where that is possible.
    #[inline(always)]
    pub(crate) fn append_behind(&mut self, head: (u64, u32), source: &[u8], start: usize, count: usize) {
        let (value, bits) = head;
        if let Some(word) = source[start / 8..].first_chunk::<8>()
            && count + start % 8 + bits as usize <= 63
        {
            #[expect(clippy::cast_possible_truncation, reason = "fewer than 64")]
            let count = count as u32;
            let word = u64::from_le_bytes(*word) >> (start % 8);
            self.bits(value | (word & lowest(count)) << bits, count + bits);
        } else {
            self.bits(value, bits);
            self.append_at(source, start, count);
        }
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
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::ladder::low_mask;

    proptest! {
        /// Every way to copy bits copies the same, from any bit to any bit.
        #[test]
        fn all_ways_to_copy_agree(
            source in prop::collection::vec(any::<u8>(), 1..200),
            (before, start, count) in (0u32..64, 0usize..300, 0usize..1_600),
        ) {
            let start = start % (source.len() * 8);
            let count = count.min(source.len() * 8 - start);
            let begin = || {
                let mut w = BitWriter::new();
                w.bits(low_mask(before) & 0x9E37_79B9_7F4A_7C15, before);
                w
            };
            let mut plain = begin();
            let mut r = BitReader::new(&source);
            r.skip(start);
            plain.append_from(&mut r, count);
            plain.bits(0b101, 3);
            let ended = |mut w: BitWriter| {
                w.bits(0b101, 3);
                w.finish().to_vec()
            };
            let expected = plain.finish().to_vec();
            let mut at = begin();
            at.append_at(&source, start, count);
            prop_assert_eq!(&ended(at), &expected);
            let mut behind = BitWriter::new();
            behind.append_behind((low_mask(before) & 0x9E37_79B9_7F4A_7C15, before), &source, start, count);
            prop_assert_eq!(&ended(behind), &expected);
            if start == 0 {
                let mut long = begin();
                long.append_long(&source, count);
                prop_assert_eq!(&ended(long), &expected);
            }
            let mut own = BitWriter::new();
            own.bytes(&source);
            own.finish();
            let held = own.len();
            own.append_own(start, count);
            own.bits(0b101, 3);
            let mut copied = BitReader::new(own.finish());
            copied.skip(held);
            let mut again = begin();
            again.append_from(&mut copied, count + 3);
            prop_assert_eq!(again.finish(), &expected[..]);
        }
    }
}
