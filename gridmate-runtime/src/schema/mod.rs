//! Shape: what chunk types look like, without their values.
//!
//! A [`ChunkDescriptor`] is what the derive writes into a `static`; a [`ChunkSchema`] is the same made whole, with every
//! layout spelled out, as text for people and as a fingerprint for the handshake. Neither is touched by a tick.

mod chunk_schema;
mod descriptor;

pub use chunk_schema::{ChunkSchema, FNV_OFFSET, RpcSchema, fnv1a};
pub use descriptor::{ChunkDescriptor, DatasetDescriptor, Priority};
