//! One replica in the manager's table.

use smallvec::SmallVec;

use super::PeerId;
use super::record::Ownership;
use crate::ids::{MemberId, ReplicaId};

/// Where one chunk of a replica lives: which store, which slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkRef {
    pub(super) class: u16,
    pub(super) slot: u32,
}

pub(super) type Chunks = SmallVec<[ChunkRef; 2]>;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: ReplicaId,
    pub(super) owner: MemberId,
    /// On whose behalf `owner_only` RPCs may be called; the owner unless assigned.
    pub(super) assigned: MemberId,
    /// The peer through which the owner is reached; none where the primary is.
    pub(super) upstream: Option<PeerId>,
    pub(super) chunks: Chunks,
    /// Our version: the tick in which what we send of it last changed. 0 until it was first captured or received.
    pub(super) version: u32,
    /// No acknowledgement of an older version counts: it is of another replica in this place, or of another ownership.
    pub(super) floor: u32,
    /// Newest version of the owner's that was applied here; 0 on the primary.
    pub(super) received: u32,
    pub(super) migratable: bool,
    /// An echo was sent: its destruction must not overtake it.
    pub(super) echoed: bool,
    /// Destroyed by the program; leaves the table in the next tick, after the calls made before.
    pub(super) dying: bool,
    pub(super) live: bool,
}

impl Entry {
    pub(super) const fn is_primary(&self) -> bool {
        self.upstream.is_none()
    }

    pub(super) const fn ownership(&self) -> Ownership {
        Ownership { owner: self.owner, assigned: self.assigned, migratable: self.migratable }
    }
}

/// What a node knows of a replica besides its chunks' values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplicaInfo {
    /// The replica.
    pub id: ReplicaId,
    /// The member that holds the primary.
    pub owner: MemberId,
    /// The member that may call `owner_only` RPCs besides the owner; the owner itself unless assigned.
    pub assigned: MemberId,
    /// Whether the primary is on this node.
    pub is_primary: bool,
    /// Whether another node may take it over when its owner is lost.
    pub migratable: bool,
}
