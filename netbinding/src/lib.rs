//! Bind replicated chunks to the entities of any world.
#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod __private;

pub use gridmate_derive::{
    NetBindable, NetbindingMarshal as Marshal, NetbindingReplicaChunk as ReplicaChunk, netbinding_rpcs as rpcs,
};
// The traits from their modules: at the runtime's root their names are also its macros'.
pub use gridmate_runtime::chunk::ReplicaChunk;
pub use gridmate_runtime::wire::Marshal;
pub use gridmate_runtime::{Priority, Propagate, RpcContext, TimeContext};

/// A chunk that can live on the entities of a world. Derive it: the derive writes the [`ReplicaChunk`](trait@ReplicaChunk)
/// impl too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be bound to an entity",
    note = "add `#[derive(Default, NetBindable)]` to `{Self}`"
)]
pub trait NetBindable: ReplicaChunk {}
