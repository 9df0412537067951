//! The codec of fields that name none.

use crate::wire::{Codec, Marshal, Past, Shape, Sink, Source, WireError};

/// A type's own marshaling.
///
/// ```
/// use gridmate_runtime::wire::codec::Native;
/// use gridmate_runtime::wire::{BitWriter, Codec, Marshal};
///
/// let (mut as_codec, mut as_type) = (BitWriter::new(), BitWriter::new());
/// Native.marshal(&7_u16, &mut as_codec);
/// 7_u16.marshal(&mut as_type);
/// assert_eq!(as_codec.finish(), as_type.finish());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Native;

impl<T: Marshal> Codec<T> for Native {
    type Repr = T::Repr;
    const LARGEST_BITS: usize = T::LARGEST_BITS;

    fn shape(&self) -> Shape {
        T::shape()
    }

    #[inline(always)]
    fn to_repr(&self, value: &T) -> Self::Repr {
        value.to_repr()
    }

    #[inline(always)]
    fn capture(&self, value: &T, into: &mut Self::Repr) {
        value.capture(into);
    }

    #[inline(always)]
    fn from_repr(&self, repr: &Self::Repr) -> T {
        T::from_repr(repr)
    }

    #[inline(always)]
    fn assign(&self, value: &mut T, repr: &Self::Repr) {
        value.assign(repr);
    }

    #[inline(always)]
    fn encode(&self, repr: &Self::Repr, w: &mut impl Sink) {
        T::encode(repr, w);
    }

    #[inline(always)]
    fn decode(&self, r: &mut impl Source) -> Result<Self::Repr, WireError> {
        T::decode(r)
    }

    #[inline(always)]
    fn encode_delta(&self, repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        T::encode_delta(repr, base, w);
    }

    #[inline(always)]
    fn decode_delta(&self, repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        T::decode_delta(repr, r)
    }

    #[inline(always)]
    fn encode_ahead(&self, repr: &Self::Repr, base: &Self::Repr, past: Past<'_, Self::Repr>, w: &mut impl Sink) {
        T::encode_ahead(repr, base, past, w);
    }

    #[inline(always)]
    fn decode_ahead(
        &self,
        repr: &mut Self::Repr,
        past: Past<'_, Self::Repr>,
        r: &mut impl Source,
    ) -> Result<(), WireError> {
        T::decode_ahead(repr, past, r)
    }

    #[inline(always)]
    fn marshal(&self, value: &T, w: &mut impl Sink) {
        value.marshal(w);
    }

    #[inline(always)]
    fn unmarshal(&self, r: &mut impl Source) -> Result<T, WireError> {
        T::unmarshal(r)
    }
}
