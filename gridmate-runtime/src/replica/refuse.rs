//! Chunks that only a host creates: `#[chunk(host_only)]`.
//!
//! What such a chunk says counts, so a client must not come by one by making it. The type declares what becomes of a replica of a
//! client's that has one:
//!
//! - [`HostOnly::Chunk`]: the replica is taken in without it. Records of the replica go on naming the chunk, so positions stay what they
//!   are, and its encodings are read past, because what comes behind them has to be found. A place with default values is what that
//!   takes, which no program sees and no handler runs on: not the host's, and not those of other members, who learn of it by a bit
//!   that the host's records and hand-overs have. It stays so whoever owns the replica later, the host included.
//! - [`HostOnly::Replica`]: it is not taken in. On a client it is an error to add one, so who sends one all the same does not follow the
//!   protocol.
//!
//! The client that created the replica keeps the chunk for itself, with what it wrote there last: when another owns the replica, the host
//! says of the chunk that it was left out, and nothing of it is taken in from then on. A client whose proxy is made anew has it no more.
//!
//! A member that becomes the host (`succession`) does not get such chunks back by that: what it has created before stays without them, and
//! its program does not see them any more.
//!
//! What a host has created is everyone's and changes hands with all else: its chunks are refused nowhere, and a client that owns the
//! replica writes to them as to any others.

use super::{AddError, PeerFault, PeerId, PeerRole, ReplicaEvent, ReplicaManager};
use crate::ids::ReplicaId;
use crate::schema::{ChunkDescriptor, HostOnly};

impl ReplicaManager {
    /// Whether this node creates replicas with such a chunk.
    pub(super) fn may_create(&self, descriptor: &ChunkDescriptor) -> Result<(), AddError> {
        let of_host = || self.peers.iter().flatten().any(|peer| peer.role == PeerRole::Host);
        if descriptor.host_only == Some(HostOnly::Replica) && of_host() {
            return Err(AddError::HostOnly(descriptor.name));
        }
        Ok(())
    }

    /// Which chunks of a new replica from `peer` are refused, a bit for each; `said` is what the peer says of that, whom only a client
    /// believes.
    pub(super) fn refused(&self, peer: PeerId, id: ReplicaId, classes: &[u16], said: u64) -> Result<u64, PeerFault> {
        let of_host = self.host().and_then(|host| self.peer_member(host)) == Some(id.creator)
            || self.succession.has_hosted(id.creator);
        // A mesh member may have what the host has created; the host has said so.
        if of_host || self.peer(peer).is_none_or(|peer| peer.role == PeerRole::Host) {
            return Ok(said);
        }
        let mut refused = 0;
        for (i, class) in classes.iter().enumerate() {
            let ChunkDescriptor { name, host_only, .. } = *self.stores[usize::from(*class)].descriptor();
            match host_only {
                None => {}
                Some(HostOnly::Chunk) => refused |= 1 << i,
                Some(HostOnly::Replica) => return Err(PeerFault::HostOnly(name)),
            }
        }
        Ok(refused)
    }

    /// Tells the stores of those chunks of a new proxy that nothing is to be taken in of.
    pub(super) fn refuse_chunks(&mut self, place: u32) {
        for chunk in self.entries[place as usize].chunks.iter().filter(|chunk| chunk.refused) {
            self.stores[usize::from(chunk.class)].refuse(chunk.slot, false);
        }
    }

    /// The host has left these chunks out of a replica that was created here, a bit for each: they stay what they are.
    pub(super) fn keep_refused(&mut self, peer: PeerId, place: u32, refused: u64) {
        if refused == 0 || self.peer(peer).is_none_or(|peer| peer.role != PeerRole::Host) {
            return;
        }
        for (i, chunk) in self.entries[place as usize].chunks.iter().enumerate() {
            if refused >> i & 1 == 1 && !chunk.refused {
                self.stores[usize::from(chunk.class)].refuse(chunk.slot, true);
            }
        }
    }

    /// This node is the host from now on. What it has created before was taken in without such chunks, and stays so for those who come.
    pub(super) fn refuse_own(&mut self) {
        for place in 0..self.entries.len() {
            let entry = &self.entries[place];
            if !entry.live || !entry.is_primary() || entry.id.creator != self.local {
                continue;
            }
            for at in 0..entry.chunks.len() {
                let entry = &mut self.entries[place];
                let (id, chunk) = (entry.id, entry.chunks[at]);
                let store = &mut self.stores[usize::from(chunk.class)];
                if store.descriptor().host_only == Some(HostOnly::Chunk) && !chunk.refused {
                    entry.chunks[at].refused = true;
                    store.refuse(chunk.slot, false);
                    store.set_owned(chunk.slot, None);
                    let chunk = store.descriptor().name;
                    self.push_event(ReplicaEvent::Refused { id, chunk });
                }
            }
        }
    }

    /// Tells the program what was left out of a client's replica.
    pub(super) fn report_refused(&mut self, from: PeerId, place: u32) {
        if self.peer(from).is_none_or(|peer| peer.role == PeerRole::Host) {
            return;
        }
        for at in 0..self.entries[place as usize].chunks.len() {
            let entry = &self.entries[place as usize];
            let chunk = entry.chunks[at];
            if chunk.refused {
                let (id, chunk) = (entry.id, self.stores[usize::from(chunk.class)].descriptor().name);
                self.stats.chunks_refused += 1;
                self.push_event(ReplicaEvent::Refused { id, chunk });
            }
        }
    }
}
