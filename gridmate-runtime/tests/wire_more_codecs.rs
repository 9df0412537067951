//! Codecs for integers, directions and types of serde: their bytes, their costs, their errors.

mod laws;

#[cfg(feature = "serde")]
use gridmate_runtime::wire::BitWriter;
use gridmate_runtime::wire::codec::{Range, Varint};
use gridmate_runtime::wire::{BitReader, Codec, WireError};
use laws::{change_cost, garbage, golden, laws};
use proptest::prelude::*;

#[test]
fn varints_are_groups_of_seven_bits() {
    golden(&Varint, &127_u16, 8, &[0x7F]);
    golden(&Varint, &300_u32, 16, &[0xAC, 0x02]);
    golden(&Varint, &0x4000_u64, 24, &[0x80, 0x80, 0x01]);
    golden(&Varint, &u64::MAX, 80, &[0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]);
    golden(&Varint, &-1_i16, 8, &[1]);
    golden(&Varint, &63_i32, 8, &[126]);
    golden(&Varint, &-64_i64, 8, &[127]);
    golden(&Varint, &64_isize, 16, &[0x80, 0x01]);
    assert_eq!([1, 64, 8192].map(|to| change_cost(&Varint, &0_i64, &to)), [8, 16, 24]);
    assert_eq!(change_cost(&Varint, &u32::MAX, &0), 8, "around the end");
    assert_eq!(change_cost(&Varint, &i16::MAX, &i16::MIN), 8);
}

#[test]
fn varints_that_do_not_fit_are_refused() {
    let mut r = BitReader::new(&[0x80, 0x80, 0x04]);
    assert_eq!(Codec::<u16>::decode(&Varint, &mut r), Err(WireError::Invalid));
    let mut repr = 0_u16;
    let mut r = BitReader::new(&[0x80, 0x80, 0x04]);
    assert_eq!(Codec::<u16>::decode_delta(&Varint, &mut repr, &mut r), Err(WireError::Invalid));
    assert_eq!(Codec::<u64>::decode(&Varint, &mut BitReader::new(&[0x80, 0x00])), Err(WireError::Invalid));
}

#[test]
fn ranges_take_the_fewest_bits_and_saturate() {
    type Percent = Range<0, 100>;
    golden::<u8, _>(&(Range as Percent), &100, 7, &[100]);
    golden::<i32, _>(&Range::<-2, 5>, &-2, 3, &[0]);
    golden::<i8, _>(&Range::<-2, 5>, &5, 3, &[7]);
    golden::<u64, _>(&Range::<1_000_000, 1_000_255>, &1_000_001, 8, &[1]);
    golden::<u8, _>(&Range::<7, 7>, &7, 0, &[]);
    golden::<i64, _>(&Range::<{ i64::MIN }, { i64::MAX }>, &0, 64, &[0, 0, 0, 0, 0, 0, 0, 0x80]);
    let back = |value: i16| -> i16 { Range::<-20, 30>.from_repr(&Range::<-20, 30>.to_repr(&value)) };
    assert_eq!([i16::MIN, -20, 0, 30, 31].map(back), [-20, -20, 0, 30, 30]);
    assert_eq!(Codec::<u64>::to_repr(&Range::<0, 9>, &u64::MAX), 9);
    assert_eq!([51, 55, 70, 5].map(|to: u8| change_cost(&Range::<0, 100>, &50, &to)), [2 + 1, 2 + 5, 2 + 7, 2 + 7]);
    assert_eq!(Codec::<u8>::decode(&Range::<0, 100>, &mut BitReader::new(&[101])), Err(WireError::Invalid));
    let mut top = 100;
    let up_one = Codec::<u8>::decode_delta(&Range::<0, 100>, &mut top, &mut BitReader::new(&[0b100]));
    assert_eq!(up_one, Err(WireError::Invalid));
}

#[test]
fn shapes_pin_every_parameter() {
    assert_eq!(Codec::<usize>::shape(&Varint).to_string(), "varint(64)");
    assert_eq!(Codec::<i16>::shape(&Varint).to_string(), "varint(16, signed)");
    assert_eq!(Codec::<u8>::shape(&Range::<1, 6>).to_string(), "range(1..=6)");
}

proptest! {
    #[test]
    fn varint_laws(a in any::<i64>(), b in any::<i64>(), shift in 0_u32..64, bytes in any::<[u8; 11]>()) {
        let b = a.wrapping_add(b >> shift);
        laws(&Varint, &a, &b);
        laws(&Varint, &a.cast_unsigned(), &b.cast_unsigned());
        let [c, d] = [a, b].map(|value| i32::from_le_bytes(*value.to_le_bytes().first_chunk().unwrap()));
        laws(&Varint, &c, &d);
        laws(&Varint, &c.cast_unsigned(), &d.cast_unsigned());
        let [c, d] = [a, b].map(|value| i16::from_le_bytes(*value.to_le_bytes().first_chunk().unwrap()));
        laws(&Varint, &c, &d);
        laws(&Varint, &c.cast_unsigned(), &d.cast_unsigned());
        garbage(&Varint, &a, &bytes);
        garbage(&Varint, &c, &bytes);
        garbage(&Varint, &d.cast_unsigned(), &bytes);
    }

    #[test]
    fn range_laws(a in any::<i64>(), b in any::<i64>(), c in any::<[u8; 2]>(), bytes in any::<[u8; 9]>()) {
        laws(&Range::<{ i64::MIN }, { i64::MAX }>, &a, &b);
        laws(&Range::<-5_000_000_000, 5_000_000_000>, &a, &b);
        laws(&Range::<3, 250>, &c[0], &c[1]);
        laws(&Range::<0, 5>, &c[0], &c[1]);
        laws(&Range::<0, 0>, &c[0], &c[1]);
        garbage(&Range::<3, 200>, &c[0], &bytes);
        garbage(&Range::<-5_000_000_000, 5_000_000_000>, &a, &bytes);
        garbage(&Range::<0, 5>, &a.cast_unsigned(), &bytes);
    }
}

#[cfg(feature = "glam")]
mod directions {
    use glam::{Vec3, Vec3A};
    use gridmate_runtime::wire::codec::UnitVec;

    use super::*;

    #[test]
    fn directions_are_points_of_a_square() {
        // 511 and 511; 1022 and 511; the corner 1022, 1022.
        golden(&UnitVec::<10>, &Vec3::Z, 20, &[0xFF, 0xFD, 0x07]);
        golden(&UnitVec::<10>, &Vec3::new(9.0, 0.0, 0.0), 20, &[0xFE, 0xFF, 0x07]);
        golden(&UnitVec::<10>, &Vec3A::NEG_Z, 20, &[0xFE, 0xFB, 0x0F]);
        for axis in [Vec3::X, Vec3::Y, Vec3::Z, Vec3::NEG_X, Vec3::NEG_Y, Vec3::NEG_Z] {
            let back: Vec3 = UnitVec::<4>.from_repr(&UnitVec::<4>.to_repr(&(axis * 1e-30)));
            assert_eq!(back, axis);
        }
        for odd in [Vec3::ZERO, Vec3::NAN, Vec3::INFINITY] {
            let back: Vec3 = UnitVec::<8>.from_repr(&UnitVec::<8>.to_repr(&odd));
            assert_eq!(back, Vec3::Z);
        }
        assert_eq!(Codec::<Vec3>::shape(&UnitVec::<8>).to_string(), "unit_vec(8)");
        let (from, to) = (Vec3::new(0.1, 0.2, 0.9), Vec3::new(0.11, 0.2, 0.9));
        assert_eq!(change_cost(&UnitVec::<10>, &from, &to), 1 + 3 + 2 * 3);
    }

    #[test]
    fn points_that_are_no_repr_are_refused() {
        let decode = |u: u8, v: u8| Codec::<Vec3>::decode(&UnitVec::<4>, &mut BitReader::new(&[u | v << 4]));
        assert_eq!(decode(14, 14), Ok([14, 14]));
        assert_eq!(decode(15, 7), Err(WireError::Invalid), "outside the square");
        assert_eq!(decode(14, 3), Err(WireError::Invalid), "on the rim the other half is written");
        assert_eq!(decode(0, 11), Ok([0, 11]));
    }

    #[test]
    fn every_point_stands_for_itself() {
        let codec = UnitVec::<7>;
        for bits in 0..1_u16 << 14 {
            if let Ok(repr) = Codec::<Vec3>::decode(&codec, &mut BitReader::new(&bits.to_le_bytes())) {
                let vector: Vec3 = codec.from_repr(&repr);
                assert!(vector.is_normalized());
                assert_eq!(codec.to_repr(&vector), repr);
            }
        }
    }

    fn bounded<const BITS: u32>(direction: Vec3) {
        let back: Vec3 = UnitVec::<BITS>.from_repr(&UnitVec::<BITS>.to_repr(&direction));
        let chord = (direction.as_dvec3().normalize() - back.as_dvec3()).length();
        let bound = 3.0 / (2.0_f64.sqrt() * f64::from((1 << (BITS - 1)) - 1));
        assert!(2.0 * (chord / 2.0).asin() <= bound + 1e-6, "{BITS} bits: {direction} became {back}");
    }

    /// All around, many near the planes and axes where the octahedron is folded.
    fn vectors() -> impl Strategy<Value = Vec3> {
        let near_folds = (prop::array::uniform3(-1_i8..=1), prop::array::uniform3(-1e-3..1e-3_f32), 0_u32..30)
            .prop_map(|(whole, off, shift)| {
                core::array::from_fn(|i| f32::from(whole[i]) + off[i] / (1 << shift) as f32)
            });
        prop_oneof![prop::array::uniform3(-1.0..=1.0_f32), near_folds]
            .prop_map(Vec3::from_array)
            .prop_filter("has a direction", |vector| *vector != Vec3::ZERO)
    }

    proptest! {
        #[test]
        fn directions_stay_within_the_bound(direction in vectors()) {
            bounded::<4>(direction);
            bounded::<8>(direction);
            bounded::<12>(direction);
            bounded::<16>(direction);
        }

        #[test]
        fn direction_laws(a in vectors(), b in vectors(), bytes in any::<[u8; 5]>()) {
            laws(&UnitVec::<2>, &a, &b);
            laws(&UnitVec::<10>, &a, &b);
            laws(&UnitVec::<16>, &a, &b);
            laws(&UnitVec::<16>, &Vec3A::from(a), &Vec3A::from(a + b * 0.01));
            garbage(&UnitVec::<2>, &a, &bytes);
            garbage(&UnitVec::<10>, &a, &bytes);
            garbage(&UnitVec::<16>, &a, &bytes);
        }
    }
}

#[cfg(feature = "serde")]
mod types_of_serde {
    use std::collections::BTreeMap;

    use gridmate_runtime::limits::ELEMENTS;
    use gridmate_runtime::wire::codec::Serde;
    use proptest::collection::vec;
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Save {
        name: String,
        scores: BTreeMap<String, i32>,
        last: Option<(u8, bool)>,
    }

    /// Cannot be read by formats that do not describe themselves.
    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u8),
    }

    fn save(name: &str, score: i32) -> Save {
        Save { name: name.into(), scores: BTreeMap::from([("a".into(), score)]), last: Some((7, true)) }
    }

    #[cfg(feature = "derive")]
    #[derive(gridmate_runtime::Marshal)]
    struct Slot {
        #[marshal(with = Serde)]
        save: Save,
        #[marshal(with = Range::<0, 9>)]
        number: u8,
    }

    #[cfg(feature = "derive")]
    #[test]
    fn fields_name_the_codec() {
        use gridmate_runtime::wire::codec::Native;

        let slot = |score, number| Slot { save: save("x", score), number };
        let mut w = BitWriter::new();
        Native.marshal(&slot(1, 2), &mut w);
        let back: Slot = Native.unmarshal(&mut BitReader::new(w.finish())).unwrap();
        assert_eq!((back.save, back.number), (save("x", 1), 2));
        assert_eq!(change_cost(&Native, &slot(1, 2), &slot(2, 3)), 2 + 18 + 3);
    }

    #[test]
    fn values_are_their_bytes() {
        golden(&Serde, &(1_u8, true), 24, &[2, 1, 1]);
        golden(&Serde, &save("x", -1), 80, &[9, 1, b'x', 1, 1, b'a', 1, 1, 7, 1]);
        assert_eq!(change_cost(&Serde, &save("x", 1), &save("x", 2)), 4 + 3 + 3 + 8);
        assert_eq!(Codec::<Save>::shape(&Serde).to_string(), "postcard");
    }

    #[test]
    fn bytes_that_are_no_value_are_refused() {
        let decode = |bytes: &[u8]| Codec::<(u16, bool)>::decode(&Serde, &mut BitReader::new(bytes)).map(drop);
        assert_eq!(decode(&[2, 1, 1]), Ok(()));
        assert_eq!(decode(&[2, 1, 2]), Err(WireError::Invalid));
        assert_eq!(decode(&[1, 1]), Err(WireError::Invalid), "ends early");
        assert_eq!(decode(&[3, 1, 1, 0]), Err(WireError::Invalid), "goes on");
        assert_eq!(decode(&[3, 0x81, 0, 1]), Err(WireError::Invalid), "longer than needed");
        assert_eq!(decode(&[3, 1]), Err(WireError::UnexpectedEnd));
    }

    #[test]
    fn what_would_be_refused_is_not_sent() {
        let mut w = BitWriter::new();
        Serde.marshal(&Either::Number(1), &mut w);
        assert_eq!((w.len(), w.take_error()), (0, Some(WireError::Invalid)));
        Serde.marshal(&"x".repeat(ELEMENTS), &mut w);
        assert_eq!((w.len(), w.take_error()), (0, Some(WireError::TooLong)));
    }

    proptest! {
        #[test]
        fn serde_laws(a in ("\\PC{0,9}", any::<i32>()), b in ("\\PC{0,9}", any::<i32>()), bytes in vec(any::<u8>(), 0..40)) {
            let (a, b) = (save(&a.0, a.1), save(&b.0, b.1));
            laws(&Serde, &a, &b);
            laws(&Serde, &a, &Save::default());
            garbage(&Serde, &a, &bytes);
            garbage(&Serde, &(7_u16, -3_i64), &bytes);
        }
    }
}
