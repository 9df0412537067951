//! What generated code may name. Nothing here is for people: versions of the derive and of this crate are pinned to each
//! other, so any of it may change in a patch release.

pub use core::clone::Clone;
pub use core::cmp::PartialEq;
pub use core::convert::{From, Into};
pub use core::default::Default;
pub use core::option::Option::{self, None, Some};
pub use core::result::Result::{self, Err, Ok};
pub use std::string::String;
pub use std::vec::Vec;

pub use crate::chunk::field::{Field, Read, Repr, enum_shape, field_shape, struct_shape, variant_shape};
pub use crate::chunk::fit::{Args, Datasets, args, datasets, sum_bits, tagged_bits};
pub use crate::chunk::{
    ArgDescriptor, HasRpcs, IntoPropagate, MayCall, Moment, NoRpcs, Propagate, ReplicaChunk, RpcContext, RpcDescriptor,
    RpcError, RpcFlags, RpcPort, TargetPeer, ThrottleMark, TimeContext,
};
pub use crate::schema::{ChunkDescriptor, Coder, DatasetDescriptor, Priority};
pub use crate::wire::codec::{Bits, ByReplica, MaxLen, Native, Predict, Predictable, Quantize};
pub use crate::wire::{
    BitReader, BitWriter, Change, Codec, FieldShape, Marshal, Past, Shape, Sink, Source, VariantShape, WireError,
};
