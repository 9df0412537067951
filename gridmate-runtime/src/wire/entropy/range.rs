//! Arithmetic coding: decisions and their probabilities, as one number between 0 and 1.
//!
//! A binary range coder with carries, as in LZMA (I. Pavlov), after G. N. N. Martin, 1979. The interval has 32 bits and is
//! kept above 2^24, a byte at a time. It ends with as few bytes as single out a number of which any continuation stays in the
//! interval, so that whatever is read past the end does not matter.

use crate::wire::WireError;

/// Intervals below this are widened by a byte.
const LOWEST: u32 = 1 << 24;
/// Bytes that a reader looks ahead.
const AHEAD: usize = 4;

#[derive(Debug)]
pub(super) struct Encoder {
    out: Vec<u8>,
    low: u64,
    range: u32,
    /// The last byte that a carry may still change, and how many 0xFF follow it. The first is no byte at all.
    cache: u8,
    pending: usize,
    begun: bool,
}

impl Encoder {
    pub(super) const fn new() -> Self {
        Self { out: Vec::new(), low: 0, range: u32::MAX, cache: 0, pending: 0, begun: false }
    }

    /// Starts anew, behind bytes that are written as they are.
    pub(super) fn start(&mut self, head: &[u8]) {
        self.out.clear();
        self.out.extend_from_slice(head);
        (self.low, self.range, self.cache, self.pending, self.begun) = (0, u32::MAX, 0, 0, false);
    }

    /// A decision of which `true` has a probability of `chance` / 65,536, which is neither 0 nor 1.
    #[inline]
    pub(super) fn decision(&mut self, value: bool, chance: u16) {
        let bound = (self.range >> 16) * u32::from(chance);
        if value {
            self.range = bound;
        } else {
            self.low += u64::from(bound);
            self.range -= bound;
        }
        self.widen();
    }

    #[inline]
    fn widen(&mut self) {
        while self.range < LOWEST {
            self.range <<= 8;
            self.shift();
        }
    }

    /// Gives out the highest byte.
    fn shift(&mut self) {
        let carry = self.low >> 32;
        let byte = (self.low >> 24).to_le_bytes()[0];
        if carry == 0 && byte == 0xFF {
            self.pending += 1;
        } else {
            let carry = carry.to_le_bytes()[0];
            if self.begun {
                self.out.push(self.cache.wrapping_add(carry));
            }
            let filler = 0xFF_u8.wrapping_add(carry);
            self.out.extend(core::iter::repeat_n(filler, self.pending));
            (self.cache, self.pending, self.begun) = (byte, 0, true);
        }
        self.low = (self.low & 0x00FF_FFFF) << 8;
    }

    /// Bytes if it ended here, at most.
    pub(super) fn len(&self) -> usize {
        self.out.len() + self.pending + usize::from(self.begun) + 4
    }

    /// Ends the number and shows all bytes, to be added to.
    pub(super) fn finish(&mut self) -> &mut Vec<u8> {
        let mut bytes = 0;
        for spare in [24_u32, 16, 8, 0] {
            bytes += 1;
            let rest = (1_u64 << spare) - 1;
            let number = (self.low + rest) & !rest;
            if number + rest < self.low + u64::from(self.range) {
                self.low = number;
                break;
            }
        }
        // One more: it gives out the last of them.
        for _ in 0..=bytes {
            self.shift();
        }
        &mut self.out
    }
}

#[derive(Clone, Debug)]
pub(super) struct Decoder<'a> {
    rest: &'a [u8],
    code: u32,
    range: u32,
    /// Bytes read past the end.
    past: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Self { rest: bytes, code: 0, range: u32::MAX, past: 0 };
        for _ in 0..AHEAD {
            decoder.code = decoder.code << 8 | decoder.next();
        }
        decoder
    }

    #[inline]
    pub(super) fn decision(&mut self, chance: u16) -> Result<bool, WireError> {
        let bound = (self.range >> 16) * u32::from(chance);
        let value = self.code < bound;
        if value {
            self.range = bound;
        } else {
            self.code -= bound;
            self.range -= bound;
        }
        self.widen()?;
        Ok(value)
    }

    #[inline]
    fn widen(&mut self) -> Result<(), WireError> {
        while self.range < LOWEST {
            self.range <<= 8;
            self.code = self.code << 8 | self.next();
            if self.past > AHEAD {
                return Err(WireError::UnexpectedEnd);
            }
        }
        Ok(())
    }

    #[inline]
    fn next(&mut self) -> u32 {
        match self.rest.split_first() {
            Some((byte, rest)) => {
                self.rest = rest;
                (*byte).into()
            }
            None => {
                self.past += 1;
                0
            }
        }
    }
}
