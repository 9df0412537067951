//! Codecs: ways for a field to travel that are not its type's own.

mod bits;
mod bits_array;
mod half;
mod max_len;
mod native;
mod quantize;
#[cfg(feature = "glam")]
mod quat;

pub use bits::Bits;
pub use half::Half;
pub use max_len::MaxLen;
pub use native::Native;
pub use quantize::Quantize;
#[cfg(feature = "glam")]
pub use quat::{SmallestThree, SmallestThreeRepr};
