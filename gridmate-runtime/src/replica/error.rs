//! What can go wrong between a program and its replicas.

use super::RefusedOwnership;
use crate::ids::{MemberId, ReplicaId};
use crate::limits;

/// Why a replica could not be reached or changed.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Debug, Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Door>().build()?, 1);
/// let door = replicas.add(Door::default())?;
/// assert_eq!(replicas.proxy::<Door>(door).unwrap_err(), ReplicaError::NotProxy(door));
/// replicas.destroy(door)?;
/// assert_eq!(replicas.get::<Door>(door).err(), Some(ReplicaError::Unknown(door)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicaError {
    /// There is no such replica here, or not any more.
    #[error("no replica {0} on this node")]
    Unknown(ReplicaId),
    /// The replica has no chunk of the type asked for.
    #[error("replica {0} has no chunk of that type")]
    NoSuchChunk(ReplicaId),
    /// Another node holds the primary: read it through `get`, change it through an RPC.
    #[error("replica {0} is a proxy on this node; call an RPC on it, or ask its owner")]
    NotPrimary(ReplicaId),
    /// This node holds the primary: use `primary_mut`.
    #[error("replica {0} is a primary on this node; use `primary_mut`")]
    NotProxy(ReplicaId),
    /// A chunk of it is not `migratable`.
    #[error("replica {0} cannot change hands: a chunk of it is not `migratable`")]
    NotMigratable(ReplicaId),
    /// The session's host is lost, and there is no other yet.
    #[error("replica {0} cannot change hands while the session has no host; wait for `ReplicaEvent::HostChanged`")]
    NoHost(ReplicaId),
    /// Nobody of that id is in the session.
    #[error("{0} is not in the session")]
    NoSuchMember(MemberId),
    /// That member cannot own the replica, for this reason.
    #[error("{0} cannot own it: {1}")]
    Unfit(MemberId, RefusedOwnership),
    /// The answer to an earlier request to own it is not here yet.
    #[error("the ownership of {0} was asked for already; wait for `ReplicaEvent::OwnershipAnswered`")]
    AlreadyAsked(ReplicaId),
}

/// Why a replica could not be added.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::AddError;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
/// }
///
/// let mut forgetful = ReplicaManager::new(Registry::builder().build()?, 1);
/// let error = forgetful.add(Door::default()).unwrap_err();
/// assert!(matches!(error, AddError::NotRegistered(name) if name.ends_with("Door")));
/// assert_eq!(forgetful.spawn().add(), Err(AddError::ChunkCount));
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddError {
    /// The chunk's type is not in the registry.
    #[error("the chunk type {0} is not in the registry; list it with `Registry::builder().chunk::<…>()`")]
    NotRegistered(&'static str),
    /// This node has no member id yet: it has not joined a session.
    #[error("this node is not in a session yet; wait for `SessionEvent::Joined`")]
    NotInSession,
    /// A replica needs at least one chunk and holds [`limits::CHUNKS_PER_REPLICA`] at most.
    #[error("a replica has 1 to {} chunks", limits::CHUNKS_PER_REPLICA)]
    ChunkCount,
    /// Two chunks of one type in one replica.
    #[error("the replica already has a chunk of type {0}")]
    ChunkTwice(&'static str),
    /// Only a host creates chunks of this type: `#[chunk(host_only = Replica)]`.
    #[error("only the host of a session creates a `{0}`")]
    HostOnly(&'static str),
    /// This node owns as many replicas as a member may.
    #[error("this node owns {} replicas already, the most a member may", limits::REPLICAS_PER_MEMBER)]
    TooMany,
    /// This node has created 2³² - 2 replicas in this session.
    #[error("this node has used up its replica ids")]
    IdsUsedUp,
}

/// How a peer broke the protocol; it loses its connection. Every variant is something that correct peers never send.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::{PeerFault, PeerRole};
///
/// let mut replicas = ReplicaManager::new(Registry::builder().build()?, 1);
/// let peer = replicas.add_peer(MemberId(2), PeerRole::Client);
/// let fault = replicas.handle_state(peer, 1, b"").unwrap_err(); // not even a tick
/// assert!(matches!(fault, PeerFault::Malformed(_)));
/// replicas.remove_peer(peer, false); // and its connection with it, as a node does
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerFault {
    /// Bits that are no message.
    #[error("malformed replica traffic: {0}")]
    Malformed(#[from] crate::wire::WireError),
    /// A record against a baseline that was never sent.
    #[error("an update against an unknown baseline")]
    UnknownBaseline,
    /// State, destruction or an echo of a replica that it does not own.
    #[error("it claimed a replica that it does not own")]
    NotOwner,
    /// A class number outside the registry, a chunk list that changed, an RPC index that does not exist.
    #[error("it named a chunk or an RPC that does not exist")]
    NoSuchType,
    /// A replica with a chunk of this type, which only a host creates.
    #[error("it created a `{0}`, which only the host does")]
    HostOnly(&'static str),
    /// The id of a replica that has ended, for a new one.
    #[error("it used the id of a replica twice")]
    IdReused,
    /// More replicas, calls or unacknowledged destructions than the limits allow.
    #[error("it went over a limit: {0}")]
    Limit(&'static str),
}
