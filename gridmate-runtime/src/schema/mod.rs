//! Shape: what chunk types look like, without their values.
//!
//! A [`ChunkDescriptor`] is what the derive writes into a `static`; a [`ChunkSchema`] is the same made whole, with every
//! layout spelled out, as text for people and as a fingerprint for the handshake. A [`Snapshot`] is all schemas of a registry
//! as plain data: it goes to JSON and back, finds what [differs](Snapshot::diff) between two programs, and can be
//! [kept in a file](crate::assert_schema). A [`Profile`] is what two programs have in common all the same. None of it is touched by
//! a tick.

mod chunk_schema;
mod descriptor;
mod diff;
mod digest;
mod json;
#[cfg(not(target_family = "wasm"))]
mod lock;
mod outline;
mod snapshot;
mod tolerance;

pub use chunk_schema::{ChunkSchema, FNV_OFFSET, RpcSchema, fnv1a};
pub use descriptor::{ChunkDescriptor, Coder, DatasetDescriptor, HostOnly, Priority};
pub use diff::{Compatibility, FieldKind, SchemaChange, SchemaDiff, SchemaDifference, SchemaField};
pub use json::{JsonError, JsonErrorKind};
#[cfg(not(target_family = "wasm"))]
pub use lock::{BLESS, assert_schema_at};
pub use snapshot::{ChunkSnapshot, FieldSnapshot, RpcSnapshot, Snapshot};
pub use tolerance::Profile;
