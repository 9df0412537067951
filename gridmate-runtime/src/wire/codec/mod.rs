//! Codecs: ways for a field to travel that are not its type's own.

mod native;
mod quantize;

pub use native::Native;
pub use quantize::Quantize;
