//! What can be wrong with bits.

/// Why bits could not be read as the value expected, or a value not be written as bits.
///
/// A reader that returns one of these has read only what was there: nothing is allocated for lengths that the input does
/// not hold.
///
/// ```
/// use gridmate_runtime::Marshal;
/// use gridmate_runtime::wire::{BitReader, WireError};
///
/// #[derive(Debug, PartialEq, Marshal)]
/// enum Gear {
///     Reverse,
///     Neutral,
///     Drive,
/// }
///
/// assert_eq!(Gear::unmarshal(&mut BitReader::new(&[0b10])), Ok(Gear::Drive));
/// assert_eq!(Gear::unmarshal(&mut BitReader::new(&[0b11])), Err(WireError::Invalid)); // there is no fourth
/// assert_eq!(Gear::unmarshal(&mut BitReader::new(&[])), Err(WireError::UnexpectedEnd));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The input ended inside a value.
    #[error("the input ends inside a value")]
    UnexpectedEnd,
    /// A length, count or string is above its limit.
    #[error("a length is above its limit")]
    TooLong,
    /// A discriminant that names no variant, a bit pattern that is no value of the type.
    #[error("the bits are not a value of the type")]
    Invalid,
    /// Text that is not UTF-8.
    #[error("the text is not UTF-8")]
    NotUtf8,
}
