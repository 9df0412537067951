//! Directions.

use glam::{Vec3, Vec3A};

use crate::wire::ladder::low_mask;
use crate::wire::lanes::Lanes;
use crate::wire::{Codec, Shape, Sink, Source, WireError};

/// A direction as a point of an octahedron folded open into a square, of which each side has `BITS` bits, 2 to 16.
///
/// The length does not travel: what comes back has length 1. The angle to what was sent is at most 3 / (√2 × *M*) radians
/// with *M* = 2^(`BITS` - 1) - 1, plus the rounding of floats: 0.96° for 8 bits, 0.24° for 10, 0.06° for 12, 0.004° for 16.
/// The six axes are exact. Zero, and vectors that are not finite, travel as +z.
///
/// Alone it costs 2 × `BITS`. A change costs a bit "both differ", else a bit for each, three bits for *k*, then
/// ⌊`BITS` × (*k* + 1) / 8⌋ for each that differs.
///
/// ```
/// use glam::Vec3;
/// use gridmate_runtime::wire::{Codec, codec::UnitVec};
///
/// let codec = UnitVec::<10>;
/// let back: Vec3 = codec.from_repr(&codec.to_repr(&Vec3::new(0.0, -5.0, 0.0)));
/// assert_eq!(back, Vec3::NEG_Y);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnitVec<const BITS: u32>;

impl<const BITS: u32> UnitVec<BITS> {
    const MAX: i32 = {
        assert!(BITS >= 2 && BITS <= 16, "UnitVec: 2 to 16 bits");
        (1 << (BITS - 1)) - 1
    };
    const DELTA: Lanes = Lanes::even(BITS);

    /// The two numbers, from -`MAX` to `MAX`.
    fn codes(vector: [f32; 3]) -> [i32; 2] {
        let [x, y, z] = vector.map(f64::from);
        let norm = x.abs() + y.abs() + z.abs();
        if norm == 0.0 || !norm.is_finite() {
            return [0, 0];
        }
        let (mut u, mut v) = (x / norm, y / norm);
        if z < 0.0 {
            (u, v) = ((1.0 - v.abs()) * sign(u), (1.0 - u.abs()) * sign(v));
        }
        #[expect(clippy::cast_possible_truncation, reason = "within ±MAX")]
        let [u, v] = [u, v].map(|part| (part * f64::from(Self::MAX)).round() as i32);
        Self::one_of_two([u, v])
    }

    /// The rim of the square is folded onto itself; of two points that are one direction, the one with more plus signs.
    const fn one_of_two([mut u, mut v]: [i32; 2]) -> [i32; 2] {
        if u.abs() == Self::MAX {
            v = v.abs();
        }
        if v.abs() == Self::MAX {
            u = u.abs();
        }
        [u, v]
    }

    fn vector([u, v]: [i32; 2]) -> [f32; 3] {
        let z = Self::MAX - u.abs() - v.abs();
        let (x, y) = if z < 0 {
            ((Self::MAX - v.abs()) * if u < 0 { -1 } else { 1 }, (Self::MAX - u.abs()) * if v < 0 { -1 } else { 1 })
        } else {
            (u, v)
        };
        let components = [x, y, z].map(f64::from);
        let length = components.iter().map(|part| part * part).sum::<f64>().sqrt();
        #[expect(clippy::cast_possible_truncation, reason = "rounds to the nearest float")]
        components.map(|part| (part / length) as f32)
    }

    #[inline]
    fn signed(repr: [u16; 2]) -> [i32; 2] {
        repr.map(|part| i32::from(part) - Self::MAX)
    }

    #[inline]
    fn repr(codes: [i32; 2]) -> [u16; 2] {
        codes.map(|code| u16::try_from(code + Self::MAX).expect("codes are from -MAX to MAX, which has 15 bits"))
    }

    #[inline]
    fn checked(repr: [u16; 2]) -> Result<[u16; 2], WireError> {
        let codes = Self::signed(repr);
        let ok = codes.iter().all(|code| *code <= Self::MAX) && Self::one_of_two(codes) == codes;
        if ok { Ok(repr) } else { Err(WireError::Invalid) }
    }
}

macro_rules! vector {
    ($($type:ident)*) => {$(
        impl<const BITS: u32> Codec<$type> for UnitVec<BITS> {
            type Repr = [u16; 2];
            const LARGEST_BITS: usize = 2 * BITS as usize;

            fn shape(&self) -> Shape {
                Shape::leaf(format!("unit_vec({BITS})"))
            }

            fn to_repr(&self, value: &$type) -> [u16; 2] {
                Self::repr(Self::codes(value.to_array()))
            }

            fn from_repr(&self, repr: &[u16; 2]) -> $type {
                Self::vector(Self::signed(*repr)).into()
            }

            #[inline]
            fn encode(&self, repr: &[u16; 2], w: &mut impl Sink) {
                let [u, v] = repr.map(u64::from);
                w.bits(u | v << BITS, 2 * BITS);
            }

            #[inline]
            fn decode(&self, r: &mut impl Source) -> Result<[u16; 2], WireError> {
                let bits = r.bits(2 * BITS)?;
                #[expect(clippy::cast_possible_truncation, reason = "masked to at most 16 bits")]
                Self::checked([(bits & low_mask(BITS)) as u16, (bits >> BITS) as u16])
            }

            #[inline]
            fn encode_delta(&self, repr: &[u16; 2], base: &[u16; 2], w: &mut impl Sink) {
                Self::DELTA.write(repr, base, w);
            }

            #[inline]
            fn decode_delta(&self, repr: &mut [u16; 2], r: &mut impl Source) -> Result<(), WireError> {
                Self::DELTA.read(repr, r)?;
                *repr = Self::checked(*repr)?;
                Ok(())
            }
        }
    )*};
}

vector!(Vec3 Vec3A);

/// -1 below zero, else 1: zero has no third sign here, and neither has its minus.
#[inline]
const fn sign(value: f64) -> f64 {
    if value < 0.0 { -1.0 } else { 1.0 }
}
