//! One import for a program with a world: `use netbinding::prelude::*;`.

#[cfg(feature = "glam")]
pub use gridmate_runtime::chunk::Slerp;
pub use gridmate_runtime::chunk::{
    Angle, AtMost, Epsilon, Exact, Extrapolate, HasRpcs, Hermite, Linear, PeerRole, Point, Propagate, RpcContext,
    RpcError, Snap, TargetPeer, TimeContext,
};
#[cfg(feature = "udp")]
pub use gridmate_runtime::driver::UdpDriver;
#[cfg(not(target_family = "wasm"))]
pub use gridmate_runtime::driver::{Clock, Ticker};
pub use gridmate_runtime::driver::{Conditioned, Driver, MemoryNetwork};
pub use gridmate_runtime::replica::{ReplicaError, ReplicaEvent, ReplicaManager};
pub use gridmate_runtime::session::{JoinError, LeaveReason, SessionEvent};
pub use gridmate_runtime::wire::codec::*;
pub use gridmate_runtime::{EntityRef, Instant, MemberId, Node, NodeConfig, NodeEvent, Priority, Registry, ReplicaId};

pub use crate::{BindError, Binding, BoundContext, Holds, Marshal, NetBindable, PlainWorld, ReplicaChunk, World, rpcs};
