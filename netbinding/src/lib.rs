//! Bind replicated chunks to the entities of any world.
//!
//! `gridmate-runtime` replicates structs; a game has entities with components. A [`Binding`] ties the two: a component type
//! that derives `NetBindable` is a replica chunk, an entity with such components is a replica, and the world behind is
//! anything that implements [`World`] and [`Holds`]. [`PlainWorld`] is one, made of maps.
//!
//! ```
//! use core::time::Duration;
//! use netbinding::prelude::*;
//!
//! #[derive(Clone, Debug, Default, PartialEq, NetBindable)]
//! struct Door {
//!     open: bool,
//! }
//!
//! // Two nodes, each with a world of its own, on a network in memory.
//! let network = MemoryNetwork::new();
//! let (mut net_a, registry) = Binding::<PlainWorld>::builder().component::<Door>().build()?;
//! let (mut net_b, _) = Binding::<PlainWorld>::builder().component::<Door>().build()?;
//! let (mut world_a, mut world_b) = (PlainWorld::new(), PlainWorld::new());
//! let mut a = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
//! let mut b = Node::join(network.bind_any()?, a.local_addr(), NodeConfig::new(registry))?;
//!
//! let door = world_a.create();
//! world_a.insert(door, Door { open: true });
//! let id = net_a.bind(door, &mut world_a, a.replicas())?;
//!
//! for frame in 0..60 {
//!     let now = Instant::from_millis(frame * 33);
//!     for (node, net, world) in [(&mut a, &mut net_a, &mut world_a), (&mut b, &mut net_b, &mut world_b)] {
//!         net.push(world, node.replicas());
//!         node.tick(now)?;
//!         while let Some(event) = node.poll_event() {
//!             net.handle_event(&event, world, node.replicas());
//!         }
//!         net.pull(world, node.replicas());
//!     }
//! }
//! let there = net_b.entity(id).expect("the door is in the other world too");
//! assert!(world_b.get::<Door>(there).unwrap().open);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod binding;
mod bound;
mod plain;
pub mod prelude;
mod world;

#[doc(hidden)]
pub mod __private;

pub use binding::{BindError, Binding, BindingBuilder};
pub use bound::{BoundContext, HoldsAll, NetBindable, Required};
pub use gridmate_derive::{
    NetBindable, NetbindingMarshal as Marshal, NetbindingReplicaChunk as ReplicaChunk, netbinding_rpcs as rpcs,
};
pub use gridmate_runtime::chunk::ReplicaChunk;
pub use gridmate_runtime::wire::Marshal;
pub use gridmate_runtime::{
    EntityRef, LifeContext, PeerRole, Priority, Propagate, RpcContext, TargetPeer, TimeContext,
};
pub use plain::{Component, Entity, PlainWorld};
pub use world::{Holds, World};
