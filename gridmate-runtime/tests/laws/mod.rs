//! What every codec must do, whatever it carries. A type's own marshaling is the codec `Native`.
#![allow(dead_code, reason = "each test program uses its part")]

use std::fmt::Debug;

use gridmate_runtime::wire::{Ahead, BitReader, BitWriter, Codec, Past, Sink, Source, WireError};

/// The bits of a repr alone, and how many.
pub(crate) fn alone<T, C: Codec<T>>(codec: &C, repr: &C::Repr) -> (Vec<u8>, usize) {
    written(|w| codec.encode(repr, w))
}

/// The bits of a repr against a base, and how many.
pub(crate) fn change<T, C: Codec<T>>(codec: &C, repr: &C::Repr, base: &C::Repr) -> (Vec<u8>, usize) {
    written(|w| codec.encode_delta(repr, base, w))
}

/// The bits of a change from one value to another.
pub(crate) fn change_cost<T, C: Codec<T>>(codec: &C, from: &T, to: &T) -> usize {
    change(codec, &codec.to_repr(to), &codec.to_repr(from)).1
}

/// Alone, the value has exactly these bytes, of which so many bits are used; and they are read back as its repr.
#[track_caller]
pub(crate) fn golden<T, C: Codec<T>>(codec: &C, value: &T, bits: usize, bytes: &[u8])
where
    C::Repr: Debug,
{
    let repr = codec.to_repr(value);
    let (got, len) = alone(codec, &repr);
    assert_eq!(format!("{got:02X?}"), format!("{bytes:02X?}"));
    assert_eq!(len, bits);
    assert_eq!(codec.decode(&mut BitReader::new(bytes)).unwrap(), repr);
}

/// The change from one value to another has exactly these bytes, of which so many bits are used; and they are read back as it.
#[track_caller]
pub(crate) fn golden_change<T, C: Codec<T>>(codec: &C, from: &T, to: &T, bits: usize, bytes: &[u8])
where
    C::Repr: Debug,
{
    let (repr, mut base) = (codec.to_repr(to), codec.to_repr(from));
    let (got, len) = change(codec, &repr, &base);
    assert_eq!(format!("{got:02X?}"), format!("{bytes:02X?}"));
    assert_eq!(len, bits);
    codec.decode_delta(&mut base, &mut BitReader::new(bytes)).unwrap();
    assert_eq!(base, repr);
}

/// Bits before an encoding. Messages end at bytes: so it is cut off behind each of its bits.
const LEADS: core::ops::Range<u32> = 0..8;

/// Bytes from the front and the end of an encoding within which all cuts are tried, and between two that are tried elsewhere.
const NEAR: usize = 24;
const FAR: usize = 13;

/// The whole contract of a codec, on one value and one base.
#[track_caller]
pub(crate) fn laws<T, C: Codec<T>>(codec: &C, value: &T, base: &T)
where
    C::Repr: Debug,
{
    let (repr, base_repr) = (codec.to_repr(value), codec.to_repr(base));
    let mut back = codec.from_repr(&repr);
    assert_eq!(codec.to_repr(&back), repr, "a repr stands for itself");
    let mut captured = base_repr.clone();
    codec.capture(value, &mut captured);
    assert_eq!(captured, repr, "capture is to_repr");
    codec.assign(&mut back, &base_repr);
    assert_eq!(codec.to_repr(&back), base_repr, "assign is from_repr");

    let (bytes, bits) = alone(codec, &repr);
    assert_eq!(written(|w| codec.marshal(value, w)), (bytes.clone(), bits), "marshal is encode");
    let direct = codec.unmarshal(&mut BitReader::new(&bytes)).unwrap();
    assert_eq!(codec.to_repr(&direct), repr, "unmarshal is decode");
    let pasts = [Past::UNKNOWN, Past::new(&base_repr, Ahead::new(6, 1))];
    curious(|w| codec.encode(&repr, w), |r| codec.decode(r), &repr);
    for past in pasts {
        let read = |r: &mut Curious| {
            let mut into = base_repr.clone();
            codec.decode_ahead(&mut into, past, r).map(|()| into)
        };
        curious(|w| codec.encode_ahead(&repr, &base_repr, past, w), read, &repr);
    }
    for lead in LEADS {
        reads_exactly(lead, |w| codec.encode(&repr, w), |r| codec.decode(r), &repr);
        let unmarshal = |r: &mut BitReader<'_>| codec.unmarshal(r).map(|value| codec.to_repr(&value));
        reads_exactly(lead, |w| codec.marshal(value, w), unmarshal, &repr);
        for from in [&base_repr, &repr] {
            let read = |r: &mut BitReader<'_>| {
                let mut into = from.clone();
                codec.decode_delta(&mut into, r).map(|()| into)
            };
            reads_exactly(lead, |w| codec.encode_delta(&repr, from, w), read, &repr);
            for (past, ahead) in [(&base_repr, Ahead::new(6, 1)), (&repr, Ahead::new(1, 3))] {
                let past = Past::new(past, ahead);
                let read = |r: &mut BitReader<'_>| {
                    let mut into = from.clone();
                    codec.decode_ahead(&mut into, past, r).map(|()| into)
                };
                reads_exactly(lead, |w| codec.encode_ahead(&repr, from, past, w), read, &repr);
            }
        }
    }
}

/// Any bytes give an error or a repr that is as good as any.
#[track_caller]
pub(crate) fn garbage<T, C: Codec<T>>(codec: &C, base: &T, bytes: &[u8])
where
    C::Repr: Debug,
{
    let mut changed = codec.to_repr(base);
    let changed = codec.decode_delta(&mut changed, &mut BitReader::new(bytes)).map(|()| changed);
    let (mut ahead, past) = (codec.to_repr(base), codec.to_repr(base));
    let past = Past::new(&past, Ahead::new(5, 2));
    let ahead = codec.decode_ahead(&mut ahead, past, &mut BitReader::new(bytes)).map(|()| ahead);
    for repr in [codec.decode(&mut BitReader::new(bytes)), changed, ahead].into_iter().flatten() {
        assert_eq!(codec.to_repr(&codec.from_repr(&repr)), repr, "what was accepted stands for itself");
        let (bytes, _) = alone(codec, &repr);
        assert_eq!(codec.decode(&mut BitReader::new(&bytes)), Ok(repr));
    }
    let _ = codec.unmarshal(&mut BitReader::new(bytes));
}

/// A stream that wants to hear what is likely, and makes nothing of it.
#[derive(Default)]
struct Curious(std::collections::VecDeque<bool>);

impl Sink for Curious {
    type Stage<'a> = &'a mut Self;

    fn stage(&mut self) -> &mut Self {
        self
    }

    fn is_modelled(&self) -> bool {
        true
    }

    fn bits(&mut self, value: u64, count: u32) {
        self.0.extend((0..count).map(|bit| value >> bit & 1 != 0));
    }

    fn fail(&mut self, error: WireError) {
        panic!("{error}");
    }
}

impl Source for Curious {
    type Stage<'a> = &'a mut Self;

    fn stage(&mut self) -> &mut Self {
        self
    }

    fn is_modelled(&self) -> bool {
        true
    }

    fn bits(&mut self, count: u32) -> Result<u64, WireError> {
        if self.0.len() < count as usize {
            return Err(WireError::UnexpectedEnd);
        }
        Ok(self.0.drain(..count as usize).enumerate().fold(0, |bits, (at, bit)| bits | u64::from(bit) << at))
    }

    fn remaining(&self) -> usize {
        self.0.len()
    }
}

#[track_caller]
fn curious<R: PartialEq + Debug>(
    write: impl Fn(&mut Curious),
    read: impl Fn(&mut Curious) -> Result<R, WireError>,
    expected: &R,
) {
    let mut stream = Curious::default();
    write(&mut stream);
    for cut in 0..stream.0.len().min(60) {
        let mut short = Curious(stream.0.range(..cut).copied().collect());
        assert!(read(&mut short).is_err(), "accepted {cut} of {} bits", stream.0.len());
    }
    assert_eq!(read(&mut stream).as_ref(), Ok(expected));
    assert!(stream.0.is_empty(), "reads as much as was written");
}

#[track_caller]
fn reads_exactly<R: PartialEq + Debug>(
    lead: u32,
    write: impl Fn(&mut BitWriter),
    read: impl Fn(&mut BitReader<'_>) -> Result<R, WireError>,
    expected: &R,
) {
    let (bytes, end) = written(|w| {
        w.bits(0, lead);
        write(w);
    });
    let (front, back) = (0..NEAR.min(bytes.len()), bytes.len().saturating_sub(NEAR)..=bytes.len());
    for len in front.chain((0..bytes.len()).step_by(FAR)).chain(back) {
        let mut r = BitReader::new(&bytes[..len]);
        if r.bits(lead).is_err() {
            continue;
        }
        if len * 8 >= end {
            assert_eq!(read(&mut r).as_ref(), Ok(expected));
            assert_eq!(r.position(), end, "reads as much as was written");
        } else {
            assert!(read(&mut r).is_err(), "accepted {len} of {} bytes", bytes.len());
        }
    }
}

fn written(write: impl FnOnce(&mut BitWriter)) -> (Vec<u8>, usize) {
    let mut w = BitWriter::new();
    write(&mut w);
    assert_eq!(w.error(), None);
    let bits = w.len();
    (w.finish().to_vec(), bits)
}
