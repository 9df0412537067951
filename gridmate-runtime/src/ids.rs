//! Names for things: members of a session, replicas, and the entities they stand for.

use core::fmt;

/// A member of a session: 1 is the host that founded it, later joiners count up. Never reused within a session.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// # let registry = Registry::builder().build()?;
/// # let network = MemoryNetwork::new();
/// let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
/// let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
/// assert_eq!((host.local_member(), client.local_member()), (MemberId::HOST, MemberId::NONE));
/// for frame in 0..10 {
///     host.tick(Instant::from_millis(frame * 16))?;
///     client.tick(Instant::from_millis(frame * 16))?;
/// }
/// assert_eq!(client.local_member().to_string(), "#2");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u32);

impl MemberId {
    /// Nobody: a node outside a session, the member of a replica not yet shared.
    pub const NONE: Self = Self(0);
    /// The host that founded the session.
    pub const HOST: Self = Self(1);
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A replica, the same on every node. Names its creator and the creator's running number, so that every node can create
/// replicas without asking anyone; never reused within a session.
///
/// ```
/// use gridmate_runtime::{MemberId, ReplicaId};
///
/// assert_eq!(ReplicaId { creator: MemberId::HOST, serial: 7 }.to_string(), "#1.7");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId {
    /// Who created it (not who owns it now).
    pub creator: MemberId,
    /// The creator's running number, from 1.
    pub serial: u32,
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.creator, self.serial)
    }
}

/// A value by which an object refers to another, the same on every node: what a component keeps to name an entity.
///
/// Each node has its own entities for replicas, so what one node calls them means nothing to another. A reference names the
/// replica behind the entity, and every node finds its own entity from that: netbinding's `Binding::entity_ref` makes one and
/// `Binding::resolve` follows it. A program without a world follows it to a replica.
///
/// A reference may be older than what it refers to, and outlive it: it is followed when it is needed, and leads nowhere before the
/// replica is here and after it is gone. Ids are never reused, so it never leads to another.
///
/// It travels as a field that says so: `#[dataset(entity)]`, `#[marshal(entity)]`; see [`ByReplica`](crate::wire::codec::ByReplica) for
/// what it costs. `Option<EntityRef>` travels in the same way.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Missile {
///     #[dataset(entity)]
///     target: Option<EntityRef>,
/// }
///
/// let id = ReplicaId { creator: MemberId::HOST, serial: 7 };
/// let missile = Missile { target: Some(EntityRef::new(id)) };
/// assert_eq!(missile.target.and_then(EntityRef::replica), Some(id));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityRef(Option<ReplicaId>);

impl EntityRef {
    /// Refers to nothing.
    pub const NONE: Self = Self(None);

    /// Refers to the entity that a replica stands for. An id that no replica has, of [`MemberId::NONE`] or with the serial 0,
    /// gives [`NONE`](Self::NONE).
    pub const fn new(id: ReplicaId) -> Self {
        if id.creator.0 == 0 || id.serial == 0 { Self::NONE } else { Self(Some(id)) }
    }

    /// The replica behind the entity.
    pub const fn replica(self) -> Option<ReplicaId> {
        self.0
    }

    /// Whether it refers to nothing.
    pub const fn is_none(self) -> bool {
        self.0.is_none()
    }
}

impl From<ReplicaId> for EntityRef {
    fn from(id: ReplicaId) -> Self {
        Self::new(id)
    }
}

impl From<Option<Self>> for EntityRef {
    fn from(to: Option<Self>) -> Self {
        to.unwrap_or_default()
    }
}

impl fmt::Display for EntityRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(id) => write!(f, "entity {id}"),
            None => f.write_str("no entity"),
        }
    }
}
