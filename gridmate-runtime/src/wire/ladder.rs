//! Differences of integers: few bits for a small step, hardly more than the value for a jump.
//!
//! Everything here works on unsigned integers of a given width, which may be the bit pattern of something else. The
//! **distance** from a base is the difference modulo 2^width, read as a signed number and folded so that small steps in
//! either direction are small numbers: -1, 1, -2, 2, … become 0, 1, 2, 3, … A distance of *n* bits thus reaches exactly
//! ±2^(n-1). No change at all has no distance; it is written like a jump, correct but dear, because callers write only
//! what differs.
//!
//! A ladder is a list of widths. The writer takes the narrowest rung that holds the distance and names it; when none does,
//! it writes the value itself.

use super::{Sink, Source, WireError};

/// Three rungs and the jump, named by two bits: `sel:2` then the distance in `near[sel]` bits, or with `sel = 3` the value
/// in `full` bits. A `full` of up to 3 is written again, without a selector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ladder {
    near: [u32; 3],
    full: u32,
}

/// Four rungs and the jump: `0` then the value in `full` bits, or `1`, `sel:2`, then the distance in `near[sel]` bits. For
/// values that jump often, and are then one bit longer only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct JumpLadder {
    near: [u32; 4],
    full: u32,
}

impl Ladder {
    /// `near` must grow and stay below `full`, which is at most 64.
    pub(super) const fn new(near: [u32; 3], full: u32) -> Self {
        assert!(near[0] <= near[1] && near[1] <= near[2] && near[2] < 64 && full <= 64);
        Self { near, full }
    }

    /// Rungs of ⌊`full` / 4⌋, ⌊`full` / 2⌋ and ⌊3 × `full` / 4⌋ bits.
    pub(super) const fn even(full: u32) -> Self {
        Self::new([full / 4, full / 2, full * 3 / 4], full)
    }

    #[inline]
    pub(super) fn write(self, value: u64, base: u64, w: &mut impl Sink) {
        w.aside(|w| self.write_rung(value, base, w));
    }

    #[inline]
    fn write_rung(self, value: u64, base: u64, w: &mut impl Sink) {
        if self.full <= 3 {
            return w.bits(value, self.full);
        }
        if w.is_modelled() && self.full <= 32 {
            return w.residual(signed(value.wrapping_sub(base), self.full), usual(self.full));
        }
        let distance = distance(value, base, self.full);
        let [a, b, c] = self.near.map(|width| distance >> width != 0);
        let sel = usize::from(a) + usize::from(b) + usize::from(c);
        let (payload, width) = if c { (value, self.full) } else { (distance, self.near[sel]) };
        put(sel as u64, 2, payload, width, w);
    }

    #[inline(always)]
    pub(super) fn read(self, base: u64, r: &mut impl Source) -> Result<u64, WireError> {
        r.aside(|r| self.read_rung(base, r))
    }

    #[inline]
    fn read_rung(self, base: u64, r: &mut impl Source) -> Result<u64, WireError> {
        if self.full <= 3 {
            return r.bits(self.full);
        }
        if r.is_modelled() && self.full <= 32 {
            return read_step(base, self.full, usual(self.full), r);
        }
        let width = match r.bits(2)? {
            0 => self.near[0],
            1 => self.near[1],
            2 => self.near[2],
            _ => return r.bits(self.full),
        };
        Ok(moved(r.bits(width)?, base, self.full))
    }
}

impl JumpLadder {
    /// `near` must grow and stay below `full`, which is at most 64.
    pub(super) const fn new(near: [u32; 4], full: u32) -> Self {
        assert!(near[0] <= near[1] && near[1] <= near[2] && near[2] <= near[3] && near[3] < 62 && full <= 64);
        Self { near, full }
    }

    #[inline]
    pub(super) fn write(self, value: u64, base: u64, w: &mut impl Sink) {
        w.aside(|w| self.write_rung(value, base, w));
    }

    #[inline]
    fn write_rung(self, value: u64, base: u64, w: &mut impl Sink) {
        if w.is_modelled() && self.full <= 32 {
            return w.residual(signed(value.wrapping_sub(base), self.full), usual(self.full));
        }
        let distance = distance(value, base, self.full);
        let [a, b, c, jump] = self.near.map(|width| distance >> width != 0);
        if jump {
            put(0, 1, value, self.full, w);
        } else {
            let sel = usize::from(a) + usize::from(b) + usize::from(c);
            put(1 | (sel as u64) << 1, 3, distance, self.near[sel], w);
        }
    }

    #[inline(always)]
    pub(super) fn read(self, base: u64, r: &mut impl Source) -> Result<u64, WireError> {
        r.aside(|r| self.read_rung(base, r))
    }

    #[inline]
    fn read_rung(self, base: u64, r: &mut impl Source) -> Result<u64, WireError> {
        if r.is_modelled() && self.full <= 32 {
            return read_step(base, self.full, usual(self.full), r);
        }
        // As it is written: a bit like the others, and no flag for a model.
        if r.bits(1)? == 0 {
            return r.bits(self.full);
        }
        let width = match r.bits(2)? {
            0 => self.near[0],
            1 => self.near[1],
            2 => self.near[2],
            _ => self.near[3],
        };
        Ok(moved(r.bits(width)?, base, self.full))
    }
}

/// How large a step of a number of `width` bits is expected to be when nothing is known.
#[inline]
pub(super) const fn usual(width: u32) -> u64 {
    1 << (width / 3)
}

/// Reads a step from `base` that was written as a residual.
#[inline]
pub(super) fn read_step(base: u64, width: u32, expected: u64, r: &mut impl Source) -> Result<u64, WireError> {
    let step = r.residual(expected)?;
    if signed(step.cast_unsigned(), width) != step {
        return Err(WireError::Invalid);
    }
    Ok(base.wrapping_add(step.cast_unsigned()) & low_mask(width))
}

/// The folded difference of two `width`-bit numbers; `u64::MAX` when they are equal.
#[inline]
pub(super) const fn distance(value: u64, base: u64, width: u32) -> u64 {
    zigzag(signed(value.wrapping_sub(base), width)).wrapping_sub(1)
}

/// What lies `distance` from `base`.
#[inline]
pub(super) const fn moved(distance: u64, base: u64, width: u32) -> u64 {
    base.wrapping_add(unzigzag(distance.wrapping_add(1))) & low_mask(width)
}

/// 0, -1, 1, -2, 2, … as 0, 1, 2, 3, 4, …
#[inline]
pub(super) const fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63).cast_unsigned()
}

/// The inverse of [`zigzag`], as two's complement.
#[inline]
pub(super) const fn unzigzag(value: u64) -> u64 {
    value >> 1 ^ (value & 1).wrapping_neg()
}

/// The low `width` bits of `value` as a signed number.
#[inline]
pub(super) const fn signed(value: u64, width: u32) -> i64 {
    if width == 0 { 0 } else { (value << (64 - width)).cast_signed() >> (64 - width) }
}

#[inline]
pub(super) const fn low_mask(count: u32) -> u64 {
    if count >= 64 { u64::MAX } else { (1 << count) - 1 }
}

/// A selector and what it selects, in one write where a word holds both.
#[inline]
fn put(sel: u64, sel_width: u32, payload: u64, width: u32, w: &mut impl Sink) {
    if width + sel_width <= 64 {
        w.bits(sel | payload << sel_width, sel_width + width);
    } else {
        w.bits(sel, sel_width);
        w.bits(payload, width);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::wire::{BitReader, BitWriter};

    #[test]
    fn steps_fold_around_the_base() {
        let folded: Vec<u64> = [99, 101, 98, 102, 97].map(|v| distance(v, 100, 8)).to_vec();
        assert_eq!(folded, [0, 1, 2, 3, 4]);
        assert_eq!(distance(0, 255, 8), 1, "one up, across the wrap");
        assert_eq!(distance(255, 0, 8), 0, "one down, across the wrap");
        assert_eq!(distance(5, 5, 8), u64::MAX);
        assert_eq!(distance(128, 0, 8), 254, "half way round is the farthest");
        assert_eq!(distance(1 << 63, 0, 64), u64::MAX - 1);
    }

    #[test]
    fn a_rung_of_n_bits_reaches_half_its_codes_both_ways() {
        let ladder = Ladder::new([1, 3, 5], 8);
        for (step, bits) in [(1, 3), (2, 5), (4, 5), (5, 7), (16, 7), (17, 10), (0, 10)] {
            for value in [100 + step, 100 - step] {
                let mut w = BitWriter::new();
                ladder.write(value, 100, &mut w);
                assert_eq!(w.len(), bits, "100 -> {value}");
            }
        }
    }

    proptest! {
        #[test]
        fn every_pair_comes_back(value in any::<u64>(), base in any::<u64>(), shift in 0u32..64, width in 1u32..=64) {
            let (base, value) = (base & low_mask(width), base.wrapping_add(value >> shift) & low_mask(width));
            let (ladder, jumping) = (Ladder::new([1, 9, 30], width), JumpLadder::new([0, 5, 20, 40], width));
            let mut w = BitWriter::new();
            ladder.write(value, base, &mut w);
            jumping.write(value, base, &mut w);
            let mut r = BitReader::new(w.finish());
            prop_assert_eq!(ladder.read(base, &mut r), Ok(value));
            prop_assert_eq!(jumping.read(base, &mut r), Ok(value));
            prop_assert!(r.remaining() < 8);
        }
    }
}
