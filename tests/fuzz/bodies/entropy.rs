//! The coder under models: what it is told, values and whole snapshots come back from a message; any bytes are an error or a value
//! as good as any; and no message goes on for longer than its bytes pay for.

use core::fmt::Debug;
use std::collections::{BTreeMap, BTreeSet};

use glam::{Quat, Vec3};
use gridmate_runtime::ReplicaChunk;
use gridmate_runtime::wire::__bare_entropy::{self as coder, Talk};
use gridmate_runtime::wire::codec::{
    Bits, Half, MaxLen, Native, Predict, Quantize, Range, SmallestThree, UnitVec, Varint,
};
use gridmate_runtime::wire::{self, Ahead, BitReader, Codec, Past, Sink, Source, WireError};

use super::kitchen_sink::{self, Snapshot};
use super::pair::damage;
use super::script::Script;
use super::sink::KitchenSink;

/// More would only take longer.
const WORDS: usize = 60;

/// More than any message that fits an input holds.
const HEARD: usize = 400_000;

pub(crate) fn run(input: &[u8]) {
    let mut script = Script::new(input);
    match script.pick(4) {
        0 => words(&mut script),
        1 => snapshots(&mut script),
        _ => VALUES[script.pick(VALUES.len())](&mut script),
    }
}

/// Something said to a coder.
#[derive(Clone, Debug, PartialEq)]
enum Word {
    Bits(u64, u32),
    Bool(bool),
    Flag(bool, Option<bool>),
    Residual(i64, u64),
    Gamma(u32),
    Varint(u64),
    Bytes(Vec<u8>),
}

impl Word {
    fn new(kind: usize, script: &mut Script<'_>) -> Self {
        match kind {
            0 => {
                let count = u32::from(script.byte()) % 65;
                Self::Bits(number(script) & u64::MAX.checked_shr(64 - count).unwrap_or(0), count)
            }
            1 => Self::Bool(script.pick(2) == 1),
            2 => Self::Flag(script.pick(2) == 1, [None, Some(false), Some(true)][script.pick(3)]),
            3 => Self::Residual(low(number(script)).cast_signed().into(), number(script)),
            4 => Self::Gamma(low(number(script)).max(1)),
            5 => Self::Varint(number(script)),
            _ => Self::Bytes(script.bytes().iter().copied().take(12).collect()),
        }
    }

    fn say(&self, w: &mut impl Sink) {
        match self {
            Self::Bits(bits, count) => w.bits(*bits, *count),
            Self::Bool(value) => w.bool(*value),
            Self::Flag(flag, moved) => w.differs(*flag, *moved),
            Self::Residual(value, expected) => w.residual(*value, *expected),
            Self::Gamma(value) => w.gamma(*value),
            Self::Varint(value) => w.varint(*value),
            Self::Bytes(bytes) => w.bytes(bytes),
        }
    }

    /// Reads a word of the same form.
    fn hear(&self, r: &mut impl Source) -> Result<Self, WireError> {
        Ok(match self {
            Self::Bits(_, count) => Self::Bits(r.bits(*count)?, *count),
            Self::Bool(_) => Self::Bool(r.bool()?),
            Self::Flag(_, moved) => Self::Flag(r.differs(*moved)?, *moved),
            Self::Residual(_, expected) => Self::Residual(r.residual(*expected)?, *expected),
            Self::Gamma(_) => Self::Gamma(r.gamma()?),
            Self::Varint(_) => Self::Varint(r.varint()?),
            Self::Bytes(bytes) => {
                let mut out = vec![0; bytes.len()];
                r.bytes(&mut out)?;
                Self::Bytes(out)
            }
        })
    }
}

/// A number of any size.
fn number(script: &mut Script<'_>) -> u64 {
    let bytes = [(); 8].map(|()| script.byte());
    u64::from_le_bytes(bytes) >> (script.byte() % 64)
}

fn low(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).expect("masked")
}

/// Comes back as it went.
struct Said(Vec<Vec<Word>>);

impl Talk for Said {
    fn say(&self, object: usize, w: &mut impl Sink) {
        self.0[object].iter().for_each(|word| word.say(w));
    }

    fn hear(&mut self, object: usize, r: &mut impl Source) -> Result<(), WireError> {
        self.0[object].iter().try_for_each(|word| word.hear(r).map(|heard| assert_eq!(heard, *word)))
    }
}

/// Goes on as long as it can.
struct Noise<'a> {
    like: &'a [Vec<Word>],
    heard: usize,
}

impl Talk for Noise<'_> {
    fn say(&self, _object: usize, _w: &mut impl Sink) {}

    fn hear(&mut self, object: usize, r: &mut impl Source) -> Result<(), WireError> {
        let like = &self.like[object];
        let times = if object + 1 == self.like.len() { HEARD } else { like.len() };
        // Each round takes something of what there is, at least now and then.
        for word in like.iter().chain([&Word::Bits(0, 7)]).cycle().take(times) {
            word.hear(r)?;
            self.heard += 1;
        }
        Ok(())
    }
}

fn words(script: &mut Script<'_>) {
    let (mut objects, mut words) = (vec![object(script)], vec![Vec::new()]);
    for _ in 0..WORDS {
        if script.is_empty() {
            break;
        }
        match script.pick(9) {
            kind @ 0..7 => words.last_mut().expect("one at least").push(Word::new(kind, script)),
            7 => {
                objects.push(object(script));
                words.push(Vec::new());
            }
            _ => break,
        }
    }
    let mut said = Said(words);
    let mut bytes = coder::said(&said, &objects).expect("no fault");
    assert_eq!(coder::hear(&mut said, &objects, &bytes), Ok(()));

    // The same, damaged; and the rest of the input.
    damage(&mut bytes, script);
    for bytes in [&bytes, script.rest()] {
        let mut noise = Noise { like: &said.0, heard: 0 };
        let ended = coder::hear(&mut noise, &objects, bytes);
        assert!(ended.is_err() && noise.heard < HEARD, "{} words of {} bytes", noise.heard, bytes.len());
    }
}

fn object(script: &mut Script<'_>) -> (u16, bool) {
    (script.word(), script.pick(4) != 0)
}

/// At the end new ones: what a recorded input means depends on the place.
const VALUES: &[fn(&mut Script<'_>)] = &[
    |script| values::<(u8, i16, u32, i64, u128, bool, char), _>(&Native, script),
    |script| values::<[f32; 3], _>(&Native, script),
    |script| values::<(f64, Option<u16>, Option<Result<u8, i32>>), _>(&Native, script),
    |script| values::<String, _>(&Native, script),
    |script| values::<Vec<Option<i16>>, _>(&Native, script),
    |script| values::<Vec<String>, _>(&MaxLen::<6>, script),
    |script| values::<BTreeMap<u8, String>, _>(&Native, script),
    |script| values::<BTreeSet<u16>, _>(&MaxLen::<6>, script),
    |script| values::<Vec3, _>(&Predict::of::<Vec3>(Quantize::step(-256.0, 256.0, 0.002)), script),
    |script| values::<Quat, _>(&Predict::of::<Quat>(SmallestThree::<9>), script),
    |script| values::<[f32; 2], _>(&Predict::of::<[f32; 2]>(Native), script),
    |script| values::<[i16; 2], _>(&Predict::of::<[i16; 2]>(Native), script),
    |script| values::<[f32; 3], _>(&Half, script),
    |script| values::<Vec3, _>(&UnitVec::<10>, script),
    |script| values::<u16, _>(&Bits::<9>, script),
    |script| values::<i16, _>(&Range::<-20, 30>, script),
    |script| values::<i64, _>(&Varint, script),
];

/// A value by every road, each against the same base.
struct Value<'a, T, C: Codec<T>> {
    codec: &'a C,
    now: C::Repr,
    base: &'a C::Repr,
    past: Past<'a, C::Repr>,
}

impl<T, C: Codec<T, Repr: Debug>> Talk for Value<'_, T, C> {
    fn say(&self, _object: usize, w: &mut impl Sink) {
        self.codec.encode(&self.now, w);
        self.codec.encode_delta(&self.now, self.base, w);
        self.codec.encode_ahead(&self.now, self.base, self.past, w);
        self.codec.encode_ahead(self.base, &self.now, Past::UNKNOWN, w);
    }

    fn hear(&mut self, _object: usize, r: &mut impl Source) -> Result<(), WireError> {
        assert_eq!(self.codec.decode(r)?, self.now);
        let (mut changed, mut ahead, mut back) = (self.base.clone(), self.base.clone(), self.now.clone());
        self.codec.decode_delta(&mut changed, r)?;
        self.codec.decode_ahead(&mut ahead, self.past, r)?;
        self.codec.decode_ahead(&mut back, Past::UNKNOWN, r)?;
        assert_eq!((&changed, &ahead, &back), (&self.now, &self.now, self.base));
        Ok(())
    }
}

/// Any value, by one road.
struct Any<'a, T, C: Codec<T>> {
    codec: &'a C,
    road: usize,
    repr: C::Repr,
    past: Past<'a, C::Repr>,
}

impl<T, C: Codec<T>> Talk for Any<'_, T, C> {
    fn say(&self, _object: usize, _w: &mut impl Sink) {}

    fn hear(&mut self, _object: usize, r: &mut impl Source) -> Result<(), WireError> {
        match self.road {
            0 => self.codec.decode(r).map(|repr| self.repr = repr),
            1 => self.codec.unmarshal(r).map(|value| self.repr = self.codec.to_repr(&value)),
            2 => self.codec.decode_delta(&mut self.repr, r),
            _ => self.codec.decode_ahead(&mut self.repr, self.past, r),
        }
    }
}

fn values<T: Default, C: Codec<T, Repr: Debug>>(codec: &C, script: &mut Script<'_>) {
    let nothing = codec.to_repr(&T::default());
    let mut other = || codec.decode(&mut BitReader::new(script.bytes())).unwrap_or_else(|_| nothing.clone());
    let (base, now, before) = (other(), other(), other());
    let past = Past::new(&before, Ahead::new(script.byte().into(), script.byte().into()));
    let (objects, bytes) = ([object(script)], script.rest());
    let mut accepted = vec![now];
    for road in 0..4 {
        let mut any = Any { codec, road, repr: base.clone(), past };
        if coder::hear(&mut any, &objects, bytes).is_ok() {
            accepted.push(any.repr);
        }
    }
    for now in accepted {
        assert_eq!(codec.to_repr(&codec.from_repr(&now)), now, "what was accepted stands for itself");
        comes_back(&mut Value { codec, now, base: &base, past }, &objects);
    }
}

struct Change<'a> {
    now: Snapshot,
    base: &'a Snapshot,
    past: Past<'a, Snapshot>,
}

impl Talk for Change<'_> {
    fn say(&self, _object: usize, w: &mut impl Sink) {
        KitchenSink::encode(wire::Change::new(&self.now, self.base).with_past(self.past), w);
    }

    fn hear(&mut self, _object: usize, r: &mut impl Source) -> Result<(), WireError> {
        let mut snapshot = self.base.clone();
        KitchenSink::decode(&mut snapshot, self.past, r)?;
        assert!(snapshot == self.now, "another value came back");
        Ok(())
    }
}

struct AnySnapshot<'a> {
    snapshot: Snapshot,
    past: Past<'a, Snapshot>,
}

impl Talk for AnySnapshot<'_> {
    fn say(&self, _object: usize, _w: &mut impl Sink) {}

    fn hear(&mut self, _object: usize, r: &mut impl Source) -> Result<(), WireError> {
        KitchenSink::decode(&mut self.snapshot, self.past, r)
    }
}

fn snapshots(script: &mut Script<'_>) {
    let start = KitchenSink::default().snapshot();
    let mut other = || kitchen_sink::read(&start, Past::UNKNOWN, script.bytes()).unwrap_or_else(|_| start.clone());
    let (base, before, now) = (other(), other(), other());
    let past = Past::new(&before, Ahead::new(script.byte().into(), script.byte().into()));
    // Twice in one message: the second time the models know more.
    let objects = [object(script), object(script)];
    let mut any = AnySnapshot { snapshot: base.clone(), past };
    if coder::hear(&mut any, &objects[..1], script.rest()).is_ok() {
        comes_back(&mut Change { now: any.snapshot, base: &base, past }, &objects);
    }
    comes_back(&mut Change { now: base.clone(), base: &now, past: Past::UNKNOWN }, &objects);
    comes_back(&mut Change { now, base: &base, past }, &objects);
}

#[track_caller]
fn comes_back(talk: &mut impl Talk, objects: &coder::Objects) {
    let bytes = coder::said(talk, objects).expect("what was accepted can be sent");
    assert_eq!(coder::hear(talk, objects, &bytes), Ok(()));
}
