//! Colours.

use glam::Vec4;

use super::travels_as;

/// Red, green, blue and alpha as floats, exact; 1 is full, and more than white is allowed.
///
/// | layout | bits |
/// |---|---|
/// | alone | 4 × 32: 128 |
/// | change | as a `Vec4`: 4 + 4 × 12 to 4 + 4 × 32 if all components change, else 8 and 12 to 32 for each that does |
///
/// Where 256 shades do, a `[u8; 4]` alone is a quarter. `interpolate = Linear` fades each component on its own.
///
/// ```
/// use gridmate_runtime::Marshal;
/// use gridmate_runtime::wire::types::Color;
/// use gridmate_runtime::wire::{BitReader, BitWriter};
///
/// let dusk = Color { a: 0.5, ..Color::rgb(1.5, 0.5, 0.25) };
/// let mut w = BitWriter::new();
/// dusk.marshal(&mut w);
/// assert_eq!(w.len(), 128);
/// assert_eq!(Color::unmarshal(&mut BitReader::new(w.finish())), Ok(dusk));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Color {
    /// Red.
    pub r: f32,
    /// Green.
    pub g: f32,
    /// Blue.
    pub b: f32,
    /// Opacity.
    pub a: f32,
}

impl Color {
    /// All at full.
    pub const WHITE: Self = Self::rgb(1.0, 1.0, 1.0);
    /// Opaque, and nothing else.
    pub const BLACK: Self = Self::rgb(0.0, 0.0, 0.0);

    /// Opaque.
    pub const fn rgb(r: f32, g: f32, b: f32) -> Self {
        Self { r, g, b, a: 1.0 }
    }
}

travels_as! {
    Color as Vec4, "color",
    |value| Vec4::new(value.r, value.g, value.b, value.a),
    |rgba| Self { r: rgba.x, g: rgba.y, b: rgba.z, a: rgba.w }
}
