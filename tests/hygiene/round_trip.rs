//! A value out and in again, by every road there is.

use ::gridmate_runtime::ReplicaChunk;
use ::gridmate_runtime::wire::{BitReader, BitWriter, Change, Marshal, Past};
use ::std::assert;
use ::std::clone::Clone as _;
use ::std::cmp::PartialEq;

/// Through the repr, through bits alone, through bits against a base, and past the repr.
pub(crate) fn marshals<T: Marshal + PartialEq>(base: &T, value: &T) {
    let (base, now) = (base.to_repr(), value.to_repr());
    assert!(base != now && T::from_repr(&now) == *value);

    let mut w = BitWriter::new();
    T::encode(&now, &mut w);
    value.marshal(&mut w);
    T::encode_delta(&now, &base, &mut w);
    let bits = w.len();
    let mut r = BitReader::new(w.finish());
    assert!(T::decode(&mut r).unwrap() == now);
    assert!(T::unmarshal(&mut r).unwrap() == *value);
    let mut delta = base.clone();
    T::decode_delta(&mut delta, &mut r).unwrap();
    assert!(delta == now);
    assert!(r.position() == bits, "all that was written was read");

    let mut captured = base.clone();
    value.capture(&mut captured);
    assert!(captured == now);
    let mut assigned = T::from_repr(&base);
    assigned.assign(&now);
    assert!(assigned == *value);
}

/// From a primary to a proxy that has the default value; gives the proxy.
pub(crate) fn replicates<T: ReplicaChunk>(primary: &T) -> T {
    let mut proxy = T::default();
    let (before, now) = (proxy.snapshot(), primary.snapshot());
    assert!(before != now);
    let mut captured = before.clone();
    primary.capture(&mut captured);
    assert!(captured == now);

    let mut w = BitWriter::new();
    T::encode(Change::new(&now, &before), &mut w);
    let bits = w.len();
    let mut r = BitReader::new(w.finish());
    let mut after = before.clone();
    T::decode(&mut after, Past::UNKNOWN, &mut r).unwrap();
    assert!(after == now && r.position() == bits);
    proxy.apply(&after, &before);
    assert!(proxy.snapshot() == now);
    proxy
}
