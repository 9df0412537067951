//! Peers come and go.

use super::owed::Owed;
use super::pair::Target;
use super::rate::Bucket;
use super::target::{Peer, PeerId};
use super::{PeerRole, ReplicaEvent, ReplicaManager};
use crate::ids::MemberId;
use crate::schema::Profile;

impl ReplicaManager {
    /// Starts replicating with a peer: it will be sent every replica that is not its own.
    pub fn add_peer(&mut self, member: MemberId, role: PeerRole) -> PeerId {
        self.add_new_peer(Peer::new(member, role))
    }

    /// The same with a peer whose program has this much in common with ours: the datasets that `profile` leaves out are neither sent
    /// to it nor expected from it. A replica that comes from it has their default values.
    pub fn add_peer_with(&mut self, member: MemberId, role: PeerRole, profile: &Profile) -> PeerId {
        let profile = self.shared_profile(profile);
        self.add_new_peer(Peer { profile, ..Peer::new(member, role) })
    }

    fn add_new_peer(&mut self, mut peer: Peer) -> PeerId {
        peer.owed = Owed::anew(Owed::default(), &self.entries, peer.role);
        peer.timeline = self.new_timeline();
        peer.owed.mark_first(&self.entries, peer.role, &self.neighbours);
        peer.sync.total = peer.owed.left;
        // The nearest and the most important first, from the first message on. Without an opinion that is class by class.
        peer.owed.stopped = self.relevance.is_some();
        peer.bucket = Bucket::new(self.state_rate, self.now);
        let place = self.peers.iter().position(Option::is_none).unwrap_or_else(|| {
            self.peers.push(None);
            self.peers.len() - 1
        });
        let role = peer.role;
        self.peers[place] = Some(peer);
        self.note_coming(role);
        self.ask_for_names(place);
        let id = PeerId(u32::try_from(place).expect("fewer than 2^32 peers"));
        self.brief_in_mesh(id);
        id
    }

    /// Stops replicating with a peer. Of the replicas reached through it, those that can migrate are taken over when
    /// `adopt` is set; all others are gone. In a mesh, they stay with all but the host until that says what becomes of them.
    pub fn remove_peer(&mut self, id: PeerId, adopt: bool) {
        if self.peer(id).is_none() {
            return;
        }
        self.end_requests_through(id);
        for place in 0..self.entries.len() {
            let entry = &mut self.entries[place];
            if !entry.live || entry.upstream != Some(id) {
                continue;
            }
            let replica = entry.id;
            #[expect(clippy::cast_possible_truncation, reason = "places are 32 bits wide")]
            let place = place as u32;
            let goes_on = entry.migratable && !entry.doomed;
            if goes_on && self.await_host(id, place) {
                continue;
            }
            if !(adopt && goes_on && self.adopt(place, 0)) {
                self.end_without_owner(place);
                self.push_event(ReplicaEvent::Removed { id: replica });
            }
        }
        let was_lost = self.succession.is_lost(id);
        self.forget_peer(id);
        if was_lost {
            self.resume_all_postponed();
        }
    }

    /// A peer, of which there are no replicas any more, is not in the table any more.
    pub(super) fn forget_peer(&mut self, id: PeerId) {
        let Some(Peer { member, role, held, calls, .. }) = self.peers[id.0 as usize].take() else { return };
        // What it sent and has not run, and what is not on its way yet, goes with it.
        self.stats.rpcs_dropped += (held.calls.len() + calls.queue.len()) as u64;
        self.forget_in_mesh(member, role);
        self.forget_names_from(id);
        self.succession.forget(id);
        // Whoever takes its place starts without its faults.
        self.hopeless.retain(|peer| *peer != id);
    }

    /// Says how many ticks a peer takes to answer: state that nothing was heard of for longer is sent again before the carrier
    /// is sure that it was lost.
    pub fn set_patience(&mut self, peer: PeerId, ticks: u32) {
        if let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize) {
            peer.patience = ticks.max(1);
        }
    }

    /// The next message with a call for `peer`, and whether it must be sent reliably. Calls for one peer leave in the order
    /// they were made.
    pub fn drain_calls(&mut self, peer: PeerId, mut send: impl FnMut(bool, &[u8])) {
        let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize) else { return };
        for call in peer.calls.queue.drain(..) {
            send(call.reliable, &peer.calls.arena[call.range]);
        }
        peer.calls.arena.clear();
    }

    /// Notes that calls found no room.
    pub(crate) const fn call_crowded_out(&mut self, calls: u64) {
        self.stats.rpcs_crowded_out += calls;
    }

    /// Who a peer is.
    pub fn peer_member(&self, id: PeerId) -> Option<MemberId> {
        self.peer(id).map(|p| p.member)
    }

    pub(super) fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(id.0 as usize)?.as_ref()
    }

    /// Makes the proxy at `place` the primary, in a new epoch.
    pub(super) fn promote(&mut self, place: u32, epoch: u32) {
        let entry = &mut self.entries[place as usize];
        let former = entry.owner;
        entry.owner = self.local;
        entry.epoch = epoch;
        self.primaries += 1;
        self.came_home = true;
        if entry.assigned == former {
            entry.assigned = self.local;
        }
        if let Some(upstream) = entry.set_upstream(None)
            && let Some(peer) = &mut self.peers[upstream.0 as usize]
        {
            peer.proxies -= 1;
            // It has the replica, so it must hear of its end.
            peer.owed.targets.edit(place as usize, Target::tell);
        }
        self.tell_mesh(place);
        self.settle_in_mesh(self.entries[place as usize].id, epoch);
        let entry = &mut self.entries[place as usize];
        entry.received = 0;
        entry.meshed = false;
        for chunk in &entry.chunks {
            let store = &mut self.stores[usize::from(chunk.class)];
            store.promote(chunk.slot);
            store.set_owned(chunk.slot, (!chunk.refused).then_some(entry.id));
        }
        self.owner_changed(place, former);
        self.renew(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Registry;
    use crate::time::Instant;

    #[test]
    fn who_takes_the_place_of_a_hopeless_peer_is_not_blamed_for_it() {
        let mut host = ReplicaManager::new(Registry::builder().build().unwrap(), 1);
        let gone = host.add_peer(MemberId(2), PeerRole::Client);
        host.hopeless.push(gone);
        host.remove_peer(gone, false);
        let newcomer = host.add_peer(MemberId(3), PeerRole::Client);
        assert_eq!(newcomer, gone, "places are used again");
        host.update(Instant::ZERO, |peer, fault| panic!("{peer:?}: {fault}"));
    }
}
