//! Integers between two ends.

use super::Predictable;
use super::predict::along_lines;
use crate::wire::ladder::Ladder;
use crate::wire::{Codec, Shape, Sink, Source, WireError};

/// An integer from `LOW` to `HIGH`, both included, in the fewest bits that hold `HIGH` - `LOW`.
///
/// What is outside becomes the nearest end. Alone it costs that width *w*: 7 bits for 0 to 100, 3 for -2 to 5. A change costs
/// two bits and ⌊*w* / 4⌋, ⌊*w* / 2⌋ or ⌊3 *w* / 4⌋ for the distance, or two and *w* for the value; up to 3 bits are written
/// again. Ends that the integer cannot have, or in the wrong order, are a compile error.
///
/// ```
/// use gridmate_runtime::wire::{Codec, codec::Range};
///
/// type Percent = Range<0, 100>;
/// assert_eq!(Percent::WIDTH, 7);
/// let percent: Percent = Range;
/// let back: u8 = percent.from_repr(&percent.to_repr(&250_u8));
/// assert_eq!(back, 100);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range<const LOW: i64, const HIGH: i64>;

impl<const LOW: i64, const HIGH: i64> Range<LOW, HIGH> {
    const SPAN: u64 = {
        assert!(LOW <= HIGH, "Range: the low end is above the high one");
        HIGH.wrapping_sub(LOW).cast_unsigned()
    };

    /// Bits of one value alone, 0..=64.
    pub const WIDTH: u32 = 64 - Self::SPAN.leading_zeros();

    const DELTA: Ladder = Ladder::even(Self::WIDTH);

    #[inline]
    const fn checked(steps: u64) -> Result<u64, WireError> {
        if steps <= Self::SPAN { Ok(steps) } else { Err(WireError::Invalid) }
    }
}

macro_rules! integer {
    ($($int:ident)*) => {$(
        impl<const LOW: i64, const HIGH: i64> Codec<$int> for Range<LOW, HIGH> {
            /// Steps from `LOW`.
            type Repr = u64;
            const LARGEST_BITS: usize = Self::WIDTH as usize;

            fn shape(&self) -> Shape {
                Shape::leaf(format!("range({LOW}..={HIGH})"))
            }

            #[inline]
            fn to_repr(&self, value: &$int) -> u64 {
                const {
                    let (low, high) = ($int::MIN as i128, $int::MAX as i128);
                    assert!(low <= LOW as i128 && HIGH as i128 <= high, "Range: the integer does not reach that far");
                }
                // Only what is above every `i64` does not fit one.
                let value = i64::try_from(*value).unwrap_or(i64::MAX).clamp(LOW, HIGH);
                value.wrapping_sub(LOW).cast_unsigned()
            }

            #[inline]
            fn from_repr(&self, repr: &u64) -> $int {
                let value = LOW.wrapping_add_unsigned((*repr).min(Self::SPAN));
                $int::try_from(value).expect("the ends are values of the type, and this lies between")
            }

            #[inline]
            fn encode(&self, repr: &u64, w: &mut impl Sink) {
                w.bits(*repr, Self::WIDTH);
            }

            #[inline]
            fn decode(&self, r: &mut impl Source) -> Result<u64, WireError> {
                Self::checked(r.bits(Self::WIDTH)?)
            }

            #[inline]
            fn encode_delta(&self, repr: &u64, base: &u64, w: &mut impl Sink) {
                Self::DELTA.write(*repr, *base, w);
            }

            #[inline]
            fn decode_delta(&self, repr: &mut u64, r: &mut impl Source) -> Result<(), WireError> {
                *repr = Self::checked(Self::DELTA.read(*repr, r)?)?;
                Ok(())
            }

            along_lines!($int: one, |codec| Self::WIDTH, |repr| Self::checked(*repr).map(drop));
        }
    )*};
}

integer!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

impl<const LOW: i64, const HIGH: i64> Predictable<u8> for Range<LOW, HIGH> {}
impl<const LOW: i64, const HIGH: i64> Predictable<u16> for Range<LOW, HIGH> {}
impl<const LOW: i64, const HIGH: i64> Predictable<u32> for Range<LOW, HIGH> {}
impl<const LOW: i64, const HIGH: i64> Predictable<i8> for Range<LOW, HIGH> {}
impl<const LOW: i64, const HIGH: i64> Predictable<i16> for Range<LOW, HIGH> {}
impl<const LOW: i64, const HIGH: i64> Predictable<i32> for Range<LOW, HIGH> {}
