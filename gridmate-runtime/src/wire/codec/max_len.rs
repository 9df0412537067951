//! Text and lists with a limit of their own.

use crate::wire::containers::{extend, read_list_change, read_text, write_list_change};
use crate::wire::{BitReader, BitWriter, Codec, Marshal, Shape, WireError};

/// A `String` of at most `N` bytes or a `Vec` of at most `N` elements; `N` is 1 to 2^24, anything else a compile error.
///
/// As their own marshaling, but the length takes the fewest bits that hold `N`: 5 for 31, not 8. A longer one is
/// [`TooLong`](WireError::TooLong) to the writer, which leaves it out; so is a longer length to the reader, which looks
/// before it allocates.
///
/// | type | alone | change |
/// |---|---|---|
/// | `String` | length, bytes | the same |
/// | `Vec<T>` | length, elements | 1 bit "same length", else the length; per element that both have 1 bit "differs", then its change; new elements alone |
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
    #[inline]
    fn write_len(len: usize, w: &mut BitWriter) -> bool {
        if len <= N {
            w.bits(len as u64, Self::WIDTH);
        } else {
            w.fail(WireError::TooLong);
        }
        len <= N
    }

    #[inline]
    fn read_len(r: &mut BitReader<'_>) -> Result<usize, WireError> {
        usize::try_from(r.bits(Self::WIDTH)?).ok().filter(|len| *len <= N).ok_or(WireError::TooLong)
    }

    fn write_text(text: &str, w: &mut BitWriter) {
        if Self::write_len(text.len(), w) {
            w.bytes(text.as_bytes());
        }
    }

    fn read_text_into(text: &mut String, r: &mut BitReader<'_>) -> Result<(), WireError> {
        let len = Self::read_len(r)?;
        read_text(text, len, r)
    }
}

impl<const N: usize> Codec<String> for MaxLen<N> {
    type Repr = String;

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

    fn encode(&self, repr: &String, w: &mut BitWriter) {
        Self::write_text(repr, w);
    }

    fn decode(&self, r: &mut BitReader<'_>) -> Result<String, WireError> {
        let mut text = String::new();
        Self::read_text_into(&mut text, r)?;
        Ok(text)
    }

    fn decode_delta(&self, repr: &mut String, r: &mut BitReader<'_>) -> Result<(), WireError> {
        Self::read_text_into(repr, r)
    }

    fn marshal(&self, value: &String, w: &mut BitWriter) {
        Self::write_text(value, w);
    }

    fn unmarshal(&self, r: &mut BitReader<'_>) -> Result<String, WireError> {
        let mut text = String::new();
        Self::read_text_into(&mut text, r)?;
        Ok(text)
    }
}

impl<T: Marshal, const N: usize> Codec<Vec<T>> for MaxLen<N> {
    type Repr = Vec<T::Repr>;

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

    fn encode(&self, repr: &Self::Repr, w: &mut BitWriter) {
        if Self::write_len(repr.len(), w) {
            for repr in repr {
                T::encode(repr, w);
            }
        }
    }

    fn decode(&self, r: &mut BitReader<'_>) -> Result<Self::Repr, WireError> {
        let len = Self::read_len(r)?;
        let mut reprs = Self::Repr::new();
        extend(&mut reprs, len, r, T::decode)?;
        Ok(reprs)
    }

    fn encode_delta(&self, repr: &Self::Repr, base: &Self::Repr, w: &mut BitWriter) {
        write_list_change::<T>(repr, base, w, Self::write_len);
    }

    fn decode_delta(&self, repr: &mut Self::Repr, r: &mut BitReader<'_>) -> Result<(), WireError> {
        read_list_change::<T>(repr, r, Self::read_len)
    }

    fn marshal(&self, value: &Vec<T>, w: &mut BitWriter) {
        if Self::write_len(value.len(), w) {
            for value in value {
                value.marshal(w);
            }
        }
    }

    fn unmarshal(&self, r: &mut BitReader<'_>) -> Result<Vec<T>, WireError> {
        let len = Self::read_len(r)?;
        let mut values = Vec::new();
        extend(&mut values, len, r, T::unmarshal)?;
        Ok(values)
    }
}
