//! What a manager does for recorders and players, and for nobody else.

use crate::replica::ReplicaManager;
use crate::replica::owed::Owed;
use crate::replica::target::{Peer, PeerId};
use crate::time::Instant;

impl ReplicaManager {
    /// Owes a peer everything again, as if it had just come, without forgetting what it has yet to hear. Returns how many reliable
    /// calls it was sent; none if there is no such peer.
    pub(super) fn begin_anew(&mut self, id: PeerId) -> Option<u32> {
        let peer = self.peers.get_mut(id.0 as usize)?.as_mut()?;
        let mut anew = Peer::new(peer.member, peer.role);
        anew.owed = Owed::anew(core::mem::take(&mut peer.owed), &self.entries, peer.role);
        anew.calls = core::mem::take(&mut peer.calls);
        anew.rpcs_sent = peer.rpcs_sent;
        *peer = anew;
        let queued = peer.calls.queue.iter().filter(|call| call.reliable).count();
        Some(peer.rpcs_sent.wrapping_sub(u32::try_from(queued).expect("bounded by the outbox")))
    }

    /// Time goes on, and nothing runs.
    pub(super) fn skip_to(&mut self, now: Instant) {
        self.follow_ticks(now);
        self.now = now;
    }

    /// Reliable calls of a peer count as received.
    pub(super) fn skip_calls(&mut self, id: PeerId, calls: u32) {
        if let Some(Some(peer)) = self.peers.get_mut(id.0 as usize) {
            peer.rpcs_received = peer.rpcs_received.wrapping_add(calls);
        }
    }

    /// Forgets the calls that the program has made, and what this node would say to its peers: nobody hears it.
    pub(super) fn drop_calls(&mut self) {
        self.stats.rpcs_dropped += self.outbox.calls.len() as u64;
        for peer in self.peers.iter_mut().flatten() {
            peer.calls.queue.clear();
            peer.calls.arena.clear();
        }
        self.outbox.calls.clear();
        self.outbox.arena.clear();
        self.outbox.destroys.clear();
    }
}

#[cfg(all(test, feature = "derive"))]
mod tests {
    use crate::chunk::PeerRole;
    use crate::prelude::*;

    #[derive(Default, ReplicaChunk)]
    #[chunk(crate = crate, migratable)]
    struct Door {
        open: bool,
    }

    /// Whoever watches a recording may try to own what it shows: nobody is asked, and nothing piles up.
    #[test]
    fn what_nobody_hears_is_not_kept() {
        let registry = Registry::builder().chunk::<Door>().build().unwrap();
        let (mut host, mut watcher) = (ReplicaManager::new(registry.clone(), 1), ReplicaManager::new(registry, 2));
        let there = host.add_peer(MemberId(2), PeerRole::Client);
        let back = watcher.add_peer(MemberId::HOST, PeerRole::Host);
        let door = host.add(Door { open: true }).unwrap();
        host.prepare();
        let mut state = Vec::new();
        assert!(host.marshal(there, 1_200, &mut state).is_some());
        watcher.set_local_member(MemberId::NONE);
        let _verdict = watcher.handle_state(back, 1, &state).unwrap();
        watcher.request_ownership(door).unwrap();
        watcher.drop_calls();
        watcher.drain_calls(back, |_, _| panic!("it is forgotten"));
        let calls = &watcher.peers[back.0 as usize].as_ref().unwrap().calls;
        assert!(calls.queue.is_empty() && calls.arena.is_empty());
    }
}
