//! One replica in the manager's table.

use smallvec::SmallVec;

use super::PeerId;
use super::record::Ownership;
use crate::chunk::RpcFlags;
use crate::ids::{MemberId, ReplicaId};
use crate::schema::Priority;

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
    /// Newest version that was applied here, as the peer numbers it that we have it from; 0 on the primary.
    pub(super) received: u32,
    pub(super) migratable: bool,
    /// A chunk of it is written with regard to its past.
    pub(super) predicts: bool,
    /// Its number among the replicas with a chunk that not every peer may have; 0 for all others.
    pub(super) audience: u32,
    /// The highest of its chunks' priorities.
    pub(super) priority: Priority,
    /// Its newest state is too large to be sent.
    pub(super) oversized: bool,
    /// An echo was sent: its destruction must not overtake it.
    pub(super) echoed: bool,
    /// Its owner has announced its end, which waits for calls made before.
    pub(super) doomed: bool,
    /// The pass over a peer's calls in which one on this replica had to wait: later ones in that pass wait too.
    pub(super) waits_in: u64,
    /// The program has suspended it: it is in the manager's list of those.
    pub(super) suspended: bool,
    /// Destroyed by the program; leaves the table in the next tick, after the calls made before.
    pub(super) dying: bool,
    pub(super) live: bool,
}

impl Entry {
    /// The version that an echo of a call on this replica has to wait for.
    pub(super) fn waits_for(&self, flags: RpcFlags) -> Option<u32> {
        // A replica that dies in this tick, or cannot be sent, brings no state to wait for.
        (flags.post_attached && self.version != 0 && !self.dying && !self.oversized).then_some(self.version)
    }

    pub(super) const fn is_primary(&self) -> bool {
        self.upstream.is_none()
    }

    pub(super) const fn ownership(&self) -> Ownership {
        Ownership { owner: self.owner, assigned: self.assigned, migratable: self.migratable }
    }
}

/// What a node knows of a replica besides its chunks' values.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(migratable)]
/// struct Ship {
///     x: f32,
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Ship>().build()?, 1);
/// let id = replicas.spawn().with(Ship::default()).assign(MemberId(2)).add()?;
/// let info = replicas.info(id).expect("it was just added");
/// assert_eq!((info.owner, info.assigned), (MemberId::HOST, MemberId(2)));
/// assert!(info.is_primary && info.migratable);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
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
