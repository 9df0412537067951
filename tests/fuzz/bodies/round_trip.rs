//! What was accepted is as good as any other value.

use core::fmt::Debug;

use gridmate_runtime::wire::{Ahead, BitReader, BitWriter, Codec, Past, WireError};

use super::script::Script;

/// Reads values with `codec` by every road there is, and writes what was accepted by all of them.
pub(crate) fn codec<T: Default, C: Codec<T>>(codec: &C, script: &mut Script<'_>)
where
    C::Repr: Debug,
{
    let nothing = codec.to_repr(&T::default());
    let mut alone = || codec.decode(&mut BitReader::new(script.bytes())).ok();
    let (base, past) = (alone().unwrap_or_else(|| nothing.clone()), alone().unwrap_or_else(|| nothing.clone()));
    let past = Past::new(&past, Ahead::new(script.byte().into(), script.byte().into()));
    let bytes = script.rest();
    let (mut changed, mut ahead) = (base.clone(), base.clone());
    let changed = codec.decode_delta(&mut changed, &mut BitReader::new(bytes)).map(|()| changed);
    let ahead = codec.decode_ahead(&mut ahead, past, &mut BitReader::new(bytes)).map(|()| ahead);
    let direct = codec.unmarshal(&mut BitReader::new(bytes)).map(|value| codec.to_repr(&value));
    let alone = codec.decode(&mut BitReader::new(bytes));
    assert_eq!(direct, alone, "read into a value or into its repr");

    for repr in [Ok(base.clone()), alone, changed, ahead].into_iter().flatten() {
        let mut value = codec.from_repr(&repr);
        assert_eq!(codec.to_repr(&value), repr, "what was accepted stands for itself");
        let mut captured = base.clone();
        codec.capture(&value, &mut captured);
        assert_eq!(captured, repr);
        codec.assign(&mut value, &base);
        assert_eq!(codec.to_repr(&value), base);

        again(&repr, |w| codec.encode(&repr, w), |r| codec.decode(r));
        for from in [&nothing, &base, &repr] {
            let delta = |r: &mut BitReader<'_>| {
                let mut into = from.clone();
                codec.decode_delta(&mut into, r).map(|()| into)
            };
            again(&repr, |w| codec.encode_delta(&repr, from, w), delta);
            let ahead = |r: &mut BitReader<'_>| {
                let mut into = from.clone();
                codec.decode_ahead(&mut into, past, r).map(|()| into)
            };
            again(&repr, |w| codec.encode_ahead(&repr, from, past, w), ahead);
        }
    }
}

/// Writes without a fault, and reads back all of it as the same.
#[track_caller]
pub(crate) fn again<R: PartialEq>(
    repr: &R,
    write: impl Fn(&mut BitWriter),
    read: impl Fn(&mut BitReader<'_>) -> Result<R, WireError>,
) {
    let mut w = BitWriter::new();
    // Not at a byte boundary, as in a message.
    w.bits(0, 3);
    write(&mut w);
    assert_eq!(w.error(), None, "what was accepted can be sent");
    let bits = w.len();
    let mut r = BitReader::new(w.finish());
    assert_eq!(r.bits(3), Ok(0));
    let back = read(&mut r);
    assert_eq!(back.as_ref().err(), None);
    assert!(back.as_ref() == Ok(repr), "another value came back");
    assert_eq!(r.position(), bits, "reads as much as was written");
}
