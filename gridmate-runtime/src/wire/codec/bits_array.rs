//! Several narrow integers that change together.

use super::predict::along_lines;
use super::{Bits, Predictable};
use crate::wire::lanes::Lanes;
use crate::wire::{Codec, Shape, Sink, Source, WireError};

macro_rules! arrays {
    ($($int:ident)*) => {$(
        /// Each in `N` bits, changed as one: a bit when all differ, else one for each; three bits for the rung; then, for each
        /// that differs, ⌊N × k / 8⌋ bits for its distance (k = 1 to 7), or N for its value.
        impl<const N: u32, const K: usize> Codec<[$int; K]> for Bits<N> {
            type Repr = [$int; K];
            const LARGEST_BITS: usize = K.saturating_mul(N as usize);

            fn shape(&self) -> Shape {
                Shape::named("array", [Codec::<$int>::shape(self), Shape::leaf(K.to_string())])
            }

            #[inline]
            fn to_repr(&self, value: &[$int; K]) -> [$int; K] {
                value.each_ref().map(|int| Codec::<$int>::to_repr(self, int))
            }

            #[inline]
            fn from_repr(&self, repr: &[$int; K]) -> [$int; K] {
                *repr
            }

            #[inline]
            fn encode(&self, repr: &[$int; K], w: &mut impl Sink) {
                repr.iter().for_each(|int| w.bits(u64::from(*int), N));
            }

            #[inline]
            fn decode(&self, r: &mut impl Source) -> Result<[$int; K], WireError> {
                let mut repr = [0; K];
                for int in &mut repr {
                    *int = Codec::<$int>::decode(self, r)?;
                }
                Ok(repr)
            }

            #[inline]
            fn encode_delta(&self, repr: &[$int; K], base: &[$int; K], w: &mut impl Sink) {
                const { Lanes::even(N) }.write(repr, base, w);
            }

            #[inline]
            fn decode_delta(&self, repr: &mut [$int; K], r: &mut impl Source) -> Result<(), WireError> {
                const { Lanes::even(N) }.read(repr, r)
            }

            along_lines!([$int; K]: more, |codec| N, |_repr| Ok(()));
        }

        impl<const N: u32, const K: usize> Predictable<[$int; K]> for Bits<N> {}
    )*};
}

arrays!(u8 u16 u32);
