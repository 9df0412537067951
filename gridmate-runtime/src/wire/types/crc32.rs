//! Names as numbers.

use core::fmt;

use crate::wire::{Marshal, Shape, Sink, Source, WireError};

/// The CRC-32 of a name, for names that are compared and never shown: 32 bits instead of the text. The polynomial is zlib's
/// (edb88320, reflected).
///
/// Alone 32 bits; a change is written again, 32 bits, for there is no such thing as a similar hash. Different names may have the
/// same hash; with a thousand names the odds are one in nine thousand that any two do, so a program had better check its own.
///
/// ```
/// use gridmate_runtime::wire::types::Crc32;
///
/// const FIRE: Crc32 = Crc32::of("fire");
/// assert_ne!(FIRE, Crc32::of("Fire"), "letters are taken as they are");
/// assert_eq!(Crc32::of("123456789").value(), 0xCBF4_3926);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Crc32(u32);

impl Crc32 {
    /// The hash of a name, in a constant if need be.
    pub const fn of(name: &str) -> Self {
        let bytes = name.as_bytes();
        let mut crc = u32::MAX;
        let mut at = 0;
        // A `for` loop is not to be had in a constant.
        while at < bytes.len() {
            crc = TABLE[((crc ^ bytes[at] as u32) & 0xFF) as usize] ^ (crc >> 8);
            at += 1;
        }
        Self(!crc)
    }

    /// A hash that is known as a number.
    pub const fn from_value(value: u32) -> Self {
        Self(value)
    }

    /// The hash as a number.
    pub const fn value(self) -> u32 {
        self.0
    }
}

const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0_u32;
    while byte < 256 {
        let mut crc = byte;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
            bit += 1;
        }
        table[byte as usize] = crc;
        byte += 1;
    }
    table
};

impl fmt::Display for Crc32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl Marshal for Crc32 {
    type Repr = u32;

    fn shape() -> Shape {
        Shape::leaf("crc32")
    }

    #[inline]
    fn to_repr(&self) -> u32 {
        self.0
    }

    #[inline]
    fn from_repr(repr: &u32) -> Self {
        Self(*repr)
    }

    #[inline]
    fn encode(repr: &u32, w: &mut impl Sink) {
        u32::encode(repr, w);
    }

    #[inline]
    fn decode(r: &mut impl Source) -> Result<u32, WireError> {
        u32::decode(r)
    }
}
