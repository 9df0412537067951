//! Types that games bring along and no library of ours has: names as numbers, and with `glam` the usual shapes.
//!
//! Each is ordinary data with `Marshal`, made of types that travel already. Fewer bits are a matter of the field: a struct of the
//! program's own, with codecs on its fields.

#[cfg(feature = "glam")]
mod aabb;
#[cfg(feature = "glam")]
mod color;
mod crc32;
#[cfg(feature = "glam")]
mod transform;

#[cfg(feature = "glam")]
pub use aabb::Aabb;
#[cfg(feature = "glam")]
pub use color::Color;
pub use crc32::Crc32;
#[cfg(feature = "glam")]
pub use transform::Transform;

/// `Marshal` for a type that travels as another does: how to get there and back. The name tells their schemas apart.
#[cfg(feature = "glam")]
macro_rules! travels_as {
    ($type:ident as $wire:ty, $name:literal, |$value:ident| $to:expr, |$parts:pat_param| $from:expr) => {
        impl $crate::wire::Marshal for $type {
            type Repr = <$wire as $crate::wire::Marshal>::Repr;

            fn shape() -> $crate::wire::Shape {
                $crate::wire::Shape::named($name, [<$wire>::shape()])
            }

            #[inline]
            fn to_repr(&self) -> Self::Repr {
                let $value = self;
                <$wire>::to_repr(&$to)
            }

            #[inline]
            fn from_repr(repr: &Self::Repr) -> Self {
                let $parts = <$wire>::from_repr(repr);
                $from
            }

            #[inline]
            fn encode(repr: &Self::Repr, w: &mut impl $crate::wire::Sink) {
                <$wire>::encode(repr, w);
            }

            #[inline]
            fn decode(r: &mut impl $crate::wire::Source) -> Result<Self::Repr, $crate::wire::WireError> {
                <$wire>::decode(r)
            }

            #[inline]
            fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl $crate::wire::Sink) {
                <$wire>::encode_delta(repr, base, w);
            }

            #[inline]
            fn decode_delta(
                repr: &mut Self::Repr,
                r: &mut impl $crate::wire::Source,
            ) -> Result<(), $crate::wire::WireError> {
                <$wire>::decode_delta(repr, r)
            }
        }
    };
}
#[cfg(feature = "glam")]
use travels_as;
