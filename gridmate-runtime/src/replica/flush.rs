//! The last calls to an owner in a mesh, before it lets go.
//!
//! In a star all calls come by way of the host, which holds them while a replica changes hands. Members of a mesh call each other directly. So when
//! the host recalls a replica from one of them, it tells the others: from then on their calls on it go to the host (a **detour**), and behind the
//! last that went directly they say so to the owner (**flushed**). Who has heard that from all others lets go; so does who has waited
//! for [`limits::FLUSH_MILLIS`]. A detour ends with the epoch that it is for, or when a new host says that it stays with its owner: see `mesh` and `succession`.

use core::time::Duration;

use super::entry::Entry;
use super::handoff::{check_end, kind};
use super::mesh::read_owner;
use super::record::Route;
use super::target::{Peer, PeerId};
use super::{PeerFault, PeerRole, ReplicaManager};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::time::Instant;
use crate::wire::BitReader;

/// A primary that is to go to another member, when nobody has a call for it under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parting {
    to: MemberId,
    epoch: u32,
    deadline: Instant,
}

impl ReplicaManager {
    /// On the host: the owner of the replica at `place` is to let go.
    pub(super) fn detour_calls(&mut self, place: u32) {
        self.tell_others_of_owner(place, kind::DETOUR);
    }

    /// Where a call goes on a replica that comes from `upstream`.
    pub(super) fn way_of_calls(&self, entry: &Entry, upstream: PeerId) -> PeerId {
        let is_detour = self.mesh.detours.get(&entry.id).is_some_and(|until| entry.epoch <= *until);
        if is_detour { self.host().unwrap_or(upstream) } else { upstream }
    }

    /// Calls on a replica go by way of the host from now on, and its owner is told when there are no others under way.
    pub(super) fn take_detour(&mut self, id: ReplicaId, r: &mut BitReader<'_>) -> Result<(), PeerFault> {
        let (owner, epoch) = read_owner(r)?;
        let place = self.index.get(&id);
        if place.is_none_or(|place| self.entries[*place as usize].epoch <= epoch) {
            let detours = &mut self.mesh.detours;
            if detours.len() >= limits::REPLICAS && !detours.contains_key(&id) {
                return Err(PeerFault::Limit("replicas that others own"));
            }
            let until = detours.entry(id).or_default();
            *until = epoch.max(*until);
        }
        let is_member = |at: &PeerId| self.peer(*at).is_some_and(|peer| peer.role == PeerRole::Peer);
        if let Some(owner) = self.peer_of(owner).filter(is_member) {
            let term = self.succession.term();
            self.say(owner, id, kind::FLUSHED, Route::Request { source: None }, |w| {
                w.gamma(epoch);
                w.gamma(term + 1);
            });
        }
        Ok(())
    }

    /// A mesh member sends no more calls on what is here to us directly.
    pub(super) fn take_flushed(&mut self, from: PeerId, id: ReplicaId, r: &mut BitReader<'_>) -> Result<(), PeerFault> {
        let (epoch, term) = (r.gamma()?, r.gamma()? - 1);
        check_end(r)?;
        if term != self.succession.term() {
            return Ok(()); // A host before this one wanted to know.
        }
        if let Some(Some(peer)) = self.peers.get_mut(from.0 as usize) {
            let flushed = &mut peer.tenures.flushed;
            if flushed.len() >= limits::REPLICAS_PER_MEMBER && !flushed.contains_key(&id) {
                return Err(PeerFault::Limit("replicas that it calls no more"));
            }
            let last = flushed.entry(id).or_default();
            *last = epoch.max(*last);
        }
        Ok(())
    }

    /// A primary here goes to `to`, by way of the host, when no calls on it are under way from mesh members; or without those that take
    /// too long.
    pub(super) fn part_when_flushed(&mut self, place: u32, to: MemberId) {
        let entry = &self.entries[place as usize];
        let (id, epoch) = (entry.id, entry.epoch);
        if self.is_flushed(id, epoch) {
            return self.part_with(place, to);
        }
        let deadline = self.now + Duration::from_millis(limits::FLUSH_MILLIS);
        self.mesh.partings.insert(id, Parting { to, epoch, deadline });
    }

    fn is_flushed(&self, id: ReplicaId, epoch: u32) -> bool {
        let has_flushed = |peer: &Peer| peer.tenures.flushed.get(&id).is_some_and(|last| *last >= epoch);
        !self.is_in_mesh() || self.peers.iter().flatten().all(|peer| peer.role != PeerRole::Peer || has_flushed(peer))
    }

    pub(super) fn end_partings(&mut self) {
        let is_due = |(id, parting): (&ReplicaId, &Parting)| {
            (parting.deadline <= self.now || self.is_flushed(*id, parting.epoch)).then_some((*id, *parting))
        };
        let due: Vec<_> = self.mesh.partings.iter().filter_map(is_due).collect();
        for (id, Parting { to, epoch, .. }) in due {
            self.mesh.partings.remove(&id);
            self.forget_flushes(id);
            if let Some(&place) = self.index.get(&id) {
                let entry = &self.entries[place as usize];
                if entry.is_primary() && !entry.dying && entry.epoch == epoch {
                    self.part_with(place, to);
                }
            }
        }
    }

    pub(super) fn forget_flushes(&mut self, id: ReplicaId) {
        for peer in self.peers.iter_mut().flatten() {
            peer.tenures.flushed.remove(&id);
        }
    }
}
