//! Floats in half the bits.
//!
//! The conversion is a dozen lines of integer arithmetic, checked on every half and between every two, so that no program
//! has to build a crate of number types with its derive macros for it.

use crate::wire::ladder::Ladder;
use crate::wire::lanes::Lanes;
use crate::wire::{Codec, Shape, Sink, Source, WireError};

const SCALAR: Ladder = Ladder::even(16);
const VECTOR: Lanes = Lanes::even(16);

const NAN: u16 = 0x7E00;
const INFINITY: u32 = 0x7C00;
/// 2^-14 and 2^-24.
const LEAST_NORMAL: f32 = 1.0 / 16_384.0;
const LEAST: f32 = 1.0 / 16_777_216.0;
/// The difference of the exponent biases, 127 and 15, at the exponent's place in an `f32`.
const REBIAS: u32 = 112 << 23;

/// An `f32`, or an array or vector of them, as IEEE binary16: 11 significant bits, up to ±65,504.
///
/// Rounds to the nearest, ties to even. From 65,520 on values become infinite, below 2^-25 zero; every NaN becomes `7E00`,
/// and other NaN patterns are [`Invalid`](WireError::Invalid) to a reader. Zeros keep their sign.
///
/// Alone each component costs 16 bits. A changed scalar costs 2 bits and 4, 8, 12 or 16; vectors share one rung: a bit "all
/// differ", else a bit for each, three bits for *k*, then 2 × (*k* + 1) bits for each component that differs.
///
/// ```
/// use gridmate_runtime::wire::{Codec, codec::Half};
///
/// assert_eq!(Half.to_repr(&100.1_f32), 0x5642);
/// assert_eq!(Codec::<f32>::from_repr(&Half, &0x5642), 100.125);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Half;

impl Codec<f32> for Half {
    type Repr = u16;
    const LARGEST_BITS: usize = 16;

    fn shape(&self) -> Shape {
        Shape::leaf("half")
    }

    #[inline]
    fn to_repr(&self, value: &f32) -> u16 {
        narrow(*value)
    }

    #[inline]
    fn from_repr(&self, repr: &u16) -> f32 {
        widen(*repr)
    }

    #[inline]
    fn encode(&self, repr: &u16, w: &mut impl Sink) {
        w.bits((*repr).into(), 16);
    }

    #[inline]
    fn decode(&self, r: &mut impl Source) -> Result<u16, WireError> {
        checked(r.bits(16)?)
    }

    #[inline]
    fn encode_delta(&self, repr: &u16, base: &u16, w: &mut impl Sink) {
        SCALAR.write((*repr).into(), (*base).into(), w);
    }

    #[inline]
    fn decode_delta(&self, repr: &mut u16, r: &mut impl Source) -> Result<(), WireError> {
        *repr = checked(SCALAR.read((*repr).into(), r)?)?;
        Ok(())
    }
}

/// Vectors, by way of the array of their components.
macro_rules! vector {
    ($(($($generic:tt)*) $type:ty, $n:expr, $shape:expr, |$value:ident| $components:expr, |$array:ident| $vector:expr;)*) => {$(
        impl<$($generic)*> Codec<$type> for Half {
            type Repr = [u16; $n];
            const LARGEST_BITS: usize = ($n as usize).saturating_mul(16);

            fn shape(&self) -> Shape {
                $shape
            }

            #[inline]
            fn to_repr(&self, $value: &$type) -> Self::Repr {
                $components.map(narrow)
            }

            #[inline]
            fn from_repr(&self, repr: &Self::Repr) -> $type {
                let $array = repr.map(widen);
                $vector
            }

            #[inline]
            fn encode(&self, repr: &Self::Repr, w: &mut impl Sink) {
                for component in repr {
                    w.bits((*component).into(), 16);
                }
            }

            #[inline]
            fn decode(&self, r: &mut impl Source) -> Result<Self::Repr, WireError> {
                let mut repr = [0; $n];
                for component in &mut repr {
                    *component = checked(r.bits(16)?)?;
                }
                Ok(repr)
            }

            #[inline]
            fn encode_delta(&self, repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
                VECTOR.write(repr, base, w);
            }

            #[inline]
            fn decode_delta(&self, repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
                VECTOR.read(repr, r)?;
                repr.iter().try_for_each(|component| checked((*component).into()).map(drop))
            }
        }
    )*};
}

vector! {
    (const N: usize) [f32; N], N, Shape::named("array", [Shape::leaf("half"), Shape::leaf(N.to_string())]),
        |value| value, |array| array;
}

#[cfg(feature = "glam")]
mod vectors {
    use glam::{Vec2, Vec3, Vec3A, Vec4};

    use super::*;

    vector! {
        () Vec2, 2, Shape::named("vec2", [Shape::leaf("half")]), |value| value.to_array(), |array| Vec2::from_array(array);
        () Vec3, 3, Shape::named("vec3", [Shape::leaf("half")]), |value| value.to_array(), |array| Vec3::from_array(array);
        () Vec3A, 3, Shape::named("vec3", [Shape::leaf("half")]), |value| value.to_array(), |array| Vec3A::from_array(array);
        () Vec4, 4, Shape::named("vec4", [Shape::leaf("half")]), |value| value.to_array(), |array| Vec4::from_array(array);
    }
}

/// The nearest half.
#[inline]
fn narrow(value: f32) -> u16 {
    let magnitude = value.abs();
    let bits = magnitude.to_bits();
    let half = if value.is_nan() {
        return NAN;
    } else if magnitude >= 65_520.0 {
        INFINITY
    } else if magnitude >= LEAST_NORMAL {
        // 13 bits go: adding just less than half of them, or half if what stays is odd, carries exactly when it should.
        ((bits + 0x0FFF + (bits >> 13 & 1)) >> 13) - (REBIAS >> 13)
    } else {
        // The sum has the spacing of subnormal halves, and the addition rounds to it.
        (magnitude + 0.5).to_bits() - 0.5_f32.to_bits()
    };
    #[expect(clippy::cast_possible_truncation, reason = "at most 7C00")]
    let half = half as u16;
    half | u16::from(value.is_sign_negative()) << 15
}

/// The float that a half is.
#[inline]
fn widen(half: u16) -> f32 {
    let magnitude = u32::from(half & 0x7FFF);
    let value = if magnitude >= INFINITY {
        f32::from_bits((magnitude << 13) | 0x7F80_0000)
    } else if magnitude >= 0x0400 {
        f32::from_bits((magnitude << 13) + REBIAS)
    } else {
        f32::from(half & 0x7FFF) * LEAST
    };
    if half >> 15 == 1 { -value } else { value }
}

#[inline]
fn checked(bits: u64) -> Result<u16, WireError> {
    match u16::try_from(bits) {
        Ok(half) if half == NAN || u32::from(half & 0x7FFF) <= INFINITY => Ok(half),
        _ => Err(WireError::Invalid),
    }
}
