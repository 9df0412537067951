//! Lists and text: what has a length.

use std::collections::VecDeque;

use super::splice::{Splice, read_bytes_change, write_bytes_change};
use super::{read_change, write_change};
use crate::limits::ELEMENTS;
use crate::wire::{Marshal, Shape, Sink, Source, WireError};

impl<T: Marshal> Marshal for Vec<T> {
    type Repr = Vec<T::Repr>;

    fn shape() -> Shape {
        Shape::named("vec", [T::shape()])
    }

    fn to_repr(&self) -> Self::Repr {
        self.iter().map(T::to_repr).collect()
    }

    fn capture(&self, into: &mut Self::Repr) {
        into.truncate(self.len());
        let (old, new) = self.split_at(into.len());
        for (value, into) in old.iter().zip(&mut *into) {
            value.capture(into);
        }
        into.extend(new.iter().map(T::to_repr));
    }

    fn from_repr(repr: &Self::Repr) -> Self {
        repr.iter().map(T::from_repr).collect()
    }

    fn assign(&mut self, repr: &Self::Repr) {
        self.truncate(repr.len());
        let (old, new) = repr.split_at(self.len());
        for (value, repr) in self.iter_mut().zip(old) {
            value.assign(repr);
        }
        self.extend(new.iter().map(T::from_repr));
    }

    fn encode(repr: &Self::Repr, w: &mut impl Sink) {
        if write_len(repr.len(), w) {
            for repr in repr {
                T::encode(repr, w);
            }
        }
    }

    fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
        let len = read_len(r)?;
        let mut reprs = Self::Repr::new();
        extend(&mut reprs, len, r, T::decode)?;
        Ok(reprs)
    }

    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        write_list_change::<T>(repr, base, ELEMENTS, w);
    }

    fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        read_list_change::<T>(repr, ELEMENTS, r)
    }

    fn marshal(&self, w: &mut impl Sink) {
        if write_len(self.len(), w) {
            for value in self {
                value.marshal(w);
            }
        }
    }

    fn unmarshal(r: &mut impl Source) -> Result<Self, WireError> {
        let len = read_len(r)?;
        let mut values = Self::new();
        extend(&mut values, len, r, T::unmarshal)?;
        Ok(values)
    }
}

/// As a `Vec` of the elements from front to back.
impl<T: Marshal> Marshal for VecDeque<T> {
    type Repr = Vec<T::Repr>;

    fn shape() -> Shape {
        Vec::<T>::shape()
    }

    fn to_repr(&self) -> Self::Repr {
        self.iter().map(T::to_repr).collect()
    }

    fn capture(&self, into: &mut Self::Repr) {
        into.truncate(self.len());
        for (value, into) in self.iter().zip(&mut *into) {
            value.capture(into);
        }
        into.extend(self.iter().skip(into.len()).map(T::to_repr));
    }

    fn from_repr(repr: &Self::Repr) -> Self {
        repr.iter().map(T::from_repr).collect()
    }

    fn assign(&mut self, repr: &Self::Repr) {
        self.truncate(repr.len());
        let (old, new) = repr.split_at(self.len());
        for (value, repr) in self.iter_mut().zip(old) {
            value.assign(repr);
        }
        self.extend(new.iter().map(T::from_repr));
    }

    fn encode(repr: &Self::Repr, w: &mut impl Sink) {
        Vec::<T>::encode(repr, w);
    }

    fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
        Vec::<T>::decode(r)
    }

    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        Vec::<T>::encode_delta(repr, base, w);
    }

    fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        Vec::<T>::decode_delta(repr, r)
    }
}

impl Marshal for String {
    type Repr = Self;

    fn shape() -> Shape {
        Shape::leaf("string")
    }

    fn to_repr(&self) -> Self {
        self.clone()
    }

    fn capture(&self, into: &mut Self) {
        into.clone_from(self);
    }

    fn from_repr(repr: &Self) -> Self {
        repr.clone()
    }

    fn assign(&mut self, repr: &Self) {
        self.clone_from(repr);
    }

    #[inline(always)]
    fn encode(repr: &Self, w: &mut impl Sink) {
        if write_len(repr.len(), w) {
            w.bytes(repr.as_bytes());
        }
    }

    #[inline(always)]
    fn decode(r: &mut impl Source) -> Result<Self, WireError> {
        let len = read_len(r)?;
        read_text(len, r)
    }

    fn encode_delta(repr: &Self, base: &Self, w: &mut impl Sink) {
        write_text_change(repr, base, ELEMENTS, w);
    }

    fn decode_delta(repr: &mut Self, r: &mut impl Source) -> Result<(), WireError> {
        read_text_change(repr, ELEMENTS, r)
    }

    #[inline(always)]
    fn marshal(&self, w: &mut impl Sink) {
        Self::encode(self, w);
    }

    #[inline(always)]
    fn unmarshal(r: &mut impl Source) -> Result<Self, WireError> {
        Self::decode(r)
    }
}

/// False, with the fault noted, when the length is above its limit.
#[inline(always)]
pub(in crate::wire) fn write_len(len: usize, w: &mut impl Sink) -> bool {
    let fits = fits(len, ELEMENTS, w);
    if fits {
        w.varint(len as u64);
    }
    fits
}

/// False, with the fault noted, when the length is above its limit.
#[inline(always)]
pub(in crate::wire) fn fits(len: usize, limit: usize, w: &mut impl Sink) -> bool {
    if len > limit {
        w.fail(WireError::TooLong);
    }
    len <= limit
}

#[inline(always)]
pub(in crate::wire) fn read_len(r: &mut impl Source) -> Result<usize, WireError> {
    usize::try_from(r.varint()?).ok().filter(|len| *len <= ELEMENTS).ok_or(WireError::TooLong)
}

/// Writes a list of which the reader has an older state.
///
/// A bit says how: 1 asks every element whether it changed, for lists that keep their length; 0 is a splice, in which
/// elements that take the place of others are asked too, and the rest of the new ones are alone.
#[inline]
pub(in crate::wire) fn write_list_change<T: Marshal>(
    list: &[T::Repr],
    base: &[T::Repr],
    limit: usize,
    w: &mut impl Sink,
) {
    if !fits(list.len(), limit, w) {
        return;
    }
    let splice = Splice::between(base.len(), list.len(), |old, new| base[old] == list[new]);
    let in_place = list.len() == base.len() && list.len() <= splice.cost(base.len()) + splice.inserted;
    w.bool(in_place);
    let (new, old) = if in_place {
        (list, base)
    } else {
        splice.write(base.len(), w);
        (&list[splice.at..][..splice.inserted], &base[splice.at..][..splice.removed])
    };
    for (repr, base) in new.iter().zip(old) {
        write_change::<T>(repr, base, w);
    }
    for repr in new.iter().skip(old.len()) {
        T::encode(repr, w);
    }
}

/// Reads what [`write_list_change`] wrote.
#[inline]
pub(in crate::wire) fn read_list_change<T: Marshal>(
    list: &mut Vec<T::Repr>,
    limit: usize,
    r: &mut impl Source,
) -> Result<(), WireError> {
    if r.bool()? {
        return list.iter_mut().try_for_each(|repr| read_change::<T>(repr, r));
    }
    let Splice { at, removed, inserted } = Splice::read(list.len(), limit, r)?;
    let paired = removed.min(inserted);
    for repr in &mut list[at..at + paired] {
        read_change::<T>(repr, r)?;
    }
    list.drain(at + paired..at + removed);
    let further = inserted - paired;
    extend(list, list.len() + further, r, T::decode)?;
    list[at + paired..].rotate_right(further);
    Ok(())
}

/// Up to this length, text is put together in registers.
const SHORT: usize = 16;

/// Reads `len` bytes of text.
#[inline(always)]
pub(in crate::wire) fn read_text(len: usize, r: &mut impl Source) -> Result<String, WireError> {
    if len <= SHORT { read_short_text(len, r) } else { read_long_text(len, r) }
}

#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "at most 64")]
fn read_short_text(len: usize, r: &mut impl Source) -> Result<String, WireError> {
    let bits = len as u32 * 8;
    let (first, second) = if bits < 64 { (r.bits(bits)?, 0) } else { (r.bits(64)?, r.bits(bits - 64)?) };
    // What follows the text is zeros, which are characters too, and whole words of plain ones are looked at quicker than a
    // part.
    let words = [first.to_le_bytes(), second.to_le_bytes()];
    let text = core::str::from_utf8(words.as_flattened()).ok().and_then(|text| text.get(..len));
    text.map(str::to_owned).ok_or(WireError::NotUtf8)
}

fn read_long_text(len: usize, r: &mut impl Source) -> Result<String, WireError> {
    if r.remaining() < len * 8 {
        return Err(WireError::UnexpectedEnd);
    }
    let mut bytes = vec![0; len];
    r.bytes(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| WireError::NotUtf8)
}

/// Writes text of which the reader has an older state: a splice of its bytes.
pub(in crate::wire) fn write_text_change(text: &str, base: &str, limit: usize, w: &mut impl Sink) {
    if fits(text.len(), limit, w) {
        write_bytes_change(text.as_bytes(), base.as_bytes(), w);
    }
}

/// Reads what [`write_text_change`] wrote, in the memory of the older state.
pub(in crate::wire) fn read_text_change(text: &mut String, limit: usize, r: &mut impl Source) -> Result<(), WireError> {
    let mut bytes = core::mem::take(text).into_bytes();
    read_bytes_change(&mut bytes, limit, r)?;
    *text = String::from_utf8(bytes).map_err(|_| WireError::NotUtf8)?;
    Ok(())
}

/// Reads elements until there are `len`. Reserves a byte per bit that is left, whatever `len` claims.
#[inline]
pub(in crate::wire) fn extend<E, R: Source>(
    list: &mut Vec<E>,
    len: usize,
    r: &mut R,
    read: impl Fn(&mut R) -> Result<E, WireError>,
) -> Result<(), WireError> {
    let missing = len.saturating_sub(list.len());
    list.reserve(missing.min(r.remaining() / size_of::<E>().max(1)));
    for _ in 0..missing {
        list.push(read(r)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::BitReader;

    #[test]
    fn a_length_reserves_no_more_than_the_input_pays_for() {
        let bytes = [0xFF; 100];
        let mut list: Vec<[u64; 4]> = Vec::new();
        let result = extend(&mut list, ELEMENTS, &mut BitReader::new(&bytes), <[u64; 4]>::decode);
        assert_eq!(result, Err(WireError::UnexpectedEnd));
        assert!(list.capacity() * size_of::<[u64; 4]>() <= 8 * bytes.len());
    }
}
