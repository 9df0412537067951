//! Integers that never use all of their type.

use super::Predictable;
use super::predict::along_lines;
use crate::wire::ladder::{Ladder, low_mask, signed};
use crate::wire::{Codec, Shape, Sink, Source, WireError};

/// An integer in `N` bits: 0 to 2^N - 1 if unsigned, -2^(N-1) to 2^(N-1) - 1 if signed.
///
/// What does not fit becomes the nearest end. Alone it costs N bits. A change costs two bits and ⌊N/4⌋, ⌊N/2⌋ or ⌊3N/4⌋ for
/// the distance, or two and N for the value; up to 3 bits are written again. `N` above the width of the type, or zero, is a
/// compile error.
///
/// ```
/// use gridmate_runtime::wire::{Codec, codec::Bits};
///
/// assert_eq!(Bits::<3>.to_repr(&5_u8), 5);
/// assert_eq!(Bits::<3>.to_repr(&200_u8), 7);
/// assert_eq!(Bits::<3>.to_repr(&-200_i32), -4);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bits<const N: u32>;

impl<const N: u32> Bits<N> {
    const DELTA: Ladder = Ladder::even(N);
}

macro_rules! unsigned {
    ($($int:ident)*) => {$(
        impl<const N: u32> Codec<$int> for Bits<N> {
            type Repr = $int;
            const LARGEST_BITS: usize = N as usize;

            fn shape(&self) -> Shape {
                Shape::leaf(format!("bits({N})"))
            }

            #[inline]
            fn to_repr(&self, value: &$int) -> $int {
                const { assert!(N >= 1 && N <= $int::BITS, "more bits than the integer has, or none") };
                (*value).min($int::MAX >> ($int::BITS - N))
            }

            #[inline]
            fn from_repr(&self, repr: &$int) -> $int {
                *repr
            }

            #[inline]
            fn encode(&self, repr: &$int, w: &mut impl Sink) {
                w.bits(*repr as u64, N);
            }

            #[inline]
            fn decode(&self, r: &mut impl Source) -> Result<$int, WireError> {
                $int::try_from(r.bits(N)?).map_err(|_| WireError::Invalid)
            }

            #[inline]
            fn encode_delta(&self, repr: &$int, base: &$int, w: &mut impl Sink) {
                Self::DELTA.write(*repr as u64, *base as u64, w);
            }

            #[inline]
            fn decode_delta(&self, repr: &mut $int, r: &mut impl Source) -> Result<(), WireError> {
                *repr = $int::try_from(Self::DELTA.read(*repr as u64, r)?).map_err(|_| WireError::Invalid)?;
                Ok(())
            }

            along_lines!($int: one, |codec| N, |_repr| Ok(()));
        }
    )*};
}

macro_rules! signed {
    ($($int:ident)*) => {$(
        impl<const N: u32> Codec<$int> for Bits<N> {
            type Repr = $int;
            const LARGEST_BITS: usize = N as usize;

            fn shape(&self) -> Shape {
                Shape::leaf(format!("bits({N}, signed)"))
            }

            #[inline]
            fn to_repr(&self, value: &$int) -> $int {
                const { assert!(N >= 1 && N <= $int::BITS, "more bits than the integer has, or none") };
                (*value).clamp($int::MIN >> ($int::BITS - N), $int::MAX >> ($int::BITS - N))
            }

            #[inline]
            fn from_repr(&self, repr: &$int) -> $int {
                *repr
            }

            #[inline]
            fn encode(&self, repr: &$int, w: &mut impl Sink) {
                w.bits(pattern::<N>(*repr as i64), N);
            }

            #[inline]
            fn decode(&self, r: &mut impl Source) -> Result<$int, WireError> {
                $int::try_from(signed(r.bits(N)?, N)).map_err(|_| WireError::Invalid)
            }

            #[inline]
            fn encode_delta(&self, repr: &$int, base: &$int, w: &mut impl Sink) {
                Self::DELTA.write(pattern::<N>(*repr as i64), pattern::<N>(*base as i64), w);
            }

            #[inline]
            fn decode_delta(&self, repr: &mut $int, r: &mut impl Source) -> Result<(), WireError> {
                let bits = Self::DELTA.read(pattern::<N>(*repr as i64), r)?;
                *repr = $int::try_from(signed(bits, N)).map_err(|_| WireError::Invalid)?;
                Ok(())
            }

            along_lines!($int: one, |codec| N, |_repr| Ok(()));
        }
    )*};
}

unsigned!(u8 u16 u32 u64 usize);
signed!(i8 i16 i32 i64 isize);

impl<const N: u32> Predictable<u8> for Bits<N> {}
impl<const N: u32> Predictable<u16> for Bits<N> {}
impl<const N: u32> Predictable<u32> for Bits<N> {}
impl<const N: u32> Predictable<i8> for Bits<N> {}
impl<const N: u32> Predictable<i16> for Bits<N> {}
impl<const N: u32> Predictable<i32> for Bits<N> {}

/// Two's complement in `N` bits.
#[inline]
const fn pattern<const N: u32>(value: i64) -> u64 {
    value.cast_unsigned() & low_mask(N)
}
