//! Replicate game state: plain structs in, the same structs on every node.
//!
//! A program derives [`ReplicaChunk`](derive@ReplicaChunk) on a struct, lists the struct in a [`Registry`], starts a [`Node`]
//! on a driver and calls [`Node::tick`] once a frame. What it adds to [`Node::replicas`] appears on every other node of the
//! session; what it changes there changes everywhere; what it calls runs where the object's owner is.
//!
//! ```
//! use gridmate_runtime::prelude::*;
//!
//! #[derive(Clone, Debug, Default, PartialEq, ReplicaChunk)]
//! struct Ship {
//!     #[dataset(quantize(-256.0..=256.0, step = 0.01))]
//!     x: f32,
//!     health: u8,
//! }
//!
//! #[rpcs]
//! impl Ship {
//!     #[rpc]
//!     fn hit(&mut self, _ctx: &RpcContext, damage: u8) {
//!         self.health = self.health.saturating_sub(damage); // runs on the owner, wherever it was called
//!     }
//! }
//!
//! let registry = Registry::builder().chunk::<Ship>().build()?;
//! let network = MemoryNetwork::new(); // or UdpDriver::bind(address)?
//! let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
//! let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
//!
//! let id = host.replicas().add(Ship { x: 0.0, health: 100 })?;
//! for frame in 0..60 {
//!     let now = Instant::from_millis(frame * 33); // or Clock::now
//!     host.replicas().primary_mut::<Ship>(id)?.x += 0.5;
//!     if frame == 30 {
//!         client.replicas().proxy::<Ship>(id)?.rpcs().hit(10)?;
//!     }
//!     host.tick(now)?;
//!     client.tick(now)?;
//! }
//! assert_eq!(client.replicas().get::<Ship>(id)?.health, 90);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layers
//!
//! Each folder is a layer and imports only what is below it. Read from the bottom up to learn how it works, from the top down
//! to use it.
//!
//! | layer | knows | read |
//! |---|---|---|
//! | [`node`] | everything below; the one pump | what a tick does |
//! | [`session`] | who is here, who hosts | joining, leaving, events |
//! | [`replica`] | everyone's objects, and what each peer has of them | how state travels |
//! | [`chunk`] | one object: datasets, RPCs, past snapshots | what the derive writes |
//! | [`schema`] | shapes without values | fingerprints, what differs between two programs |
//! | [`wire`] | bits | [`wire::Marshal`], [`wire::Codec`] |
//! | [`carrier`] | reliability over datagrams, nothing of replicas | channels, acknowledgements |
//! | [`driver`] | sockets, and nothing else | UDP, memory, conditioned links |
//! | [`sim`] | many nodes in virtual time | how to test a game |
//!
//! Every layer but `driver` is **sans-IO**: time, bytes and randomness come in as arguments, datagrams and events come out.
//! Without default features the crate is just that, and builds for targets without sockets or threads.
//!
//! Nothing a peer sends can make this crate panic or grow beyond [`limits`].
#![forbid(unsafe_code)]

pub mod carrier;
pub mod chunk;
pub mod driver;
mod ids;
pub mod limits;
pub mod node;
pub mod prelude;
pub mod replica;
mod rng;
pub mod schema;
pub mod session;
pub mod sim;
mod time;
pub mod wire;

#[doc(hidden)]
pub mod __private;

pub use chunk::{
    HasRpcs, PeerRole, Propagate, Registry, RegistryBuilder, RegistryError, ReplicaChunk, Reply, Request, RequestError,
    RpcContext, RpcError, TargetPeer, TimeContext,
};
#[cfg(feature = "derive")]
pub use gridmate_derive::{Marshal, ReplicaChunk, rpcs};
pub use ids::{EntityRef, MemberId, ReplicaId};
pub use node::{
    MessageStats, MessageToken, Node, NodeConfig, NodeError, NodeEvent, NodeSendError, NodeStats, PeerChannels,
    PeerStats, UserChannel,
};
pub use replica::{ReplicaEvent, ReplicaManager};
pub use rng::Rng;
pub use schema::Priority;
pub use session::{JoinDecision, JoinError, JoinRequest, LeaveReason, Member, SessionEvent};
pub use time::Instant;
pub use wire::Marshal;
