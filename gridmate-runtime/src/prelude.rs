//! One import for a program without a world: `use gridmate_runtime::prelude::*;`.

#[cfg(feature = "glam")]
pub use crate::chunk::Slerp;
pub use crate::chunk::{
    Angle, AtMost, Epsilon, Exact, Extrapolate, HasRpcs, Hermite, Linear, PeerRole, Point, Propagate, Reply, Request,
    RequestError, RpcContext, RpcError, Snap, TargetPeer, TimeContext,
};
#[cfg(feature = "tcp")]
pub use crate::driver::TcpDriver;
#[cfg(feature = "udp")]
pub use crate::driver::UdpDriver;
#[cfg(not(target_family = "wasm"))]
pub use crate::driver::{Clock, Ticker};
pub use crate::driver::{Conditioned, Driver, MemoryNetwork, Several};
pub use crate::replica::{ReplicaError, ReplicaEvent, ReplicaManager};
#[cfg(feature = "derive")]
pub use crate::rpcs;
pub use crate::session::{JoinDecision, JoinError, JoinRequest, LeaveReason, SessionEvent};
pub use crate::wire::codec::*;
pub use crate::{
    EntityRef, Instant, Marshal, MemberId, MessageToken, Node, NodeConfig, NodeEvent, NodeSendError, Priority,
    Registry, ReplicaChunk, ReplicaId, UserChannel,
};
