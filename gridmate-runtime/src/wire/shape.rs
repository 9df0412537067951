//! What a layout looks like, as data: the leaves of the schema.

use core::fmt;

/// The layout of a value, named so that two programs whose shapes print alike read each other's bits.
///
/// Shapes are built once, when a program lists its chunk types; nothing hot touches them.
///
/// ```
/// use gridmate_runtime::Marshal;
/// use gridmate_runtime::wire::Shape;
///
/// #[derive(Marshal)]
/// struct Wheel {
///     grip: u8,
///     flat: Option<bool>,
/// }
///
/// assert_eq!(Wheel::shape().to_string(), "Wheel { grip: u8, flat: option<bool> }");
/// assert_eq!(u8::shape(), Shape::leaf("u8"));
/// assert_eq!(Option::<u8>::shape(), Shape::named("option", [u8::shape()]));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// A primitive or a codec with its parameters, written out: `u8`, `quantize(-1..=1, 10 bits)`.
    Leaf(String),
    /// A layout made of others in a fixed way: `vec<u8>`, `option<f32>`, a tuple, a newtype.
    Named(&'static str, Vec<Self>),
    /// Fields one after the other.
    Struct(&'static str, Vec<FieldShape>),
    /// A tag of so many bits, then the fields of the variant it names.
    Enum(&'static str, u32, Vec<VariantShape>),
}

/// A field of a [`Shape::Struct`] or of a variant.
///
/// ```
/// use gridmate_runtime::Marshal;
/// use gridmate_runtime::wire::{FieldShape, Shape};
///
/// #[derive(Marshal)]
/// struct Wheel {
///     grip: u8,
/// }
///
/// let Shape::Struct("Wheel", fields) = Wheel::shape() else { panic!("a struct") };
/// assert_eq!(fields, [FieldShape { name: "grip", shape: u8::shape() }]);
/// assert_eq!(fields[0].to_string(), "grip: u8");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldShape {
    /// The field's name; its index for tuples.
    pub name: &'static str,
    /// Its layout.
    pub shape: Shape,
}

/// A variant of a [`Shape::Enum`].
///
/// ```
/// use gridmate_runtime::Marshal;
/// use gridmate_runtime::wire::Shape;
///
/// #[derive(Marshal)]
/// enum Weapon {
///     Idle,
///     Firing { shots: u8 },
/// }
///
/// let Shape::Enum("Weapon", 1, variants) = Weapon::shape() else { panic!("an enum with a tag of one bit") };
/// assert_eq!((variants[1].name, variants[1].tag), ("Firing", 1));
/// assert_eq!(variants[1].to_string(), "Firing = 1 { shots: u8 }");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VariantShape {
    /// The variant's name.
    pub name: &'static str,
    /// Its discriminant on the wire.
    pub tag: u64,
    /// Its fields.
    pub fields: Vec<FieldShape>,
}

/// What the layout of a predicted value is called, around what it is without a guess.
pub(super) const PREDICTED: &str = "linear";

impl Shape {
    /// A primitive or a codec with its parameters.
    pub fn leaf(text: impl Into<String>) -> Self {
        Self::Leaf(text.into())
    }

    /// Whether something in it is written against a guess, so that writer and reader need its past.
    pub(crate) fn predicts(&self) -> bool {
        let any = |fields: &[FieldShape]| fields.iter().any(|field| field.shape.predicts());
        match self {
            Self::Leaf(_) => false,
            Self::Named(name, parts) => *name == PREDICTED || parts.iter().any(Self::predicts),
            Self::Struct(_, fields) => any(fields),
            Self::Enum(_, _, variants) => variants.iter().any(|variant| any(&variant.fields)),
        }
    }

    /// A layout made of `parts`.
    pub fn named(name: &'static str, parts: impl IntoIterator<Item = Self>) -> Self {
        Self::Named(name, parts.into_iter().collect())
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Leaf(text) => f.write_str(text),
            Self::Named(name, parts) => {
                f.write_str(name)?;
                separated(f, "<", parts, ">")
            }
            Self::Struct(name, fields) => {
                f.write_str(name)?;
                separated(f, " { ", fields, " }")
            }
            Self::Enum(name, bits, variants) => {
                write!(f, "{name}:{bits}")?;
                separated(f, " [ ", variants, " ]")
            }
        }
    }
}

impl fmt::Display for FieldShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.shape)
    }
}

impl fmt::Display for VariantShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.tag)?;
        if self.fields.is_empty() { Ok(()) } else { separated(f, " { ", &self.fields, " }") }
    }
}

fn separated(f: &mut fmt::Formatter<'_>, open: &str, parts: &[impl fmt::Display], close: &str) -> fmt::Result {
    f.write_str(open)?;
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(", ")?;
        }
        part.fmt(f)?;
    }
    f.write_str(close)
}
