//! Guesses from motion, and by how much they are wrong.
//!
//! A number that was *p*, then *b*, is expected to go on as it did. What travels is the difference from that guess, each
//! component with a code for its size. How large it will be is guessed as well: a fast mover strays farther than a slow one,
//! and when one component has just gone astray, the others will have too.

use super::bits::lowest;
use super::ladder::{low_mask, signed, unzigzag, zigzag};
use super::stream::Golomb;
use super::{Ahead, Sink, Source, WireError};

/// Writes integers of `width` bits, at most 32, by their distance from where the lines from `past` through `base` lead.
#[inline]
pub(super) fn write_lines<I: Integer, const N: usize>(
    values: &[I; N],
    base: &[I; N],
    past: &[I; N],
    width: u32,
    ahead: Ahead,
    w: &mut impl Sink,
) {
    write(values.map(I::pattern), lines(base, past, width, ahead), width, 0, w);
}

/// Reads what [`write_lines`] wrote; `values` holds the base before and the values after.
#[inline]
pub(super) fn read_lines<I: Integer, const N: usize>(
    values: &mut [I; N],
    past: &[I; N],
    width: u32,
    ahead: Ahead,
    r: &mut impl Source,
) -> Result<(), WireError> {
    let read = r.aside(|r| read(lines(values, past, width, ahead), width, 0, r))?;
    for (value, bits) in values.iter_mut().zip(read) {
        *value = I::from_pattern(bits, width).ok_or(WireError::Invalid)?;
    }
    Ok(())
}

/// From how many bits of an expected error on a float is told as near or anywhere, and for how many near is at most. A float has 23
/// bits of fraction, so that is where one no longer has much to do with the other, and mostly not even the sign.
const JUMPY: u32 = 22;
const NEAR: u32 = 26;

/// Writes the patterns of floats, guessed as numbers. Where errors are expected that leave nothing of a guess, a bit says whether the
/// float is near, or it is written as it is: new values cost one bit more than themselves.
#[inline]
pub(super) fn write_floats<const N: usize>(
    values: &[u32; N],
    base: &[u32; N],
    past: &[u32; N],
    ahead: Ahead,
    w: &mut impl Sink,
) {
    let guesses = float_lines(base, past, ahead);
    if w.is_modelled() {
        return write(values.map(|bits| u64::from(ordered(bits))), guesses, 32, 0, w);
    }
    if let Some((word, count)) = floats_out(values, &guesses) {
        return w.bits(word, count);
    }
    let mut expectation = Expectation::of(&guesses, 0);
    for (value, guess) in values.iter().zip(guesses) {
        let residual = signed(u64::from(ordered(*value)).wrapping_sub(guess.value), 32);
        let (low, expected) = (expectation.bits(guess), expectation.size(guess));
        if low < JUMPY {
            w.residual(guess.along(residual, 32), expected);
        } else {
            let (low, folded) = (low.min(NEAR), zigzag(guess.along(residual, 32)));
            if folded >> low == 0 {
                w.bits(1 | folded << 1, 1 + low);
            } else {
                w.bits(u64::from(*value) << 1, 33);
            }
        }
        expectation.learn(residual);
    }
}

/// The bits of floats that are told as residuals and fit into a word, and how many these are.
#[inline(always)]
fn floats_out<const N: usize>(values: &[u32; N], guesses: &[Guess; N]) -> Option<(u64, u32)> {
    let mut expectation = Expectation::of(guesses, 0);
    let (mut word, mut used) = (0, 0);
    for (value, guess) in values.iter().zip(guesses) {
        let low = expectation.bits(*guess);
        let residual = signed(u64::from(ordered(*value)).wrapping_sub(guess.value), 32);
        let Golomb { tail, rest } = Golomb::of(zigzag(guess.along(residual, 32)), low);
        let bits = 2 * tail + 1 + low;
        if low >= JUMPY || used + bits > 63 {
            return None;
        }
        word |= (rest << 1 | 1) << tail << used;
        used += bits;
        expectation.learn(residual);
    }
    Some((word, used))
}

/// Reads what [`write_floats`] wrote; `values` holds the base before and the values after.
#[inline]
pub(super) fn read_floats<const N: usize>(
    values: &mut [u32; N],
    past: &[u32; N],
    ahead: Ahead,
    r: &mut impl Source,
) -> Result<(), WireError> {
    let guesses = float_lines(values, past, ahead);
    let (word, left) = r.at_hand();
    if let Some((read, used)) = floats_in(word, left, &guesses) {
        *values = read;
        r.pass(used);
        return Ok(());
    }
    r.aside(|r| read_floats_one_by_one(values, guesses, r))
}

/// Reads floats that are told as residuals and lie within a word, and how many bits that takes. In as few steps as can be: what has to
/// be known of one before the next can be begun is where it ends, and how large it is.
#[inline(always)]
fn floats_in<const N: usize>(mut word: u64, left: u32, guesses: &[Guess; N]) -> Option<([u32; N], u32)> {
    let mut expectation = Expectation::of(guesses, 0);
    let (mut read, mut used) = ([0; N], 0);
    for (value, guess) in read.iter_mut().zip(guesses) {
        let low = expectation.bits(*guess);
        let tail = (word | 1 << 63).trailing_zeros();
        let bits = 2 * tail + 1 + low;
        used += bits;
        // The last: a number of more than 32 bits. Such a thing is for someone else to refuse.
        if low >= JUMPY || used > left || tail + low > 31 {
            return None;
        }
        let folded = Golomb { tail, rest: word >> tail >> 1 & lowest(tail + low) }.folded(low);
        word >>= bits & 63;
        #[expect(clippy::cast_possible_truncation, reason = "patterns of 32 bits")]
        let (from, step) = (guess.value as u32, unzigzag(folded) as u32);
        *value = disordered(if guess.back { from.wrapping_sub(step) } else { from.wrapping_add(step) });
        expectation.learn_size((folded + 1) >> 1);
    }
    Some((read, used))
}

#[inline(never)]
fn read_floats_one_by_one<const N: usize>(
    values: &mut [u32; N],
    guesses: [Guess; N],
    r: &mut impl Source,
) -> Result<(), WireError> {
    if r.is_modelled() {
        let read = read(guesses, 32, 0, r)?;
        for (value, order) in values.iter_mut().zip(read) {
            *value = disordered(u32::try_from(order).map_err(|_| WireError::Invalid)?);
        }
        return Ok(());
    }
    let mut expectation = Expectation::of(&guesses, 0);
    for (value, guess) in values.iter_mut().zip(guesses) {
        let (low, expected) = (expectation.bits(guess), expectation.size(guess));
        let order = if low < JUMPY {
            stepped(guess, r.residual(expected)?, 32)?
        } else if r.bits(1)? != 0 {
            stepped(guess, unzigzag(r.bits(low.min(NEAR))?).cast_signed(), 32)?
        } else {
            u64::from(ordered(u32::try_from(r.bits(32)?).map_err(|_| WireError::Invalid)?))
        };
        *value = disordered(u32::try_from(order).map_err(|_| WireError::Invalid)?);
        expectation.learn(signed(order.wrapping_sub(guess.value), 32));
    }
    Ok(())
}

/// What is expected of a component.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guess {
    pub(super) value: u64,
    /// How far that is from the base, as far as it makes errors likely.
    pub(super) motion: u64,
    /// The motion is towards smaller numbers.
    pub(super) back: bool,
}

impl Guess {
    /// An error of a number of `width` bits as seen in the direction of the motion, and the other way round. Half way round both
    /// directions are one.
    #[inline]
    const fn along(self, residual: i64, width: u32) -> i64 {
        if self.back { signed(residual.wrapping_neg().cast_unsigned(), width) } else { residual }
    }
}

/// Writes numbers of `width` bits, at most 32, by their distance from the guesses, of which the first is expected to be no
/// less than `floor`.
#[inline]
pub(super) fn write<const N: usize>(values: [u64; N], guesses: [Guess; N], width: u32, floor: u64, w: &mut impl Sink) {
    let mut expectation = Expectation::of(&guesses, floor);
    for (value, guess) in values.into_iter().zip(guesses) {
        let residual = signed(value.wrapping_sub(guess.value), width);
        w.residual(guess.along(residual, width), expectation.size(guess));
        expectation.learn(residual);
    }
}

/// Reads what [`write`] wrote.
#[inline]
pub(super) fn read<const N: usize>(
    guesses: [Guess; N],
    width: u32,
    floor: u64,
    r: &mut impl Source,
) -> Result<[u64; N], WireError> {
    let mut expectation = Expectation::of(&guesses, floor);
    let mut values = [0; N];
    for (value, guess) in values.iter_mut().zip(guesses) {
        *value = stepped(guess, r.residual(expectation.size(guess))?, width)?;
        expectation.learn(signed(value.wrapping_sub(guess.value), width));
    }
    Ok(values)
}

/// What lies a residual from its guess, as that was written.
#[inline]
fn stepped(guess: Guess, residual: i64, width: u32) -> Result<u64, WireError> {
    if signed(residual.cast_unsigned(), width) != residual {
        return Err(WireError::Invalid);
    }
    let residual = guess.along(residual, width);
    Ok(guess.value.wrapping_add(residual.cast_unsigned()) & low_mask(width))
}

#[inline]
fn lines<I: Integer, const N: usize>(base: &[I; N], past: &[I; N], width: u32, ahead: Ahead) -> [Guess; N] {
    core::array::from_fn(|i| {
        let base = base[i].pattern();
        let motion = ahead.scale(signed(base.wrapping_sub(past[i].pattern()), width));
        Guess {
            value: base.wrapping_add(motion.cast_unsigned()),
            motion: ahead.unrest(motion.unsigned_abs()),
            back: motion < 0,
        }
    })
}

#[inline]
fn float_lines<const N: usize>(base: &[u32; N], past: &[u32; N], ahead: Ahead) -> [Guess; N] {
    core::array::from_fn(|i| {
        let (base, past) = (f32::from_bits(base[i]), f32::from_bits(past[i]));
        #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest float")]
        let guess = (f64::from(base) + (f64::from(base) - f64::from(past)) * ahead.factor()) as f32;
        // Which NaN comes out of a computation is not the same everywhere.
        let guess = ordered(if guess.is_nan() { base } else { guess }.to_bits());
        let base = ordered(base.to_bits());
        Guess { value: guess.into(), motion: ahead.unrest(guess.abs_diff(base).into()), back: guess < base }
    })
}

/// The pattern of a float as a number that is larger where the float is.
#[inline]
const fn ordered(bits: u32) -> u32 {
    bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 1 << 31)
}

#[inline]
const fn disordered(order: u32) -> u32 {
    order ^ ((!order.cast_signed() >> 31).cast_unsigned() | 1 << 31)
}

/// How far off a component may be, given its own motion, the largest of all, and the largest error so far.
struct Expectation {
    most: u64,
    error: u64,
}

impl Expectation {
    #[inline]
    fn of<const N: usize>(guesses: &[Guess; N], floor: u64) -> Self {
        Self { most: guesses.iter().map(|guess| guess.motion).max().unwrap_or(0), error: floor }
    }

    #[inline]
    const fn size(&self, guess: Guess) -> u64 {
        (guess.motion * 6 + self.most + self.error * 12) / 32
    }

    /// How many bits that has: the logarithm of what has one bit more and is never zero.
    #[inline]
    const fn bits(&self, guess: Guess) -> u32 {
        (((guess.motion * 6 + self.most + self.error * 12) / 16) | 1).ilog2()
    }

    #[inline]
    const fn learn(&mut self, residual: i64) {
        self.learn_size(residual.unsigned_abs());
    }

    #[inline]
    const fn learn_size(&mut self, error: u64) {
        if error > self.error {
            self.error = error;
        }
    }
}

/// An integer as a pattern of bits, of which only the low ones of its width count.
pub(super) trait Integer: Copy {
    fn pattern(self) -> u64;
    fn from_pattern(bits: u64, width: u32) -> Option<Self>;
}

macro_rules! integers {
    ($($int:ident $from:ident;)*) => {$(
        impl Integer for $int {
            #[inline]
            fn pattern(self) -> u64 {
                self as u64
            }

            #[inline]
            fn from_pattern(bits: u64, width: u32) -> Option<Self> {
                Self::try_from($from(bits, width)).ok()
            }
        }
    )*};
}

integers! {
    u8 low; u16 low; u32 low; u64 low; usize low;
    i8 signed; i16 signed; i32 signed; i64 signed; isize signed;
}

#[inline]
const fn low(bits: u64, width: u32) -> u64 {
    bits & low_mask(width)
}

/// A repr as an array of integers: one, or what it is.
pub(super) mod view {
    pub(in crate::wire) mod one {
        pub(in crate::wire) use core::array::{from_mut as exclusive, from_ref as shared};
    }

    pub(in crate::wire) mod more {
        pub(in crate::wire) use core::convert::{identity as exclusive, identity as shared};
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_floats_is_that_of_their_numbers() {
        let floats = [f32::NEG_INFINITY, -2.0, -1.0, -0.0, 0.0, 1e-30, 1.0, f32::INFINITY];
        assert!(floats.map(|float| ordered(float.to_bits())).is_sorted());
        for float in floats.into_iter().chain([f32::NAN]) {
            assert_eq!(disordered(ordered(float.to_bits())), float.to_bits());
        }
    }
}
