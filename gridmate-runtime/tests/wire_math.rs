//! Vectors, rotations and half floats: their bytes, their costs, their errors.
#![cfg(feature = "glam")]
#![expect(clippy::cast_possible_truncation, reason = "midpoints of halves are floats")]

mod laws;

use glam::{
    Affine2, Affine3A, DAffine2, DAffine3, DMat2, DMat3, DMat4, DQuat, DVec2, DVec3, IVec2, IVec3, Mat2, Mat3, Mat3A,
    Mat4, Quat, UVec3, Vec2, Vec3, Vec3A, Vec4,
};
use gridmate_runtime::wire::codec::{Half, Native, Quantize, SmallestThree};
use gridmate_runtime::wire::{BitReader, Codec, Marshal, PackedRotation, WireError};
use laws::{alone, change_cost, garbage, golden, laws};
use proptest::prelude::*;

const METRES: Quantize = Quantize::step(-256.0, 256.0, 0.002);

#[test]
fn vectors_are_their_components() {
    golden(&Native, &Vec2::new(1.0, -2.0), 64, &[0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0]);
    golden(&Native, &IVec2::new(-1, 2), 64, &[0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0, 0]);
    golden(&Native, &DVec2::new(0.0, 1.0), 128, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F]);
    let (vector, aligned) = (Vec3::new(1.5, 2.5, 3.5), Vec3A::new(1.5, 2.5, 3.5));
    let bits = alone::<Vec3, _>(&Native, &vector.to_repr());
    assert_eq!(bits, alone::<Vec3A, _>(&Native, &aligned.to_repr()));
    assert_eq!(bits, alone::<[f32; 3], _>(&Native, &[1.5_f32, 2.5, 3.5].to_repr()));
    assert_eq!(alone::<Mat4, _>(&Native, &Mat4::IDENTITY.to_repr()).1, 512);
    assert_eq!(Quat::IDENTITY.to_repr(), [0, 0, 0, 0x3F80_0000]);
    golden(
        &Native,
        &Mat2::from_cols_array(&[1.0, 0.0, 0.0, -2.0]),
        128,
        &[0, 0, 0x80, 0x3F, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xC0],
    );
    let costs = [
        alone::<Affine2, _>(&Native, &Affine2::IDENTITY.to_repr()).1,
        alone::<DMat2, _>(&Native, &DMat2::IDENTITY.to_repr()).1,
        alone::<DAffine2, _>(&Native, &DAffine2::IDENTITY.to_repr()).1,
        alone::<DMat3, _>(&Native, &DMat3::IDENTITY.to_repr()).1,
        alone::<DAffine3, _>(&Native, &DAffine3::IDENTITY.to_repr()).1,
        alone::<DMat4, _>(&Native, &DMat4::IDENTITY.to_repr()).1,
    ];
    assert_eq!(costs, [6 * 32, 4 * 64, 6 * 64, 9 * 64, 12 * 64, 16 * 64]);
}

#[test]
fn a_vector_in_motion_costs_little() {
    let from = Vec3::new(10.0, -20.0, 30.0);
    assert_eq!(change_cost(&Native, &from, &(from + Vec3::splat(0.01))), 4 + 3 * 15);
    assert_eq!(change_cost(&Native, &from, &(from + Vec3::X * 0.01)), 7 + 15);
    assert_eq!(change_cost(&Native, &from, &(from + Vec3::splat(0.1))), 4 + 3 * 19);
    assert_eq!(change_cost(&Native, &from, &-from), 4 + 3 * 32);
    assert_eq!(change_cost(&Native, &IVec3::new(5, 6, 7), &IVec3::new(6, 6, 7)), 7 + 2);
    assert_eq!(change_cost(&METRES, &from, &(from + Vec3::splat(0.05))), 4 + 3 * 6);
    assert_eq!(change_cost(&METRES, &from, &(from + Vec3::Y * 0.05)), 7 + 6);
}

#[test]
fn halves_are_ieee_binary16() {
    for (value, half) in [
        (1.0_f32, 0x3C00_u16),
        (-1.0, 0xBC00),
        (3.0, 0x4200),
        (0.1, 0x2E66),
        (65_504.0, 0x7BFF),
        (65_519.0, 0x7BFF),
        (65_520.0, 0x7C00),
        (6.103_515_6e-5, 0x0400),
        (5.960_464_5e-8, 0x0001),
        (2.980_232_2e-8, 0x0000), // a tie, to even
        (100.1, 0x5642),
        (2049.0, 0x6800), // a tie between 2048 and 2050
        (2051.0, 0x6802), // a tie between 2050 and 2052
        (-0.0, 0x8000),
        (f32::NAN, 0x7E00),
        (-f32::NAN, 0x7E00),
        (f32::NEG_INFINITY, 0xFC00),
    ] {
        golden(&Half, &value, 16, &half.to_le_bytes());
    }
    golden(&Half, &Vec2::new(1.0, -1.0), 32, &[0x00, 0x3C, 0x00, 0xBC]);
}

#[test]
fn every_half_stands_for_itself_or_is_refused() {
    let mut refused = 0;
    for half in 0..=u16::MAX {
        match Codec::<f32>::decode(&Half, &mut BitReader::new(&half.to_le_bytes())) {
            Ok(repr) => assert_eq!(Half.to_repr(&Codec::<f32>::from_repr(&Half, &repr)), half),
            Err(error) => {
                assert_eq!(error, WireError::Invalid);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 2 * 1023 - 1, "all NaNs but one");
}

#[test]
fn between_two_halves_the_nearer_wins_and_on_ties_the_even_one() {
    let value = |half: u16| -> f64 { f64::from(Codec::<f32>::from_repr(&Half, &half)) };
    for half in 0..0x7BFF_u16 {
        // What a half is, said in another way.
        let (exponent, fraction) = (i32::from(half >> 10), f64::from(half & 0x3FF));
        let exact =
            if exponent == 0 { fraction / 2_f64.powi(24) } else { (1024.0 + fraction) * 2_f64.powi(exponent - 25) };
        assert_eq!(value(half), exact);
        let middle = ((value(half) + value(half + 1)) / 2.0) as f32;
        let even = half + (half & 1);
        for sign in [0, 0x8000] {
            let narrowed = |float: f32| Half.to_repr(&if sign == 0 { float } else { -float });
            assert_eq!(narrowed(middle.next_down()), half | sign);
            assert_eq!(narrowed(middle), even | sign);
            assert_eq!(narrowed(middle.next_up()), (half + 1) | sign);
        }
    }
}

#[test]
fn rotations_are_three_integers_and_an_index() {
    // Largest is w (3); 511 + 0 thrice: 3 | 511 << 2 | 511 << 12 | 511 << 22.
    golden(&SmallestThree::<10>, &Quat::IDENTITY, 32, &[0xFF, 0xF7, 0xDF, 0x7F]);
    golden(&SmallestThree::<10>, &-Quat::IDENTITY, 32, &[0xFF, 0xF7, 0xDF, 0x7F]);
    // Largest is y (1): 511 << 2, 511 << 12, 511 << 22 again.
    golden(&SmallestThree::<10>, &Quat::from_xyzw(0.0, -3.0, 0.0, 0.0), 32, &[0xFD, 0xF7, 0xDF, 0x7F]);
    // A quarter turn about z: z and w are equal, z is the first; w is +1/√2, the end of its range: 1022.
    let turn = Quat::from_xyzw(0.0, 0.0, 0.5, 0.5);
    golden(&SmallestThree::<10>, &turn, 32, &[0xFE, 0xF7, 0x9F, 0xFF]);
    assert_eq!(alone(&SmallestThree::<15>, &SmallestThree::<15>.to_repr(&turn)).1, 47);
}

#[test]
fn odd_quaternions_are_the_identity() {
    let codec = SmallestThree::<10>;
    for odd in [Quat::from_xyzw(0.0, 0.0, 0.0, 0.0), Quat::NAN, Quat::from_xyzw(f32::INFINITY, 0.0, 0.0, 1.0)] {
        assert_eq!(codec.from_repr(&codec.to_repr(&odd)), Quat::IDENTITY);
    }
    for size in [1e-30, 1e30] {
        let back = codec.from_repr(&codec.to_repr(&Quat::from_xyzw(0.0, 0.0, 0.0, size)));
        assert_eq!(back, Quat::IDENTITY);
    }
}

#[test]
fn rotations_that_are_no_repr_are_refused() {
    let refused = [
        u32::MAX,                                // above 2M
        3 | 1022 << 2 | 1022 << 12 | 1022 << 22, // longer than one
        3 | 1022 << 2 | 511 << 12 | 511 << 22,   // x and w tie, and x comes first
        3 | 1022 << 2 | 512 << 12 | 511 << 22,   // x is above w
    ];
    for bits in refused {
        assert_eq!(SmallestThree::<10>.decode(&mut BitReader::new(&bits.to_le_bytes())), Err(WireError::Invalid));
    }
}

/// All bits of a width: what is read stands for itself, and codes that no component has are refused.
fn every_pattern<const BITS: u32>() {
    let codec = SmallestThree::<BITS>;
    let none = (1 << BITS) - 1;
    for bits in 0_u64..1 << (2 + 3 * BITS) {
        let Ok(repr) = codec.decode(&mut BitReader::new(&bits.to_le_bytes())) else { continue };
        let codes = [2, 2 + BITS, 2 + 2 * BITS].map(|from| bits >> from & none);
        assert!(!codes.contains(&none), "{BITS} bits: {bits:x}");
        assert_eq!(codec.to_repr(&codec.from_repr(&repr)), repr, "{BITS} bits: {bits:x}");
    }
}

#[test]
fn what_is_read_of_a_rotation_stands_for_itself() {
    every_pattern::<2>();
    every_pattern::<3>();
    every_pattern::<4>();
    every_pattern::<5>();
    every_pattern::<6>();
}

#[test]
fn a_rotation_in_motion_costs_little() {
    let (codec, from) = (SmallestThree::<10>, Quat::from_rotation_y(0.3));
    assert_eq!(change_cost(&codec, &from, &Quat::from_rotation_y(0.32)), 1 + 7 + 5, "about one axis");
    assert_eq!(change_cost(&codec, &from, &Quat::from_euler(glam::EulerRot::XYZ, 0.01, 0.32, 0.02)), 1 + 4 + 3 * 5);
    assert_eq!(change_cost(&codec, &from, &Quat::from_rotation_y(3.0)), 1 + 32);
}

#[test]
fn shapes_name_kind_and_component() {
    assert_eq!(<(Vec3, DVec3, IVec3)>::shape().to_string(), "tuple<vec3<f32>, vec3<f64>, vec3<i32>>");
    assert_eq!(<(Quat, Mat4, UVec3)>::shape().to_string(), "tuple<quat<f32>, mat4<f32>, vec3<u32>>");
    assert_eq!(Codec::<Vec3>::shape(&METRES).to_string(), "vec3<quantize(-256..=256, step 0.002)>");
    assert_eq!(Codec::<Vec2>::shape(&Half).to_string(), "vec2<half>");
    assert_eq!(SmallestThree::<10>.shape().to_string(), "smallest_three(10)");
}

/// Rotations of all kinds, many of them with components that are equal or almost.
fn rotations() -> impl Strategy<Value = Quat> {
    let near_ties = (prop::array::uniform4(-2i8..=2), prop::array::uniform4(-1e-3..1e-3_f32), 0u32..30).prop_map(
        |(whole, off, shift)| core::array::from_fn(|i| f32::from(whole[i]) + off[i] / (1u32 << shift) as f32),
    );
    prop_oneof![prop::array::uniform4(-1.0..=1.0_f32), near_ties]
        .prop_filter("has a direction", |components| components.iter().any(|component| *component != 0.0))
        .prop_map(Quat::from_array)
}

fn bounded<const BITS: u32>(rotation: Quat) {
    let codec = SmallestThree::<BITS>;
    let repr = codec.to_repr(&rotation);
    let back = codec.from_repr(&repr).as_dquat();
    assert_eq!(codec.to_repr(&codec.from_repr(&repr)), repr);
    assert_eq!(codec.to_repr(&-rotation), repr, "both signs are one rotation");
    let exact = rotation.as_dquat().normalize();
    let chord = (exact - back).length().min((exact + back).length());
    let angle = 4.0 * (chord / 2.0).min(1.0).asin();
    let bound = 2.0 * 6.0_f64.sqrt() / f64::from((1 << (BITS - 1)) - 1);
    assert!(angle <= bound + 1e-6, "{BITS} bits: {angle} is above {bound}");
}

proptest! {
    #[test]
    fn rotations_stay_within_the_bound(rotation in rotations()) {
        bounded::<4>(rotation);
        bounded::<7>(rotation);
        bounded::<10>(rotation);
        bounded::<15>(rotation);
        bounded::<20>(rotation);
    }

    #[test]
    fn rotation_laws(a in rotations(), b in rotations(), near in 0.0..0.1_f32, bytes in any::<[u8; 9]>()) {
        laws(&SmallestThree::<10>, &a, &b);
        laws(&SmallestThree::<20>, &a, &a.normalize().lerp(b.normalize(), near));
        laws(&SmallestThree::<2>, &a, &b);
        laws(&Native, &a, &b);
        garbage(&SmallestThree::<2>, &a, &bytes);
        garbage(&SmallestThree::<10>, &a, &bytes);
        garbage(&SmallestThree::<20>, &a, &bytes);
        let [a, b] = [a, b].map(|rotation| PackedRotation::<9>::from_quaternion(rotation.to_array()));
        laws(&Native, &a, &b);
        garbage(&Native, &a, &bytes);
    }

    #[test]
    fn halves_are_at_most_half_a_step_off(fraction in -1.0..1.0_f32, exponent in -30_i32..16) {
        let value = fraction * 2_f32.powi(exponent);
        let back: f32 = Half.from_repr(&Half.to_repr(&value));
        // Half of the last of eleven bits, and of the smallest number there is.
        let bound = (f64::from(value.abs()) / 2_f64.powi(11)).max(2_f64.powi(-25));
        prop_assert!((f64::from(back) - f64::from(value)).abs() <= bound, "{value} became {back}");
        let vector = Vec3::new(value, -value, 1.0);
        let back: Vec3 = Half.from_repr(&Half.to_repr(&vector));
        prop_assert!((back - vector).abs().max_element() <= bound as f32);
    }

    #[test]
    fn half_laws(a in any::<[f32; 4]>(), b in any::<[f32; 4]>(), bytes in any::<[u8; 9]>()) {
        laws(&Half, &a[0], &b[0]);
        laws(&Half, &a, &b);
        laws(&Half, &Vec4::from_array(a), &Vec4::from_array([a[0], b[1], a[2], b[3]]));
        garbage(&Half, &a[0], &bytes);
        garbage(&Half, &Vec3::from_slice(&a), &bytes);
    }

    #[test]
    fn vector_laws(a in any::<[f32; 16]>(), step in -1.0..1.0_f32, which in any::<[bool; 16]>(), bytes in any::<[u8; 32]>()) {
        let b: [f32; 16] = core::array::from_fn(|i| if which[i] { a[i] + step } else { a[i] });
        laws(&Native, &Vec2::from_slice(&a), &Vec2::from_slice(&b));
        laws(&Native, &Vec3::from_slice(&a), &Vec3::from_slice(&b));
        laws(&Native, &Vec3A::from_slice(&a), &Vec3A::from_slice(&b));
        laws(&Native, &Vec4::from_slice(&a), &Vec4::from_slice(&b));
        laws(&Native, &Quat::from_slice(&a), &Quat::from_slice(&b));
        laws(&Native, &Mat3::from_cols_slice(&a), &Mat3::from_cols_slice(&b));
        laws(&Native, &Mat4::from_cols_array(&a), &Mat4::from_cols_array(&b));
        laws(&Native, &Affine3A::from_cols_slice(&a), &Affine3A::from_cols_slice(&b));
        laws(&Native, &Mat2::from_cols_slice(&a), &Mat2::from_cols_slice(&b));
        laws(&Native, &Mat3A::from_cols_slice(&a), &Mat3A::from_cols_slice(&b));
        laws(&Native, &Affine2::from_cols_slice(&a), &Affine2::from_cols_slice(&b));
        let (c, d) = (a.map(f64::from), b.map(f64::from));
        laws(&Native, &DMat2::from_cols_slice(&c), &DMat2::from_cols_slice(&d));
        laws(&Native, &DMat3::from_cols_slice(&c), &DMat3::from_cols_slice(&d));
        laws(&Native, &DMat4::from_cols_slice(&c), &DMat4::from_cols_slice(&d));
        laws(&Native, &DAffine2::from_cols_slice(&c), &DAffine2::from_cols_slice(&d));
        laws(&Native, &DAffine3::from_cols_slice(&c), &DAffine3::from_cols_slice(&d));
        laws(&Native, &Vec3::from_slice(&a).as_dvec3(), &Vec3::from_slice(&b).as_dvec3());
        laws(&Native, &Quat::from_slice(&a).as_dquat(), &DQuat::IDENTITY);
        laws(&METRES, &Vec3::from_slice(&a), &Vec3::from_slice(&b));
        laws(&METRES, &Vec2::splat(step), &Vec2::new(0.1, step));
        laws(&METRES, &Vec4::splat(step).as_dvec4(), &Vec4::new(0.1, step, 0.2, step).as_dvec4());
        garbage(&Native, &Vec3::from_slice(&a), &bytes);
        garbage(&Native, &Mat4::from_cols_array(&a), &bytes);
        garbage(&METRES, &Vec3::from_slice(&a), &bytes);
        garbage(&Native, &Quat::from_slice(&a), &bytes);
        garbage(&Native, &Affine3A::from_cols_slice(&a), &bytes);
        garbage(&Native, &Vec2::from_slice(&a).as_dvec2(), &bytes);
    }

    #[test]
    fn quantized_vectors_are_at_most_half_a_step_off(at in prop::array::uniform3(-256.0..=256.0_f32)) {
        let vector = Vec3::from_array(at);
        let back: Vec3 = METRES.from_repr(&METRES.to_repr(&vector));
        // And what is lost of an `f32` this large.
        prop_assert!((back - vector).abs().max_element() <= 0.001 + 256.0 * f32::EPSILON);
    }

    #[test]
    fn integer_vector_laws(a in any::<[i32; 3]>(), b in any::<[i32; 3]>(), shift in 0u32..32, bytes in any::<[u8; 13]>()) {
        let near: [i32; 3] = core::array::from_fn(|i| a[i].wrapping_add(b[i] >> shift));
        laws(&Native, &IVec3::from_array(near), &IVec3::from_array(a));
        laws(&Native, &IVec3::from_array(near).as_uvec3(), &IVec3::from_array(a).as_uvec3());
        garbage(&Native, &IVec3::from_array(a), &bytes);
    }
}
