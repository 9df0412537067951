//! One replica in the manager's table.

use core::slice;

use prefetch_index::prefetch_index;
use smallvec::SmallVec;

use super::PeerId;
use super::life::Life;
use super::record::{Header, Ownership};
use crate::chunk::{PeerRole, RpcFlags, ahead};
use crate::ids::{MemberId, ReplicaId};
use crate::schema::Priority;

/// Where one chunk of a replica lives: which store, which slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkRef {
    pub(super) class: u16,
    pub(super) slot: u32,
    /// Not its creator's to create: there is a place for it, and nothing of it is taken in. See `refuse`.
    pub(super) refused: bool,
}

impl ChunkRef {
    pub(super) const fn new(class: u16, slot: u32) -> Self {
        Self { class, slot, refused: false }
    }
}

pub(super) type Chunks = SmallVec<[ChunkRef; 2]>;

/// The type of the only chunk, and the peer it comes from. See [`Entry::row_now`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Row(u64);

impl Row {
    /// Of those that are in none.
    pub(super) const NONE: Self = Self(0);

    fn of(class: u16, from: PeerId) -> Self {
        Self((u64::from(class) + 1) << 32 | u64::from(from.0))
    }
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) id: ReplicaId,
    pub(super) owner: MemberId,
    /// On whose behalf `owner_only` RPCs may be called; the owner unless assigned.
    pub(super) assigned: MemberId,
    /// The peer through which the owner is reached; none where the primary is.
    pub(super) upstream: Option<PeerId>,
    /// Mesh members have it from its owner, or from the host: it is passed on to clients only. See `mesh`.
    pub(super) meshed: bool,
    pub(super) chunks: Chunks,
    /// What this is as far as records that come in a row go, see `run`: equal of those that may be in one, and 0 of all others.
    pub(super) row: Row,
    /// Of the first chunk.
    pub(super) slot: u32,
    /// Our version: the tick in which what we send of it last changed. 0 until it was first captured or received.
    pub(super) version: u32,
    /// No acknowledgement of an older version counts: it is of another replica in this place, or of another ownership.
    pub(super) floor: u32,
    /// Newest version that was applied here, as the peer numbers it that we have it from; 0 on the primary.
    pub(super) received: u32,
    pub(super) migratable: bool,
    /// Counts owners: 1 for the first.
    pub(super) epoch: u32,
    /// It is about to change hands, as far as is known here: on the host, calls on it wait.
    pub(super) in_transfer: bool,
    /// A chunk of it is written with regard to its past.
    pub(super) predicts: bool,
    /// A chunk of it is shown by when it was sampled. Then these matter, see `lag`: whether what comes of it says how late it is, how late the
    /// newest was, and how late what was captured last is to be passed on.
    pub(super) sampled: bool,
    pub(super) lagged: bool,
    pub(super) came_late: u8,
    pub(super) lag: u8,
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
    /// What its chunks were told of it.
    pub(super) life: Life,
    /// Destroyed by the program; leaves the table in the next tick, after the calls made before.
    pub(super) dying: bool,
    pub(super) live: bool,
}

impl Entry {
    /// How many entries ahead memory is asked for, by who goes through all that move. Few come out of the cache anyway.
    #[inline]
    pub(super) const fn soon(entries: &[Self]) -> usize {
        ahead(entries.len(), 16)
    }

    /// Asks memory for what is looked at of it in every tick.
    #[inline(always)]
    pub(super) fn fetch(&self) {
        prefetch_index(slice::from_ref(&self.version), 0);
        prefetch_index(slice::from_ref(&self.live), 0);
        prefetch_index(slice::from_ref(&self.chunks), 0);
    }

    /// The version that an echo of a call on this replica has to wait for.
    pub(super) fn waits_for(&self, flags: RpcFlags) -> Option<u32> {
        // A replica that dies in this tick, or cannot be sent, brings no state to wait for.
        (flags.post_attached && self.version != 0 && !self.dying && !self.oversized).then_some(self.version)
    }

    /// Whether a peer that has what a message goes by, whoever it is, lacks something of this that can be said now.
    #[inline]
    pub(super) const fn has_usual_news(&self, header: Header) -> bool {
        self.version > header.common.base && self.version <= header.tick && self.audience == 0
    }

    /// Whether a peer is sent what there is to be said of it.
    #[inline]
    pub(super) fn goes_to(&self, peer: PeerId, role: PeerRole) -> bool {
        self.upstream != Some(peer) && (!self.meshed || matches!(role, PeerRole::Client))
    }

    /// Whether it is there for a peer that comes, of which nothing is from that peer.
    pub(super) const fn is_for_newcomer(&self, role: PeerRole) -> bool {
        self.live && !self.dying && (!self.meshed || matches!(role, PeerRole::Client))
    }

    /// What `row` has to be whenever one of these changes.
    pub(super) fn row_now(&self) -> Row {
        match (&self.chunks[..], self.upstream) {
            (&[chunk], Some(from)) if self.live && !self.lagged => Row::of(chunk.class, from),
            _ => Row::NONE,
        }
    }

    pub(super) fn set_upstream(&mut self, upstream: Option<PeerId>) -> Option<PeerId> {
        let before = core::mem::replace(&mut self.upstream, upstream);
        self.row = self.row_now();
        before
    }

    pub(super) const fn is_primary(&self) -> bool {
        self.upstream.is_none()
    }

    /// Whether its chunks are of these classes, in this order.
    pub(super) fn is_made_of(&self, classes: &[u16]) -> bool {
        self.chunks.iter().map(|chunk| chunk.class).eq(classes.iter().copied())
    }

    /// Whether a peer that owns it was asked to let go, and is to begin this epoch by doing so.
    pub(super) fn awaits_release(&self, peer: PeerId, epoch: u32) -> bool {
        self.in_transfer && self.upstream == Some(peer) && epoch == self.epoch.saturating_add(1)
    }

    pub(super) const fn ownership(&self) -> Ownership {
        Ownership { owner: self.owner, assigned: self.assigned, migratable: self.migratable, epoch: self.epoch }
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
    /// Whether another node may own it.
    pub migratable: bool,
    /// Counts owners: 1 for the first. In one epoch no two nodes hold the primary.
    pub epoch: u32,
}
