//! Bits: how values become a few of them and come back the same on every node.
//!
//! Three ideas carry the whole crate.
//!
//! - **A value has a wire representation, its *repr*.** `f32` is 32 bits; a position quantised to 2 mm steps is an 18-bit
//!   integer; a `Vec` of enums is a `Vec` of their reprs. [`Marshal`] is a type's own choice of repr, a [`Codec`] is the
//!   choice a field makes instead (`#[dataset(with = …)]`, `#[dataset(quantize(…))]`).
//! - **Everything is compared, remembered and agreed on as reprs.** Noise below a quantisation step is not a change; primary
//!   and proxies hold the same bits; NaN equals itself.
//! - **A repr is written alone or against a baseline** that the reader is known to have. Which one is the caller's business;
//!   a reader is told out of band.
//!
//! [`BitWriter`] and [`BitReader`] move the bits, a word at a time and least significant bit first; `docs/WIRE.md` is the
//! normative description of every layout.

mod arrays;
mod bits;
pub mod codec;
mod containers;
mod copy;
pub(crate) mod entropy;
mod error;
mod floats;
pub(crate) mod forward;
mod ladder;
mod lanes;
#[cfg(feature = "glam")]
mod math;
mod past;
mod pen;
mod primitives;
mod residual;
mod rotation;
mod shape;
mod stage;
mod stream;
pub mod types;
mod window;

pub use bits::{BitReader, BitWriter};
#[doc(hidden)]
pub use entropy::bare as __bare_entropy;
pub use error::WireError;
pub use past::{Ahead, Change, Past};
pub(crate) use pen::Pen;
pub use rotation::PackedRotation;
pub use shape::{FieldShape, Shape, VariantShape};
pub use stage::{ReadStage, WriteStage};
pub use stream::{Sink, Source};
pub(crate) use window::Window;

/// A type that knows how it travels. Usually derived.
///
/// Implement it by hand in terms of a type that already does, and say so in the shape:
///
/// ```
/// use gridmate_runtime::wire::{BitReader, BitWriter, Marshal, Shape, Sink, Source, WireError};
///
/// /// Cents; travels as an `i64`.
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// struct Money(i64);
///
/// impl Marshal for Money {
///     type Repr = <i64 as Marshal>::Repr;
///
///     fn shape() -> Shape {
///         Shape::named("Money", [i64::shape()])
///     }
///     fn to_repr(&self) -> Self::Repr {
///         self.0.to_repr()
///     }
///     fn from_repr(repr: &Self::Repr) -> Self {
///         Self(i64::from_repr(repr))
///     }
///     fn encode(repr: &Self::Repr, w: &mut impl Sink) {
///         i64::encode(repr, w);
///     }
///     fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError> {
///         i64::decode(r)
///     }
/// }
///
/// let mut w = BitWriter::new();
/// Money(1_99).marshal(&mut w);
/// assert_eq!(Money::unmarshal(&mut BitReader::new(w.finish())), Ok(Money(1_99)));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be marshaled",
    label = "this type has no wire representation",
    note = "add `#[derive(Marshal)]` to `{Self}`, or give the field a codec: `#[dataset(with = …)]`, `#[marshal(with = …)]`"
)]
pub trait Marshal: Sized {
    /// What is compared, remembered and sent. Equal reprs must encode to equal bits.
    type Repr: Clone + PartialEq + Send + Sync + 'static;

    /// Bits that the largest values are known to need, alone or as a change: never more than they do. A chunk that could not be
    /// sent when everything changes is a compile error by this; 0, as for text and lists of any length, raises none.
    const LARGEST_BITS: usize = 0;

    /// Describes the layout, for fingerprints and dumps. Must change whenever the bits do.
    fn shape() -> Shape;

    /// The repr of this value.
    fn to_repr(&self) -> Self::Repr;

    /// Like [`to_repr`](Self::to_repr), reusing the memory of an older repr.
    #[inline]
    fn capture(&self, into: &mut Self::Repr) {
        *into = self.to_repr();
    }

    /// The value that `repr` stands for. `from_repr(&v.to_repr()).to_repr() == v.to_repr()` must hold.
    fn from_repr(repr: &Self::Repr) -> Self;

    /// Like [`from_repr`](Self::from_repr), keeping what does not travel and reusing memory.
    #[inline]
    fn assign(&mut self, repr: &Self::Repr) {
        *self = Self::from_repr(repr);
    }

    /// Writes a repr alone.
    fn encode(repr: &Self::Repr, w: &mut impl Sink);

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// Any [`WireError`]; never a panic, never memory beyond what the input pays for.
    fn decode(r: &mut impl Source) -> Result<Self::Repr, WireError>;

    /// Writes a repr that differs from `base`, which the reader has.
    #[inline]
    fn encode_delta(repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        let _ = base;
        Self::encode(repr, w);
    }

    /// Reads what [`encode_delta`](Self::encode_delta) wrote; `repr` holds the base before and the value after.
    ///
    /// # Errors
    /// As [`decode`](Self::decode); `repr` may then hold anything.
    #[inline]
    fn decode_delta(repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        *repr = Self::decode(r)?;
        Ok(())
    }

    /// Writes a repr that differs from `base`, given what it was before: for types of which a guess can be made. The reader
    /// has both.
    #[inline]
    fn encode_ahead(repr: &Self::Repr, base: &Self::Repr, past: Past<'_, Self::Repr>, w: &mut impl Sink) {
        let _ = past;
        Self::encode_delta(repr, base, w);
    }

    /// Reads what [`encode_ahead`](Self::encode_ahead) wrote; `repr` holds the base before and the value after.
    ///
    /// # Errors
    /// As [`decode`](Self::decode); `repr` may then hold anything.
    #[inline]
    fn decode_ahead(repr: &mut Self::Repr, past: Past<'_, Self::Repr>, r: &mut impl Source) -> Result<(), WireError> {
        let _ = past;
        Self::decode_delta(repr, r)
    }

    /// Writes the value alone.
    #[inline(always)]
    fn marshal(&self, w: &mut impl Sink) {
        Self::encode(&self.to_repr(), w);
    }

    /// Reads a value written by [`marshal`](Self::marshal).
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    #[inline(always)]
    fn unmarshal(r: &mut impl Source) -> Result<Self, WireError> {
        Ok(Self::from_repr(&Self::decode(r)?))
    }
}

/// A way for one field to travel that is not its type's own: what `with = …` names.
///
/// A codec is a value, so it can have parameters; it is built in a `const`.
///
/// ```
/// use gridmate_runtime::wire::codec::Quantize;
/// use gridmate_runtime::wire::{BitReader, BitWriter, Codec};
///
/// const PERCENT: Quantize = Quantize::step(0.0, 1.0, 0.01);
/// let mut w = BitWriter::new();
/// PERCENT.marshal(&0.421_f32, &mut w);
/// assert_eq!(w.len(), 7); // 101 values
/// let read: f32 = PERCENT.unmarshal(&mut BitReader::new(w.finish()))?;
/// assert!((read - 0.42).abs() < 1e-6);
/// # Ok::<(), gridmate_runtime::wire::WireError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a codec for `{T}`",
    label = "cannot carry a `{T}`",
    note = "codecs for floats: `Quantize`, `Half`; for integers: `Bits`; for quaternions: `SmallestThree`; for text and lists: `MaxLen`; a type's own marshaling: `Native`"
)]
pub trait Codec<T> {
    /// What is compared, remembered and sent. Equal reprs must encode to equal bits.
    type Repr: Clone + PartialEq + Send + Sync + 'static;

    /// Bits that the largest values are known to need; see [`Marshal::LARGEST_BITS`]. What depends on the codec's value is taken
    /// for as little as it can be.
    const LARGEST_BITS: usize = 0;

    /// Describes the layout with every parameter, for fingerprints and dumps.
    fn shape(&self) -> Shape;

    /// The repr of `value`.
    fn to_repr(&self, value: &T) -> Self::Repr;

    /// Like [`to_repr`](Self::to_repr), reusing the memory of an older repr.
    #[inline]
    fn capture(&self, value: &T, into: &mut Self::Repr) {
        *into = self.to_repr(value);
    }

    /// The value that `repr` stands for; its repr is `repr` again.
    #[expect(
        clippy::wrong_self_convention,
        reason = "the counterpart of `to_repr`; `self` is the codec, not the value"
    )]
    fn from_repr(&self, repr: &Self::Repr) -> T;

    /// Like [`from_repr`](Self::from_repr), keeping what does not travel and reusing memory.
    #[inline]
    fn assign(&self, value: &mut T, repr: &Self::Repr) {
        *value = self.from_repr(repr);
    }

    /// Writes a repr alone.
    fn encode(&self, repr: &Self::Repr, w: &mut impl Sink);

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    /// Any [`WireError`]; never a panic, never memory beyond what the input pays for.
    fn decode(&self, r: &mut impl Source) -> Result<Self::Repr, WireError>;

    /// Writes a repr that differs from `base`, which the reader has.
    #[inline]
    fn encode_delta(&self, repr: &Self::Repr, base: &Self::Repr, w: &mut impl Sink) {
        let _ = base;
        self.encode(repr, w);
    }

    /// Reads what [`encode_delta`](Self::encode_delta) wrote; `repr` holds the base before and the value after.
    ///
    /// # Errors
    /// As [`decode`](Self::decode); `repr` may then hold anything.
    #[inline]
    fn decode_delta(&self, repr: &mut Self::Repr, r: &mut impl Source) -> Result<(), WireError> {
        *repr = self.decode(r)?;
        Ok(())
    }

    /// Writes a repr that differs from `base`, given what it was before: for codecs that guess
    /// ([`Predict`](codec::Predict)). The reader has both.
    #[inline]
    fn encode_ahead(&self, repr: &Self::Repr, base: &Self::Repr, past: Past<'_, Self::Repr>, w: &mut impl Sink) {
        let _ = past;
        self.encode_delta(repr, base, w);
    }

    /// Reads what [`encode_ahead`](Self::encode_ahead) wrote; `repr` holds the base before and the value after.
    ///
    /// # Errors
    /// As [`decode`](Self::decode); `repr` may then hold anything.
    #[inline]
    fn decode_ahead(
        &self,
        repr: &mut Self::Repr,
        past: Past<'_, Self::Repr>,
        r: &mut impl Source,
    ) -> Result<(), WireError> {
        let _ = past;
        self.decode_delta(repr, r)
    }

    /// Writes the value alone.
    #[inline(always)]
    fn marshal(&self, value: &T, w: &mut impl Sink) {
        self.encode(&self.to_repr(value), w);
    }

    /// Reads a value written by [`marshal`](Self::marshal).
    ///
    /// # Errors
    /// As [`decode`](Self::decode).
    #[inline(always)]
    fn unmarshal(&self, r: &mut impl Source) -> Result<T, WireError> {
        Ok(self.from_repr(&self.decode(r)?))
    }
}
