//! `LARGEST_BITS`: what types and codecs say they need at most is never more than their largest values do.

mod laws;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::num::NonZero;
use std::time::Duration;

use gridmate_runtime::Marshal;
use gridmate_runtime::wire::Codec;
use gridmate_runtime::wire::codec::{Bits, Half, MaxLen, Native, Predict, Quantize, Range, Varint};

/// `codec` says `bits`, and the largest of `values` needs as many: alone, and as a change from `base`.
#[track_caller]
fn needs<T, C: Codec<T>>(codec: &C, bits: usize, base: &T, values: &[T]) {
    assert_eq!(C::LARGEST_BITS, bits);
    let alone = values.iter().map(|value| laws::alone(codec, &codec.to_repr(value)).1).max().unwrap();
    assert!(alone >= bits, "{alone} bits alone");
    let change = values.iter().map(|value| laws::change_cost(codec, base, value)).max().unwrap();
    assert!(change >= bits, "{change} bits as a change");
}

#[test]
fn of_types() {
    macro_rules! integers {
        ($($int:ident)*) => {$( needs(&Native, $int::BITS as usize, &0, &[$int::MAX, $int::MAX / 2, $int::MAX / 3]); )*};
    }
    integers!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);
    needs(&Native, 64, &0_usize, &[usize::MAX / 3]);
    needs(&Native, 16, &NonZero::<u16>::MIN, &[NonZero::new(0x5555_u16).unwrap()]);
    needs(&Native, 32, &0_f32, &[-1e20]);
    needs(&Native, 64, &0_f64, &[-1e200]);
    needs(&Native, 1, &false, &[true]);
    needs(&Native, 21, &'a', &[char::MAX]);
    needs(&Native, 0, &(), &[()]);
    needs(&Native, 64, &Duration::ZERO, &[Duration::from_nanos(u64::MAX / 3)]);
    needs(&Native, 33, &None, &[Some(0x5555_5555_u32)]);
    needs(&Native, 9 * 32, &[0_u32; 9], &[[0x5555_5555; 9]]);
    needs(&Native, 8 + 64, &(0_u8, 0_u64), &[(0x77, u64::MAX / 3)]);
    needs(&Native, 65, &Ok(0_u8), &[Err::<u8, _>(7_u64)]);
    needs(&Native, 16, &Box::new(0_u16), &[Box::new(0x5555_u16)]);
    needs(&Native, 16, &Cow::<u16>::Owned(0), &[Cow::Owned(0x5555)]);
    let address = IpAddr::V6(Ipv6Addr::from_bits(u128::MAX / 3));
    needs(&Native, 129, &IpAddr::from([0; 4]), &[address]);
    needs(&Native, 145, &SocketAddr::from(([0; 4], 0)), &[SocketAddr::new(address, 0x5555)]);
}

#[test]
fn of_what_has_no_known_size() {
    needs(&Native, 0, &String::new(), &["x".to_owned()]);
    needs(&Native, 0, &Vec::new(), &[vec![1_u64]]);
    needs(&Native, 0, &BTreeMap::new(), &[BTreeMap::from([(1_u8, 2_u8)])]);
    // There are no twenty different booleans.
    needs(&MaxLen::<20>, 0, &BTreeSet::new(), &[BTreeSet::from([true, false])]);
    needs(&MaxLen::<20>, 0, &HashMap::new(), &[HashMap::from([(true, [1_u64; 9])])]);
}

#[test]
fn of_codecs() {
    needs(&Bits::<5>, 5, &0_u8, &[21]);
    needs(&Bits::<5>, 15, &[0_u16; 3], &[[21; 3]]);
    needs(&Range::<-2, 100>, 7, &0_i8, &[77]);
    needs(&Varint, 32, &0_u32, &[u32::MAX / 3]);
    needs(&Half, 16, &0.0_f32, &[-100.1]);
    needs(&Half, 48, &[0.0_f32; 3], &[[-100.1; 3]]);
    // As little as there can be: the width is in the value.
    needs(&Quantize::bits(0.0, 1.0, 1), 1, &0.0_f32, &[1.0]);
    needs(&Predict::new(Quantize::bits(0.0, 1.0, 1)), 4, &[0.0_f64; 4], &[[1.0; 4]]);
    needs(&MaxLen::<3>, 24, &String::new(), &["abc".to_owned()]);
    needs(&MaxLen::<3>, 48, &Vec::new(), &[vec![0x5555_u16; 3]]);
    needs(&MaxLen::<3>, 48, &VecDeque::new(), &[VecDeque::from([0x5555_u16; 3])]);
}

#[cfg(feature = "glam")]
#[test]
fn of_vectors_and_rotations() {
    use glam::{DMat2, Quat, Vec3};
    use gridmate_runtime::wire::codec::{SmallestThree, UnitVec};

    needs(&Native, 96, &Vec3::ZERO, &[Vec3::splat(-1e20)]);
    needs(&Native, 256, &DMat2::ZERO, &[DMat2::from_cols_array(&[-1e200; 4])]);
    needs(&Half, 48, &Vec3::ZERO, &[Vec3::splat(-100.1)]);
    needs(&Quantize::bits(0.0, 1.0, 1), 3, &Vec3::ZERO, &[Vec3::ONE]);
    needs(&UnitVec::<10>, 20, &Vec3::Z, &[Vec3::new(-1.0, -2.0, -3.0)]);
    needs(&SmallestThree::<10>, 32, &Quat::IDENTITY, &[Quat::from_xyzw(0.6, -0.5, 0.4, -0.3)]);
}

#[cfg(feature = "derive")]
#[test]
fn of_derived_types() {
    #[derive(Marshal)]
    struct Pair<T> {
        first: T,
        #[marshal(bits = 5)]
        second: u8,
        #[marshal(skip)]
        _third: u64,
    }

    #[derive(Marshal)]
    #[marshal(tag_bits = 3)]
    enum Weapon {
        Idle,
        Charging {
            #[marshal(quantize(0.0..=1.0, bits = 9))]
            levels: [f32; 4],
        },
        Firing(Box<Pair<u64>>, #[marshal(max_len = 2)] String),
    }

    let pair = |first, second| Pair { first, second, _third: 0 };
    needs(&Native, 69, &pair(0_u64, 0), &[pair(u64::MAX / 3, 21)]);
    let firing = Weapon::Firing(Box::new(pair(u64::MAX / 3, 21)), "ab".to_owned());
    needs(&Native, 3 + 69 + 16, &Weapon::Idle, &[firing, Weapon::Charging { levels: [0.7; 4] }]);
}
