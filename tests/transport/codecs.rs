//! Scenario 14, in part: every codec at every bit offset. (TCP's framing, cut at every byte, is in `driver/tcp/framer.rs`.)
//!
//! A value is written alone, as a change and as a change with a past, behind 0 to 63 bits of something else and in front of a few more,
//! and read back: to the bit, and nothing beside it is touched. Then the message is cut after every one of its bytes, at each of the
//! eight bit offsets that an encoding can begin at, so that the encoding ends after every one of its bits: all of these are refused.
//! `laws` in `gridmate-runtime/tests/laws` asks the rest of a codec's contract at eight offsets, for more types and values.

use core::fmt::Debug;
use core::num::NonZero;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;

use bitvec::prelude::{BitVec, Lsb0};
use gridmate_runtime::wire::codec::{
    Bits, ByReplica, Half, MaxLen, Native, Predict, Quantize, Range, Serde, SmallestThree, UnitVec, Varint,
};
use gridmate_runtime::wire::types::{Aabb, Color, Crc32, Transform};
use gridmate_runtime::wire::{Ahead, BitReader, BitWriter, Codec, PackedRotation, Past, WireError};
use gridmate_runtime::{EntityRef, MemberId, ReplicaId};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

const METRES: Quantize = Quantize::step(-256.0, 256.0, 0.002);

/// What is behind the encoding, and how many bits of it.
const BEHIND: (u64, u32) = (0b1011_0010_0100_1101, 16);

fn at_every_offset<T, C: Codec<T>>(codec: &C, value: &T, base: &T)
where
    C::Repr: Debug,
{
    let (repr, base) = (codec.to_repr(value), codec.to_repr(base));
    let ahead = Ahead::new(6, 1);
    whole_and_cut(&repr, |w| codec.encode(&repr, w), |r| codec.decode(r));
    let decode_delta = |r: &mut BitReader<'_>| {
        let mut read = base.clone();
        codec.decode_delta(&mut read, r).map(|()| read)
    };
    whole_and_cut(&repr, |w| codec.encode_delta(&repr, &base, w), decode_delta);
    let decode_ahead = |r: &mut BitReader<'_>| {
        let mut read = base.clone();
        codec.decode_ahead(&mut read, Past::new(&repr, ahead), r).map(|()| read)
    };
    whole_and_cut(&repr, |w| codec.encode_ahead(&repr, &base, Past::new(&repr, ahead), w), decode_ahead);
}

fn whole_and_cut<R: PartialEq + Debug>(
    expected: &R,
    write: impl Fn(&mut BitWriter),
    read: impl Fn(&mut BitReader<'_>) -> Result<R, WireError>,
) {
    for offset in 0..64 {
        let before = 0x9E37_79B9_7F4A_7C15 & ((1 << offset) - 1);
        let mut w = BitWriter::new();
        w.bits(before, offset);
        write(&mut w);
        let end = w.len();
        w.bits(BEHIND.0, BEHIND.1);
        assert_eq!(w.error(), None);
        let bytes = w.finish();
        let mut r = BitReader::new(bytes);
        assert_eq!(r.bits(offset), Ok(before));
        assert_eq!(read(&mut r).as_ref(), Ok(expected), "behind {offset} bits");
        assert_eq!((r.position(), r.bits(BEHIND.1)), (end, Ok(BEHIND.0)), "behind {offset} bits");
        if offset >= 8 {
            continue;
        }
        for len in (0..).take_while(|len| len * 8 < end) {
            let mut r = BitReader::new(&bytes[..len]);
            if r.bits(offset).is_ok() {
                assert!(read(&mut r).is_err(), "accepted {len} of {end} bits' bytes behind {offset}");
            }
        }
    }
}

fn to(creator: u32, serial: u32) -> EntityRef {
    match serial {
        0 => EntityRef::NONE,
        serial => EntityRef::new(ReplicaId { creator: MemberId(creator.max(1)), serial }),
    }
}

fn vec3([x, y, z]: [f32; 3]) -> glam::Vec3 {
    glam::Vec3::new(x, y, z)
}

fn quat([x, y, z, w]: [f32; 4]) -> glam::Quat {
    glam::Quat::from_xyzw(x, y, z, w)
}

fn transform([a, b, c, d]: [f32; 4]) -> Transform {
    Transform { translation: vec3([a, b, c]), rotation: quat([b, c, d, a]), scale: vec3([d, a, b]) }
}

fn floats<const N: usize>() -> impl Strategy<Value = [f32; N]> {
    prop_oneof![prop::array::uniform(-300.0..300.0_f32), any::<[f32; N]>()]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    /// `Native` on every primitive.
    #[test]
    fn scenario_14b_primitives_at_every_bit_offset(
        a in any::<(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128)>(), b in any::<(u8, u16, u32, u64, u128, i8, i16, i32, i64, i128)>(),
        c in any::<(bool, char, f32, f64, usize, isize)>(), d in any::<(bool, char, f32, f64, usize, isize)>(),
        e in any::<(Duration, NonZero<i32>)>(), f in any::<(Duration, NonZero<i32>)>(),
    ) {
        at_every_offset(&Native, &a.0, &b.0);
        at_every_offset(&Native, &a.1, &b.1);
        at_every_offset(&Native, &a.2, &b.2);
        at_every_offset(&Native, &a.3, &b.3);
        at_every_offset(&Native, &a.4, &b.4);
        at_every_offset(&Native, &a.5, &b.5);
        at_every_offset(&Native, &a.6, &b.6);
        at_every_offset(&Native, &a.7, &b.7);
        at_every_offset(&Native, &a.8, &b.8);
        at_every_offset(&Native, &a.9, &b.9);
        at_every_offset(&Native, &c.0, &d.0);
        at_every_offset(&Native, &c.1, &d.1);
        at_every_offset(&Native, &c.2, &d.2);
        at_every_offset(&Native, &c.3, &d.3);
        at_every_offset(&Native, &c.4, &d.4);
        at_every_offset(&Native, &c.5, &d.5);
        at_every_offset(&Native, &e.0, &f.0);
        at_every_offset(&Native, &e.1, &f.1);
        at_every_offset(&Native, &(), &());
    }

    /// `Native` on every kind of container.
    #[test]
    fn scenario_14b_containers_at_every_bit_offset(
        a in vec(any::<u16>(), 0..8), b in vec(any::<u16>(), 0..8), s in "\\PC{0,6}", t in "\\PC{0,6}",
        m in btree_map(any::<u8>(), any::<u16>(), 0..5), n in btree_map(any::<u8>(), any::<u16>(), 0..5),
        p in btree_set(any::<u8>(), 0..6), q in btree_set(any::<u8>(), 0..6),
        x in any::<(Option<u32>, Result<u8, u16>, [u8; 3], SocketAddr)>(),
        y in any::<(Option<u32>, Result<u8, u16>, [u8; 3], SocketAddr)>(),
        bits in vec(any::<bool>(), 0..40),
    ) {
        at_every_offset::<Vec<u16>, _>(&Native, &a, &b);
        at_every_offset::<VecDeque<u16>, _>(&Native, &a.iter().copied().collect(), &b.iter().copied().collect());
        at_every_offset::<String, _>(&Native, &s, &t);
        at_every_offset::<BTreeMap<u8, u16>, _>(&Native, &m, &n);
        at_every_offset::<BTreeSet<u8>, _>(&Native, &p, &q);
        at_every_offset(&Native, &x, &y);
        let set = |bits: &[bool]| bits.iter().collect::<BitVec<u8, Lsb0>>();
        at_every_offset(&Native, &set(&bits), &set(&bits[bits.len() / 2..]));
    }

    /// The codecs of numbers, lists and references: `Bits`, `Range`, `Varint`, `Quantize`, `Half`, `MaxLen`, `Serde`, `ByReplica`, and
    /// `Predict` of those that it takes.
    #[test]
    fn scenario_14b_codecs_at_every_bit_offset(
        a in any::<[i64; 3]>(), b in any::<[i64; 3]>(), f in floats::<3>(), g in floats::<3>(),
        short in vec(any::<u8>(), 0..=7), other in vec(any::<u8>(), 0..=7), s in "[a-z]{0,12}", t in "[a-z]{0,12}",
        to_a in any::<(u32, u32)>(), to_b in any::<(u32, u32)>(),
    ) {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "any small numbers will do")]
        let [small, base] = [a, b].map(|of| of.map(|n| n as u16));
        at_every_offset(&Bits::<12>, &small[0], &base[0]);
        at_every_offset(&Bits::<5>, &small[0].cast_signed(), &base[0].cast_signed());
        at_every_offset(&Bits::<9>, &small, &base);
        at_every_offset(&Range::<-5_000_000_000, 5_000_000_000>, &a[0], &b[0]);
        at_every_offset(&Range::<3, 250>, &small[1], &base[1]);
        at_every_offset(&Varint, &a[0], &b[0]);
        at_every_offset(&Varint, &small[2], &base[2]);
        at_every_offset(&METRES, &f[0], &g[0]);
        at_every_offset(&METRES, &f, &g);
        at_every_offset(&Quantize::bits(-1.0, 1.0, 7), &f64::from(f[0]), &f64::from(g[0]));
        at_every_offset(&Half, &f[0], &g[0]);
        at_every_offset(&Half, &f, &g);
        at_every_offset(&MaxLen::<7>, &short, &other);
        at_every_offset(&MaxLen::<31>, &s, &t);
        at_every_offset(&Serde, &(small[0], s), &(base[0], t));
        at_every_offset(&ByReplica, &to(to_a.0, to_a.1), &to(to_b.0, to_b.1));
        at_every_offset(&ByReplica, &to(to_a.0, to_a.1), &to(to_a.0, 0));
        at_every_offset(&Predict::new(Native), &f[0], &g[0]);
        at_every_offset(&Predict::new(METRES), &f, &g);
        at_every_offset(&Predict::new(Bits::<9>), &small, &base);
        at_every_offset(&Predict::new(Range::<3, 250>), &small[1], &base[1]);
    }

    /// Vectors, rotations and shapes, and their codecs: `SmallestThree`, `UnitVec`, and those of numbers on vectors.
    #[test]
    fn scenario_14b_vectors_and_rotations_at_every_bit_offset(
        a in floats::<4>(), b in floats::<4>(), codes in any::<[u32; 2]>(),
    ) {
        let [v, w] = [a, b].map(|of| vec3([of[0], of[1], of[2]]));
        at_every_offset(&Native, &v, &w);
        at_every_offset(&METRES, &v, &w);
        at_every_offset(&Half, &v, &w);
        at_every_offset(&Predict::new(METRES), &v, &w);
        at_every_offset(&UnitVec::<10>, &v, &w);
        at_every_offset(&Native, &quat(a), &quat(b));
        at_every_offset(&SmallestThree::<10>, &quat(a), &quat(b));
        at_every_offset(&Predict::new(SmallestThree::<12>), &quat(a), &quat(b));
        at_every_offset(&Native, &PackedRotation::<9>::from_quaternion(a), &PackedRotation::<9>::from_quaternion(b));
        at_every_offset(&Native, &transform(a), &transform(b));
        at_every_offset(&Native, &Aabb { min: v, max: w }, &Aabb { min: w, max: v });
        let color = |of: [f32; 4]| Color { r: of[0], g: of[1], b: of[2], a: of[3] };
        at_every_offset(&Native, &color(a), &color(b));
        at_every_offset(&Native, &Crc32::from_value(codes[0]), &Crc32::from_value(codes[1]));
    }
}

/// No codec is missing above.
#[test]
fn scenario_14b_no_codec_is_missing() {
    let module = include_str!("../../gridmate-runtime/src/wire/codec/mod.rs");
    let here = include_str!("codecs.rs");
    let exports = module.lines().filter_map(|line| line.strip_prefix("pub use ")?.split_once("::"));
    let names: BTreeSet<_> = exports
        .flat_map(|(_, names)| names.split(|c: char| !c.is_ascii_alphanumeric()))
        .filter(|name| name.starts_with(char::is_uppercase))
        // Traits and reprs: no codecs.
        .filter(|name| !["Predictable", "RefersToEntity", "SerdeRepr", "SmallestThreeRepr"].contains(name))
        .collect();
    assert!(names.len() >= 11, "{names:?}");
    for name in names {
        let used = ["", "::<", "::new(", "::bits("].map(|next| format!("at_every_offset(&{name}{next}"));
        assert!(used.iter().any(|call| here.contains(call)), "`{name}` is not tried");
    }
}
