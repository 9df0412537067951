//! Whom a chunk is sent to, as far as it may ask.

use crate::ids::{MemberId, ReplicaId};

/// What a peer may do on others' behalf.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::PeerRole;
///
/// let registry = Registry::builder().build()?;
/// let (mut host, mut client) = (ReplicaManager::new(registry.clone(), 1), ReplicaManager::new(registry, 2));
/// client.set_local_member(MemberId(2));
/// // Each says what the other is.
/// let there = host.add_peer(MemberId(2), PeerRole::Client);
/// let back = client.add_peer(MemberId::HOST, PeerRole::Host);
/// assert_eq!((host.peer_member(there), client.peer_member(back)), (Some(MemberId(2)), Some(MemberId::HOST)));
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerRole {
    /// It speaks for itself: it may create and change replicas of its own. What others own it has from here alone.
    Client,
    /// It forwards for others, and says for whom: the host, seen from any other member.
    Host,
    /// It speaks for itself, as a client does, and is connected to all others that are this of each other: a member of a mesh. What they
    /// own they send each other, and the host passes it on to clients only. The host is connected to all of them, and is
    /// [`Host`](Self::Host) to them.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    ///
    /// #[derive(Default, ReplicaChunk)]
    /// struct Ball {
    ///     x: u32,
    /// }
    ///
    /// let registry = Registry::builder().chunk::<Ball>().build()?;
    /// let mut members = [1, 2, 3].map(|n| {
    ///     let mut manager = ReplicaManager::new(registry.clone(), n.into());
    ///     manager.set_local_member(MemberId(n));
    ///     manager
    /// });
    /// let [host, second, third] = &mut members;
    /// host.add_peer(MemberId(2), PeerRole::Peer);
    /// host.add_peer(MemberId(3), PeerRole::Peer);
    /// second.add_peer(MemberId::HOST, PeerRole::Host);
    /// third.add_peer(MemberId::HOST, PeerRole::Host);
    /// let third_there = second.add_peer(MemberId(3), PeerRole::Peer);
    /// third.add_peer(MemberId(2), PeerRole::Peer);
    /// second.add(Ball { x: 7 })?;
    /// second.prepare();
    /// assert!(second.has_state_for(third_there)); // it tells everyone itself
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Peer,
}

impl PeerRole {
    /// Whether it may send only what it owns itself.
    pub(crate) const fn is_guest(self) -> bool {
        !matches!(self, Self::Host)
    }
}

/// A peer that a chunk could be sent to: what the path of `#[chunk(send_to = path)]` is given.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// /// The cards that a player holds: for the player, and for the host, which deals.
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(send_to = Self::is_for)]
/// struct Hand {
///     #[dataset(max_len = 13)]
///     cards: Vec<u8>,
///     open: bool,
/// }
///
/// impl Hand {
///     fn is_for(&self, peer: &TargetPeer) -> bool {
///         self.open || peer.assigned || peer.role == PeerRole::Host
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetPeer {
    /// The replica that the chunk belongs to.
    pub replica: ReplicaId,
    /// The member that the peer is.
    pub member: MemberId,
    /// What it may do on others' behalf.
    pub role: PeerRole,
    /// Whether it owns the replica. What a host passes on is not sent back to its owner, so it is rarely asked about.
    pub owner: bool,
    /// Whether the replica is assigned to it; without an assignment that is its owner.
    pub assigned: bool,
}

impl TargetPeer {
    /// For tests and hand-written callers.
    pub const fn new(replica: ReplicaId, member: MemberId, role: PeerRole) -> Self {
        Self { replica, member, role, owner: false, assigned: false }
    }

    /// The same, of a replica that `owner` owns and that is assigned to `assigned`.
    pub const fn of(self, owner: MemberId, assigned: MemberId) -> Self {
        Self { owner: self.member.0 == owner.0, assigned: self.member.0 == assigned.0, ..self }
    }
}
