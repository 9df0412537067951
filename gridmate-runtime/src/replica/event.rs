//! What happened to replicas.

use crate::ids::{MemberId, ReplicaId};

/// Something that happened to the replicas of this node because of others.
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
    /// A replica's state is too large to be sent, or breaks a length limit: proxies keep the last values that could be sent
    /// until it is smaller again.
    TooLarge {
        /// The replica.
        id: ReplicaId,
        /// Bytes it would take; the limit is [`limits::RECORD_BYTES`](crate::limits::RECORD_BYTES).
        bytes: usize,
    },
}
