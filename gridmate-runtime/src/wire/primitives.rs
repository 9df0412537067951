//! Integers, floats, `bool`, `char`, `()` and durations: the types that are their own bits.
//!
//! Alone, each costs its width: `u8` 8 bits, `i64` 64, `usize` and `isize` 64 on every platform, `bool` 1, `char` 21, `()`
//! none. Signed integers travel as two's complement, floats as their IEEE pattern: the repr of an `f32` is a `u32`, so NaN
//! equals itself and -0.0 differs from 0.0.
//!
//! Against a baseline an integer takes the narrowest of three rungs that holds its *distance* (the difference modulo
//! 2^width, folded: -1, 1, -2, 2, … are 0, 1, 2, 3, …), or its full width:
//!
//! | width | `00` + | `01` + | `10` + | `11` + | a step of ±1 | a jump |
//! |---|---|---|---|---|---|---|
//! | 8 | 1 | 3 | 5 | 8 (the value) | 3 | 10 |
//! | 16 | 3 | 7 | 11 | 16 (the value) | 5 | 18 |
//! | 32 | 4 | 10 | 18 | 32 (the value) | 6 | 34 |
//! | 64 | 6 | 14 | 28 | 64 (the value) | 8 | 66 |
//!
//! The selectors are two-bit numbers, so `10` reads as 2 and its 0 is written first. 128-bit integers write `1` and the low
//! half as a 64-bit integer against its base when the high half stays, else `0` and all 128 bits, low half first.
//!
//! Floats change by distances of their bit patterns that are seldom tiny, and jump often, so a jump is one bit dearer than
//! the value and no more. The first bit is 0 for a jump, else two more name the rung:
//!
//! | width | `0` + | `1`, 0 + | `1`, 1 + | `1`, 2 + | `1`, 3 + |
//! |---|---|---|---|---|---|
//! | 32 | 32 (the value) | 13 | 17 | 20 | 23 |
//! | 64 | 64 (the value) | 24 | 40 | 46 | 52 |
//!
//! A [`Duration`] travels as its nanoseconds in a `u64`, at most 584 years.
//!
//! `bool`, `char` and `()` are short and simply written again. Writing a value against itself is correct everywhere.

use core::num::NonZero;
use core::time::Duration;

use super::codec::predict::marshal_ahead;
use super::ladder::{JumpLadder, Ladder};
use super::{Marshal, Past, Shape, Sink, Source, WireError};

const F32_DELTA: JumpLadder = JumpLadder::new([13, 17, 20, 23], 32);
const F64_DELTA: JumpLadder = JumpLadder::new([24, 40, 46, 52], 64);

/// Bits that were read with the width of the type, as the type.
macro_rules! narrow {
    ($bits:expr, $int:ident) => {
        $int::try_from($bits).map_err(|_| WireError::Invalid)
    };
}

macro_rules! unsigned {
    ($($int:ident: $width:literal, $near:expr;)*) => {$(
        impl Marshal for $int {
            type Repr = Self;
            const LARGEST_BITS: usize = $width;

            fn shape() -> Shape {
                Shape::leaf(stringify!($int))
            }

            #[inline(always)]
            fn to_repr(&self) -> Self {
                *self
            }

            #[inline(always)]
            fn from_repr(repr: &Self) -> Self {
                *repr
            }

            #[inline(always)]
            fn encode(repr: &Self, w: &mut impl Sink) {
                w.bits((*repr).into(), $width);
            }

            #[inline(always)]
            fn decode(r: &mut impl Source) -> Result<Self, WireError> {
                narrow!(r.bits($width)?, $int)
            }

            #[inline(always)]
            fn encode_delta(repr: &Self, base: &Self, w: &mut impl Sink) {
                const { Ladder::new($near, $width) }.write((*repr).into(), (*base).into(), w);
            }

            #[inline(always)]
            fn decode_delta(repr: &mut Self, r: &mut impl Source) -> Result<(), WireError> {
                *repr = narrow!(const { Ladder::new($near, $width) }.read((*repr).into(), r)?, $int)?;
                Ok(())
            }

            marshal_ahead!(lines one $width);
        }
    )*};
}

unsigned! {
    u8: 8, [1, 3, 5];
    u16: 16, [3, 7, 11];
    u32: 32, [4, 10, 18];
    u64: 64, [6, 14, 28];
}

/// Types that travel as another: how to get there, and back from any repr that was accepted.
macro_rules! travels_as {
    ($($type:ty as $wire:ty, $shape:expr, |$value:ident| $to:expr, |$bits:ident| $from:expr;)*) => {$(
        impl Marshal for $type {
            type Repr = Self;
            const LARGEST_BITS: usize = <$wire>::LARGEST_BITS;

            fn shape() -> Shape {
                $shape
            }

            #[inline(always)]
            fn to_repr(&self) -> Self {
                *self
            }

            #[inline(always)]
            fn from_repr(repr: &Self) -> Self {
                *repr
            }

            #[inline(always)]
            fn encode(repr: &Self, w: &mut impl Sink) {
                let $value = *repr;
                <$wire>::encode(&$to, w);
            }

            #[inline(always)]
            fn decode(r: &mut impl Source) -> Result<Self, WireError> {
                let $bits = <$wire>::decode(r)?;
                $from
            }

            #[inline(always)]
            fn encode_delta(repr: &Self, base: &Self, w: &mut impl Sink) {
                let to = |$value: Self| -> $wire { $to };
                <$wire>::encode_delta(&to(*repr), &to(*base), w);
            }

            #[inline(always)]
            fn decode_delta(repr: &mut Self, r: &mut impl Source) -> Result<(), WireError> {
                let $value = *repr;
                let mut $bits: $wire = $to;
                <$wire>::decode_delta(&mut $bits, r)?;
                *repr = $from?;
                Ok(())
            }

            #[inline(always)]
            fn encode_ahead(repr: &Self, base: &Self, past: Past<'_, Self>, w: &mut impl Sink) {
                let to = |$value: Self| -> $wire { $to };
                let then = past.guess().map(|(past, ahead)| (to(*past), ahead));
                let past = then.as_ref().map_or(Past::UNKNOWN, |(past, ahead)| Past::new(past, *ahead).guessing());
                <$wire>::encode_ahead(&to(*repr), &to(*base), past, w);
            }

            #[inline(always)]
            fn decode_ahead(repr: &mut Self, past: Past<'_, Self>, r: &mut impl Source) -> Result<(), WireError> {
                let to = |$value: Self| -> $wire { $to };
                let then = past.guess().map(|(past, ahead)| (to(*past), ahead));
                let past = then.as_ref().map_or(Past::UNKNOWN, |(past, ahead)| Past::new(past, *ahead).guessing());
                let mut $bits = to(*repr);
                <$wire>::decode_ahead(&mut $bits, past, r)?;
                *repr = $from?;
                Ok(())
            }
        }
    )*};
}

travels_as! {
    i8 as u8, Shape::leaf("i8"), |value| value.cast_unsigned(), |bits| Ok(bits.cast_signed());
    i16 as u16, Shape::leaf("i16"), |value| value.cast_unsigned(), |bits| Ok(bits.cast_signed());
    i32 as u32, Shape::leaf("i32"), |value| value.cast_unsigned(), |bits| Ok(bits.cast_signed());
    i64 as u64, Shape::leaf("i64"), |value| value.cast_unsigned(), |bits| Ok(bits.cast_signed());
    i128 as u128, Shape::leaf("i128"), |value| value.cast_unsigned(), |bits| Ok(bits.cast_signed());
    usize as u64, Shape::leaf("u64"), |value| value as u64, |bits| Self::try_from(bits).map_err(|_| WireError::Invalid);
    isize as i64, Shape::leaf("i64"), |value| value as i64, |bits| Self::try_from(bits).map_err(|_| WireError::Invalid);
}

macro_rules! non_zero {
    ($($int:ident)*) => {$(travels_as! {
        NonZero<$int> as $int,
        Shape::named("nonzero", [<$int>::shape()]),
        |value| value.get(),
        |bits| Self::new(bits).ok_or(WireError::Invalid);
    })*};
}

non_zero!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);

impl Marshal for u128 {
    type Repr = Self;
    const LARGEST_BITS: usize = 128;

    fn shape() -> Shape {
        Shape::leaf("u128")
    }

    #[inline(always)]
    fn to_repr(&self) -> Self {
        *self
    }

    #[inline(always)]
    fn from_repr(repr: &Self) -> Self {
        *repr
    }

    #[inline(always)]
    fn encode(repr: &Self, w: &mut impl Sink) {
        let (high, low) = halves(*repr);
        w.bits(low, 64);
        w.bits(high, 64);
    }

    #[inline(always)]
    fn decode(r: &mut impl Source) -> Result<Self, WireError> {
        if r.remaining() < 128 {
            return Err(WireError::UnexpectedEnd);
        }
        Ok(Self::from(r.bits(64)?) | Self::from(r.bits(64)?) << 64)
    }

    #[inline(always)]
    fn encode_delta(repr: &Self, base: &Self, w: &mut impl Sink) {
        let ((high, low), (base_high, base_low)) = (halves(*repr), halves(*base));
        w.bool(high == base_high);
        if high == base_high {
            u64::encode_delta(&low, &base_low, w);
        } else {
            Self::encode(repr, w);
        }
    }

    #[inline(always)]
    fn decode_delta(repr: &mut Self, r: &mut impl Source) -> Result<(), WireError> {
        if r.bool()? {
            let (high, mut low) = halves(*repr);
            u64::decode_delta(&mut low, r)?;
            *repr = Self::from(low) | Self::from(high) << 64;
        } else {
            *repr = Self::decode(r)?;
        }
        Ok(())
    }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "the low half is what is wanted")]
const fn halves(value: u128) -> (u64, u64) {
    ((value >> 64) as u64, value as u64)
}

macro_rules! float {
    ($($float:ident as $bits:ident, $ladder:expr, { $($ahead:tt)* };)*) => {$(
        impl Marshal for $float {
            type Repr = $bits;
            const LARGEST_BITS: usize = <$bits>::LARGEST_BITS;

            fn shape() -> Shape {
                Shape::leaf(stringify!($float))
            }

            #[inline(always)]
            fn to_repr(&self) -> $bits {
                self.to_bits()
            }

            #[inline(always)]
            fn from_repr(repr: &$bits) -> Self {
                Self::from_bits(*repr)
            }

            #[inline(always)]
            fn encode(repr: &$bits, w: &mut impl Sink) {
                <$bits>::encode(repr, w);
            }

            #[inline(always)]
            fn decode(r: &mut impl Source) -> Result<$bits, WireError> {
                <$bits>::decode(r)
            }

            #[inline(always)]
            fn encode_delta(repr: &$bits, base: &$bits, w: &mut impl Sink) {
                $ladder.write(u64::from(*repr), u64::from(*base), w);
            }

            #[inline(always)]
            fn decode_delta(repr: &mut $bits, r: &mut impl Source) -> Result<(), WireError> {
                *repr = narrow!($ladder.read(u64::from(*repr), r)?, $bits)?;
                Ok(())
            }

            $($ahead)*
        }
    )*};
}

float! {
    f32 as u32, F32_DELTA, { marshal_ahead!(floats one); };
    f64 as u64, F64_DELTA, {};
}

/// Types whose bits are few: the layout alone and against a baseline is the same.
macro_rules! plain {
    ($($type:ty, $shape:literal, $largest:literal, |$value:ident, $w:ident| $write:expr, |$r:ident| $read:expr;)*) => {$(
        impl Marshal for $type {
            type Repr = Self;
            const LARGEST_BITS: usize = $largest;

            fn shape() -> Shape {
                Shape::leaf($shape)
            }

            #[inline(always)]
            fn to_repr(&self) -> Self {
                *self
            }

            #[inline(always)]
            fn from_repr(repr: &Self) -> Self {
                *repr
            }

            #[inline(always)]
            fn encode($value: &Self, $w: &mut impl Sink) {
                $write;
            }

            #[inline(always)]
            fn decode($r: &mut impl Source) -> Result<Self, WireError> {
                $read
            }
        }
    )*};
}

plain! {
    bool, "bool", 1, |value, w| w.bool(*value), |r| r.bool();
    char, "char", 21, |value, w| w.bits(u32::from(*value).into(), 21), |r| {
        u32::try_from(r.bits(21)?).ok().and_then(Self::from_u32).ok_or(WireError::Invalid)
    };
    (), "unit", 0, |_value, _w| {}, |_r| Ok(());
}

impl Marshal for Duration {
    type Repr = u64;
    const LARGEST_BITS: usize = 64;

    fn shape() -> Shape {
        Shape::leaf("duration")
    }

    /// Durations beyond 584 years become that.
    #[inline(always)]
    fn to_repr(&self) -> u64 {
        u64::try_from(self.as_nanos()).unwrap_or(u64::MAX)
    }

    #[inline(always)]
    fn from_repr(repr: &u64) -> Self {
        Self::from_nanos(*repr)
    }

    #[inline(always)]
    fn encode(repr: &u64, w: &mut impl Sink) {
        u64::encode(repr, w);
    }

    #[inline(always)]
    fn decode(r: &mut impl Source) -> Result<u64, WireError> {
        u64::decode(r)
    }

    #[inline(always)]
    fn encode_delta(repr: &u64, base: &u64, w: &mut impl Sink) {
        u64::encode_delta(repr, base, w);
    }

    #[inline(always)]
    fn decode_delta(repr: &mut u64, r: &mut impl Source) -> Result<(), WireError> {
        u64::decode_delta(repr, r)
    }
}
