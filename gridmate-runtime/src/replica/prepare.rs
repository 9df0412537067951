//! Before anything is sent: what has changed, who lacks it, and where calls go.

use super::ReplicaManager;
use super::record::{Call, Route};
use super::target::{OutgoingCall, Peer, PeerId};
use crate::chunk::OutboxCall;
use crate::wire::BitWriter;

impl ReplicaManager {
    /// Opens the next tick: captures touched chunks, marks what changed as pending for every peer it concerns, addresses the
    /// calls made since the last tick, and takes destroyed replicas out of the table. Costs nothing when nothing was touched.
    pub fn prepare(&mut self) {
        self.tick += 1;
        self.capture();
        self.mark_pending();
        self.repeat_overdue();
        self.address_calls();
        self.bury_the_dying();
        self.encoder.start_tick(self.entries.len());
    }

    fn capture(&mut self) {
        self.changed.clear();
        for store in &mut self.stores {
            store.capture(self.tick, &mut self.changed);
        }
        for &place in &self.changed {
            let entry = &mut self.entries[place as usize];
            entry.version = self.tick;
            entry.oversized = false;
        }
        // What peers sent has been given this tick as its version when it arrived.
        self.changed.append(&mut self.relayed);
        for &place in &self.changed {
            let entry = &mut self.entries[place as usize];
            if entry.floor == 0 {
                entry.floor = entry.version;
            }
        }
    }

    fn mark_pending(&mut self) {
        if self.changed.is_empty() {
            return;
        }
        for (peer_id, peer) in (0..).zip(&mut self.peers) {
            let Some(peer) = peer else { continue };
            for &place in &self.changed {
                let entry = &self.entries[place as usize];
                if entry.live && !entry.dying && entry.upstream != Some(PeerId(peer_id)) {
                    peer.set_pending(place);
                }
            }
        }
    }

    fn repeat_overdue(&mut self) {
        for peer in self.peers.iter_mut().flatten() {
            peer.repeat_overdue(self.tick, &self.entries);
        }
    }

    fn address_calls(&mut self) {
        if self.outbox.calls.is_empty() && self.outbox.destroys.is_empty() {
            return;
        }
        let mut outbox = core::mem::take(&mut self.outbox);
        for (i, call) in outbox.calls.iter().enumerate() {
            let too_late = outbox.destroys.iter().any(|(after, id)| *id == call.replica && i > *after);
            if !too_late {
                self.address_call(call, &outbox.arena[call.args.clone()]);
            }
        }
        for (_, id) in outbox.destroys.drain(..) {
            // Destroying twice is destroying once.
            let _ = self.destroy(id);
        }
        outbox.calls.clear();
        outbox.arena.clear();
        self.outbox = outbox;
    }

    fn address_call(&mut self, call: &OutboxCall, args: &[u8]) {
        let Some(&place) = self.index.get(&call.replica) else {
            self.stats.rpcs_dropped += 1;
            return;
        };
        let entry = &mut self.entries[place as usize];
        let route = if call.echo {
            entry.echoed |= call.flags.reliable;
            Route::Echo { source: call.source, after: entry.waits_for(call.flags) }
        } else {
            Route::Request { source: None }
        };
        let mut w = core::mem::take(&mut self.encoder.scratch);
        w.clear();
        Call { replica: call.replica, chunk: call.chunk, rpc: call.rpc, route }.write(&mut w);
        w.append(args, args.len() * 8);
        if call.echo {
            self.send_echo(place, &mut w, call.flags.reliable);
        } else if let Some(upstream) = entry.upstream {
            self.send_request(upstream, &mut w, call.flags.reliable);
        }
        self.encoder.scratch = w;
    }

    /// Queues a message for every peer that has, or will have, the replica at `place`.
    pub(super) fn send_echo(&mut self, place: u32, message: &mut BitWriter, reliable: bool) {
        let entry = &self.entries[place as usize];
        let (upstream, dying) = (entry.upstream, entry.dying);
        for (peer_id, peer) in (0..).zip(&mut self.peers) {
            let Some(peer) = peer else { continue };
            let target = &mut peer.targets[place as usize];
            if upstream == Some(PeerId(peer_id)) || dying && target.sent == 0 && !target.told {
                continue;
            }
            target.told = true;
            peer.queue_call(message.finish(), reliable);
        }
    }

    /// Queues a message for the peer through which a replica's owner is reached.
    pub(super) fn send_request(&mut self, upstream: PeerId, message: &mut BitWriter, reliable: bool) {
        if let Some(peer) = &mut self.peers[upstream.0 as usize] {
            peer.queue_call(message.finish(), reliable);
        }
    }

    fn bury_the_dying(&mut self) {
        for place in core::mem::take(&mut self.dying) {
            if self.entries[place as usize].live {
                self.vacate(place);
            }
        }
    }
}

impl Peer {
    fn queue_call(&mut self, message: &[u8], reliable: bool) {
        let start = self.calls.arena.len();
        self.calls.arena.extend_from_slice(message);
        self.calls.queue.push(OutgoingCall { reliable, range: start..self.calls.arena.len() });
        self.rpcs_sent = self.rpcs_sent.wrapping_add(u32::from(reliable));
    }
}
