//! Floats in a known range, as integers.
//!
//! A range is cut into equal steps; a value travels as the number of the nearest one. What is out of range becomes the
//! nearest end, NaN the low end. Both ends are exact.
//!
//! Alone, a value costs [`Quantize::width`] bits. A scalar that changes costs two bits that name a rung and the distance in
//! ⌊width / 4⌋, ⌊width / 2⌋ or ⌊3 × width / 4⌋ bits, where a distance of *n* bits reaches ±2^(n-1) steps; or `11` and the
//! value. Widths up to 3 are written again. The components of vectors and arrays share one rung: a bit "all differ", else a
//! bit for each, three bits for *k*, then each component that differs in ⌊width × (k + 1) / 8⌋ bits, for *k* = 7 the
//! values themselves.

use super::Predictable;
use super::predict::along_lines;
use crate::wire::arrays::map;
use crate::wire::ladder::Ladder;
use crate::wire::lanes::Lanes;
use crate::wire::{Codec, Shape, Sink, Source, WireError};

/// The nearest of evenly spaced values in a range: for `f32`, `f64`, arrays and vectors of them.
///
/// ```
/// use gridmate_runtime::wire::{Codec, codec::Quantize};
///
/// const METRES: Quantize = Quantize::step(-256.0, 256.0, 0.002);
/// assert_eq!(METRES.width(), 18);
/// let repr = METRES.to_repr(&1.2345_f32);
/// assert_eq!((repr, Codec::<f32>::from_repr(&METRES, &repr)), (128_617, 1.234));
/// ```
///
/// The parameters are checked when the codec is built, and a field's codec is built by the compiler:
///
/// ```compile_fail
/// # use gridmate_runtime::wire::codec::Quantize;
/// const EMPTY: Quantize = Quantize::step(1.0, -1.0, 0.5); // the range is empty: low must be below high
/// ```
///
/// A step finer than the spacing of `f32` in the range gives one `f32` several reprs. The writer always picks the same one
/// of them, but bits are wasted: a float resolves about its magnitude × 2^-23.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantize {
    low: f64,
    high: f64,
    step: f64,
    inverse: f64,
    /// From here on the last repr is nearest.
    last: f64,
    max: u32,
    width: u32,
    by_step: bool,
    /// As an `f32`, the high end is as many steps from the low one as any other value, and needs no care of its own.
    even: bool,
    /// Neighbouring reprs may be the same `f32`.
    fine: bool,
    scalar: Ladder,
    vector: Lanes,
}

/// 2^52: added to less, it leaves no bits for a fraction, and the integer at the end of the pattern.
const ROUND: f64 = (1_u64 << 52) as f64;

impl Quantize {
    /// Values from `low` on, `step` apart, in the fewest bits that hold their count; the last is `high`, even where that
    /// makes the last step shorter.
    ///
    /// The number of steps is (`high` - `low`) / `step` rounded up, or to the nearest integer if that is within a part in
    /// 10^12. The error is at most half a step, plus the rounding of the float.
    ///
    /// # Panics
    /// Unless `low` < `high` and `step` > 0, all finite, with at most 2^32 - 1 steps that `f64` can tell apart. In a `const`
    /// that is a compile error.
    pub const fn step(low: f64, high: f64, step: f64) -> Self {
        assert!(low.is_finite() && high.is_finite(), "quantize: both ends of the range must be finite");
        assert!(low < high, "quantize: the range is empty: low must be below high");
        assert!(step > 0.0 && step.is_finite(), "quantize: the step must be above zero and finite");
        let exact = (high - low) / step;
        assert!(exact <= u32::MAX as f64, "quantize: the range has more steps than 32 bits can number");
        let nearest = exact.round();
        let steps = if nearest > 0.0 && (exact - nearest).abs() <= exact * 1e-12 { nearest } else { exact.ceil() };
        #[expect(clippy::cast_possible_truncation, reason = "checked above; the cast saturates")]
        let max = steps as u32;
        Self::new(low, high, step, max, true)
    }

    /// `2^bits` values, the first `low` and the last `high`. The step is (`high` - `low`) / (`2^bits` - 1), and the middle of
    /// the range is *not* among the values: where zero must be exact, use [`step`](Self::step).
    ///
    /// # Panics
    /// Unless `low` < `high`, both finite, `bits` is 1..=32 and `f64` can tell the steps apart. In a `const` that is a compile
    /// error.
    pub const fn bits(low: f64, high: f64, bits: u32) -> Self {
        assert!(low.is_finite() && high.is_finite(), "quantize: both ends of the range must be finite");
        assert!(low < high, "quantize: the range is empty: low must be below high");
        assert!(bits >= 1 && bits <= 32, "quantize: 1 to 32 bits");
        let max = u32::MAX >> (32 - bits);
        Self::new(low, high, (high - low) / max as f64, max, false)
    }

    #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest float, which is what is asked")]
    const fn new(low: f64, high: f64, step: f64, max: u32, by_step: bool) -> Self {
        let magnitude = low.abs().max(high.abs());
        assert!(step.is_finite() && step >= magnitude * 1e-15, "quantize: the step is too fine for the range");
        let below = low + (max - 1) as f64 * step;
        let gap = (high - below).min(step);
        assert!(gap > 0.0, "quantize: the step is too fine for the range");
        let width = 32 - max.leading_zeros();
        Self {
            low,
            high,
            step,
            inverse: 1.0 / step,
            last: below + (high - below) * 0.5,
            max,
            width,
            by_step,
            even: (low + max as f64 * step) as f32 == high as f32,
            fine: gap < magnitude * (2.0 / (1_u32 << 23) as f64),
            scalar: Ladder::even(width),
            vector: Lanes::even(width),
        }
    }

    /// Bits of one value alone, 1..=32.
    pub const fn width(&self) -> u32 {
        self.width
    }

    /// The distance between neighbouring values.
    pub const fn resolution(&self) -> f64 {
        self.step
    }

    #[inline(always)]
    fn nearest(&self, value: f64) -> u32 {
        if self.by_step && value >= self.last {
            return self.max;
        }
        let most = f64::from(if self.by_step { self.max - 1 } else { self.max });
        // NaN becomes zero.
        let steps = ((value - self.low) * self.inverse).max(0.0).min(most);
        #[expect(clippy::cast_possible_truncation, reason = "the low half of the fraction is the integer")]
        {
            (steps + ROUND).to_bits() as u32
        }
    }

    #[inline(always)]
    fn value(&self, repr: u32) -> f64 {
        if repr >= self.max { self.high } else { self.low + f64::from(repr) * self.step }
    }

    #[inline(always)]
    fn quantize_f64(&self, value: f64) -> u32 {
        self.nearest(value)
    }

    #[inline(always)]
    fn quantize_f32(&self, value: f32) -> u32 {
        let repr = self.nearest(value.into());
        if self.fine { self.nearest(self.dequantize_f32(repr).into()) } else { repr }
    }

    #[inline(always)]
    fn dequantize_f64(&self, repr: u32) -> f64 {
        self.value(repr)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest float")]
    fn dequantize_f32(&self, repr: u32) -> f32 {
        (if self.even { self.low + f64::from(repr) * self.step } else { self.value(repr) }) as f32
    }

    fn leaf(&self) -> Shape {
        let Self { low, high, step, width, .. } = self;
        Shape::leaf(if self.by_step {
            format!("quantize({low}..={high}, step {step})")
        } else {
            format!("quantize({low}..={high}, {width} bits)")
        })
    }

    #[inline(always)]
    fn checked(&self, repr: u32) -> Result<u32, WireError> {
        if repr <= self.max { Ok(repr) } else { Err(WireError::Invalid) }
    }

    #[inline(always)]
    fn read(&self, r: &mut impl Source) -> Result<u32, WireError> {
        self.narrow(r.bits(self.width)?)
    }

    #[inline(always)]
    fn narrow(&self, bits: u64) -> Result<u32, WireError> {
        self.checked(u32::try_from(bits).map_err(|_| WireError::Invalid)?)
    }
}

macro_rules! scalar {
    ($($float:ident $to:ident $from:ident;)*) => {$(
        impl Codec<$float> for Quantize {
            type Repr = u32;
            /// A bit for each number; see [`Quantize::width`] for how many there are.
            const LARGEST_BITS: usize = 1;

            fn shape(&self) -> Shape {
                self.leaf()
            }

            #[inline(always)]
            fn to_repr(&self, value: &$float) -> u32 {
                self.$to(*value)
            }

            #[inline(always)]
            fn from_repr(&self, repr: &u32) -> $float {
                self.$from(*repr)
            }

            #[inline(always)]
            fn encode(&self, repr: &u32, w: &mut impl Sink) {
                w.bits((*repr).into(), self.width);
            }

            #[inline(always)]
            fn decode(&self, r: &mut impl Source) -> Result<u32, WireError> {
                self.read(r)
            }

            #[inline(always)]
            fn encode_delta(&self, repr: &u32, base: &u32, w: &mut impl Sink) {
                self.scalar.write((*repr).into(), (*base).into(), w);
            }

            #[inline(always)]
            fn decode_delta(&self, repr: &mut u32, r: &mut impl Source) -> Result<(), WireError> {
                *repr = self.narrow(self.scalar.read((*repr).into(), r)?)?;
                Ok(())
            }

            along_lines!($float: one, |codec| codec.width, |repr| codec.checked(*repr).map(drop));
        }

        impl Predictable<$float> for Quantize {}
    )*};
}

scalar! {
    f32 quantize_f32 dequantize_f32;
    f64 quantize_f64 dequantize_f64;
}

/// Vectors, by way of the array of their components.
macro_rules! vector {
    ($(($($generic:tt)*) $type:ty, $n:expr, $shape:expr, $to:ident, $from:ident,
       |$value:ident| $components:expr, |$array:ident| $vector:expr;)*) => {$(
        impl<$($generic)*> Codec<$type> for Quantize {
            type Repr = [u32; $n];
            /// A bit for each number; see [`Quantize::width`] for how many there are.
            const LARGEST_BITS: usize = $n;

            fn shape(&self) -> Shape {
                let of: fn(Shape) -> Shape = $shape;
                of(self.leaf())
            }

            #[inline(always)]
            fn to_repr(&self, $value: &$type) -> Self::Repr {
                map(&$components, |component| self.$to(component))
            }

            #[inline(always)]
            fn from_repr(&self, repr: &Self::Repr) -> $type {
                let $array = map(repr, |component| self.$from(component));
                $vector
            }

            #[inline(always)]
            fn encode(&self, repr: &Self::Repr, w: &mut impl Sink) {
                for component in repr {
                    w.bits((*component).into(), self.width);
                }
            }

            #[inline(always)]
            fn decode(&self, r: &mut impl Source) -> Result<Self::Repr, WireError> {
                let mut repr = [0; $n];
                for component in &mut repr {
                    *component = self.read(r)?;
                }
                Ok(repr)
            }

            #[inline(always)]
            fn encode_delta(&self, repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
                self.vector.write(repr, base, w);
            }

            #[inline(always)]
            fn decode_delta(&self, repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
                self.vector.read(repr, r)?;
                repr.iter().try_for_each(|component| self.checked(*component).map(drop))
            }

            along_lines!($type: more, |codec| codec.width, |repr| {
                repr.iter().try_for_each(|component| codec.checked(*component).map(drop))
            });
        }

        impl<$($generic)*> Predictable<$type> for Quantize {}
    )*};
}

vector! {
    (const N: usize) [f32; N], N, |leaf| Shape::named("array", [leaf, Shape::leaf(N.to_string())]),
        quantize_f32, dequantize_f32, |value| value, |array| array;
    (const N: usize) [f64; N], N, |leaf| Shape::named("array", [leaf, Shape::leaf(N.to_string())]),
        quantize_f64, dequantize_f64, |value| value, |array| array;
}

#[cfg(feature = "glam")]
mod vectors {
    use glam::{DVec2, DVec3, DVec4, Vec2, Vec3, Vec3A, Vec4};

    use super::*;

    vector! {
        () Vec2, 2, |leaf| Shape::named("vec2", [leaf]), quantize_f32, dequantize_f32,
            |value| value.to_array(), |array| Vec2::from_array(array);
        () Vec3, 3, |leaf| Shape::named("vec3", [leaf]), quantize_f32, dequantize_f32,
            |value| value.to_array(), |array| Vec3::from_array(array);
        () Vec3A, 3, |leaf| Shape::named("vec3", [leaf]), quantize_f32, dequantize_f32,
            |value| value.to_array(), |array| Vec3A::from_array(array);
        () Vec4, 4, |leaf| Shape::named("vec4", [leaf]), quantize_f32, dequantize_f32,
            |value| value.to_array(), |array| Vec4::from_array(array);
        () DVec2, 2, |leaf| Shape::named("vec2", [leaf]), quantize_f64, dequantize_f64,
            |value| value.to_array(), |array| DVec2::from_array(array);
        () DVec3, 3, |leaf| Shape::named("vec3", [leaf]), quantize_f64, dequantize_f64,
            |value| value.to_array(), |array| DVec3::from_array(array);
        () DVec4, 4, |leaf| Shape::named("vec4", [leaf]), quantize_f64, dequantize_f64,
            |value| value.to_array(), |array| DVec4::from_array(array);
    }
}
