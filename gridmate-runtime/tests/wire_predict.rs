//! Guesses from motion: their bytes, their costs, and that they are never wrong about the value.

mod laws;

use gridmate_runtime::wire::codec::{Bits, Native, Predict, Predictable, Quantize, Range};
use gridmate_runtime::wire::{Ahead, BitReader, BitWriter, Codec, Past};
use laws::{garbage, laws};
use proptest::prelude::*;

const POSITION: Predict<Quantize> = Predict::new(Quantize::step(-256.0, 256.0, 0.002));

/// The bits of `now` where it was `past` and then `base`, and what they are.
fn moved<T, C: Codec<T>>(codec: &C, [past, base, now]: [T; 3], ahead: Ahead) -> (usize, Vec<u8>) {
    let [past, base, now] = [past, base, now].map(|value| codec.to_repr(&value));
    let mut w = BitWriter::new();
    codec.encode_ahead(&now, &base, Past::new(&past, ahead), &mut w);
    (w.len(), w.finish().to_vec())
}

#[test]
fn what_keeps_its_pace_costs_little() {
    let at = |x: f32| [x, 2.0 * x, -x];
    let steady = moved(&POSITION, [1.0, 1.1, 1.7].map(at), Ahead::new(6, 1));
    // 300, 600 and 300 steps; expected within 75, 131 and 75 of them: 7, 8 and 7 bits, and one each for the size.
    assert_eq!(steady, (25, vec![0x01, 0x01, 0x02, 0x00]));
    let turned = moved(&POSITION, [1.0, 1.1, 1.0].map(at), Ahead::new(6, 1)).0;
    let without = moved(&POSITION, [1.1, 1.1, 1.0].map(at), Ahead::new(6, 1)).0;
    assert!(turned > steady.0 && without > steady.0, "{turned} and {without} bits");
}

#[test]
fn golden_residuals() {
    assert_eq!(moved(&Predict::new(Native), [10_u16, 12, 20], Ahead::new(3, 1)), (4, vec![0x0A]));
    assert_eq!(moved(&Predict::new(Native), [250_u8, 254, 2], Ahead::new(1, 1)), (1, vec![0x01]), "across the wrap");
    assert_eq!(moved(&Predict::new(Bits::<5>), [3_i8, 5, 7], Ahead::new(2, 2)), (1, vec![0x01]));
    assert_eq!(moved(&Predict::new(Range::<-10, 10>), [-3_i16, -3, 4], Ahead::new(1, 1)), (7, vec![0x78]));
}

/// 2^-23: the distance of floats from 1.0 on.
const ULP: f32 = f32::EPSILON;

#[test]
fn golden_floats() {
    let line =
        |off: f32| moved(&Predict::new(Native), [1.0, 1.0 + 64.0 * ULP, 1.0 + (128.0 + off) * ULP], Ahead::new(1, 1));
    // A motion of 64 has seven bits, and with the code 13 - 7 + w an error w bits.
    assert_eq!(line(0.0), (4, vec![0x00]), "as expected");
    assert_eq!(line(-1.0), (5, vec![0x17]), "1 in one bit");
    assert_eq!(line(5.0), (8, vec![0xAA]), "10 in four");
    assert_eq!(line(100.0), (12, vec![0x8E, 0x0C]), "200 in eight");
    assert_eq!(line(300.0), (4 + 5 + 10, vec![0x9F, 0xB0, 0x04]), "much more than it moves: 600 in ten");
}

#[test]
fn floats_that_jump_cost_a_bit_more_than_themselves() {
    let codec = Predict::new(Native);
    let after = |now: f32| moved(&codec, [300.0, -200.0, now], Ahead::new(1, 1));
    // A pace of 500 says nothing of where it will be: 26 bits from where it is reach far.
    assert_eq!(after(-650.0), (27, vec![0xFF, 0xFF, 0x69, 0x03]));
    assert_eq!(after(5.0), (33, vec![0x00, 0x00, 0x40, 0x81, 0x00]), "twice the pattern, 40A00000 (hex)");
    let lanes = moved(&codec, [[300.0, 1.0], [-200.0, 1.0], [5.0, 1.0_f32]], Ahead::new(1, 1));
    assert_eq!(lanes.0, 1 + 33 + 1, "each by itself");
}

#[test]
fn half_way_round_is_as_far_as_it_goes_in_both_directions() {
    fn check<T: Copy>(values: [T; 3])
    where
        Native: Codec<T>,
        <Native as Codec<T>>::Repr: core::fmt::Debug,
    {
        let codec = Predict::new(Native);
        let [past, base, now] = values.map(|value| codec.to_repr(&value));
        let past = Past::new(&past, Ahead::new(1, 1));
        let mut w = BitWriter::new();
        codec.encode_ahead(&now, &base, past, &mut w);
        let mut read = base;
        codec.decode_ahead(&mut read, past, &mut BitReader::new(w.finish())).expect("what a writer writes can be read");
        assert_eq!(read, now);
    }
    // Backwards to 0, and from there to the other side; and the same forwards.
    check([20_u8, 10, 128]);
    check([0_u8, 64, 0]);
    check([20_u16, 10, 1 << 15]);
    check([20_u32, 10, 1 << 31]);
    check([-20_i32, -10, i32::MIN]);
    check([20_i32, 10, i32::MIN]);
    check([1e-44_f32, 7e-45, f32::from_bits(3 ^ 1 << 31)]);
    for now in 0..=255_u8 {
        check([20, 10, now]);
        check([10, 20, now]);
    }
}

#[test]
fn a_guess_too_far_ahead_is_none() {
    let codec = Predict::new(Native);
    let near = moved(&codec, [0_u32, 10, 10 + 640], Ahead::new(64, 1)).0;
    let far = moved(&codec, [0_u32, 10, 10 + 660], Ahead::new(66, 1)).0;
    assert!(near < 12 && far > 18, "{near} and {far} bits");
}

#[test]
fn nan_and_infinity_are_values_like_others() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MIN, f32::MAX, -0.0] {
        laws(&Predict::new(Native), &value, &1.0);
        laws(&Predict::new(Native), &1.0, &value);
        laws(&Predict::new(Native), &value, &value);
    }
}

fn check<T, C: Predictable<T> + Copy>(codec: C, [a, b]: [T; 2], bytes: &[u8])
where
    C::Repr: core::fmt::Debug,
{
    laws(&Predict::new(codec), &a, &b);
    garbage(&Predict::new(codec), &a, bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn predicted_numbers_keep_the_laws(
        a in any::<[u32; 3]>(), b in any::<[u32; 3]>(), shift in 0u32..32, bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let b = [0, 1, 2].map(|i| a[i].wrapping_add(b[i] >> shift));
        #[expect(clippy::cast_possible_truncation, reason = "any narrow integer will do")]
        let (narrow, short) = ([a[0] as u8, b[0] as u8], [a[1] as i16, b[1] as i16]);
        check(Native, narrow, &bytes);
        check(Native, short, &bytes);
        check(Native, [a, b], &bytes);
        check(Native, [a[2].cast_signed(), b[2].cast_signed()], &bytes);
        check(Bits::<7>, narrow, &bytes);
        check(Bits::<11>, [a.map(|x| x >> 21), b.map(|x| x >> 21)], &bytes);
        check(Range::<-1000, 1000>, short, &bytes);
        check(Native, [a, b].map(|v| f32::from_bits(v[0])), &bytes);
        check(Native, [a, b].map(|v| v.map(f32::from_bits)), &bytes);
        check(Quantize::step(-256.0, 256.0, 0.002), [a, b].map(|v| v.map(|x| (x >> 8) as f32 / 32768.0 - 256.0)), &bytes);
        check(Quantize::bits(0.0, 1.0, 9), [a, b].map(|v| f64::from(v[0]) / 4e9), &bytes);
    }
}

/// Of several components the one that has most beside its motion says how much all have.
#[cfg(feature = "glam")]
#[test]
fn floats_go_astray_together() {
    let codec = Predict::new(Native);
    let lanes = |off: [f32; 3]| {
        // The last is taken for one of six bits fewer than the largest motion.
        let at = |ticks: f32| [1.0 + 1_024.0 * ULP * ticks, 1.0 + 64.0 * ULP * ticks, 1.0];
        let now = [0, 1, 2].map(|i| at(2.0)[i] + off[i] * ULP);
        moved(&codec, [at(0.0), at(1.0), now].map(glam::Vec3::from), Ahead::new(1, 1))
    };
    assert_eq!(lanes([0.0; 3]).0, 4);
    assert_eq!(lanes([7.0, 0.0, 0.0]).0, 4 + 4);
    assert_eq!(lanes([0.0, 7.0, 0.0]).0, 4 + 8 + 4 + 2);
    assert_eq!(lanes([0.0, 0.0, 1.0]).0, 4 + 8 + 4 + 2);
}

/// Zeros of both signs stay what they are, whatever moves beside them.
#[cfg(feature = "glam")]
#[test]
fn what_rests_at_zero_costs_nothing() {
    for at in [0.0_f32, -0.0] {
        assert_eq!(moved(&Predict::new(Native), [at; 3], Ahead::new(3, 2)).0, 4);
        let values = [0.5, 0.75, 1.0].map(|x| glam::Vec3::new(100.0 + x, at, at));
        assert_eq!(moved(&Predict::new(Native), values, Ahead::new(1, 1)), (4, vec![0x00]));
    }
}

#[cfg(feature = "glam")]
mod rotations {
    use glam::{Quat, Vec3};
    use gridmate_runtime::wire::codec::SmallestThree;

    use super::*;

    #[test]
    fn a_body_that_spins_on_costs_little() {
        let at = |angle: f32| Quat::from_axis_angle(Vec3::new(0.6, 0.0, 0.8), angle);
        let codec = Predict::new(SmallestThree::<10>);
        let (steady, _) = moved(&codec, [1.0, 1.02, 1.12].map(at), Ahead::new(5, 1));
        let (stopped, _) = moved(&codec, [1.0, 1.02, 1.02].map(at), Ahead::new(5, 1));
        assert!(steady <= 1 + 3 * 7 && stopped > steady, "{steady} and {stopped} bits");
    }

    #[test]
    fn the_largest_component_may_change() {
        let at = |angle: f32| Quat::from_rotation_x(angle);
        for start in [1.4_f32, 1.5, 1.55, 1.6] {
            let codec = Predict::new(SmallestThree::<9>);
            let [past, base, now] = [start, start + 0.05, start + 0.1].map(|angle| codec.to_repr(&at(angle)));
            let mut w = BitWriter::new();
            codec.encode_ahead(&now, &base, Past::new(&past, Ahead::new(1, 1)), &mut w);
            let mut read = base;
            let mut r = BitReader::new(w.finish());
            codec.decode_ahead(&mut read, Past::new(&past, Ahead::new(1, 1)), &mut r).unwrap();
            assert_eq!(read, now);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn predicted_rotations_and_vectors_keep_the_laws(
            a in any::<[i16; 4]>(), b in any::<[i16; 4]>(), bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let quat = |v: [i16; 4]| Quat::from_array(v.map(f32::from));
            check(SmallestThree::<10>, [quat(a), quat(b)], &bytes);
            check(SmallestThree::<2>, [quat(a), quat(b)], &bytes);
            check(SmallestThree::<20>, [quat(a), quat(b)], &bytes);
            check(Native, [quat(a), quat(b)], &bytes);
            let vec3 = |v: [i16; 4]| Vec3::new(v[0].into(), v[1].into(), v[2].into());
            check(Native, [vec3(a), vec3(b)], &bytes);
            check(Quantize::bits(-1e4, 1e4, 16), [vec3(a), vec3(b)], &bytes);
        }
    }
}
