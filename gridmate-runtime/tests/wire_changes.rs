//! The bytes of changes, one of each kind: what `docs/WIRE.md` says in words. And that no codec is without tests.

mod laws;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasherDefault, DefaultHasher};

use bitvec::prelude::{BitVec, Lsb0, bitvec};
use gridmate_runtime::wire::codec::{Bits, Half, MaxLen, Native, Predict, Quantize, Range, Varint};
use laws::golden_change;

type Hashed<K, V> = HashMap<K, V, BuildHasherDefault<DefaultHasher>>;
type HashedSet<T> = HashSet<T, BuildHasherDefault<DefaultHasher>>;

const METRES: Quantize = Quantize::step(-256.0, 256.0, 0.002);

#[test]
fn changes_of_primitives() {
    golden_change::<bool, _>(&Native, &false, &true, 1, &[0x01]);
    golden_change::<u8, _>(&Native, &100, &102, 5, &[0x0D]);
    golden_change::<u16, _>(&Native, &5, &4, 5, &[0x00]);
    golden_change::<u32, _>(&Native, &1000, &1600, 20, &[0xBE, 0x12, 0x00]);
    golden_change::<u64, _>(&Native, &0, &100, 16, &[0x1D, 0x03]);
    golden_change::<u128, _>(&Native, &5, &6, 9, &[0x09, 0x00]);
    golden_change::<i16, _>(&Native, &0, &-5, 9, &[0x21, 0x00]);
    golden_change::<i64, _>(&Native, &0, &i64::MIN, 66, &[0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02]);
    golden_change::<f32, _>(&Native, &10.0, &10.1, 23, &[0x9D, 0x99, 0x19]);
    golden_change::<f64, _>(&Native, &10.0, &-1.0, 65, &[0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xE0, 0x7F, 0x01]);
    golden_change::<char, _>(&Native, &'a', &'b', 21, &[0x62, 0x00, 0x00]);
}

#[test]
fn changes_of_containers() {
    golden_change::<Option<u8>, _>(&Native, &Some(5), &Some(6), 4, &[0x09]);
    golden_change::<Option<u8>, _>(&Native, &None, &Some(6), 9, &[0x0D, 0x00]);
    golden_change::<Option<u8>, _>(&Native, &Some(5), &None, 1, &[0x00]);
    golden_change::<[u8; 3], _>(&Native, &[1, 2, 3], &[1, 3, 3], 6, &[0x12]);
    golden_change::<(u8, bool), _>(&Native, &(1, true), &(1, false), 3, &[0x02]);
    golden_change::<Vec<u8>, _>(&Native, &vec![1, 2, 3], &vec![1, 3, 3], 7, &[0x25]);
    golden_change::<Vec<u8>, _>(&Native, &vec![1, 2, 3], &vec![1, 2, 3, 4], 14, &[0x16, 0x01]);
    golden_change::<VecDeque<u8>, _>(&Native, &VecDeque::from([1, 2, 3]), &VecDeque::from([2, 3]), 6, &[0x28]);
    golden_change::<String, _>(&Native, &"worl".to_string(), &"world".to_string(), 14, &[0x14, 0x19]);
    golden_change::<BTreeMap<u8, u8>, _>(
        &Native,
        &BTreeMap::from([(1, 1)]),
        &BTreeMap::from([(5, 6)]),
        22,
        &[0x57, 0x81, 0x01],
    );
    golden_change::<Hashed<u8, u8>, _>(
        &Native,
        &Hashed::from_iter([(1, 1), (2, 2)]),
        &Hashed::from_iter([(1, 1), (2, 3)]),
        8,
        &[0xC5],
    );
    golden_change::<BTreeSet<u8>, _>(
        &Native,
        &BTreeSet::from([1, 2, 3]),
        &BTreeSet::from([1, 3, 4]),
        15,
        &[0x25, 0x02],
    );
    golden_change::<HashedSet<u8>, _>(
        &Native,
        &HashedSet::from_iter([1, 2, 3]),
        &HashedSet::from_iter([1, 3, 4]),
        15,
        &[0x25, 0x02],
    );
    golden_change::<Result<u8, u16>, _>(&Native, &Ok(5), &Ok(6), 4, &[0x09]);
    golden_change::<Result<u8, u16>, _>(&Native, &Ok(5), &Err(6), 17, &[0x0C, 0x00, 0x00]);
    golden_change::<BitVec<u8, Lsb0>, _>(
        &Native,
        &bitvec![u8, Lsb0; 1, 0, 1],
        &bitvec![u8, Lsb0; 1, 1, 1, 0],
        12,
        &[0x49, 0x06],
    );
}

#[test]
fn changes_under_codecs() {
    golden_change::<u16, _>(&Bits::<12>, &100, &101, 5, &[0x04]);
    golden_change::<i8, _>(&Bits::<3>, &1, &-4, 3, &[0x04]);
    golden_change::<[u16; 3], _>(&Bits::<9>, &[1, 2, 3], &[1, 2, 40], 14, &[0xE8, 0x24]);
    golden_change::<f32, _>(&Half, &1.0, &1.125, 10, &[0xFD, 0x03]);
    golden_change::<[f32; 2], _>(&Half, &[1.0, -1.0], &[1.0, 3.0], 22, &[0x3C, 0x80, 0x10]);
    golden_change::<Vec<u8>, _>(&MaxLen::<7>, &vec![1, 2], &vec![1, 2, 3], 14, &[0xD4, 0x00]);
    golden_change::<String, _>(&MaxLen::<31>, &"hi".to_string(), &"ho".to_string(), 14, &[0xD5, 0x1B]);
    golden_change::<f32, _>(&METRES, &10.0, &10.004, 6, &[0x0C]);
    golden_change::<[f32; 3], _>(&METRES, &[10.0; 3], &[10.01, 10.0, 10.0], 11, &[0x92, 0x04]);
    golden_change::<f64, _>(&Quantize::bits(-1.0, 1.0, 8), &-1.0, &1.0, 4, &[0x00]);
    golden_change::<u8, _>(&Range::<0, 100>, &50, &55, 7, &[0x26]);
    golden_change::<i16, _>(&Range::<-20, 30>, &-20, &30, 8, &[0xCB]);
    golden_change::<i64, _>(&Varint, &0, &-64, 8, &[0x7F]);
    golden_change::<u32, _>(&Varint, &u32::MAX, &0, 8, &[0x02]);
    golden_change::<u16, _>(&Predict::new(Native), &5, &4, 5, &[0x00]);
    golden_change::<[u16; 3], _>(&Predict::new(Bits::<9>), &[1, 2, 3], &[1, 2, 40], 14, &[0xE8, 0x24]);
}

#[cfg(feature = "glam")]
#[test]
fn changes_of_vectors_and_rotations() {
    use glam::{IVec3, Quat, Vec2, Vec3};
    use gridmate_runtime::wire::codec::{SmallestThree, UnitVec};

    golden_change::<Vec3, _>(
        &Native,
        &Vec3::new(1.0, 2.0, 3.0),
        &Vec3::new(1.0, 2.5, 3.0),
        30,
        &[0xD4, 0xFF, 0xFF, 0x1F],
    );
    golden_change::<IVec3, _>(&Native, &IVec3::new(5, 6, 7), &IVec3::new(6, 6, 7), 9, &[0x82, 0x00]);
    golden_change::<Vec3, _>(&METRES, &Vec3::ZERO, &Vec3::new(0.1, -0.1, 0.002), 31, &[0x37, 0x46, 0x4C, 0x00]);
    golden_change::<Vec2, _>(&Half, &Vec2::new(1.0, -1.0), &Vec2::new(1.5, -1.0), 16, &[0xE2, 0xFF]);
    golden_change::<Quat, _>(
        &SmallestThree::<10>,
        &Quat::IDENTITY,
        &Quat::from_xyzw(0.0, 1.0, 0.0, 0.0),
        33,
        &[0xFA, 0xEF, 0xBF, 0xFF, 0x00],
    );
    golden_change::<Quat, _>(
        &SmallestThree::<10>,
        &Quat::IDENTITY,
        &Quat::from_xyzw(0.0, 0.0, 0.1, 1.0),
        16,
        &[0xD1, 0x8F],
    );
    golden_change::<Vec3, _>(&UnitVec::<10>, &Vec3::Z, &Vec3::X, 16, &[0xBA, 0xFF]);
    golden_change::<Vec3, _>(&UnitVec::<10>, &Vec3::Z, &Vec3::new(0.01, 0.0, 1.0), 11, &[0x5A, 0x02]);
}

#[cfg(feature = "serde")]
#[test]
fn changes_of_serde() {
    use gridmate_runtime::wire::codec::Serde;

    golden_change::<(u8, bool), _>(&Serde, &(1, true), &(2, true), 15, &[0x24, 0x01]);
}

/// What the module exports besides codecs.
const NO_CODECS: &[&str] = &["Predictable", "RefersToEntity", "SerdeRepr", "SmallestThreeRepr"];

#[test]
fn no_codec_is_without_tests() {
    let module = include_str!("../src/wire/codec/mod.rs");
    let exports = module.lines().filter_map(|line| line.strip_prefix("pub use ")?.split_once("::"));
    let names: BTreeSet<_> = exports
        .flat_map(|(_, names)| names.split(|c: char| !c.is_ascii_alphanumeric()))
        .filter(|name| name.starts_with(char::is_uppercase) && !NO_CODECS.contains(name))
        .collect();
    assert!(names.len() >= 11, "{names:?}");

    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let sources = files.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let tests: String = sources.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    let constants: Vec<_> =
        tests.split("\nconst ").skip(1).filter_map(|rest| rest.split_once(" = ")?.0.split_once(": ")).collect();
    for name in names {
        let aliases = constants.iter().filter(|(_, of)| of.contains(name)).map(|(alias, _)| *alias);
        let known: Vec<_> = aliases.chain([name]).collect();
        for check in [" golden", " golden_change", " laws(", " garbage("] {
            let mut calls = tests.split(check).skip(1).map(|rest| rest.split(';').next().unwrap_or_default());
            assert!(calls.any(|call| known.iter().any(|name| call.contains(name))), "no{check} of `{name}`");
        }
    }
}
