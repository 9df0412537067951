//! Who wants to own a replica, as far as its chunks may ask.

use crate::ids::{MemberId, ReplicaId};
use crate::time::Instant;

/// A request to own a replica: what the path of `#[chunk(accept_ownership = path)]` is given, where the primary is.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// #[chunk(migratable, accept_ownership = Self::may_be_taken)]
/// struct Ball {
///     held: bool,
/// }
///
/// impl Ball {
///     /// Nobody takes it out of the hands of whoever holds it.
///     fn may_be_taken(&self, _request: &OwnershipRequest) -> Result<(), u16> {
///         if self.held { Err(1) } else { Ok(()) }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnershipRequest {
    /// The replica.
    pub replica: ReplicaId,
    /// The member that wants it.
    pub member: MemberId,
    /// The member that owns it: this node.
    pub owner: MemberId,
    /// The time of this node's tick.
    pub now: Instant,
}

impl OwnershipRequest {
    /// For tests and hand-written callers.
    pub const fn new(replica: ReplicaId, member: MemberId, owner: MemberId, now: Instant) -> Self {
        Self { replica, member, owner, now }
    }
}
