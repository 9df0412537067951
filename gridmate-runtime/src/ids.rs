//! Names for things: members of a session and replicas.

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
