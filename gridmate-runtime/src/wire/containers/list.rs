//! Lists and text: what has a length.

use super::{read_change, write_change};
use crate::limits::ELEMENTS;
use crate::wire::{BitReader, BitWriter, Marshal, Shape, WireError};

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

    fn encode(repr: &Self::Repr, w: &mut BitWriter) {
        if write_len(repr.len(), w) {
            for repr in repr {
                T::encode(repr, w);
            }
        }
    }

    fn decode(r: &mut BitReader<'_>) -> Result<Self::Repr, WireError> {
        let len = read_len(r)?;
        let mut reprs = Self::Repr::new();
        extend(&mut reprs, len, r, T::decode)?;
        Ok(reprs)
    }

    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut BitWriter) {
        write_list_change::<T>(repr, base, w, write_len);
    }

    fn decode_delta(repr: &mut Self::Repr, r: &mut BitReader<'_>) -> Result<(), WireError> {
        read_list_change::<T>(repr, r, read_len)
    }

    fn marshal(&self, w: &mut BitWriter) {
        if write_len(self.len(), w) {
            for value in self {
                value.marshal(w);
            }
        }
    }

    fn unmarshal(r: &mut BitReader<'_>) -> Result<Self, WireError> {
        let len = read_len(r)?;
        let mut values = Self::new();
        extend(&mut values, len, r, T::unmarshal)?;
        Ok(values)
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

    fn encode(repr: &Self, w: &mut BitWriter) {
        if write_len(repr.len(), w) {
            w.bytes(repr.as_bytes());
        }
    }

    fn decode(r: &mut BitReader<'_>) -> Result<Self, WireError> {
        let mut text = Self::new();
        Self::decode_delta(&mut text, r)?;
        Ok(text)
    }

    fn decode_delta(repr: &mut Self, r: &mut BitReader<'_>) -> Result<(), WireError> {
        let len = read_len(r)?;
        read_text(repr, len, r)
    }

    fn marshal(&self, w: &mut BitWriter) {
        Self::encode(self, w);
    }

    fn unmarshal(r: &mut BitReader<'_>) -> Result<Self, WireError> {
        Self::decode(r)
    }
}

/// False, with the fault noted, when the length is above its limit.
#[inline]
fn write_len(len: usize, w: &mut BitWriter) -> bool {
    let fits = len <= ELEMENTS;
    if fits {
        w.varint(len as u64);
    } else {
        w.fail(WireError::TooLong);
    }
    fits
}

#[inline]
fn read_len(r: &mut BitReader<'_>) -> Result<usize, WireError> {
    usize::try_from(r.varint()?).ok().filter(|len| *len <= ELEMENTS).ok_or(WireError::TooLong)
}

/// Writes a list of which the reader has an older state; `write_len` says whether the length may be sent.
#[inline]
pub(in crate::wire) fn write_list_change<T: Marshal>(
    list: &[T::Repr],
    base: &[T::Repr],
    w: &mut BitWriter,
    write_len: impl FnOnce(usize, &mut BitWriter) -> bool,
) {
    let same = list.len() == base.len();
    w.bool(same);
    if !same && !write_len(list.len(), w) {
        return;
    }
    for (repr, base) in list.iter().zip(base) {
        write_change::<T>(repr, base, w);
    }
    for repr in list.iter().skip(base.len()) {
        T::encode(repr, w);
    }
}

/// Reads what [`write_list_change`] wrote.
#[inline]
pub(in crate::wire) fn read_list_change<T: Marshal>(
    list: &mut Vec<T::Repr>,
    r: &mut BitReader<'_>,
    read_len: impl FnOnce(&mut BitReader<'_>) -> Result<usize, WireError>,
) -> Result<(), WireError> {
    let len = if r.bool()? { list.len() } else { read_len(r)? };
    list.truncate(len);
    for repr in &mut *list {
        read_change::<T>(repr, r)?;
    }
    extend(list, len, r, T::decode)
}

/// Reads `len` bytes of text, in the memory of the old one.
pub(in crate::wire) fn read_text(text: &mut String, len: usize, r: &mut BitReader<'_>) -> Result<(), WireError> {
    if r.remaining() < len * 8 {
        return Err(WireError::UnexpectedEnd);
    }
    let mut bytes = core::mem::take(text).into_bytes();
    bytes.resize(len, 0);
    r.bytes(&mut bytes)?;
    *text = String::from_utf8(bytes).map_err(|_| WireError::NotUtf8)?;
    Ok(())
}

/// Reads elements until there are `len`. Reserves a byte per bit that is left, whatever `len` claims.
#[inline]
pub(in crate::wire) fn extend<E>(
    list: &mut Vec<E>,
    len: usize,
    r: &mut BitReader<'_>,
    read: impl Fn(&mut BitReader<'_>) -> Result<E, WireError>,
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

    #[test]
    fn a_length_reserves_no_more_than_the_input_pays_for() {
        let bytes = [0xFF; 100];
        let mut list: Vec<[u64; 4]> = Vec::new();
        let result = extend(&mut list, ELEMENTS, &mut BitReader::new(&bytes), <[u64; 4]>::decode);
        assert_eq!(result, Err(WireError::UnexpectedEnd));
        assert!(list.capacity() * size_of::<[u64; 4]>() <= 8 * bytes.len());
    }
}
