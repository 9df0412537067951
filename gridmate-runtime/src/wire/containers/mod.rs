//! Types made of others: options, arrays, lists, tuples, boxes; and text.
//!
//! | type | alone | against a baseline |
//! |---|---|---|
//! | `Option<T>` | 1 bit "present", then the value | 1 bit "present", then the value, as a change if the baseline has one |
//! | `[T; N]`, tuples | the elements | per element 1 bit "differs", then the change |
//! | `Vec<T>`, `VecDeque<T>` | length as a varint, then the elements | 1 bit "in place", then as an array; or 0 and a splice, in which elements that replace others go as in an array and further ones alone |
//! | `String` | length in bytes as a varint, then UTF-8 | a splice of bytes |
//! | `BTreeMap<K, V>`, `HashMap<K, V, S>` | length as a varint, then keys and values by ascending key | entries touched, then entries added; see below |
//! | `BTreeSet<T>`, `HashSet<T, S>` | length as a varint, then the elements, ascending | the same |
//! | `Result<T, E>` | 1 bit "ok", then the value | 1 bit "ok", then the value, as a change if the baseline has one of that kind |
//! | `bitvec::vec::BitVec` | length in bits as a varint, then the bits | a splice of bits |
//! | `Box<T>`, `Rc<T>`, `Arc<T>`, `Cow<'_, T>`, `Wrapping<T>`, `Saturating<T>`, `Reverse<T>` | as `T` | as `T` |
//! | `Box<str>`, `Rc<str>`, `Arc<str>`, `Cow<'_, str>` | as `String` | as `String` |
//! | `PhantomData<T>` | nothing | nothing |
//! | `Ipv4Addr`, `Ipv6Addr` | as `u32`, `u128`: 32 and 128 bits | as those |
//! | `IpAddr` | as `Result<Ipv4Addr, Ipv6Addr>` | as that |
//! | `SocketAddr` | as `(IpAddr, u16)`; flow and scope of IPv6 stay behind | as that |
//! | `uuid::Uuid` (feature `uuid`) | as `u128`: 128 bits | as that |
//!
//! A **splice** of *n* old elements is the number that stay in front, in the fewest bits that hold *n*; how many of the
//! others go, in the fewest bits that hold their number; one more than the number that come, as a gamma code; and those. One
//! element in a hundred that changes costs at most 19 bits and its change, one pushed to three 6 and itself, a letter
//! typed at the end of a hundred 10 and its 8.
//!
//! A change of a **map** or **set** of *n* entries is 1 bit, then what becomes of them. After a 1 each has a bit: 0 stays, 1
//! is touched. After a 0 comes one more than the number touched, as a gamma code, and for each how many entries were
//! skipped, in the fewest bits that hold the index of the last one left. A touched entry of a map goes on with 0 and the
//! change of its value, or 1 if it is gone; of a set, it is gone. Then one more than the number of new entries as a gamma
//! code, and these alone, by ascending key. One value in a hundred costs at most 13 bits and its change. The reader refuses
//! keys that do not ascend and new ones that are there already.
//!
//! A varint costs 8 bits below 128 and 16 below 16,384. Lengths above [`ELEMENTS`](crate::limits::ELEMENTS) are
//! [`TooLong`](WireError::TooLong) to the writer, which leaves the value out, and to the reader, which looks before it
//! allocates. What a length claims is reserved only as far as the bits that are left can pay for; the rest grows with the
//! elements that arrive.
//!
//! Types of your own are derived from these: a box is a struct of two `Vec3`, a colour a `[u8; 4]` or, coarser, four fields
//! with the codec `Bits<5>`, an identifier of sixteen bytes a `u128` (129 bits when it changes) or a `[u8; 16]`.
//!
//! ```
//! # #[cfg(all(feature = "derive", feature = "glam"))] {
//! use gridmate_runtime::Marshal;
//!
//! #[derive(Marshal)]
//! struct Aabb {
//!     min: glam::Vec3,
//!     max: glam::Vec3,
//! }
//!
//! #[derive(Marshal)]
//! struct Colour([u8; 4]);
//! # }
//! ```
//!
//! Types that contain themselves have no finite layout and cannot travel: the repr of a `Box<T>` is that of `T`, so the
//! compiler refuses most of them.

mod bit_vec;
mod list;
mod map;
mod splice;
mod tuple;
mod wrappers;

pub(super) use list::{
    extend, fits, read_list_change, read_text, read_text_change, write_list_change, write_text_change,
};
#[cfg(feature = "serde")]
pub(super) use list::{read_len, write_len};
pub(super) use map::{read_entries, read_map_change, write_entries, write_map_change};
#[cfg(feature = "serde")]
pub(super) use splice::{read_bytes_change, write_bytes_change};

use super::{Marshal, Past, Shape, Sink, Source, WireError};

impl<T: Marshal> Marshal for Option<T> {
    type Repr = Option<T::Repr>;
    const LARGEST_BITS: usize = T::LARGEST_BITS.saturating_add(1);

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
    fn encode(repr: &Self::Repr, w: &mut impl Sink) {
        w.bool(repr.is_some());
        if let Some(repr) = repr {
            T::encode(repr, w);
        }
    }

    #[inline]
    fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
        if r.bool()? { T::decode(r).map(Some) } else { Ok(None) }
    }

    #[inline]
    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        w.bool(repr.is_some());
        match (repr, base) {
            (Some(repr), Some(base)) => T::encode_delta(repr, base, w),
            (Some(repr), None) => T::encode(repr, w),
            (None, _) => {}
        }
    }

    #[inline]
    fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        match (r.bool()?, repr) {
            (true, Some(repr)) => T::decode_delta(repr, r)?,
            (true, repr) => *repr = Some(T::decode(r)?),
            (false, repr) => *repr = None,
        }
        Ok(())
    }

    #[inline]
    fn marshal(&self, w: &mut impl Sink) {
        w.bool(self.is_some());
        if let Some(value) = self {
            value.marshal(w);
        }
    }

    #[inline]
    fn unmarshal(r: &mut impl Source) -> Result<Self, WireError> {
        if r.bool()? { T::unmarshal(r).map(Some) } else { Ok(None) }
    }
}

impl<T: Marshal, const N: usize> Marshal for [T; N] {
    type Repr = [T::Repr; N];
    const LARGEST_BITS: usize = N.saturating_mul(T::LARGEST_BITS);

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
    fn encode(repr: &Self::Repr, w: &mut impl Sink) {
        for repr in repr {
            T::encode(repr, w);
        }
    }

    #[inline]
    fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
        read_array(|| T::decode(r))
    }

    #[inline]
    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        for (repr, base) in repr.iter().zip(base) {
            write_change::<T>(repr, base, w);
        }
    }

    #[inline]
    fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        repr.iter_mut().try_for_each(|repr| read_change::<T>(repr, r))
    }

    #[inline]
    fn encode_ahead(repr: &Self::Repr, base: &Self::Repr, past: Past<'_, Self::Repr>, w: &mut impl Sink) {
        for (i, (repr, base)) in repr.iter().zip(base).enumerate() {
            let differs = repr != base;
            w.bool(differs);
            if differs {
                T::encode_ahead(repr, base, past.element(|past| &past[i]), w);
            }
        }
    }

    #[inline]
    fn decode_ahead(repr: &mut Self::Repr, past: Past<'_, Self::Repr>, r: &mut impl Source) -> Result<(), WireError> {
        for (i, repr) in repr.iter_mut().enumerate() {
            if r.bool()? {
                T::decode_ahead(repr, past.element(|past| &past[i]), r)?;
            }
        }
        Ok(())
    }

    #[inline]
    fn marshal(&self, w: &mut impl Sink) {
        for value in self {
            value.marshal(w);
        }
    }

    #[inline]
    fn unmarshal(r: &mut impl Source) -> Result<Self, WireError> {
        read_array(|| T::unmarshal(r))
    }
}

impl<T: Marshal> Marshal for Box<T> {
    type Repr = T::Repr;
    const LARGEST_BITS: usize = T::LARGEST_BITS;

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
    fn encode(repr: &Self::Repr, w: &mut impl Sink) {
        T::encode(repr, w);
    }

    #[inline]
    fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
        T::decode(r)
    }

    #[inline]
    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        T::encode_delta(repr, base, w);
    }

    #[inline]
    fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        T::decode_delta(repr, r)
    }

    #[inline]
    fn marshal(&self, w: &mut impl Sink) {
        T::marshal(self, w);
    }

    #[inline]
    fn unmarshal(r: &mut impl Source) -> Result<Self, WireError> {
        T::unmarshal(r).map(Self::new)
    }
}

#[inline]
fn write_change<T: Marshal>(repr: &T::Repr, base: &T::Repr, w: &mut impl Sink) {
    let differs = repr != base;
    w.bool(differs);
    if differs {
        T::encode_delta(repr, base, w);
    }
}

#[inline]
fn read_change<T: Marshal>(repr: &mut T::Repr, r: &mut impl Source) -> Result<(), WireError> {
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
