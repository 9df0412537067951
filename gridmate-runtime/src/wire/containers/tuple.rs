//! Tuples of up to twelve.

use super::{read_change, write_change};
use crate::wire::{Marshal, Shape, Sink, Source, WireError};

macro_rules! tuple {
    ($($type:ident $index:tt),+) => {
        impl<$($type: Marshal),+> Marshal for ($($type,)+) {
            type Repr = ($($type::Repr,)+);
            const LARGEST_BITS: usize = 0_usize$(.saturating_add($type::LARGEST_BITS))+;

            fn shape() -> Shape {
                Shape::named("tuple", [$($type::shape()),+])
            }

            #[inline]
            fn to_repr(&self) -> Self::Repr {
                ($(self.$index.to_repr(),)+)
            }

            #[inline]
            fn capture(&self, into: &mut Self::Repr) {
                $(self.$index.capture(&mut into.$index);)+
            }

            #[inline]
            fn from_repr(repr: &Self::Repr) -> Self {
                ($($type::from_repr(&repr.$index),)+)
            }

            #[inline]
            fn assign(&mut self, repr: &Self::Repr) {
                $(self.$index.assign(&repr.$index);)+
            }

            #[inline]
            fn encode(repr: &Self::Repr, w: &mut impl Sink) {
                $($type::encode(&repr.$index, w);)+
            }

            #[inline]
            fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
                Ok(($($type::decode(r)?,)+))
            }

            #[inline]
            fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
                $(write_change::<$type>(&repr.$index, &base.$index, w);)+
            }

            #[inline]
            fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
                $(read_change::<$type>(&mut repr.$index, r)?;)+
                Ok(())
            }

            #[inline]
            fn marshal(&self, w: &mut impl Sink) {
                $(self.$index.marshal(w);)+
            }

            #[inline]
            fn unmarshal(r: &mut impl Source) -> Result<Self, WireError> {
                Ok(($($type::unmarshal(r)?,)+))
            }
        }
    };
}

tuple!(A 0);
tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7, I 8, J 9, K 10, L 11);
