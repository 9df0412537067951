//! Guesses from motion, and by how much they are wrong.
//!
//! A number that was *p*, then *b*, is expected to go on as it did. What travels is the difference from that guess, each
//! component with a code for its size. How large it will be is guessed as well: a fast mover strays farther than a slow one,
//! and when one component has just gone astray, the others will have too.

use super::ladder::{low_mask, signed};
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
    w.aside(|w| write(values.map(I::pattern), lines(base, past, width, ahead), width, 0, w));
}

/// Reads what [`write_lines`] wrote; `values` holds the base before, which may be elsewhere too, and the values after.
#[inline]
pub(super) fn read_lines<I: Integer, const N: usize>(
    values: &mut [I; N],
    base: Option<&[I; N]>,
    past: &[I; N],
    width: u32,
    ahead: Ahead,
    r: &mut impl Source,
) -> Result<(), WireError> {
    let read = r.aside(|r| read(lines(base.unwrap_or(values), past, width, ahead), width, 0, r))?;
    for (value, bits) in values.iter_mut().zip(read) {
        *value = I::from_pattern(bits, width).ok_or(WireError::Invalid)?;
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

    #[inline]
    const fn learn(&mut self, residual: i64) {
        let error = residual.unsigned_abs();
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
