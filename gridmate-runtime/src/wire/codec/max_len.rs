//! Text, lists, maps and sets with a limit of their own.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, Hash};

use crate::wire::containers::{
    extend, fits, read_entries, read_list_change, read_map_change, read_text, read_text_change, write_entries,
    write_list_change, write_map_change, write_text_change,
};
use crate::wire::{Codec, Marshal, Shape, Sink, Source, WireError};

/// A `String` of at most `N` bytes, or a `Vec`, `VecDeque`, map or set of at most `N` elements; `N` is 1 to 2^24, anything
/// else a compile error.
///
/// As their own marshaling, but the length takes the fewest bits that hold `N`: 5 for 31, not 8. A longer one is
/// [`TooLong`](WireError::TooLong) to the writer, which leaves it out; so is a longer length to the reader, which looks
/// before it allocates.
///
/// Changes are those of the type itself, which hold no length, up to `N` as well.
///
/// ```
/// use gridmate_runtime::wire::{BitWriter, Codec, WireError, codec::MaxLen};
///
/// let mut w = BitWriter::new();
/// MaxLen::<31>.marshal(&"fish".to_string(), &mut w);
/// assert_eq!(w.len(), 5 + 32);
/// MaxLen::<3>.marshal(&"fish".to_string(), &mut w);
/// assert_eq!(w.error(), Some(WireError::TooLong));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxLen<const N: usize>;

impl<const N: usize> MaxLen<N> {
    const WIDTH: u32 = {
        assert!(N >= 1 && N <= 1 << 24, "MaxLen: 1 to 2^24");
        N.ilog2() + 1
    };

    /// False, with the fault noted, when the length is above its limit.
    #[inline(always)]
    fn write_len(len: usize, w: &mut impl Sink) -> bool {
        let fits = fits(len, N, w);
        if fits {
            w.bits(len as u64, Self::WIDTH);
        }
        fits
    }

    #[inline(always)]
    fn read_len(r: &mut impl Source) -> Result<usize, WireError> {
        usize::try_from(r.bits(Self::WIDTH)?).ok().filter(|len| *len <= N).ok_or(WireError::TooLong)
    }

    #[inline(always)]
    fn write_text(text: &str, w: &mut impl Sink) {
        if Self::write_len(text.len(), w) {
            w.bytes(text.as_bytes());
        }
    }
}

impl<const N: usize> Codec<String> for MaxLen<N> {
    type Repr = String;
    const LARGEST_BITS: usize = N.saturating_mul(8);

    fn shape(&self) -> Shape {
        Shape::leaf(format!("string(max {N})"))
    }

    fn to_repr(&self, value: &String) -> String {
        value.clone()
    }

    fn capture(&self, value: &String, into: &mut String) {
        into.clone_from(value);
    }

    fn from_repr(&self, repr: &String) -> String {
        repr.clone()
    }

    fn assign(&self, value: &mut String, repr: &String) {
        value.clone_from(repr);
    }

    #[inline(always)]
    fn encode(&self, repr: &String, w: &mut impl Sink) {
        Self::write_text(repr, w);
    }

    #[inline(always)]
    fn decode(&self, r: &mut impl Source) -> Result<String, WireError> {
        let len = Self::read_len(r)?;
        read_text(len, r)
    }

    fn encode_delta(&self, repr: &String, base: &String, w: &mut impl Sink) {
        write_text_change(repr, base, N, w);
    }

    fn decode_delta(&self, repr: &mut String, r: &mut impl Source) -> Result<(), WireError> {
        read_text_change(repr, N, r)
    }

    #[inline(always)]
    fn marshal(&self, value: &String, w: &mut impl Sink) {
        Self::write_text(value, w);
    }

    #[inline(always)]
    fn unmarshal(&self, r: &mut impl Source) -> Result<String, WireError> {
        let len = Self::read_len(r)?;
        read_text(len, r)
    }
}

impl<T: Marshal, const N: usize> Codec<Vec<T>> for MaxLen<N> {
    type Repr = Vec<T::Repr>;
    const LARGEST_BITS: usize = N.saturating_mul(T::LARGEST_BITS);

    fn shape(&self) -> Shape {
        Shape::named("vec", [T::shape(), Shape::leaf(format!("max {N}"))])
    }

    fn to_repr(&self, value: &Vec<T>) -> Self::Repr {
        value.to_repr()
    }

    fn capture(&self, value: &Vec<T>, into: &mut Self::Repr) {
        value.capture(into);
    }

    fn from_repr(&self, repr: &Self::Repr) -> Vec<T> {
        Vec::from_repr(repr)
    }

    fn assign(&self, value: &mut Vec<T>, repr: &Self::Repr) {
        value.assign(repr);
    }

    fn encode(&self, repr: &Self::Repr, w: &mut impl Sink) {
        if Self::write_len(repr.len(), w) {
            write_list::<T>(repr, w);
        }
    }

    fn decode(&self, r: &mut impl Source) -> Result<Self::Repr, WireError> {
        let len = Self::read_len(r)?;
        read_list::<T>(len, r)
    }

    fn encode_delta(&self, repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        write_list_change::<T>(repr, base, N, w);
    }

    fn decode_delta(&self, repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        read_list_change::<T>(repr, N, r)
    }

    fn marshal(&self, value: &Vec<T>, w: &mut impl Sink) {
        if Self::write_len(value.len(), w) {
            for value in value {
                value.marshal(w);
            }
        }
    }

    fn unmarshal(&self, r: &mut impl Source) -> Result<Vec<T>, WireError> {
        let len = Self::read_len(r)?;
        let mut values = Vec::new();
        extend(&mut values, len, r, T::unmarshal)?;
        Ok(values)
    }
}

/// Everything but the length is the type's own. Maps and sets need not have as many entries as they may: keys differ, and nothing
/// says how many there are.
macro_rules! collection {
    ($(($($generic:tt)*) $type:ty, $name:literal [$($part:ident),*], $largest:expr,
       $write:ident, $read:ident, $write_change:ident, $read_change:ident ($($entry:tt)*) ($($change:tt)*);)*) => {$(
        impl<$($generic)*, const N: usize> Codec<$type> for MaxLen<N> {
            type Repr = <$type as Marshal>::Repr;
            const LARGEST_BITS: usize = $largest;

            fn shape(&self) -> Shape {
                Shape::named($name, [$($part::shape(),)* Shape::leaf(format!("max {N}"))])
            }

            fn to_repr(&self, value: &$type) -> Self::Repr {
                value.to_repr()
            }

            fn capture(&self, value: &$type, into: &mut Self::Repr) {
                value.capture(into);
            }

            fn from_repr(&self, repr: &Self::Repr) -> $type {
                <$type>::from_repr(repr)
            }

            fn assign(&self, value: &mut $type, repr: &Self::Repr) {
                value.assign(repr);
            }

            fn encode(&self, repr: &Self::Repr, w: &mut impl Sink) {
                if Self::write_len(repr.len(), w) {
                    $write::<$($entry)*>(repr, w);
                }
            }

            fn decode(&self, r: &mut impl Source) -> Result<Self::Repr, WireError> {
                let len = Self::read_len(r)?;
                $read::<$($entry)*>(len, r)
            }

            fn encode_delta(&self, repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
                $write_change::<$($change)*>(repr, base, N, w);
            }

            fn decode_delta(&self, repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
                $read_change::<$($change)*>(repr, N, r)
            }
        }
    )*};
}

collection! {
    (T: Marshal) VecDeque<T>, "vec" [T], N.saturating_mul(T::LARGEST_BITS),
        write_list, read_list, write_list_change, read_list_change (T) (T);
    (K: Marshal + Ord, V: Marshal) BTreeMap<K, V>, "map" [K, V], 0,
        write_entries, read_entries, write_map_change, read_map_change (K, V) (K, V, true);
    (K: Marshal + Ord + Hash, V: Marshal, S: BuildHasher + Default) HashMap<K, V, S>, "map" [K, V], 0,
        write_entries, read_entries, write_map_change, read_map_change (K, V) (K, V, true);
    (T: Marshal + Ord) BTreeSet<T>, "set" [T], 0,
        write_entries, read_entries, write_map_change, read_map_change (T, ()) (T, (), false);
    (T: Marshal + Ord + Hash, S: BuildHasher + Default) HashSet<T, S>, "set" [T], 0,
        write_entries, read_entries, write_map_change, read_map_change (T, ()) (T, (), false);
}

fn write_list<T: Marshal>(reprs: &[T::Repr], w: &mut impl Sink) {
    for repr in reprs {
        T::encode(repr, w);
    }
}

fn read_list<T: Marshal>(len: usize, r: &mut impl Source) -> Result<Vec<T::Repr>, WireError> {
    let mut reprs = Vec::new();
    extend(&mut reprs, len, r, T::decode)?;
    Ok(reprs)
}
