//! Which chunks of a replica a peer may have: `#[chunk(send_to = …)]`.
//!
//! A peer from which a chunk is hidden has a chunk of default values. That is all it is ever told: a hidden chunk is written as
//! equal to its base, and after a change of what is hidden the base is the defaults, because what was acknowledged before does
//! not count any more. So what becomes visible arrives whole, what becomes hidden falls back to the defaults, and a replica's
//! other chunks stay what they are.
//!
//! Calls on a hidden chunk are not sent either. A host that passes them on waits for the values that the owner had when the call was made,
//! whatever the call itself waits for, because they decide who may hear it. If the replica ends before they come, nobody
//! else hears it: better a word too few than one in the wrong ear.
//!
//! An owner has all of it. So what a replica changes hands with hides nothing, from the next owner or the host on the way; from then
//! on the answers for the former owner are those for any other peer.
//!
//! The question is put for each peer, when there is something of the replica to be said to it. The answers are kept for replicas
//! that have such a chunk, and for no others.

use super::entry::Entry;
use super::owed::Owed;
use super::target::PeerId;
use super::{PeerRole, ReplicaError, ReplicaManager};
use crate::chunk::{ChunkStore, TargetPeer};
use crate::ids::{MemberId, ReplicaId};

impl ReplicaManager {
    /// Asks again which peers may have the chunks of a replica. A change of its datasets, its owner or its assignment does so by
    /// itself; this is for when the answer depends on something else, a field with `skip` included. Where the answer is what it was,
    /// nothing is sent.
    ///
    /// ```
    /// # use gridmate_runtime::prelude::*;
    /// # use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
    /// static NIGHT: AtomicBool = AtomicBool::new(true);
    ///
    /// #[derive(Default, ReplicaChunk)]
    /// #[chunk(send_to = Self::is_seen)]
    /// struct Owl {
    ///     x: f32,
    /// }
    ///
    /// impl Owl {
    ///     fn is_seen(&self, _peer: &TargetPeer) -> bool {
    ///         !NIGHT.load(Relaxed)
    ///     }
    /// }
    ///
    /// # let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Owl>().build()?, 1);
    /// # let owl = replicas.add(Owl { x: 1.0 })?;
    /// NIGHT.store(false, Relaxed);
    /// replicas.refresh_targets(owl)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReplicaError::Unknown`].
    pub fn refresh_targets(&mut self, id: ReplicaId) -> Result<(), ReplicaError> {
        let (audience, version) = self.entry(id).map(|e| (e.audience, e.version))?;
        // What was never captured becomes pending when it is.
        if audience == 0 || version == 0 {
            return Ok(());
        }
        let place = self.index[&id];
        let Self { entries, stores, peers, .. } = self;
        let entry = &entries[place as usize];
        for (peer_id, peer) in (0..).zip(peers) {
            let Some(peer) = peer else { continue };
            if entry.goes_to(PeerId(peer_id), peer.role)
                && hidden_from((peer.member, peer.role), entry, stores) != peer.owed.hidden(entry)
            {
                peer.owed.set_pending(place);
            }
        }
        Ok(())
    }
}

impl Owed {
    /// The chunks of `entry`, a bit for each, that are hidden from this peer in this tick. If they are others than before, what it
    /// has acknowledged does not count any more. And whether they are.
    pub(super) fn ask(
        &mut self,
        place: usize,
        entry: &Entry,
        to: (MemberId, PeerRole),
        tick: u32,
        stores: &[Box<dyn ChunkStore>],
    ) -> (u64, bool) {
        let before = self.hidden(entry);
        let target = self.targets.get(place);
        if target.sent() == tick {
            return (before, false); // Versions are ticks: there is no second one in this.
        }
        let hidden = hidden_from(to, entry, stores);
        if hidden != before {
            if target.sent() != 0 {
                self.targets.edit(place, |target| {
                    target.renew();
                    target.keep(tick);
                });
            }
            let at = entry.audience as usize;
            if self.hidden.len() <= at {
                self.hidden.resize(at + 1, 0);
            }
            self.hidden[at] = hidden;
        }
        (hidden, hidden != before)
    }

    /// What was hidden of `entry` when it was asked about last.
    pub(super) fn hidden(&self, entry: &Entry) -> u64 {
        self.hidden.get(entry.audience as usize).copied().unwrap_or(0)
    }

    /// The replica of that number is gone.
    pub(super) fn forget_audience(&mut self, audience: u32) {
        if let Some(hidden) = self.hidden.get_mut(audience as usize) {
            *hidden = 0;
        }
    }
}

fn hidden_from((member, role): (MemberId, PeerRole), entry: &Entry, stores: &[Box<dyn ChunkStore>]) -> u64 {
    let peer = TargetPeer::new(entry.id, member, role).of(entry.owner, entry.assigned);
    if member == MemberId::NONE {
        return 0; // A recorder.
    }
    let mut hidden = 0;
    for (i, chunk) in entry.chunks.iter().enumerate() {
        let store = &stores[usize::from(chunk.class)];
        if store.selective() && !store.sends_to(chunk.slot, &peer) {
            hidden |= 1 << i;
        }
    }
    hidden
}
