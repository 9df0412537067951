//! Who owns a replica, and who wants to: what a program asks for and hears. How it is done is in `handoff`.

use core::time::Duration;

use super::handoff::{Leaving, PAST_RELEASE};
use super::{ReplicaError, ReplicaEvent, ReplicaManager};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::wire::{BitReader, BitWriter, Sink as _, Source as _, WireError};

/// What became of a request to own a replica: [`ReplicaManager::request_ownership`].
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::{OwnershipOutcome, RefusedOwnership};
///
/// fn hear(event: &ReplicaEvent) {
///     if let ReplicaEvent::OwnershipAnswered { id, outcome } = event {
///         match outcome {
///             OwnershipOutcome::Granted => println!("{id} is ours"),
///             OwnershipOutcome::Refused(RefusedOwnership::ByGame(code)) => println!("{id}: no ({code})"),
///             OwnershipOutcome::Refused(why) => println!("{id}: {why}"),
///             OwnershipOutcome::TimedOut => println!("{id}: nobody answers"),
///             _ => {}
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OwnershipOutcome {
    /// The primary is here now.
    Granted,
    /// It stays where it is.
    Refused(RefusedOwnership),
    /// Nothing was heard for [`limits::OWNERSHIP_MILLIS`]. Should it be granted after all, that is told as
    /// [`OwnerChanged`](ReplicaEvent::OwnerChanged).
    TimedOut,
}

/// Why a replica stays with its owner.
///
/// ```
/// use gridmate_runtime::replica::RefusedOwnership;
///
/// assert_eq!(RefusedOwnership::ByGame(7).to_string(), "its owner keeps it (7)");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefusedOwnership {
    /// A chunk of it is not `migratable`.
    #[error("it cannot migrate")]
    NotMigratable,
    /// A chunk's [`accept_ownership`](crate::chunk::ReplicaChunk::accept_ownership) refused, with this code.
    #[error("its owner keeps it ({0})")]
    ByGame(u16),
    /// Its state is too large to be sent.
    #[error("its state is too large")]
    TooLarge,
    /// It has ended, or is owned by the one who asked.
    #[error("it is gone")]
    Gone,
    /// The one who asked owns as many replicas as a member may.
    #[error("whoever wants it owns too many already")]
    Full,
}

impl RefusedOwnership {
    pub(super) fn write(self, w: &mut BitWriter) {
        match self {
            Self::NotMigratable => w.gamma(1),
            Self::ByGame(code) => {
                w.gamma(2);
                w.bits(code.into(), 16);
            }
            Self::TooLarge => w.gamma(3),
            Self::Gone => w.gamma(4),
            Self::Full => w.gamma(5),
        }
    }

    pub(super) fn read(r: &mut BitReader<'_>) -> Result<Self, WireError> {
        Ok(match r.gamma()? {
            1 => Self::NotMigratable,
            2 => Self::ByGame(u16::try_from(r.bits(16)?).map_err(|_| WireError::Invalid)?),
            3 => Self::TooLarge,
            4 => Self::Gone,
            5 => Self::Full,
            _ => return Err(WireError::Invalid),
        })
    }
}

/// What becomes of a replica whose owner is lost, as its game decides: see [`ReplicaManager::set_adoption`].
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::Adopt;
///
/// # let mut replicas = ReplicaManager::new(Registry::builder().build()?, 1);
/// // Everything goes to the oldest member but the host.
/// replicas.set_adoption(|_lost| Adopt::By(MemberId(2)));
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Adopt {
    /// The host owns it from now on.
    ByHost,
    /// The host takes it and gives it to this member; should that be gone too, it stays with the host.
    By(MemberId),
    /// It ends.
    Nobody,
}

/// A migratable replica whose owner is lost.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::{Adopt, Orphan};
///
/// /// What was assigned to someone else than its owner goes to that member.
/// fn adopt(orphan: &Orphan) -> Adopt {
///     if orphan.assigned == orphan.owner { Adopt::ByHost } else { Adopt::By(orphan.assigned) }
/// }
/// # let mut replicas = ReplicaManager::new(Registry::builder().build()?, 1);
/// replicas.set_adoption(adopt);
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Orphan {
    /// The replica.
    pub id: ReplicaId,
    /// The member that is lost.
    pub owner: MemberId,
    /// The member it was assigned to; its owner, without an assignment.
    pub assigned: MemberId,
}

pub(super) type Adoption = Box<dyn FnMut(&Orphan) -> Adopt + Send + Sync>;

impl ReplicaManager {
    /// Asks the owner of a replica to let this node own it. Exactly one
    /// [`OwnershipAnswered`](ReplicaEvent::OwnershipAnswered) follows.
    ///
    /// The owner grants it if all chunks are `migratable` and none of them refuses
    /// (`#[chunk(accept_ownership = path)]`). Calls on the replica made meanwhile run once, at the old owner or at the new one.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    /// use gridmate_runtime::replica::OwnershipOutcome;
    ///
    /// #[derive(Default, ReplicaChunk)]
    /// #[chunk(migratable)]
    /// struct Ball {
    ///     x: f32,
    /// }
    ///
    /// # let registry = Registry::builder().chunk::<Ball>().build()?;
    /// # let network = MemoryNetwork::new();
    /// # let mut host = Node::host(network.bind_any()?, NodeConfig::new(registry.clone()))?;
    /// # let mut client = Node::join(network.bind_any()?, host.local_addr(), NodeConfig::new(registry))?;
    /// # let ball = host.replicas().add(Ball { x: 1.0 })?;
    /// for frame in 0..40 {
    ///     if frame == 20 {
    ///         client.replicas().request_ownership(ball)?;
    ///     }
    /// #   let now = Instant::from_millis(frame * 20);
    ///     host.tick(now)?;
    ///     client.tick(now)?;
    /// }
    /// client.replicas().primary_mut::<Ball>(ball)?.x = 2.0;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`]; [`ReplicaError::NotProxy`] where the primary is; [`ReplicaError::AlreadyAsked`] until the answer to the
    /// last request is here.
    pub fn request_ownership(&mut self, id: ReplicaId) -> Result<(), ReplicaError> {
        if self.entry(id)?.is_primary() {
            return Err(ReplicaError::NotProxy(id));
        }
        if self.requests.contains_key(&id) {
            return Err(ReplicaError::AlreadyAsked(id));
        }
        self.requests.insert(id, self.now + Duration::from_millis(limits::OWNERSHIP_MILLIS));
        if self.entry(id)?.recalled {
            // On its way here already: its next owner will be us, and not the one it was recalled for.
            let place = self.index[&id];
            self.recall(place, self.local);
            return Ok(());
        }
        self.answer_request(id, self.local, None);
        Ok(())
    }

    /// Makes `member` the owner of a replica, without asking anyone: for its owner, and for the host, who can take any replica and
    /// give it to any member, itself included. Everyone hears of it as [`OwnerChanged`](ReplicaEvent::OwnerChanged).
    ///
    /// A client that the host takes a replica from has [`limits::RECALL_MILLIS`] to send the last state; then it goes on with what the
    /// host has. If `member` is no member then, the replica stays with the host.
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`]; [`ReplicaError::NotPrimary`] on a client that does not own it.
    pub fn set_owner(&mut self, id: ReplicaId, member: MemberId) -> Result<(), ReplicaError> {
        let entry = self.entry(id)?;
        let place = self.index[&id];
        match entry.upstream {
            None if member == self.local => {}
            None => self.give(place, member),
            Some(_) if self.local != MemberId::HOST => return Err(ReplicaError::NotPrimary(id)),
            Some(_) if entry.owner == member => {}
            Some(_) => self.recall(place, member),
        }
        Ok(())
    }

    /// Decides from now on what becomes of migratable replicas whose owner is lost, on the host. Without this, the host adopts them.
    pub fn set_adoption(&mut self, decide: impl FnMut(&Orphan) -> Adopt + Send + Sync + 'static) {
        self.adoption = Some(Box::new(decide));
    }

    /// The owner of the replica at `place` is lost. False when the replica is to end.
    pub(super) fn adopt(&mut self, place: u32) -> bool {
        let entry = &self.entries[place as usize];
        let orphan = Orphan { id: entry.id, owner: entry.owner, assigned: entry.assigned };
        let adopt = self.adoption.as_mut().map_or(Adopt::ByHost, |decide| decide(&orphan));
        if adopt == Adopt::Nobody {
            return false;
        }
        let epoch = self.entries[place as usize].epoch.saturating_add(PAST_RELEASE);
        self.become_owner(place, epoch);
        if let Adopt::By(to) = adopt {
            self.leaving.push(Leaving { id: orphan.id, to });
        }
        true
    }

    /// Requests that nobody has answered for too long end.
    pub(super) fn end_requests(&mut self) {
        while let Some(id) = self.requests.iter().find(|(_, deadline)| **deadline <= self.now).map(|(id, _)| *id) {
            self.conclude(id, OwnershipOutcome::TimedOut);
        }
    }

    /// The answer to our request, if there is one open.
    pub(super) fn conclude(&mut self, id: ReplicaId, outcome: OwnershipOutcome) {
        if self.requests.remove(&id).is_some() {
            self.push_event(ReplicaEvent::OwnershipAnswered { id, outcome });
        }
    }
}
