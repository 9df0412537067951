//! What happened to replicas.

use super::OwnershipOutcome;
use crate::ids::{MemberId, ReplicaId};

/// Something that happened to the replicas of this node because of others.
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::sim::{LinkConfig, World};
///
/// #[derive(Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
/// }
///
/// # let registry = Registry::builder().chunk::<Door>().build()?;
/// # let mut world = World::new(7, 30, LinkConfig::perfect())?;
/// # let host = world.host(NodeConfig::new(registry.clone()))?;
/// # let client = world.join(host, NodeConfig::new(registry))?;
/// let door = world.replicas(host).add(Door { open: true })?;
/// world.run_for(Duration::from_secs(1));
/// world.replicas(host).destroy(door)?;
/// world.run_for(Duration::from_secs(1));
///
/// let mut models = Vec::new(); // what the client draws
/// while let Some(event) = world.node(client).poll_event() {
///     match event {
///         NodeEvent::Replica(ReplicaEvent::Added { id, owner }) => models.push((id, owner)),
///         NodeEvent::Replica(ReplicaEvent::Removed { id }) => assert_eq!(models.pop(), Some((id, MemberId::HOST))),
///         _ => {}
///     }
/// }
/// assert!(models.is_empty() && world.replicas(client).is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplicaEvent {
    /// A proxy of another node's replica is here; its first values have been applied. State and session travel apart, so this may
    /// come before the session says that the owner has joined.
    Added {
        /// The replica.
        id: ReplicaId,
        /// Who owns it.
        owner: MemberId,
    },
    /// A replica is gone: its owner destroyed it or was lost, or a handler asked for it.
    Removed {
        /// The replica.
        id: ReplicaId,
    },
    /// A replica has a new owner.
    OwnerChanged {
        /// The replica.
        id: ReplicaId,
        /// The new owner.
        owner: MemberId,
    },
    /// The host was lost, and this member has taken its place: see [`take_over`](crate::ReplicaManager::take_over) and
    /// [`follow_host`](crate::ReplicaManager::follow_host). Once on each node and for each new host.
    HostChanged {
        /// The new host.
        host: MemberId,
    },
    /// What became of a request to own a replica; once for each [`request_ownership`](crate::ReplicaManager::request_ownership).
    OwnershipAnswered {
        /// The replica.
        id: ReplicaId,
        /// The answer.
        outcome: OwnershipOutcome,
    },
    /// So much of what was there when this node came has come here. The first one says how much there is.
    SyncProgress {
        /// Whom it comes from.
        from: MemberId,
        /// Replicas that have arrived, or are gone meanwhile.
        arrived: u32,
        /// Replicas that were there.
        total: u32,
    },
    /// Everything that was there when this node came has come here, or is gone meanwhile. Said once; and once more by each new host, of
    /// what it has taken over from the one before.
    Synced {
        /// Whom it came from.
        from: MemberId,
        /// Replicas that were there.
        total: u32,
    },
    /// A client has everything that was there when it came, or that is gone meanwhile: what the client hears as
    /// [`Synced`](Self::Synced), said at the host once all of it has been acknowledged. As often as that.
    PeerSynced {
        /// The client.
        member: MemberId,
        /// Replicas that were there.
        total: u32,
    },
    /// A suspended proxy resumes by itself: more calls waited for it than may.
    Resumed {
        /// The replica.
        id: ReplicaId,
    },
    /// A client has created a replica with a chunk that only a host creates: it was taken in without that chunk.
    Refused {
        /// The replica.
        id: ReplicaId,
        /// The chunk type's name on the wire.
        chunk: &'static str,
    },
    /// A replica's state is too large to be sent, or breaks a length limit: proxies keep the last values that could be sent
    /// until it is smaller again.
    TooLarge {
        /// The replica.
        id: ReplicaId,
        /// Bytes it would take; the limit is [`limits::RECORD_BYTES`](crate::limits::RECORD_BYTES).
        bytes: usize,
    },
}
