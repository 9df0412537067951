//! A value's type and codec in one constant: what the lines that the derive writes call.
//!
//! Everything here is generic, inlined and free of state, so a generated method is straight-line code over its fields.

use core::marker::PhantomData;

use crate::schema::DatasetDescriptor;
use crate::wire::codec::{Native, NeedsNoKey};
use crate::wire::{Codec, FieldShape, Past, Shape, Sink, Source, VariantShape, WireError};

/// What is remembered of a `T` that travels as `C` says.
pub type Repr<T, C = Native> = <C as Codec<T>>::Repr;

/// What reading a `T` comes to; without one, what reading into something that is there comes to.
pub type Read<T = ()> = Result<T, WireError>;

/// A value of type `T` that travels as the codec `C` says.
///
/// ```
/// use gridmate_runtime::chunk::Field;
/// use gridmate_runtime::wire::{BitReader, BitWriter, Past, codec::Quantize};
///
/// // What `#[dataset(quantize(0.0..=90.0, bits = 8))] angle: f32` comes to.
/// const ANGLE: Field<f32, Quantize> = Field::new(Quantize::bits(0.0, 90.0, 8));
///
/// let (base, now) = (ANGLE.to_repr(&0.0), ANGLE.to_repr(&45.0));
/// let mut w = BitWriter::new();
/// ANGLE.encode_change(&now, &base, Past::UNKNOWN, &mut w);
/// ANGLE.encode_change(&now, &now, Past::UNKNOWN, &mut w); // one bit: nothing has changed
/// let (mut r, mut read) = (BitReader::new(w.finish()), base);
/// ANGLE.decode_change(&mut read, Past::UNKNOWN, &mut r)?;
/// ANGLE.decode_change(&mut read, Past::UNKNOWN, &mut r)?;
/// assert!((ANGLE.from_repr(&read) - 45.0).abs() < 0.2);
/// # Ok::<(), gridmate_runtime::wire::WireError>(())
/// ```
#[derive(Debug)]
pub struct Field<T, C = Native> {
    pub(super) codec: C,
    value: PhantomData<fn(T) -> T>,
}

impl<T: NeedsNoKey> Field<T> {
    /// A value that travels as its type says.
    pub const NATIVE: Self = Self::new(Native);
}

// The bounds are on the methods and not on the impl: so a type that has no wire representation is told that, and not that
// there is no such method.
impl<T, C> Field<T, C> {
    /// Ties a codec to the type it is for.
    pub const fn new(codec: C) -> Self {
        Self { codec, value: PhantomData }
    }

    /// The layout.
    pub fn shape(&self) -> Shape
    where
        C: Codec<T>,
    {
        self.codec.shape()
    }

    /// The repr of `value`.
    #[inline]
    pub fn to_repr(&self, value: &T) -> C::Repr
    where
        C: Codec<T>,
    {
        self.codec.to_repr(value)
    }

    /// Like [`to_repr`](Self::to_repr), reusing the memory of an older repr.
    #[inline]
    pub fn capture(&self, value: &T, into: &mut C::Repr)
    where
        C: Codec<T>,
    {
        self.codec.capture(value, into);
    }

    /// The value that `repr` stands for.
    #[inline]
    pub fn from_repr(&self, repr: &C::Repr) -> T
    where
        C: Codec<T>,
    {
        self.codec.from_repr(repr)
    }

    /// Like [`from_repr`](Self::from_repr), keeping what does not travel and reusing memory.
    #[inline]
    pub fn assign(&self, value: &mut T, repr: &C::Repr)
    where
        C: Codec<T>,
    {
        self.codec.assign(value, repr);
    }

    /// Stores `now` if it differs from `before`.
    #[inline]
    pub fn apply(&self, value: &mut T, now: &C::Repr, before: &C::Repr)
    where
        C: Codec<T>,
    {
        if now != before {
            self.codec.assign(value, now);
        }
    }

    /// Writes a repr alone.
    #[inline]
    pub fn encode(&self, repr: &C::Repr, w: &mut impl Sink)
    where
        C: Codec<T>,
    {
        self.codec.encode(repr, w);
    }

    /// Reads what [`encode`](Self::encode) wrote.
    #[inline]
    pub fn decode(&self, r: &mut impl Source) -> Read<C::Repr>
    where
        C: Codec<T>,
    {
        self.codec.decode(r)
    }

    /// Writes a repr that differs from `base`.
    #[inline]
    pub fn encode_ahead(&self, now: &C::Repr, base: &C::Repr, past: Past<'_, C::Repr>, w: &mut impl Sink)
    where
        C: Codec<T>,
    {
        self.codec.encode_ahead(now, base, past, w);
    }

    /// Reads what [`encode_ahead`](Self::encode_ahead) wrote; `repr` holds the base before and the value after.
    #[inline]
    pub fn decode_ahead(&self, repr: &mut C::Repr, past: Past<'_, C::Repr>, r: &mut impl Source) -> Read
    where
        C: Codec<T>,
    {
        self.codec.decode_ahead(repr, past, r)
    }

    /// Writes a bit that says whether `now` differs from `base`, and the difference if so.
    #[inline(always)]
    pub fn encode_change(&self, now: &C::Repr, base: &C::Repr, past: Past<'_, C::Repr>, w: &mut impl Sink)
    where
        C: Codec<T>,
    {
        let differs = now != base;
        w.differs(differs, if w.is_modelled() { past.repr().map(|past| past != base) } else { None });
        if differs {
            self.codec.encode_ahead(now, base, past, w);
        }
    }

    /// Reads what [`encode_change`](Self::encode_change) wrote; `repr` holds the base before and the value after.
    #[inline(always)]
    pub fn decode_change(&self, repr: &mut C::Repr, past: Past<'_, C::Repr>, r: &mut impl Source) -> Read
    where
        C: Codec<T>,
    {
        let moved = if r.is_modelled() { past.repr().map(|past| past != repr) } else { None };
        if r.differs(moved)? { self.codec.decode_ahead(repr, past, r) } else { Ok(()) }
    }

    /// Writes a dataset of a chunk, if it is to be written: [`encode_change`](Self::encode_change).
    #[inline(always)]
    pub fn write(&self, now: &C::Repr, base: &C::Repr, past: Past<'_, C::Repr>, w: &mut impl Sink)
    where
        C: Codec<T>,
    {
        if w.dataset() {
            self.encode_change(now, base, past, w);
        }
    }

    /// Reads what [`write`](Self::write) wrote: [`decode_change`](Self::decode_change).
    #[inline(always)]
    pub fn read(&self, repr: &mut C::Repr, past: Past<'_, C::Repr>, r: &mut impl Source) -> Read
    where
        C: Codec<T>,
    {
        if r.dataset() { self.decode_change(repr, past, r) } else { Ok(()) }
    }

    /// Writes a dataset that travels once, in an encoding of a whole chunk: [`encode_change`](Self::encode_change). In others there
    /// is nothing of it.
    #[inline]
    pub fn write_initial(&self, now: &C::Repr, base: &C::Repr, w: &mut impl Sink)
    where
        C: Codec<T>,
    {
        if w.initial() {
            self.encode_change(now, base, Past::UNKNOWN, w);
        }
    }

    /// Reads what [`write_initial`](Self::write_initial) wrote.
    #[inline]
    pub fn read_initial(&self, repr: &mut C::Repr, r: &mut impl Source) -> Read
    where
        C: Codec<T>,
    {
        if r.initial() { self.decode_change(repr, Past::UNKNOWN, r) } else { Ok(()) }
    }

    /// Writes a value alone.
    #[inline]
    pub fn marshal(&self, value: &T, w: &mut impl Sink)
    where
        C: Codec<T>,
    {
        self.codec.marshal(value, w);
    }

    /// Reads a value written by [`marshal`](Self::marshal).
    #[inline]
    pub fn unmarshal(&self, r: &mut impl Source) -> Read<T>
    where
        C: Codec<T>,
    {
        self.codec.unmarshal(r)
    }
}

/// A dataset as data.
pub(super) const fn dataset(name: &'static str, shape: fn() -> Shape) -> DatasetDescriptor {
    DatasetDescriptor { name, shape }
}

/// An RPC's argument as data.
pub(super) const fn arg(name: &'static str, shape: fn() -> Shape) -> super::ArgDescriptor {
    super::ArgDescriptor { name, shape }
}

/// The shape of a value that travels as its type says.
pub fn shape_of<T>() -> Shape
where
    Native: Codec<T>,
{
    Native.shape()
}

/// The shape of a dataset that travels once.
pub fn initial_shape(shape: Shape) -> Shape {
    Shape::named("initial", [shape])
}

/// The shape of a field of a struct or a variant.
pub const fn field_shape(name: &'static str, shape: Shape) -> FieldShape {
    FieldShape { name, shape }
}

/// The shape of a struct.
pub fn struct_shape<const N: usize>(name: &'static str, fields: [FieldShape; N]) -> Shape {
    Shape::Struct(name, Vec::from(fields))
}

/// The shape of a variant.
pub fn variant_shape<const N: usize>(name: &'static str, tag: u64, fields: [FieldShape; N]) -> VariantShape {
    VariantShape { name, tag, fields: Vec::from(fields) }
}

/// The shape of an enum.
pub fn enum_shape<const N: usize>(name: &'static str, tag_bits: u32, variants: [VariantShape; N]) -> Shape {
    Shape::Enum(name, tag_bits, Vec::from(variants))
}
