//! Codecs: ways for a field to travel that are not its type's own.
//!
//! Which one do I want?
//!
//! | for | codec | bits alone | error |
//! |---|---|---|---|
//! | anything with `Marshal` | [`Native`], the default | the type's own | none |
//! | a float in a known range | [`Quantize`] | those of range / step | half a step |
//! | a float of any size, a colour with more than white | [`Half`] | 16 | a part in 2,048; infinite from 65,520 |
//! | a position | [`Quantize`], per component | 54 for ±256 m in steps of 2 mm | 1 mm per axis |
//! | a rotation (`glam`) | `SmallestThree<10>` | 32 | 0.55° |
//! | a direction (`glam`) | `UnitVec<10>` | 20 | 0.24° |
//! | an integer with two ends: percent, level, cell | [`Range`] | the fewest that hold the difference: 7 for 0 to 100 | none; outside becomes the end |
//! | an integer of few bits, flags | [`Bits`] | N | none; too large becomes the end |
//! | an integer without bound, mostly small: score, count | [`Varint`] | 8 below 128, 16 below 16,384, … | none |
//! | a reference to an entity | [`ByReplica`], as `#[dataset(entity)]` | 1 for none; 15 for the host's hundredth | none |
//! | text, lists, maps and sets with a small limit | [`MaxLen`] | length in the fewest bits, contents | none; longer fails |
//! | a type of another crate that knows serde (`serde`) | `Serde` | 8 and more, bytes | none |
//!
//! What a change costs is told by each. All of them compare values as they travel: what is lost to an error is no change.

mod bits;
mod bits_array;
mod by_replica;
mod half;
mod max_len;
mod native;
pub(in crate::wire) mod predict;
mod quantize;
#[cfg(feature = "glam")]
mod quat;
mod range;
#[cfg(feature = "serde")]
mod serde;
#[cfg(feature = "glam")]
mod unit_vec;
mod varint;

#[cfg(feature = "serde")]
pub use self::serde::{Serde, SerdeRepr};
pub use bits::Bits;
pub(crate) use by_replica::NeedsNoKey;
pub use by_replica::{ByReplica, RefersToEntity};
pub use half::Half;
pub use max_len::MaxLen;
pub use native::Native;
pub use predict::{Predict, Predictable};
pub use quantize::Quantize;
#[cfg(feature = "glam")]
pub use quat::{SmallestThree, SmallestThreeRepr};
pub use range::Range;
#[cfg(feature = "glam")]
pub use unit_vec::UnitVec;
pub use varint::Varint;
