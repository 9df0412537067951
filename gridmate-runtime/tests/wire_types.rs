//! Types that marshal themselves: their bytes, their costs, and that nothing breaks them.

mod laws;

use std::num::NonZero;
use std::time::Duration;

use gridmate_runtime::limits::ELEMENTS;
use gridmate_runtime::wire::codec::Native;
use gridmate_runtime::wire::{BitReader, BitWriter, Marshal, WireError};
use laws::{change_cost, garbage, golden, laws};
use proptest::prelude::*;

type Everything = (Option<String>, Vec<(u8, i16, bool)>, [f32; 2], Vec<Option<f64>>, Box<u64>, char, Vec<Vec<bool>>);

#[test]
fn integers_are_little_endian() {
    golden(&Native, &0x12_u8, 8, &[0x12]);
    golden(&Native, &0x1234_u16, 16, &[0x34, 0x12]);
    golden(&Native, &0x1234_5678_u32, 32, &[0x78, 0x56, 0x34, 0x12]);
    golden(&Native, &0x0123_4567_89AB_CDEF_u64, 64, &[0xEF, 0xCD, 0xAB, 0x89, 0x67, 0x45, 0x23, 0x01]);
    golden(&Native, &(1_u128 << 120 | 2), 128, &[2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    golden(&Native, &-2_i8, 8, &[0xFE]);
    golden(&Native, &-2_i16, 16, &[0xFE, 0xFF]);
    golden(&Native, &i32::MIN, 32, &[0, 0, 0, 0x80]);
    golden(&Native, &-1_i64, 64, &[0xFF; 8]);
    golden(&Native, &-1_i128, 128, &[0xFF; 16]);
    golden(&Native, &5_usize, 64, &[5, 0, 0, 0, 0, 0, 0, 0]);
    golden(&Native, &-1_isize, 64, &[0xFF; 8]);
    golden(&Native, &NonZero::new(7_u16).unwrap(), 16, &[7, 0]);
}

#[test]
fn other_primitives_are_their_bits() {
    golden(&Native, &1.0_f32, 32, &[0, 0, 0x80, 0x3F]);
    golden(&Native, &-2.0_f64, 64, &[0, 0, 0, 0, 0, 0, 0, 0xC0]);
    golden(&Native, &f32::NAN, 32, &[0, 0, 0xC0, 0x7F]);
    golden(&Native, &true, 1, &[1]);
    golden(&Native, &'é', 21, &[0xE9, 0, 0]);
    golden(&Native, &(), 0, &[]);
    golden(&Native, &Duration::from_nanos(0x0102), 64, &[2, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn containers_are_lengths_and_elements() {
    golden(&Native, &None::<u8>, 1, &[0]);
    golden(&Native, &Some(0x41_u8), 9, &[0x83, 0]);
    golden(&Native, &vec![1_u8, 2, 3], 32, &[3, 1, 2, 3]);
    golden(&Native, &vec![true, false, true], 11, &[3, 0b101]);
    golden(&Native, &[0x0102_u16, 0x0304], 32, &[2, 1, 4, 3]);
    golden(&Native, &(true, 0xFF_u8, false), 10, &[0xFF, 0x01]);
    golden(&Native, &"héy".to_string(), 40, &[4, b'h', 0xC3, 0xA9, b'y']);
    golden(&Native, &vec![7_u8; 300], 16 + 2400, &[vec![0xAC, 0x02], vec![7; 300]].concat());
    golden(&Native, &Box::new(9_u8), 8, &[9]);
}

#[test]
fn changes_cost_what_the_tables_say() {
    assert_eq!([101, 102, 105, 117].map(|to| change_cost(&Native, &100_u8, &to)), [3, 5, 7, 10]);
    assert_eq!([-1, 5, 64, 1024].map(|to| change_cost(&Native, &0_i16, &to)), [5, 9, 9, 13]);
    assert_eq!([8, 512, -131_072, 131_073].map(|to| change_cost(&Native, &0_i32, &to)), [6, 12, 20, 34]);
    assert_eq!([1, 100, 10_000, i64::MIN].map(|to| change_cost(&Native, &0_i64, &to)), [8, 16, 30, 66]);
    assert_eq!([1, -1, i128::MAX].map(|to| change_cost(&Native, &5_i128, &to)), [9, 129, 129]);
    assert_eq!([10.001, 10.01, 10.1, 12.0, -1.0].map(|to| change_cost(&Native, &10.0_f32, &to)), [16, 20, 23, 26, 33]);
    assert_eq!([10.000_01, 10.1, -1.0].map(|to| change_cost(&Native, &10.0_f64, &to)), [43, 55, 65]);
    assert_eq!(change_cost(&Native, &false, &true), 1);
}

#[test]
fn changes_of_containers_pay_for_what_changed() {
    assert_eq!(change_cost(&Native, &Some(5_u8), &Some(6)), 1 + 3);
    assert_eq!(change_cost(&Native, &None, &Some(6_u8)), 1 + 8);
    assert_eq!(change_cost(&Native, &Some(5_u8), &None), 1);
    assert_eq!(change_cost(&Native, &[1_u8, 2, 3], &[1, 3, 3]), 3 + 3);
    assert_eq!(change_cost(&Native, &(1_u8, true), &(1, false)), 2 + 1);
    assert_eq!(change_cost(&Native, &vec![1_u8, 2, 3], &vec![1, 3, 3]), 1 + 3 + 3);
    assert_eq!(change_cost(&Native, &vec![1_u8, 2, 3], &vec![1, 2, 3, 4]), 1 + 2 + 3 + 8, "a push");
    assert_eq!(change_cost(&Native, &vec![1_u8, 2, 3], &vec![1, 2]), 1 + 2 + 1 + 1, "a pop");
}

#[test]
fn bits_that_are_no_value_are_refused() {
    assert_eq!(char::decode(&mut BitReader::new(&[0x00, 0xD8, 0x00])), Err(WireError::Invalid));
    assert_eq!(char::decode(&mut BitReader::new(&[0xFF; 3])), Err(WireError::Invalid));
    assert_eq!(NonZero::<u8>::decode(&mut BitReader::new(&[0])), Err(WireError::Invalid));
    assert_eq!(String::decode(&mut BitReader::new(&[1, 0xFF])), Err(WireError::NotUtf8));
    let mut one = NonZero::new(1_u8).unwrap();
    assert_eq!(NonZero::<u8>::decode_delta(&mut one, &mut BitReader::new(&[0b011, 0])), Err(WireError::Invalid));
}

#[test]
fn lengths_above_the_limit_fail_both_ways() {
    let mut w = BitWriter::new();
    w.varint(ELEMENTS as u64 + 1);
    let bytes = w.finish().to_vec();
    assert_eq!(String::decode(&mut BitReader::new(&bytes)), Err(WireError::TooLong));
    assert_eq!(Vec::<()>::decode(&mut BitReader::new(&bytes)), Err(WireError::TooLong));
    assert_eq!(Vec::<u8>::unmarshal(&mut BitReader::new(&bytes)), Err(WireError::TooLong));

    let write: [fn(&mut BitWriter); 4] = [
        |w| vec![(); ELEMENTS + 1].marshal(w),
        |w| "x".repeat(ELEMENTS + 1).marshal(w),
        |w| Vec::<()>::encode(&vec![(); ELEMENTS + 1], w),
        |w| Vec::<()>::encode_delta(&vec![(); ELEMENTS + 1], &vec![], w),
    ];
    for write in write {
        let mut w = BitWriter::new();
        write(&mut w);
        assert_eq!(w.error(), Some(WireError::TooLong));
        assert_eq!(w.len(), 0);
    }
    laws(&Native, &vec![(); ELEMENTS], &vec![]);
}

#[test]
fn capture_and_assign_keep_their_memory() {
    let (long, short) = ("a long name".to_string(), "short".to_string());
    let mut repr = long.to_repr();
    let (at, room) = (repr.as_ptr(), repr.capacity());
    short.capture(&mut repr);
    assert_eq!((repr.as_ptr(), repr.capacity()), (at, room));

    let mut repr = vec![long.clone(), long.clone()].to_repr();
    let at = (repr.as_ptr(), repr[0].as_ptr());
    vec![short.clone()].capture(&mut repr);
    assert_eq!((repr.as_ptr(), repr[0].as_ptr()), at);

    let mut value = vec![long.clone(), long];
    let at = (value.as_ptr(), value[0].as_ptr());
    value.assign(&vec![short]);
    assert_eq!((value.as_ptr(), value[0].as_ptr()), at);
}

#[test]
fn shapes_name_every_part() {
    assert_eq!(
        Everything::shape().to_string(),
        "tuple<option<string>, vec<tuple<u8, i16, bool>>, array<f32, 2>, vec<option<f64>>, u64, char, vec<vec<bool>>>"
    );
    assert_eq!(<(NonZero<i8>, (), usize, Duration)>::shape().to_string(), "tuple<nonzero<i8>, unit, u64, duration>");
}

macro_rules! primitive_laws {
    ($($name:ident: $type:ty;)*) => {
        proptest! {$(
            #[test]
            fn $name(base in any::<$type>(), far in any::<$type>(), shift in 0..<$type>::BITS, bytes in any::<[u8; 20]>()) {
                laws(&Native, &far, &base);
                laws(&Native, &base.wrapping_add(far >> shift), &base);
                garbage(&Native, &base, &bytes);
            }
        )*}
    };
}

primitive_laws! {
    u8_laws: u8; u16_laws: u16; u32_laws: u32; u64_laws: u64; u128_laws: u128; usize_laws: usize;
    i8_laws: i8; i16_laws: i16; i32_laws: i32; i64_laws: i64; i128_laws: i128; isize_laws: isize;
}

proptest! {
    #[test]
    fn float_laws(a in any::<u32>(), b in any::<u64>(), step in any::<i32>(), shift in 0u32..32, bytes in any::<[u8; 9]>()) {
        let (x, y) = (f32::from_bits(a), f64::from_bits(b));
        laws(&Native, &f32::from_bits(a.wrapping_add_signed(step >> shift)), &x);
        laws(&Native, &f64::from_bits(b.wrapping_add_signed(i64::from(step) << 20 >> shift)), &y);
        garbage(&Native, &x, &bytes);
        garbage(&Native, &y, &bytes);
    }

    #[test]
    fn small_type_laws(a in any::<(bool, char, Duration, NonZero<i32>)>(), b in any::<(bool, char, Duration, NonZero<i32>)>(), bytes in any::<[u8; 20]>()) {
        laws(&Native, &a, &b);
        garbage(&Native, &a, &bytes);
    }

    #[test]
    fn container_laws(a in any::<Everything>(), b in any::<Everything>()) {
        laws(&Native, &a, &b);
    }

    #[test]
    fn garbage_containers(a in any::<Everything>(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        garbage(&Native, &a, &bytes);
    }

    #[test]
    fn twelve_fit_a_tuple(a in any::<[u8; 12]>(), b in any::<[u8; 12]>(), bytes in any::<[u8; 14]>()) {
        let tuple = |[a, b, c, d, e, f, g, h, i, j, k, l]: [u8; 12]| (a, b, c, d, e, f, g, h, i, j, k, l);
        laws(&Native, &tuple(a), &tuple(b));
        garbage(&Native, &tuple(a), &bytes);
    }
}
