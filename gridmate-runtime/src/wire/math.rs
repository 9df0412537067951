//! glam's vectors, quaternions and matrices.
//!
//! Each is its components in glam's order (matrices by columns): floats as their bit patterns, integers as two's
//! complement, 32 bits each, or 64 for the `D` types. `Vec3A` travels as `Vec3`, `Mat3A` as `Mat3`. A value alone has the
//! bits that an array of its components has; a change has not.
//!
//! Components change together, so one rung serves them all. A first bit is 1 when every component differs from the baseline;
//! else it is 0 and one bit per component says which do. Three bits name the rung. Then each component that differs, in as
//! many bits: its *distance* (the difference modulo 2^width, folded: -1, 1, -2, 2, … are 0, 1, 2, 3, …), on rung 7 its value.
//!
//! | components | 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 |
//! |---|---|---|---|---|---|---|---|---|
//! | `f32` | 12 | 15 | 17 | 19 | 21 | 23 | 25 | 32 |
//! | `f64` | 16 | 24 | 32 | 38 | 42 | 46 | 52 | 64 |
//! | `i32`, `u32` | 2 | 4 | 6 | 9 | 12 | 16 | 22 | 32 |
//!
//! A `Vec3` of which all components move a little costs 4 bits and three times 12 to 21; one component of it 7 and once that.

use glam::{
    Affine2, Affine3A, DAffine2, DAffine3, DMat2, DMat3, DMat4, DQuat, DVec2, DVec3, DVec4, IVec2, IVec3, IVec4, Mat2,
    Mat3, Mat3A, Mat4, Quat, UVec2, UVec3, UVec4, Vec2, Vec3, Vec3A, Vec4,
};

use super::arrays::map;
use super::codec::Native;
use super::codec::Predictable;
use super::codec::predict::marshal_ahead;
use super::lanes::Lanes;
use super::{Marshal, Shape, Sink, Source, WireError};

const F32: Lanes = Lanes::new([12, 15, 17, 19, 21, 23, 25], 32);
const F64: Lanes = Lanes::new([16, 24, 32, 38, 42, 46, 52], 64);
const INT: Lanes = Lanes::new([2, 4, 6, 9, 12, 16, 22], 32);

macro_rules! vector {
    ($($type:ident [$component:ident as $bits:ident; $n:literal] $name:literal $lanes:ident,
       $get:ident $set:ident, $to:expr, $from:expr, { $($ahead:tt)* };)*) => {$(
        impl Marshal for $type {
            type Repr = [$bits; $n];
            const LARGEST_BITS: usize = <[$bits; $n]>::LARGEST_BITS;

            fn shape() -> Shape {
                Shape::named($name, [$component::shape()])
            }

            #[inline(always)]
            fn to_repr(&self) -> Self::Repr {
                map(&self.$get(), $to)
            }

            #[inline(always)]
            fn from_repr(repr: &Self::Repr) -> Self {
                Self::$set(&map(repr, $from))
            }

            #[inline(always)]
            fn encode(repr: &Self::Repr, w: &mut impl Sink) {
                for component in repr {
                    w.bits((*component).into(), $bits::BITS);
                }
            }

            #[inline(always)]
            fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
                let mut repr = [0; $n];
                for component in &mut repr {
                    *component = $bits::decode(r)?;
                }
                Ok(repr)
            }

            #[inline]
            fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
                $lanes.write(repr, base, w);
            }

            #[inline]
            fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
                $lanes.read(repr, r)
            }

            $($ahead)*
        }
    )*};
}

vector! {
    Vec2 [f32 as u32; 2] "vec2" F32, to_array from_slice, f32::to_bits, f32::from_bits, { marshal_ahead!(floats more); };
    Vec3 [f32 as u32; 3] "vec3" F32, to_array from_slice, f32::to_bits, f32::from_bits, { marshal_ahead!(floats more); };
    Vec3A [f32 as u32; 3] "vec3" F32, to_array from_slice, f32::to_bits, f32::from_bits, { marshal_ahead!(floats more); };
    Vec4 [f32 as u32; 4] "vec4" F32, to_array from_slice, f32::to_bits, f32::from_bits, { marshal_ahead!(floats more); };
    Quat [f32 as u32; 4] "quat" F32, to_array from_slice, f32::to_bits, f32::from_bits, { marshal_ahead!(floats more); };
    Mat2 [f32 as u32; 4] "mat2" F32, to_cols_array from_cols_array, f32::to_bits, f32::from_bits, {};
    Mat3 [f32 as u32; 9] "mat3" F32, to_cols_array from_cols_array, f32::to_bits, f32::from_bits, {};
    Mat3A [f32 as u32; 9] "mat3" F32, to_cols_array from_cols_array, f32::to_bits, f32::from_bits, {};
    Mat4 [f32 as u32; 16] "mat4" F32, to_cols_array from_cols_array, f32::to_bits, f32::from_bits, {};
    Affine2 [f32 as u32; 6] "affine2" F32, to_cols_array from_cols_array, f32::to_bits, f32::from_bits, {};
    Affine3A [f32 as u32; 12] "affine3" F32, to_cols_array from_cols_array, f32::to_bits, f32::from_bits, {};
    DVec2 [f64 as u64; 2] "vec2" F64, to_array from_slice, f64::to_bits, f64::from_bits, {};
    DVec3 [f64 as u64; 3] "vec3" F64, to_array from_slice, f64::to_bits, f64::from_bits, {};
    DVec4 [f64 as u64; 4] "vec4" F64, to_array from_slice, f64::to_bits, f64::from_bits, {};
    DQuat [f64 as u64; 4] "quat" F64, to_array from_slice, f64::to_bits, f64::from_bits, {};
    DMat2 [f64 as u64; 4] "mat2" F64, to_cols_array from_cols_array, f64::to_bits, f64::from_bits, {};
    DMat3 [f64 as u64; 9] "mat3" F64, to_cols_array from_cols_array, f64::to_bits, f64::from_bits, {};
    DMat4 [f64 as u64; 16] "mat4" F64, to_cols_array from_cols_array, f64::to_bits, f64::from_bits, {};
    DAffine2 [f64 as u64; 6] "affine2" F64, to_cols_array from_cols_array, f64::to_bits, f64::from_bits, {};
    DAffine3 [f64 as u64; 12] "affine3" F64, to_cols_array from_cols_array, f64::to_bits, f64::from_bits, {};
    IVec2 [i32 as u32; 2] "vec2" INT, to_array from_slice, i32::cast_unsigned, u32::cast_signed, { marshal_ahead!(lines more 32); };
    IVec3 [i32 as u32; 3] "vec3" INT, to_array from_slice, i32::cast_unsigned, u32::cast_signed, { marshal_ahead!(lines more 32); };
    IVec4 [i32 as u32; 4] "vec4" INT, to_array from_slice, i32::cast_unsigned, u32::cast_signed, { marshal_ahead!(lines more 32); };
    UVec2 [u32 as u32; 2] "vec2" INT, to_array from_slice, u32::from, u32::from, { marshal_ahead!(lines more 32); };
    UVec3 [u32 as u32; 3] "vec3" INT, to_array from_slice, u32::from, u32::from, { marshal_ahead!(lines more 32); };
    UVec4 [u32 as u32; 4] "vec4" INT, to_array from_slice, u32::from, u32::from, { marshal_ahead!(lines more 32); };
}

macro_rules! predictable {
    ($($type:ident)*) => {$(
        impl Predictable<$type> for Native {}
    )*};
}

predictable!(Vec2 Vec3 Vec3A Vec4 Quat IVec2 IVec3 IVec4 UVec2 UVec3 UVec4);
