//! The host is lost, and another member takes its place.
//!
//! Who that is, a session decides. Here it is only carried out, on each node that is left:
//!
//! ```text
//! all       lose_host      what goes by way of the host waits: calls, requests for ownership
//! the heir  take_over      waits for the claims of all mesh members, then it is the host
//! others    follow_host    send the heir what they claim, and take it for the host from then on
//! ```
//!
//! The heir says nothing as a host before it has heard from everyone, so nobody hears a host's words from whom it does not yet follow; and what
//! followers ask of it waits until then, in line behind their claims. It has nobody to wait for when it is alone. A member that is lost meanwhile
//! is not waited for; one that does not answer in [`limits::SUCCESSION_MILLIS`] is at fault. Clients that come meanwhile are told what there is, and
//! what they own is late until the heir is the host. What is claimed, and what the heir makes of it, is in `claims`.
//!
//! From then on the heir's word counts as that of the host before it: replicas that had come from the lost host, its own and those of
//! its clients, are adopted as those of any member that is lost ([`ReplicaManager::set_adoption`]), with what the heir has of them: chunks that
//! it was not to see have their default values. What cannot migrate ends, on every node at once. What mesh members own stays theirs. Calls
//! that were under way to the lost host, or by way of it, are lost with it; those made since arrive.
//!
//! Each host has a **term**, a number of its own; those who elect it see to that. What the heir adopts begins in an epoch beyond all that anyone
//! knows of, and not before the first of its term. For somebody may have begun epochs that nobody knows of any more: a
//! host that gave a replica away and was lost with the one it gave it to, or an heir that was lost before it was heard.
//!
//! Clients had no connection but to the lost host: they come back as newcomers.
//!
//! ```text
//! claims = 9  claim* more                  from a follower to its heir, see `claims`
//! void   = 10 epoch:gamma                  from the host: of this replica there is nothing that could go on; up to this epoch it ends
//! hosted = 11 member:gamma term:gamma      from the host, whose term that is: this member was the host once, so its replicas may be of
//!                                          `host_only` types
//! ```

use core::time::Duration;
use std::collections::BTreeSet;

use super::claims::{Claims, Settled};
use super::handoff::{NO_REPLICA, check_end, kind};
use super::record::Route;
use super::target::{Peer, PeerId};
use super::{PeerFault, PeerRole, ReplicaEvent, ReplicaManager};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::time::Instant;
use crate::wire::BitReader;

/// Why a node cannot go on with another host.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::SuccessionError;
///
/// let mut host = ReplicaManager::new(Registry::builder().build()?, 1);
/// assert_eq!(host.take_over(1), Err(SuccessionError::NoHost));
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SuccessionError {
    /// There is no host that could be lost: this node is one, or has no peers.
    #[error("this node has no host that another could take the place of")]
    NoHost,
    /// The host of this term, or of a later one, is known already.
    #[error("the session is in term {0} already; each new host has a later one")]
    OldTerm(u32),
    /// No host has as many before it.
    #[error("terms go up to {}", limits::TERMS)]
    TooManyTerms,
    /// Only a member that this node is connected to can be followed: a peer with [`PeerRole::Peer`].
    #[error("that peer is no member of a mesh: connect to it as `PeerRole::Peer` before following it")]
    NotAMember,
}

/// What is under way between a host and the next.
#[derive(Debug, Default)]
pub(super) struct Succession {
    /// The host that is lost. It stays in the table until there is another, and is sent nothing.
    lost: Option<PeerId>,
    /// This node is to be the next.
    heir: Option<Inquiry>,
    /// Those who were host.
    former: Vec<MemberId>,
    /// Of the host, as far as is known here.
    term: u32,
}

/// What an heir waits for.
#[derive(Debug)]
struct Inquiry {
    /// Members that have not said all of their claims.
    awaited: BTreeSet<PeerId>,
    /// That of this node as the host.
    term: u32,
    /// Until when they may, from the first update on; and whether those who were not done by then were named.
    deadline: Option<Instant>,
    is_over: bool,
    claims: Claims,
}

impl Succession {
    /// That of the host, as far as is known here.
    pub(super) const fn term(&self) -> u32 {
        self.term
    }

    /// Whether there is no host for the time being.
    pub(super) const fn is_open(&self) -> bool {
        self.lost.is_some()
    }

    pub(super) fn is_lost(&self, peer: PeerId) -> bool {
        self.lost == Some(peer)
    }

    /// Each new host has a later term than the one before.
    fn check(&self, term: u32) -> Result<(), SuccessionError> {
        match term {
            _ if term <= self.term => Err(SuccessionError::OldTerm(self.term)),
            _ if term > limits::TERMS => Err(SuccessionError::TooManyTerms),
            _ => Ok(()),
        }
    }

    /// Whether a member was the host once.
    pub(super) fn has_hosted(&self, member: MemberId) -> bool {
        self.former.contains(&member)
    }

    /// A peer is removed.
    pub(super) fn forget(&mut self, peer: PeerId) {
        if self.is_lost(peer) {
            (self.lost, self.heir) = (None, None);
        }
        if let Some(heir) = &mut self.heir {
            heir.awaited.remove(&peer);
        }
    }

    fn note_former(&mut self, member: MemberId) -> Result<(), PeerFault> {
        if self.has_hosted(member) {
            return Ok(());
        }
        if self.former.len() >= limits::FORMER_HOSTS {
            return Err(PeerFault::Limit("former hosts"));
        }
        self.former.push(member);
        Ok(())
    }
}

impl ReplicaManager {
    /// The connection to the host is lost, and the session goes on: another member will take the host's place. Until that is said, by
    /// [`take_over`](Self::take_over) or [`follow_host`](Self::follow_host), replicas that came from it stay as they are, and
    /// calls on them and requests to own any replica wait; questions that were asked of it end. A session that does not go on says
    /// [`remove_peer`](Self::remove_peer) instead, at once or later; so does a node before it connects to the same host again.
    ///
    /// # Errors
    /// [`SuccessionError::NoHost`].
    pub fn lose_host(&mut self) -> Result<(), SuccessionError> {
        let host = self.host().ok_or(SuccessionError::NoHost)?;
        if self.succession.lost.replace(host) == Some(host) {
            return Ok(());
        }
        if let Some(Some(peer)) = self.peers.get_mut(host.0 as usize) {
            self.stats.rpcs_dropped += peer.lose();
        }
        self.end_requests_through(host);
        // What was to go to it stays.
        self.mesh.partings.clear();
        for leaving in core::mem::take(&mut self.leaving) {
            if let Some(place) = self.index.get(&leaving.id) {
                self.entries[*place as usize].in_transfer = false;
            }
        }
        Ok(())
    }

    /// The host is lost, and this node takes its place: with the [`update`](Self::update) in which it has heard from all other members of
    /// the mesh, the next one if there are none. Then it adopts what the lost host and its clients owned, as
    /// [`set_adoption`](Self::set_adoption) says, and reports [`HostChanged`](ReplicaEvent::HostChanged). `term` counts hosts: that of the
    /// first is 0, and no two have the same; who elects a host has such a number. Members that were not connected when it began to take over
    /// have nothing to claim, and come as newcomers do; [`remove_peer`](Self::remove_peer) of the lost host ends the attempt.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    /// use gridmate_runtime::replica::PeerRole;
    ///
    /// #[derive(Default, ReplicaChunk)]
    /// #[chunk(migratable)]
    /// struct Ball {
    ///     x: f32,
    /// }
    ///
    /// let registry = Registry::builder().chunk::<Ball>().build()?;
    /// let (mut host, mut client) = (ReplicaManager::new(registry.clone(), 1), ReplicaManager::new(registry, 2));
    /// client.set_local_member(MemberId(2));
    /// let (there, back) = (host.add_peer(MemberId(2), PeerRole::Client), client.add_peer(MemberId::HOST, PeerRole::Host));
    /// let ball = host.add(Ball { x: 3.0 })?;
    /// host.prepare();
    /// let mut message = Vec::new();
    /// host.marshal(there, 1_200, &mut message).expect("there is a ball to be told of");
    /// client.handle_state(back, 1, &message)?;
    ///
    /// // The host is heard of no more, and there is nobody else.
    /// client.take_over(1)?;
    /// client.update(Instant::from_millis(100), |peer, fault| panic!("{peer:?}: {fault}"));
    /// client.primary_mut::<Ball>(ball)?.x += 1.0;
    /// assert_eq!(client.get::<Ball>(ball)?.x, 4.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`SuccessionError::NoHost`], [`SuccessionError::OldTerm`], [`SuccessionError::TooManyTerms`].
    pub fn take_over(&mut self, term: u32) -> Result<(), SuccessionError> {
        self.host().ok_or(SuccessionError::NoHost)?;
        self.succession.check(term)?;
        self.lose_host()?;
        if let Some(heir) = &mut self.succession.heir {
            heir.term = heir.term.max(term);
        } else {
            let awaited = self.mesh_members().into_iter().collect();
            let claims = Claims::default();
            self.succession.heir = Some(Inquiry { awaited, term, deadline: None, is_over: false, claims });
        }
        Ok(())
    }

    /// The host is lost, and the member that `heir` is takes its place: it is the host as far as this node is concerned, and is told what
    /// this node owns and knows. What came from the lost host is expected from it; what it says nothing of in time
    /// ([`limits::ORPHAN_MILLIS`]) ends. Reported as [`HostChanged`](ReplicaEvent::HostChanged) at once. `term` is the one that the heir
    /// [takes over](Self::take_over) with.
    ///
    /// # Errors
    /// [`SuccessionError::NoHost`], [`SuccessionError::OldTerm`], [`SuccessionError::TooManyTerms`], [`SuccessionError::NotAMember`].
    pub fn follow_host(&mut self, heir: PeerId, term: u32) -> Result<(), SuccessionError> {
        let host = self.host().ok_or(SuccessionError::NoHost)?;
        let known = self.peer(heir).filter(|peer| peer.role == PeerRole::Peer);
        let member = known.ok_or(SuccessionError::NotAMember)?.member;
        self.succession.check(term)?;
        self.lose_host()?;
        (self.succession.heir, self.succession.term) = (None, term);
        self.send_claims(host, heir);
        self.change_role(heir, PeerRole::Host);
        // What others have sent their last call before, does not change hands any more.
        self.peers.iter_mut().flatten().for_each(|peer| peer.tenures.flushed.clear());
        let orphans = self.bury_host(host);
        for place in orphans {
            let entry = &self.entries[place as usize];
            let (id, epoch) = (entry.id, entry.epoch);
            if entry.migratable && !entry.doomed {
                self.follow_other(place, heir);
                self.mesh.await_word(id, epoch);
            } else {
                self.end_without_owner(place);
                self.push_event(ReplicaEvent::Removed { id });
            }
        }
        self.go_on_with(member);
        Ok(())
    }

    /// The peer that was the host is gone. Returns the places of what came from it.
    fn bury_host(&mut self, host: PeerId) -> Vec<u32> {
        let orphans = (0..).zip(&self.entries).filter(|(_, entry)| entry.live && entry.upstream == Some(host));
        let orphans = orphans.map(|(place, _)| place).collect();
        if let Some(member) = self.peer_member(host) {
            // There is room, as there are no more of them than terms; unless the lost one has made some up.
            let _ = self.succession.note_former(member);
        }
        self.forget_peer(host);
        orphans
    }

    /// There is a host again.
    fn go_on_with(&mut self, host: MemberId) {
        self.ask_all_again();
        self.resume_all_postponed();
        self.push_event(ReplicaEvent::HostChanged { host });
    }

    /// Whether what a peer has sent is not to be looked at yet: it is for a host, and this node is none so far.
    pub(super) fn waits_for_take_over(&self, peer: PeerId) -> bool {
        let heir = self.succession.heir.as_ref();
        heir.is_some_and(|heir| !heir.awaited.contains(&peer) && !self.succession.is_lost(peer))
    }

    /// Whether claims have come before this node knows whose heir it is.
    pub(super) fn claims_come_early(&self, from: PeerId) -> bool {
        let is_member = self.peer(from).is_some_and(|peer| peer.role == PeerRole::Peer);
        is_member && self.succession.heir.is_none() && self.host().is_some()
    }

    /// A follower says what it claims.
    pub(super) fn take_claims(&mut self, from: PeerId, r: &mut BitReader<'_>) -> Result<(), PeerFault> {
        let Self { succession, entries, index, .. } = self;
        let Some(heir) = succession.heir.as_mut().filter(|heir| heir.awaited.contains(&from)) else {
            return Err(PeerFault::NoSuchType);
        };
        // Whoever counts changes of owners comes no farther.
        let first = first_epoch(heir.term);
        let latest = |id: ReplicaId| {
            let known = index.get(&id).map_or(0, |place| entries[*place as usize].epoch);
            known.max(first).saturating_add(limits::EPOCHS_PER_TERM)
        };
        if !heir.claims.read(from, latest, r)? {
            heir.awaited.remove(&from);
        }
        Ok(())
    }

    /// Those who have let an heir wait for too long.
    pub(super) fn overdue_followers(&mut self) -> BTreeSet<PeerId> {
        let Some(heir) = &mut self.succession.heir else { return BTreeSet::new() };
        let deadline = *heir.deadline.get_or_insert(self.now + Duration::from_millis(limits::SUCCESSION_MILLIS));
        if deadline > self.now || core::mem::replace(&mut heir.is_over, true) {
            return BTreeSet::new();
        }
        heir.awaited.clone()
    }

    /// At the end of `update`: takes the host's place, when everyone has said what it claims.
    pub(super) fn settle_succession(&mut self) {
        let is_ready = self.succession.heir.as_ref().is_some_and(|heir| heir.awaited.is_empty());
        let (Some(host), true) = (self.succession.lost, is_ready) else { return };
        let Some(Inquiry { mut claims, term, .. }) = self.succession.heir.take() else { return };
        self.succession.term = term;
        claims.add_own(self.own_claims(host));
        let Settled { vouched, void } = self.settle_claims(host, claims);
        let detoured = core::mem::take(&mut self.mesh.detours);
        let orphans = self.bury_host(host);
        self.mesh.begin_to_host(&vouched);
        let first = first_epoch(term);
        let adopted: Vec<_> = orphans.into_iter().filter(|place| self.inherit(*place, first)).collect();
        self.refuse_own();
        for peer in self.mesh_members() {
            self.brief_in_mesh(peer);
            for &(id, of) in &vouched {
                self.vouch_to(peer, id, of);
            }
            for &(id, epoch) in &void {
                self.say(peer, id, kind::VOID, Route::Request { source: None }, |w| w.gamma(epoch));
            }
            self.sync_anew(peer, &adopted);
        }
        // Calls on these go directly again.
        for id in detoured.into_keys() {
            if let Some(&place) = self.index.get(&id) {
                self.vouch_for(place);
            }
        }
        self.go_on_with(self.local);
    }

    /// What came from the lost host is this node's, or ends.
    fn inherit(&mut self, place: u32, first: u32) -> bool {
        let entry = &self.entries[place as usize];
        let id = entry.id;
        let goes_on = entry.migratable && !entry.doomed && self.adopt(place, first);
        if !goes_on {
            self.end_without_owner(place);
            self.push_event(ReplicaEvent::Removed { id });
        }
        goes_on
    }

    /// The host has said that nothing of a replica goes on.
    pub(super) fn take_void(&mut self, id: ReplicaId, r: &mut BitReader<'_>) -> Result<(), PeerFault> {
        let epoch = r.gamma()?;
        check_end(r)?;
        if let Some(&place) = self.index.get(&id) {
            let entry = &self.entries[place as usize];
            if entry.epoch <= epoch && !entry.dying {
                self.vacate(place);
                self.end_in_mesh(id, epoch);
                self.push_event(ReplicaEvent::Removed { id });
            }
        } else {
            self.end_in_mesh(id, epoch);
        }
        Ok(())
    }

    /// On the host: who was host before it, for a member of the mesh that comes.
    pub(super) fn tell_former_hosts(&mut self, to: PeerId) {
        let term = self.succession.term;
        for member in self.succession.former.clone() {
            self.say(to, NO_REPLICA, kind::HOSTED, Route::Request { source: None }, |w| {
                w.gamma(member.0);
                w.gamma(term);
            });
        }
    }

    /// The host has said who was host before it.
    pub(super) fn take_former_host(&mut self, from: PeerId, r: &mut BitReader<'_>) -> Result<(), PeerFault> {
        if self.peer(from).is_none_or(|peer| peer.role != PeerRole::Host) {
            return Err(PeerFault::NotOwner);
        }
        let (member, term) = (MemberId(r.gamma()?), r.gamma()?);
        check_end(r)?;
        if term > limits::TERMS {
            return Err(PeerFault::Limit("hosts of a session"));
        }
        self.succession.term = self.succession.term.max(term);
        self.succession.note_former(member)
    }
}

/// The first epoch of what a host adopts when its term begins.
const fn first_epoch(term: u32) -> u32 {
    term * limits::EPOCHS_PER_TERM
}

impl Peer {
    /// Nothing goes to it any more. Returns how many calls were still to go.
    fn lose(&mut self) -> u64 {
        self.lost = true;
        self.calls.arena.clear();
        self.calls.queue.drain(..).count() as u64
    }
}
