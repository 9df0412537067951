//! Maps and sets: entries in the order of their keys, each key once.
//!
//! Their repr is a list sorted by key, so a `HashMap` has the bits of a `BTreeMap` and both ends may choose. Keys are told
//! apart and ordered by what comes back from their repr; a key type must come back as it went. Where it does not (two
//! durations beyond 584 years), the first of the keys that share a repr travels.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use super::list::{extend, fits, read_len, write_len};
use super::splice::{gamma_cost, read_count, read_up_to, width, write_count};
use crate::limits::ELEMENTS;
use crate::wire::{Marshal, Shape, Sink, Source, WireError};

/// What a map's entries are as reprs; those of a set have `()` for a value.
type Entry<K, V> = (<K as Marshal>::Repr, <V as Marshal>::Repr);

macro_rules! map {
    ($(($($hash:tt)*) $type:ty, $sorted:ident;)*) => {$(
        impl<K: Marshal + Ord $($hash)*> Marshal for $type {
            type Repr = Vec<(K::Repr, V::Repr)>;

            fn shape() -> Shape {
                Shape::named("map", [K::shape(), V::shape()])
            }

            fn to_repr(&self) -> Self::Repr {
                let mut repr = Vec::with_capacity(self.len());
                self.capture(&mut repr);
                repr
            }

            fn capture(&self, into: &mut Self::Repr) {
                capture($sorted!(self, |(a, _), (b, _)| a.cmp(b)), into);
            }

            fn from_repr(repr: &Self::Repr) -> Self {
                repr.iter().map(|(key, value)| (K::from_repr(key), V::from_repr(value))).collect()
            }

            fn assign(&mut self, repr: &Self::Repr) {
                // Mostly it is values that change.
                let mut in_place = |(key, value): &(K::Repr, V::Repr)| {
                    self.get_mut(&K::from_repr(key)).map(|kept| kept.assign(value)).is_some()
                };
                if repr.iter().all(&mut in_place) && self.len() == repr.len() {
                    return;
                }
                let mut old = core::mem::take(self);
                self.extend(repr.iter().map(|(key, value)| match old.remove_entry(&K::from_repr(key)) {
                    Some((key, mut kept)) => {
                        kept.assign(value);
                        (key, kept)
                    }
                    None => (K::from_repr(key), V::from_repr(value)),
                }));
            }

            fn encode(repr: &Self::Repr, w: &mut impl Sink) {
                if write_len(repr.len(), w) {
                    write_entries::<K, V>(repr, w);
                }
            }

            fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
                let len = read_len(r)?;
                read_entries::<K, V>(len, r)
            }

            fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
                write_map_change::<K, V, true>(repr, base, ELEMENTS, w);
            }

            fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
                read_map_change::<K, V, true>(repr, ELEMENTS, r)
            }
        }
    )*};
}

macro_rules! set {
    ($(($($hash:tt)*) $type:ty, $sorted:ident;)*) => {$(
        impl<K: Marshal + Ord $($hash)*> Marshal for $type {
            /// Elements, as the keys of a map to nothing.
            type Repr = Vec<(K::Repr, ())>;

            fn shape() -> Shape {
                Shape::named("set", [K::shape()])
            }

            fn to_repr(&self) -> Self::Repr {
                let mut repr = Vec::with_capacity(self.len());
                self.capture(&mut repr);
                repr
            }

            fn capture(&self, into: &mut Self::Repr) {
                capture($sorted!(self, |a, b| a.cmp(b)).map(|key| (key, &())), into);
            }

            fn from_repr(repr: &Self::Repr) -> Self {
                repr.iter().map(|(key, ())| K::from_repr(key)).collect()
            }

            fn assign(&mut self, repr: &Self::Repr) {
                let mut old = core::mem::take(self);
                self.extend(repr.iter().map(|(key, ())| {
                    let key = K::from_repr(key);
                    old.take(&key).unwrap_or(key)
                }));
            }

            fn encode(repr: &Self::Repr, w: &mut impl Sink) {
                if write_len(repr.len(), w) {
                    write_entries::<K, ()>(repr, w);
                }
            }

            fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
                let len = read_len(r)?;
                read_entries::<K, ()>(len, r)
            }

            fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
                write_map_change::<K, (), false>(repr, base, ELEMENTS, w);
            }

            fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
                read_map_change::<K, (), false>(repr, ELEMENTS, r)
            }
        }
    )*};
}

macro_rules! in_order {
    ($entries:expr, $($by:tt)*) => {
        $entries.iter()
    };
}

macro_rules! by_key {
    ($entries:expr, $($by:tt)*) => {{
        let mut entries: Vec<_> = $entries.iter().collect();
        entries.sort_unstable_by($($by)*);
        entries.into_iter()
    }};
}

map! {
    (, V: Marshal) BTreeMap<K, V>, in_order;
    (+ Hash, V: Marshal, S: BuildHasher + Default) HashMap<K, V, S>, by_key;
}

set! {
    () BTreeSet<K>, in_order;
    (+ Hash, S: BuildHasher + Default) HashSet<K, S>, by_key;
}

/// Takes the entries of a map in the order of their keys.
fn capture<'a, K: Marshal + 'a, V: Marshal + 'a>(
    mut entries: impl Iterator<Item = (&'a K, &'a V)>,
    into: &mut Vec<Entry<K, V>>,
) {
    let mut len = 0;
    for (slot, (key, value)) in into.iter_mut().zip(entries.by_ref()) {
        key.capture(&mut slot.0);
        value.capture(&mut slot.1);
        len += 1;
    }
    into.truncate(len);
    into.extend(entries.map(|(key, value)| (key.to_repr(), value.to_repr())));
    into.dedup_by(|next, first| next.0 == first.0);
}

pub(in crate::wire) fn write_entries<K: Marshal, V: Marshal>(entries: &[Entry<K, V>], w: &mut impl Sink) {
    for (key, value) in entries {
        K::encode(key, w);
        V::encode(value, w);
    }
}

/// Reads `len` entries and refuses keys that do not ascend.
pub(in crate::wire) fn read_entries<K: Marshal + Ord, V: Marshal>(
    len: usize,
    r: &mut impl Source,
) -> Result<Vec<Entry<K, V>>, WireError> {
    let mut entries = Vec::new();
    extend(&mut entries, len, r, |r| Ok((K::decode(r)?, V::decode(r)?)))?;
    let ascends = entries.iter().map(|(key, _)| K::from_repr(key)).is_sorted_by(|a, b| a < b);
    if ascends { Ok(entries) } else { Err(WireError::Invalid) }
}

/// Writes a map of which the reader has an older state; of a set (not `VALUED`) entries do not change.
///
/// First what becomes of the entries of the base. A bit says how: 1 asks every one (0 stays, 1 is touched); 0 counts those
/// touched and, for each, the entries skipped since the last one, in the fewest bits that hold how many there could be. A
/// touched entry of a map says 0 and its value's change, or 1 for gone; of a set it is gone. Then the new entries: their
/// number, plus one, as a gamma code, and each alone.
pub(in crate::wire) fn write_map_change<K: Marshal + Ord, V: Marshal, const VALUED: bool>(
    entries: &[Entry<K, V>],
    base: &[Entry<K, V>],
    limit: usize,
    w: &mut impl Sink,
) {
    if !fits(entries.len(), limit, w) {
        return;
    }
    let (mut touched, mut added, mut next, mut listed) = (0, 0, 0, 0);
    walk::<K, V>(entries, base, |step| match step {
        Step::Touched(at, _) => {
            touched += 1;
            listed += width(base.len() - 1 - next) as usize;
            next = at + 1;
        }
        Step::Stays => {}
        Step::New(_) => added += 1,
    });
    let ask_all = base.len() < listed + gamma_cost(touched);
    w.bool(ask_all);
    if !ask_all {
        write_count(touched, w);
    }
    next = 0;
    walk::<K, V>(entries, base, |step| match step {
        Step::Touched(at, value) => {
            if ask_all {
                w.bool(true);
            } else {
                w.bits((at - next) as u64, width(base.len() - 1 - next));
                next = at + 1;
            }
            if VALUED {
                w.bool(value.is_none());
            }
            if let Some(value) = value {
                V::encode_delta(value, &base[at].1, w);
            }
        }
        Step::Stays if ask_all => w.bool(false),
        _ => {}
    });
    write_count(added, w);
    walk::<K, V>(entries, base, |step| {
        if let Step::New(entry) = step {
            K::encode(&entry.0, w);
            V::encode(&entry.1, w);
        }
    });
}

/// Reads what [`write_map_change`] wrote.
pub(in crate::wire) fn read_map_change<K: Marshal + Ord, V: Marshal, const VALUED: bool>(
    entries: &mut Vec<Entry<K, V>>,
    limit: usize,
    r: &mut impl Source,
) -> Result<(), WireError> {
    let len = entries.len();
    let mut kept = 0;
    // What is kept moves up to `kept`; what is gone ends behind it.
    let mut keep = |entries: &mut Vec<Entry<K, V>>, at: usize| {
        entries.swap(kept, at);
        kept += 1;
    };
    if r.bool()? {
        for at in 0..len {
            if !r.bool()? || !read_touch::<K, V, VALUED>(entries, at, r)? {
                keep(entries, at);
            }
        }
    } else {
        let mut next = 0;
        for _ in 0..read_count(r)? {
            let last = len.checked_sub(next + 1).ok_or(WireError::Invalid)?;
            let at = next + read_up_to(last, r)?;
            (next..at).for_each(|stays| keep(entries, stays));
            if !read_touch::<K, V, VALUED>(entries, at, r)? {
                keep(entries, at);
            }
            next = at + 1;
        }
        (next..len).for_each(|stays| keep(entries, stays));
    }
    entries.truncate(kept);
    let added = read_count(r)?;
    if kept + added > limit {
        return Err(WireError::TooLong);
    }
    if added == 0 {
        return Ok(());
    }
    let added = read_entries::<K, V>(added, r)?;
    merge::<K, V>(entries, added)
}

/// Reads what became of an entry that is touched; true if it is gone.
fn read_touch<K: Marshal, V: Marshal, const VALUED: bool>(
    entries: &mut [Entry<K, V>],
    at: usize,
    r: &mut impl Source,
) -> Result<bool, WireError> {
    let gone = !VALUED || r.bool()?;
    if !gone {
        V::decode_delta(&mut entries[at].1, r)?;
    }
    Ok(gone)
}

/// Puts entries among others, all by their keys, which must differ.
fn merge<K: Marshal + Ord, V: Marshal>(
    entries: &mut Vec<Entry<K, V>>,
    added: Vec<Entry<K, V>>,
) -> Result<(), WireError> {
    let mut merged = Vec::with_capacity(entries.len() + added.len());
    let mut old = core::mem::take(entries).into_iter();
    for entry in added {
        let key = K::from_repr(&entry.0);
        let before = old.as_slice().partition_point(|(old, _)| K::from_repr(old) < key);
        merged.extend(old.by_ref().take(before));
        if old.as_slice().first().is_some_and(|(old, _)| K::from_repr(old) == key) {
            return Err(WireError::Invalid);
        }
        merged.push(entry);
    }
    merged.extend(old);
    *entries = merged;
    Ok(())
}

/// What became of an entry of the base, or one that is new.
enum Step<'a, K: Marshal, V: Marshal> {
    Stays,
    /// The entry of the base at this index has this value now, or none.
    Touched(usize, Option<&'a V::Repr>),
    New(&'a Entry<K, V>),
}

/// Goes through both lists side by side. Keys are made from reprs only where the lists differ.
fn walk<'a, K: Marshal + Ord, V: Marshal>(
    entries: &'a [Entry<K, V>],
    base: &[Entry<K, V>],
    mut step: impl FnMut(Step<'a, K, V>),
) {
    let mut entries = entries.iter().peekable();
    for (at, (old, value)) in base.iter().enumerate() {
        let mut key = None;
        let found = loop {
            let Some(entry) = entries.peek() else { break None };
            if entry.0 == *old {
                break entries.next();
            }
            if K::from_repr(&entry.0) > *key.get_or_insert_with(|| K::from_repr(old)) {
                break None;
            }
            step(Step::New(entry));
            entries.next();
        };
        match found {
            Some(entry) if entry.1 == *value => step(Step::Stays),
            found => step(Step::Touched(at, found.map(|entry| &entry.1))),
        }
    }
    entries.for_each(|entry| step(Step::New(entry)));
}
