//! What comes from who is not the owner of a replica here: late, because it was, or early, because it will be. Or it lies.
//!
//! State and destructions travel apart from the words by which a replica changes hands, so they may come before or after those. What a
//! former owner says does not count and is no fault; it is told apart from a false claim by the replica's epoch, which is 1 as
//! long as nobody but its creator has owned it.

use super::handoff::{is_handoff, kind};
use super::record::{Call, Ownership, Route};
use super::target::PeerId;
use super::unmarshal::Stop;
use super::{PeerFault, PeerRole, ReplicaManager};
use crate::ids::ReplicaId;

impl ReplicaManager {
    /// Whether a call has to wait until it is clear who owns its replica.
    pub(super) fn waits_for_transfer(&self, peer: PeerId, call: &Call, reliable: bool) -> bool {
        if self.recalls.is_empty() && self.leaving.is_empty() || matches!(call.route, Route::Echo { .. }) {
            return false;
        }
        let Some(place) = self.index.get(&call.replica) else { return false };
        let entry = &self.entries[*place as usize];
        let waits = !is_handoff(call) || call.rpc == kind::ASK;
        // What its owner sends unreliably may have overtaken the news that it is not that any more, and would run out of turn.
        waits && entry.in_transfer && (reliable || entry.upstream != Some(peer))
    }

    /// Whether calls of the owner itself are to go back to it: it was given the replica and had not heard of that.
    pub(super) fn returns_calls(&self, peer: PeerId, place: u32) -> bool {
        let is_client = self.peer(peer).is_some_and(|peer| peer.role.is_guest()) && !self.is_in_mesh();
        let entry = &self.entries[place as usize];
        is_client && entry.epoch > 1 && !entry.in_transfer
    }

    /// Whether a peer that does not own this replica may have owned it, or has taken it from us.
    pub(super) fn is_former_owner(&self, peer: PeerId, place: u32) -> bool {
        let (entry, Some(known)) = (&self.entries[place as usize], self.peer(peer)) else { return false };
        // What a mesh member has made may be another's here already, in an epoch of which nothing has come yet.
        let made = || known.role == PeerRole::Peer && entry.id.creator == known.member && self.is_in_mesh();
        entry.epoch > 1 || entry.is_primary() && known.role == PeerRole::Host || made()
    }

    /// What becomes of state that a peer sends of a replica that it does not own.
    pub(super) fn out_of_turn(&self, peer: PeerId, place: u32) -> Stop {
        if self.is_former_owner(peer, place) { Stop::TooLate } else { PeerFault::NotOwner.into() }
    }

    /// Whether a peer may say of a replica what it is, and whose.
    pub(super) fn check_claim(&mut self, peer: PeerId, id: ReplicaId, ownership: Ownership) -> Result<(), Stop> {
        let Ownership { owner, epoch, .. } = ownership;
        let known = self.peers[peer.0 as usize].as_ref().expect("checked by the caller");
        let is_client = known.role.is_guest();
        let place = self.index.get(&id).copied();
        let is_doomed = place.is_some_and(|place| self.entries[place as usize].doomed);
        if is_doomed || place.is_none() && known.graves.covers(id, epoch) {
            return Err(Stop::TooLate);
        }
        if is_client && owner != known.member {
            return Err(PeerFault::NotOwner.into());
        }
        if self.is_in_mesh() {
            return self.check_claim_in_mesh(peer, id, ownership);
        }
        let Some(place) = place else {
            // What a host before this node has given it, or another.
            if is_client && self.is_vouched(id, owner, epoch) {
                return Ok(());
            }
            if is_client && self.is_overtaken(id, epoch) {
                return Err(Stop::TooLate);
            }
            if is_client && (id.creator != known.member || epoch != 1) {
                return Err(PeerFault::NotOwner.into());
            }
            if is_client && known.spent.contains(id.serial) {
                return Err(PeerFault::IdReused.into());
            }
            return Ok(());
        };
        let entry = &self.entries[place as usize];
        if entry.upstream != Some(peer) {
            if is_client || !entry.is_primary() || entry.dying || epoch <= entry.epoch {
                return Err(self.out_of_turn(peer, place));
            }
            self.lose(place, peer);
            return Ok(());
        }
        if is_client && epoch > entry.epoch {
            return Err(PeerFault::NotOwner.into());
        }
        if epoch < entry.epoch { Err(Stop::TooLate) } else { Ok(()) }
    }

    /// Whether what a peer has ended, in this epoch, ends here by that. What the host has taken from us is its own to end.
    pub(super) fn may_end(&mut self, peer: PeerId, place: u32, epoch: u32) -> Result<bool, Stop> {
        if self.is_in_mesh() {
            return self.may_end_in_mesh(peer, place, epoch);
        }
        let is_host = self.peer(peer).is_some_and(|peer| peer.role == PeerRole::Host);
        let entry = &self.entries[place as usize];
        if entry.upstream == Some(peer) {
            // What is from before it went to and fro does not count. Only a host knows of epochs to come.
            return if epoch > entry.epoch && !is_host {
                Err(PeerFault::NotOwner.into())
            } else {
                Ok(epoch >= entry.epoch)
            };
        }
        let is_taken = is_host && entry.is_primary() && !entry.dying && epoch > entry.epoch;
        if is_taken {
            self.lose(place, peer);
            self.entries[place as usize].epoch = epoch;
        } else if !self.is_former_owner(peer, place) {
            return Err(PeerFault::NotOwner.into());
        }
        Ok(is_taken)
    }
}
