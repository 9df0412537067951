//! Everything a program may want to hear about, in one place.

use crate::replica::ReplicaEvent;
use crate::session::SessionEvent;

/// Something that happened to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeEvent {
    /// To the session: members coming and going, joining, losing the host.
    Session(SessionEvent),
    /// To a replica: a proxy appeared, something was removed, an owner changed.
    Replica(ReplicaEvent),
}
