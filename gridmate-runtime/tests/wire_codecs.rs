//! Codecs: their bytes, their costs, their errors, and that nothing breaks them.

#![expect(clippy::cast_possible_truncation, reason = "values of every size are made from few random ones")]

mod laws;

use gridmate_runtime::wire::codec::{Bits, MaxLen, Quantize};
use gridmate_runtime::wire::{BitReader, BitWriter, Codec, WireError};
use laws::{change_cost, garbage, golden, laws};
use proptest::prelude::*;

const METRES: Quantize = Quantize::step(-256.0, 256.0, 0.002);
const UNIT: Quantize = Quantize::bits(-1.0, 1.0, 8);
const SHORT_LAST: Quantize = Quantize::step(0.0, 1.0, 0.3);

#[test]
fn quantized_floats_are_step_numbers() {
    golden(&METRES, &-256.0_f32, 18, &[0, 0, 0]);
    golden(&METRES, &0.0_f32, 18, &[0x00, 0xF4, 0x01]); // 128,000
    golden(&METRES, &256.0_f64, 18, &[0x00, 0xE8, 0x03]); // 256,000
    golden(&METRES, &[0.0_f32, 0.002], 36, &[0x00, 0xF4, 0x05, 0xD0, 0x07]);
    golden(&UNIT, &-1.0_f32, 8, &[0]);
    golden(&UNIT, &0.5_f64, 8, &[191]); // 191.25
    golden(&UNIT, &1.0_f32, 8, &[255]);
}

#[test]
fn widths_are_the_fewest_bits_that_hold_the_steps() {
    assert_eq!(METRES.width(), 18);
    assert_eq!(Quantize::step(0.0, 7.0, 1.0).width(), 3);
    assert_eq!(Quantize::step(0.0, 8.0, 1.0).width(), 4);
    assert_eq!(Quantize::step(0.0, 0.5, 2.0).width(), 1);
    assert_eq!(Quantize::step(0.0, 4_294_967_295.0, 1.0).width(), 32);
    assert_eq!(Quantize::bits(-3.0, 4.0, 32).width(), 32);
    assert_eq!(Quantize::step(0.0, 0.3, 0.1).width(), 2, "0.3 / 0.1 is three steps, whatever the rounding");
}

#[test]
fn what_is_out_of_range_becomes_the_nearest_end() {
    for codec in [METRES, UNIT, SHORT_LAST] {
        let ends: [f64; 2] = [codec.from_repr(&0), codec.from_repr(&u32::MAX)];
        for (value, end) in [(f32::NAN, 0), (f32::NEG_INFINITY, 0), (-1e30, 0), (1e30, 1), (f32::INFINITY, 1)] {
            let got: f64 = codec.from_repr(&codec.to_repr(&value));
            assert_eq!(got, ends[end], "{value}");
        }
    }
}

#[test]
fn a_short_last_step_still_rounds_to_the_nearest() {
    let back = |value: f64| -> f64 { SHORT_LAST.from_repr(&SHORT_LAST.to_repr(&value)) };
    assert_eq!([0.94, 0.96, 1.0].map(|value| (back(value) * 10.0).round()), [9.0, 10.0, 10.0]);
    let single = |value: f32| -> f32 { SHORT_LAST.from_repr(&SHORT_LAST.to_repr(&value)) };
    assert_eq!(single(0.96).to_bits(), 1.0_f32.to_bits(), "both ends are exact");
}

#[test]
fn step_numbers_beyond_the_range_are_refused() {
    let decode = |bytes: &[u8]| Codec::<f32>::decode(&SHORT_LAST, &mut BitReader::new(bytes));
    assert_eq!(decode(&[4]), Ok(4));
    assert_eq!(decode(&[5]), Err(WireError::Invalid));
    assert_eq!(Codec::<[f32; 2]>::decode(&SHORT_LAST, &mut BitReader::new(&[0x28])), Err(WireError::Invalid));
}

#[test]
fn every_repr_stands_for_itself() {
    let configs = [
        METRES,
        UNIT,
        SHORT_LAST,
        Quantize::bits(0.0, 1.0, 16),
        Quantize::bits(-1.0, 1.0, 1),
        Quantize::bits(-100.0, 355.5, 12),
        Quantize::step(-10.0, 1000.1, 0.01),
        Quantize::step(1e-6, 2e-6, 3e-9),
    ];
    for codec in configs {
        let max = Codec::<f64>::to_repr(&codec, &f64::INFINITY);
        for repr in 0..=max {
            let single: f32 = codec.from_repr(&repr);
            let double: f64 = codec.from_repr(&repr);
            assert_eq!((codec.to_repr(&single), codec.to_repr(&double)), (repr, repr), "{codec:?}");
        }
    }
}

#[test]
fn quantized_changes_cost_what_the_rule_says() {
    let from = 10.0_f32;
    assert_eq!([10.004, 10.1, 14.0, 100.0].map(|to| change_cost(&METRES, &from, &to)), [6, 11, 15, 20]);
    let from = [10.0_f32; 3];
    assert_eq!(change_cost(&METRES, &from, &[10.01, 9.99, 10.02]), 1 + 3 + 3 * 6);
    assert_eq!(change_cost(&METRES, &from, &[10.01, 10.0, 10.0]), 1 + 3 + 3 + 4);
    assert_eq!(change_cost(&METRES, &from, &[200.0, -200.0, 77.0]), 1 + 3 + 3 * 18);
}

#[test]
fn bits_hold_what_fits_and_saturate() {
    golden(&Bits::<3>, &5_u8, 3, &[5]);
    golden(&Bits::<12>, &0xABC_u32, 12, &[0xBC, 0x0A]);
    golden(&Bits::<3>, &-1_i8, 3, &[7]);
    golden(&Bits::<3>, &-4_i64, 3, &[4]);
    golden(&Bits::<64>, &u64::MAX, 64, &[0xFF; 8]);
    golden(&Bits::<64>, &i64::MIN, 64, &[0, 0, 0, 0, 0, 0, 0, 0x80]);
    assert_eq!(Bits::<3>.to_repr(&8_u16), 7);
    assert_eq!([-5, 4].map(|value: i16| Bits::<3>.to_repr(&value)), [-4, 3]);
    assert_eq!([101, 300, 1500].map(|to| change_cost(&Bits::<12>, &100_u16, &to)), [5, 11, 14]);
    assert_eq!(change_cost(&Bits::<3>, &1_u8, &7), 3);
}

#[test]
fn limits_make_lengths_short_and_hold_both_ways() {
    golden(&MaxLen::<31>, &"hi".to_string(), 21, &[0x02, 0x2D, 0x0D]);
    golden(&MaxLen::<4>, &vec![true, false, true], 6, &[0b10_1011]);
    assert_eq!(change_cost(&MaxLen::<7>, &vec![1_u8, 2], &vec![1, 2, 3]), 1 + 2 + 3 + 8);
    let long = Codec::<String>::decode(&MaxLen::<4>, &mut BitReader::new(&[5; 9]));
    assert_eq!(long, Err(WireError::TooLong));
    let mut w = BitWriter::new();
    MaxLen::<2>.marshal(&vec![1_u8, 2, 3], &mut w);
    assert_eq!((w.len(), w.error()), (0, Some(WireError::TooLong)));
}

#[test]
fn shapes_pin_every_parameter() {
    assert_eq!(Codec::<f32>::shape(&METRES).to_string(), "quantize(-256..=256, step 0.002)");
    assert_eq!(Codec::<[f64; 3]>::shape(&UNIT).to_string(), "array<quantize(-1..=1, 8 bits), 3>");
    assert_eq!(Codec::<u8>::shape(&Bits::<5>).to_string(), "bits(5)");
    assert_eq!(Codec::<i8>::shape(&Bits::<5>).to_string(), "bits(5, signed)");
    assert_eq!(Codec::<String>::shape(&MaxLen::<9>).to_string(), "string(max 9)");
    assert_eq!(Codec::<Vec<u8>>::shape(&MaxLen::<9>).to_string(), "vec<u8, max 9>");
}

/// Ranges of every magnitude with anything from two values to 2^32.
fn quantizers() -> impl Strategy<Value = Quantize> {
    let range = (-1e6..1e6_f64, 1e-3..1e6_f64);
    prop_oneof![
        (range.clone(), 1u32..=32).prop_map(|((low, size), bits)| Quantize::bits(low, low + size, bits)),
        (range, 1.0..1e9_f64).prop_map(|((low, size), steps)| Quantize::step(low, low + size, size / steps)),
    ]
}

proptest! {
    #[test]
    fn errors_are_at_most_half_a_step(codec in quantizers(), at in 0.0..=1.0_f64) {
        let (low, high): (f64, f64) = (codec.from_repr(&0), codec.from_repr(&u32::MAX));
        let value = low + (high - low) * at;
        let got: f64 = codec.from_repr(&codec.to_repr(&value));
        let slack = 4.0 * f64::EPSILON * low.abs().max(high.abs());
        prop_assert!((got - value).abs() <= codec.resolution() * (0.5 + 1e-6) + slack, "{} became {}", value, got);
        prop_assert!((low..=high).contains(&got));
        let single: f32 = codec.from_repr(&codec.to_repr(&(value as f32)));
        let slack = 2.0 * f64::from(f32::EPSILON) * low.abs().max(high.abs());
        prop_assert!((f64::from(single) - value).abs() <= codec.resolution() * (0.5 + 1e-6) + slack);
    }

    #[test]
    fn any_repr_stands_for_itself(codec in quantizers(), repr in any::<u32>(), near in any::<f32>()) {
        let repr = Codec::<f64>::to_repr(&codec, &codec.from_repr(&repr));
        let double: f64 = codec.from_repr(&repr);
        prop_assert_eq!(codec.to_repr(&double), repr);
        for value in [double as f32, near] {
            let written = codec.to_repr(&value);
            let read: f32 = codec.from_repr(&written);
            prop_assert_eq!(codec.to_repr(&read), written);
        }
    }

    #[test]
    fn quantize_laws(codec in quantizers(), a in any::<[f64; 3]>(), at in any::<[u16; 6]>(), bytes in any::<[u8; 16]>()) {
        let (low, high): (f64, f64) = (codec.from_repr(&0), codec.from_repr(&u32::MAX));
        let [b, c, d, e, f, g] = at.map(|at| low + (high - low) * f64::from(at) / 65_535.0);
        let singles = |values: [f64; 3]| values.map(|value| value as f32);
        laws(&codec, &a[0], &b);
        laws(&codec, &b, &c);
        laws(&codec, &(b as f32), &(c as f32));
        laws(&codec, &[b, c, d], &[e, f, g]);
        laws(&codec, &singles([b, c, d]), &singles([b, f, d]));
        garbage(&codec, &b, &bytes);
        garbage(&codec, &[b, c, d], &bytes);
    }

    #[test]
    fn bits_laws(a in any::<u64>(), b in any::<u64>(), shift in 0u32..64, bytes in any::<[u8; 10]>()) {
        let b = a.wrapping_add(b >> shift);
        laws(&Bits::<64>, &a, &b);
        laws(&Bits::<37>, &(a >> 27), &(b >> 27));
        laws(&Bits::<37>, &(a.cast_signed() >> 27), &(b.cast_signed() >> 27));
        laws(&Bits::<11>, &(a as i16), &(b as i16));
        laws(&Bits::<2>, &(a as u8), &(b as u8));
        laws(&Bits::<1>, &(a as i8), &(b as i8));
        garbage(&Bits::<9>, &(a as u16), &bytes);
        garbage(&Bits::<9>, &(a as i32), &bytes);
        garbage(&Bits::<33>, &(a as usize), &bytes);
    }

    #[test]
    fn bits_of_several_laws(a in any::<[u16; 3]>(), step in any::<[u8; 3]>(), bytes in any::<[u8; 10]>()) {
        let b = [0, 1, 2].map(|i| a[i].wrapping_add(u16::from(step[i])));
        laws(&Bits::<9>, &a, &b);
        laws(&Bits::<16>, &a, &b);
        laws(&Bits::<5>, &step, &[step[0], 0, step[2]]);
        laws(&Bits::<30>, &a.map(u32::from), &b.map(u32::from));
        garbage(&Bits::<9>, &a, &bytes);
    }

    #[test]
    fn max_len_laws(
        a in prop::collection::vec(any::<Option<u16>>(), 0..=9), b in prop::collection::vec(any::<Option<u16>>(), 0..=9),
        text in "\\PC{0,20}", other in "\\PC{0,20}", bytes in any::<[u8; 40]>(),
    ) {
        laws(&MaxLen::<9>, &a, &b);
        laws(&MaxLen::<100>, &text, &other);
        garbage(&MaxLen::<9>, &a, &bytes);
        garbage(&MaxLen::<100>, &text, &bytes);
    }
}
