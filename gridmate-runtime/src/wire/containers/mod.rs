//! Types made of others: options, arrays, lists, tuples, boxes; and text.
//!
//! | type | alone | against a baseline |
//! |---|---|---|
//! | `Option<T>` | 1 bit "present", then the value | 1 bit "present", then the value, as a change if the baseline has one |
//! | `[T; N]`, tuples | the elements | per element 1 bit "differs", then the change |
//! | `Vec<T>` | length as a varint, then the elements | 1 bit "same length", else the new length as a varint; then as an array up to the shorter length, and new elements alone |
//! | `String` | length in bytes as a varint, then UTF-8 | written again |
//! | `Box<T>` | as `T` | as `T` |
//!
//! A varint costs 8 bits below 128 and 16 below 16,384. Lengths above [`ELEMENTS`](crate::limits::ELEMENTS) are [`TooLong`](WireError::TooLong) to
//! the writer, which leaves the value out, and to the reader, which looks before it allocates. What a length claims is
//! reserved only as far as the bits that are left can pay for; the rest grows with the elements that arrive.
//!
//! Types that contain themselves have no finite layout and cannot travel: the repr of a `Box<T>` is that of `T`, so the
//! compiler refuses most of them.

mod list;
mod tuple;

pub(super) use list::{extend, read_list_change, read_text, write_list_change};

use super::{BitReader, BitWriter, Marshal, Shape, WireError};

impl<T: Marshal> Marshal for Option<T> {
    type Repr = Option<T::Repr>;

    fn shape() -> Shape {
        Shape::named("option", [T::shape()])
    }

    #[inline]
    fn to_repr(&self) -> Self::Repr {
        self.as_ref().map(T::to_repr)
    }

    #[inline]
    fn capture(&self, into: &mut Self::Repr) {
        match (self, into) {
            (Some(value), Some(into)) => value.capture(into),
            (value, into) => *into = value.to_repr(),
        }
    }

    #[inline]
    fn from_repr(repr: &Self::Repr) -> Self {
        repr.as_ref().map(T::from_repr)
    }

    #[inline]
    fn assign(&mut self, repr: &Self::Repr) {
        match (self, repr) {
            (Some(value), Some(repr)) => value.assign(repr),
            (value, repr) => *value = Self::from_repr(repr),
        }
    }

    #[inline]
    fn encode(repr: &Self::Repr, w: &mut BitWriter) {
        w.bool(repr.is_some());
        if let Some(repr) = repr {
            T::encode(repr, w);
        }
    }

    #[inline]
    fn decode(r: &mut BitReader<'_>) -> Result<Self::Repr, WireError> {
        if r.bool()? { T::decode(r).map(Some) } else { Ok(None) }
    }

    #[inline]
    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut BitWriter) {
        w.bool(repr.is_some());
        match (repr, base) {
            (Some(repr), Some(base)) => T::encode_delta(repr, base, w),
            (Some(repr), None) => T::encode(repr, w),
            (None, _) => {}
        }
    }

    #[inline]
    fn decode_delta(repr: &mut Self::Repr, r: &mut BitReader<'_>) -> Result<(), WireError> {
        match (r.bool()?, repr) {
            (true, Some(repr)) => T::decode_delta(repr, r)?,
            (true, repr) => *repr = Some(T::decode(r)?),
            (false, repr) => *repr = None,
        }
        Ok(())
    }

    #[inline]
    fn marshal(&self, w: &mut BitWriter) {
        w.bool(self.is_some());
        if let Some(value) = self {
            value.marshal(w);
        }
    }

    #[inline]
    fn unmarshal(r: &mut BitReader<'_>) -> Result<Self, WireError> {
        if r.bool()? { T::unmarshal(r).map(Some) } else { Ok(None) }
    }
}

impl<T: Marshal, const N: usize> Marshal for [T; N] {
    type Repr = [T::Repr; N];

    fn shape() -> Shape {
        Shape::named("array", [T::shape(), Shape::leaf(N.to_string())])
    }

    #[inline]
    fn to_repr(&self) -> Self::Repr {
        self.each_ref().map(T::to_repr)
    }

    #[inline]
    fn capture(&self, into: &mut Self::Repr) {
        for (value, into) in self.iter().zip(into) {
            value.capture(into);
        }
    }

    #[inline]
    fn from_repr(repr: &Self::Repr) -> Self {
        repr.each_ref().map(T::from_repr)
    }

    #[inline]
    fn assign(&mut self, repr: &Self::Repr) {
        for (value, repr) in self.iter_mut().zip(repr) {
            value.assign(repr);
        }
    }

    #[inline]
    fn encode(repr: &Self::Repr, w: &mut BitWriter) {
        for repr in repr {
            T::encode(repr, w);
        }
    }

    #[inline]
    fn decode(r: &mut BitReader<'_>) -> Result<Self::Repr, WireError> {
        read_array(|| T::decode(r))
    }

    #[inline]
    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut BitWriter) {
        for (repr, base) in repr.iter().zip(base) {
            write_change::<T>(repr, base, w);
        }
    }

    #[inline]
    fn decode_delta(repr: &mut Self::Repr, r: &mut BitReader<'_>) -> Result<(), WireError> {
        repr.iter_mut().try_for_each(|repr| read_change::<T>(repr, r))
    }

    #[inline]
    fn marshal(&self, w: &mut BitWriter) {
        for value in self {
            value.marshal(w);
        }
    }

    #[inline]
    fn unmarshal(r: &mut BitReader<'_>) -> Result<Self, WireError> {
        read_array(|| T::unmarshal(r))
    }
}

impl<T: Marshal> Marshal for Box<T> {
    type Repr = T::Repr;

    fn shape() -> Shape {
        T::shape()
    }

    #[inline]
    fn to_repr(&self) -> Self::Repr {
        T::to_repr(self)
    }

    #[inline]
    fn capture(&self, into: &mut Self::Repr) {
        T::capture(self, into);
    }

    #[inline]
    fn from_repr(repr: &Self::Repr) -> Self {
        Self::new(T::from_repr(repr))
    }

    #[inline]
    fn assign(&mut self, repr: &Self::Repr) {
        T::assign(self, repr);
    }

    #[inline]
    fn encode(repr: &Self::Repr, w: &mut BitWriter) {
        T::encode(repr, w);
    }

    #[inline]
    fn decode(r: &mut BitReader<'_>) -> Result<Self::Repr, WireError> {
        T::decode(r)
    }

    #[inline]
    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut BitWriter) {
        T::encode_delta(repr, base, w);
    }

    #[inline]
    fn decode_delta(repr: &mut Self::Repr, r: &mut BitReader<'_>) -> Result<(), WireError> {
        T::decode_delta(repr, r)
    }

    #[inline]
    fn marshal(&self, w: &mut BitWriter) {
        T::marshal(self, w);
    }

    #[inline]
    fn unmarshal(r: &mut BitReader<'_>) -> Result<Self, WireError> {
        T::unmarshal(r).map(Self::new)
    }
}

#[inline]
fn write_change<T: Marshal>(repr: &T::Repr, base: &T::Repr, w: &mut BitWriter) {
    let differs = repr != base;
    w.bool(differs);
    if differs {
        T::encode_delta(repr, base, w);
    }
}

#[inline]
fn read_change<T: Marshal>(repr: &mut T::Repr, r: &mut BitReader<'_>) -> Result<(), WireError> {
    if r.bool()? { T::decode_delta(repr, r) } else { Ok(()) }
}

/// Reads elements up to the first that fails.
#[inline]
fn read_array<E, const N: usize>(mut read: impl FnMut() -> Result<E, WireError>) -> Result<[E; N], WireError> {
    let mut fault = None;
    let slots: [Option<E>; N] = core::array::from_fn(|_| {
        if fault.is_some() {
            return None;
        }
        read().map_err(|error| fault = Some(error)).ok()
    });
    match fault {
        Some(error) => Err(error),
        None => Ok(slots.map(|slot| slot.expect("every slot is filled when nothing failed"))),
    }
}
