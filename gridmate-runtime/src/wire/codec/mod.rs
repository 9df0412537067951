//! Codecs: ways for a field to travel that are not its type's own.

mod bits;
mod native;
mod quantize;

pub use bits::Bits;
pub use native::Native;
pub use quantize::Quantize;
