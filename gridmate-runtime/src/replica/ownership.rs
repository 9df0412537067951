//! Who owns a replica, and who wants to: what a program asks for and hears. How it is done is in `handoff`.

use core::time::Duration;

use super::transfers::PAST_RELEASE;
use super::{ReplicaError, ReplicaEvent, ReplicaManager};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::time::Instant;
use crate::wire::{BitReader, BitWriter, WireError};

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
    /// A chunk of it is not `migratable`; or the program that wants it does not share all of its datasets.
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
    /// Someone who asked later, or whom the host chose, gets it.
    #[error("another gets it")]
    Overtaken,
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
            Self::Overtaken => w.gamma(6),
        }
    }

    pub(super) fn read(r: &mut BitReader<'_>) -> Result<Self, WireError> {
        Ok(match r.gamma()? {
            1 => Self::NotMigratable,
            2 => Self::ByGame(u16::try_from(r.bits(16)?).map_err(|_| WireError::Invalid)?),
            3 => Self::TooLarge,
            4 => Self::Gone,
            5 => Self::Full,
            6 => Self::Overtaken,
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

/// A request of this node's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// When it will not wait any more.
    deadline: Instant,
    /// The owner has been asked.
    asked: bool,
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
        if self.wanted.contains_key(&id) {
            return Err(ReplicaError::AlreadyAsked(id));
        }
        let deadline = self.now + Duration::from_millis(limits::OWNERSHIP_MILLIS);
        // While it changes hands, there is nobody to ask.
        let asked = !self.entry(id)?.in_transfer;
        self.wanted.insert(id, Wanted { deadline, asked });
        if asked {
            self.answer_request(id, self.local, None);
        }
        Ok(())
    }

    /// Makes `member` the owner of a replica, without asking anyone: for its owner, and for the host, who can take any replica and
    /// give it to any member, itself included. Everyone hears of it as [`OwnerChanged`](ReplicaEvent::OwnerChanged).
    ///
    /// A client that the host takes a replica from has [`limits::RECALL_MILLIS`] to send the last state; then it goes on with what the
    /// host has. If `member` is no member then, the replica stays with the host.
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`]; [`ReplicaError::NotPrimary`] on a client that does not own it; [`ReplicaError::NotMigratable`];
    /// [`ReplicaError::NoHost`] between [`lose_host`](Self::lose_host) and the next host; [`ReplicaError::NoSuchMember`] for
    /// [`MemberId::NONE`], and on the host if nobody of that id is there; [`ReplicaError::Unfit`] on the
    /// host, if that member cannot own it.
    pub fn set_owner(&mut self, id: ReplicaId, member: MemberId) -> Result<(), ReplicaError> {
        let entry = self.entry(id)?;
        let place = self.index[&id];
        let hosts = self.host().is_none();
        if entry.upstream.is_some() && !hosts {
            return Err(ReplicaError::NotPrimary(id));
        }
        if entry.owner == member && !entry.in_transfer {
            return Ok(());
        }
        if !entry.migratable {
            return Err(ReplicaError::NotMigratable(id));
        }
        if self.succession.is_open() {
            return Err(ReplicaError::NoHost(id));
        }
        let is_nobody = hosts && member != self.local && self.peer_of(member).is_none();
        if is_nobody || member == MemberId::NONE {
            return Err(ReplicaError::NoSuchMember(member));
        }
        if hosts && let Some(reason) = self.unfit(place, member) {
            return Err(ReplicaError::Unfit(member, reason));
        }
        if entry.is_primary() {
            self.give(place, member);
        } else {
            self.recall(place, member, true);
        }
        Ok(())
    }

    /// Decides from now on what becomes of migratable replicas whose owner is lost, on the host. Without this, the host adopts them.
    pub fn set_adoption(&mut self, decide: impl FnMut(&Orphan) -> Adopt + Send + Sync + 'static) {
        self.adoption = Some(Box::new(decide));
    }

    /// The owner of the replica at `place` is lost. False when the replica is to end. What begins is an epoch that nobody else has begun, and not
    /// before `first`.
    pub(super) fn adopt(&mut self, place: u32, first: u32) -> bool {
        let entry = &self.entries[place as usize];
        let epoch = entry.epoch.saturating_add(PAST_RELEASE).max(first);
        if entry.in_transfer {
            self.become_owner(place, epoch); // It was on its way to somebody.
            return true;
        }
        let orphan = Orphan { id: entry.id, owner: entry.owner, assigned: entry.assigned };
        let adopt = self.adoption.as_mut().map_or(Adopt::ByHost, |decide| decide(&orphan));
        if adopt == Adopt::Nobody {
            return false;
        }
        self.become_owner(place, epoch);
        if let Adopt::By(to) = adopt
            && to != self.local
        {
            self.part_with(place, to);
        }
        true
    }

    /// Before calls run: asks for what could not be asked for so far.
    pub(super) fn ask_at_last(&mut self) {
        if self.wanted.values().all(|wanted| wanted.asked) {
            return;
        }
        let Self { wanted, entries, index, .. } = self;
        let mut due = Vec::new();
        for (id, wanted) in wanted.iter_mut().filter(|(_, wanted)| !wanted.asked) {
            wanted.asked = index.get(id).is_some_and(|place| !entries[*place as usize].in_transfer);
            due.extend(wanted.asked.then_some(*id));
        }
        for id in due {
            self.answer_request(id, self.local, None);
        }
    }

    /// Requests that nobody has answered for too long end.
    pub(super) fn end_wanted(&mut self) {
        let is_over = |wanted: &Wanted| wanted.deadline <= self.now;
        let over: Vec<_> = self.wanted.iter().filter(|(_, wanted)| is_over(wanted)).map(|(id, _)| *id).collect();
        for id in over {
            self.conclude(id, OwnershipOutcome::TimedOut);
        }
    }

    /// Whom we have asked does not own it any more, and another will in a moment.
    pub(super) fn ask_again(&mut self, id: ReplicaId) {
        if let Some(wanted) = self.wanted.get_mut(&id) {
            wanted.asked = false;
        }
    }

    /// There is another host: whoever was asked by way of the one before may not have heard of it.
    pub(super) fn ask_all_again(&mut self) {
        self.wanted.values_mut().for_each(|wanted| wanted.asked = false);
    }

    /// The answer to our request, if there is one open.
    pub(super) fn conclude(&mut self, id: ReplicaId, outcome: OwnershipOutcome) {
        if self.wanted.remove(&id).is_some() {
            self.push_event(ReplicaEvent::OwnershipAnswered { id, outcome });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_come_back_and_there_are_no_others() {
        use RefusedOwnership::{ByGame, Full, Gone, NotMigratable, Overtaken, TooLarge};
        for reason in [NotMigratable, ByGame(0), ByGame(u16::MAX), TooLarge, Gone, Full, Overtaken] {
            let mut w = BitWriter::new();
            reason.write(&mut w);
            assert_eq!(RefusedOwnership::read(&mut BitReader::new(w.finish())), Ok(reason));
        }
        for unknown in [7, 8, u32::MAX] {
            let mut w = BitWriter::new();
            w.gamma(unknown);
            assert_eq!(RefusedOwnership::read(&mut BitReader::new(w.finish())), Err(WireError::Invalid));
        }
    }
}
