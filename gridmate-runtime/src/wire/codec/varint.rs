//! Integers of no known size that are usually small.

use crate::wire::ladder::{low_mask, signed, unzigzag, zigzag};
use crate::wire::{Codec, Shape, Sink, Source, WireError};

/// An integer in groups of seven bits, each followed by a bit "more": 8 bits below 128, 16 below 16,384, and so on.
///
/// Signed integers are folded first (0, -1, 1, -2, 2, … are 0, 1, 2, 3, 4, …), so 8 bits reach -64 to 63. A change is the
/// difference modulo 2^width, folded, in such groups: 8 bits for a step of at most 63. 64 bits take 80 at worst. What does
/// not fit the type is [`Invalid`](WireError::Invalid), as is a form longer than needed.
///
/// ```
/// use gridmate_runtime::wire::{BitWriter, Codec, codec::Varint};
///
/// let mut w = BitWriter::new();
/// Varint.marshal(&300_u64, &mut w);
/// assert_eq!(w.finish(), [0xAC, 0x02]);
/// w.clear();
/// Varint.marshal(&-3_i32, &mut w);
/// assert_eq!(w.finish(), [5]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Varint;

macro_rules! integer {
    ($($int:ident: $width:literal, $shape:literal, |$value:ident| $to:expr, |$bits:ident| $from:expr;)*) => {$(
        impl Codec<$int> for Varint {
            type Repr = $int;
            const LARGEST_BITS: usize = $width;

            fn shape(&self) -> Shape {
                Shape::leaf($shape)
            }

            #[inline]
            fn to_repr(&self, value: &$int) -> $int {
                *value
            }

            #[inline]
            fn from_repr(&self, repr: &$int) -> $int {
                *repr
            }

            #[inline]
            fn encode(&self, repr: &$int, w: &mut impl Sink) {
                let $value = *repr;
                w.varint($to);
            }

            #[inline]
            fn decode(&self, r: &mut impl Source) -> Result<$int, WireError> {
                let $bits = r.varint()?;
                $int::try_from($from).map_err(|_| WireError::Invalid)
            }

            #[inline]
            fn encode_delta(&self, repr: &$int, base: &$int, w: &mut impl Sink) {
                let difference = (*repr as u64).wrapping_sub(*base as u64);
                w.varint(zigzag(signed(difference, $width)));
            }

            #[inline]
            fn decode_delta(&self, repr: &mut $int, r: &mut impl Source) -> Result<(), WireError> {
                let folded = r.varint()?;
                if folded > low_mask($width) {
                    return Err(WireError::Invalid);
                }
                let $bits = (*repr as u64).wrapping_add(unzigzag(folded)) & low_mask($width);
                *repr = integer!(@back $int $width $bits);
                Ok(())
            }
        }
    )*};
    (@back $int:ident $width:literal $bits:ident) => {
        // Signed or not, the low bits are the value.
        if $int::MIN == 0 {
            $int::try_from($bits).map_err(|_| WireError::Invalid)?
        } else {
            $int::try_from(signed($bits, $width)).map_err(|_| WireError::Invalid)?
        }
    };
}

integer! {
    u16: 16, "varint(16)", |value| value.into(), |bits| bits;
    u32: 32, "varint(32)", |value| value.into(), |bits| bits;
    u64: 64, "varint(64)", |value| value, |bits| bits;
    usize: 64, "varint(64)", |value| value as u64, |bits| bits;
    i16: 16, "varint(16, signed)", |value| zigzag(value.into()), |bits| unzigzag(bits).cast_signed();
    i32: 32, "varint(32, signed)", |value| zigzag(value.into()), |bits| unzigzag(bits).cast_signed();
    i64: 64, "varint(64, signed)", |value| zigzag(value), |bits| unzigzag(bits).cast_signed();
    isize: 64, "varint(64, signed)", |value| zigzag(value as i64), |bits| unzigzag(bits).cast_signed();
}
