//! Before anything is sent: what has changed, who lacks it, and where calls go.

use super::entry::Entry;
use super::pair::Target;
use super::record::{Call, Route, To};
use super::target::{Peer, PeerId};
use super::{PeerRole, ReplicaEvent, ReplicaManager};
use crate::chunk::{OutboxCall, RpcFlags, TimeContext};
use crate::ids::MemberId;
use crate::limits;
use crate::wire::{BitReader, BitWriter};

/// A call to be run by proxies, on behalf of `source`.
pub(super) struct Echo {
    pub(super) chunk: u8,
    pub(super) rpc: u8,
    pub(super) flags: RpcFlags,
    pub(super) source: MemberId,
    /// The only member it is for.
    pub(super) to: Option<MemberId>,
    /// The question that it answers; else 0.
    pub(super) ticket: u32,
}

/// Of a word of marks.
const BITS: usize = usize::BITS as usize;

impl ReplicaManager {
    /// Opens the next tick: captures touched chunks, marks what changed as pending for every peer it concerns, addresses the
    /// calls made since the last tick, and takes destroyed replicas out of the table. Costs nothing when nothing was touched.
    pub fn prepare(&mut self) {
        self.run_what_came_home();
        self.look_back();
        self.tick += 1;
        self.tell_lives();
        self.live_on();
        self.capture();
        self.mark_pending();
        self.repeat_overdue();
        self.address_calls();
        self.let_go();
        self.bury_the_dying();
        self.report_sync();
        self.tell_names();
        self.encoder.start_tick(self.entries.len());
        self.try_reach();
    }

    /// Collects what has changed: what is this node's first.
    fn capture(&mut self) {
        self.changed.clear();
        let mut ending = core::mem::take(&mut self.ending);
        let (now, tick, entries, oldest) = (self.now, self.tick, &self.entries, self.oldest.by_place());
        for store in &mut self.stores {
            store.capture(
                (tick, now),
                oldest,
                &mut self.changed,
                &|place| {
                    let entry = &entries[place as usize];
                    (!entry.dying).then(|| TimeContext::new(now, entry.id, entry.owner, tick).on_primary())
                },
                &mut ending,
            );
        }
        self.note_lags();
        let Self { changed, entries, relayed, tick, marks, neighbours, .. } = self;
        let arrived = relayed.len();
        if !changed.is_empty() || !relayed.is_empty() {
            marks.clear();
            marks.resize(entries.len().div_ceil(BITS), 0);
        }
        let mut all_own = true;
        let soon = Entry::soon(entries);
        for (n, &place) in changed.iter().enumerate() {
            if let Some(soon) = changed.get(n.saturating_add(soon)) {
                entries[*soon as usize].fetch();
            }
            let entry = &mut entries[place as usize];
            (entry.version, entry.oversized) = (*tick, false);
            if entry.floor == 0 {
                entry.floor = *tick;
                neighbours.raise(place, *tick);
            }
            let goes_out = entry.live && !entry.dying;
            marks[place as usize / BITS] |= usize::from(goes_out) << (place as usize % BITS);
            all_own &= entry.is_primary();
        }
        if !all_own {
            // Proxies that have come to rest, to be said on.
            let is_own = |place: &u32| entries[*place as usize].is_primary();
            relayed.extend(changed.iter().filter(|place| !is_own(place)));
            changed.retain(is_own);
        }
        self.note_lags_at_rest(arrived);
        // What peers sent has been given this tick as its version when it arrived.
        self.changed_here = self.changed.len();
        self.changed.append(&mut self.relayed);
        self.forget_passed_on();
        for &place in &self.changed[self.changed_here..] {
            let entry = &mut self.entries[place as usize];
            if entry.floor == 0 {
                entry.floor = entry.version;
                self.neighbours.raise(place, entry.floor);
            }
        }
        self.end_all(ending);
    }

    /// What ends in this tick leaves the table before anything is sent, whether it is pending or not.
    fn mark_pending(&mut self) {
        if self.changed.is_empty() {
            return;
        }
        let Self { entries, changed, changed_here, marks, .. } = self;
        let passed_on = &changed[*changed_here..];
        let goes_out = |place: &u32| entries[*place as usize].live && !entries[*place as usize].dying;
        for &place in passed_on.iter().filter(|place| goes_out(place)) {
            marks[place as usize / BITS] |= 1 << (place as usize % BITS);
        }
        // Of few changes among many replicas most words would be empty.
        let few = changed.len() < marks.len();
        for (peer_id, peer) in (0..).zip(&mut self.peers) {
            let Some(peer) = peer else { continue };
            if !few {
                peer.owed.set_all_pending(marks);
                // But for what comes from it, or comes to it by another way, which is among what peers sent.
                let is_not_for_it = |place: &&u32| !entries[**place as usize].goes_to(PeerId(peer_id), peer.role);
                let all = peer.proxies == 0 && peer.role == PeerRole::Client;
                let places = if all { &[] } else { passed_on };
                places.iter().filter(is_not_for_it).for_each(|place| peer.owed.set_settled(*place));
                continue;
            }
            for &place in changed.iter().filter(|place| goes_out(place)) {
                if entries[place as usize].goes_to(PeerId(peer_id), peer.role) {
                    peer.owed.set_pending(place);
                } else {
                    // Perhaps it was for it until now.
                    peer.owed.set_settled(place);
                }
            }
        }
    }

    fn repeat_overdue(&mut self) {
        let Self { peers, entries, neighbours, tick, hopeless, .. } = self;
        for (id, peer) in (0..).zip(peers) {
            let Some(peer) = peer else { continue };
            let (owed, patience) = (&mut peer.owed, peer.patience);
            owed.pressed = owed.stopped;
            peer.in_flight.overdue(*tick, patience, |sent| owed.again(sent, entries, neighbours));
            if owed.tombs() > limits::TOMBS && !peer.lost {
                hopeless.push(PeerId(id));
            }
        }
    }

    /// Runs calls that were made here on proxies, before their primaries came here: what their handlers write is captured in this tick,
    /// so that their echoes can wait for it.
    fn run_what_came_home(&mut self) {
        if !core::mem::take(&mut self.came_home) {
            return;
        }
        let mut at = 0;
        while let Some(call) = self.outbox.calls.get(at) {
            let place = self.index.get(&call.replica).copied();
            let is_here = |place: &u32| self.entries[*place as usize].is_primary();
            let Some(place) = place.filter(is_here).filter(|_| !call.echo) else {
                at += 1;
                continue;
            };
            let call = self.outbox.take(at);
            let args = self.outbox.arena[call.args..][..call.bits.div_ceil(8)].to_vec();
            let OutboxCall { replica, chunk, rpc, .. } = call;
            let request = Call { replica, chunk, rpc, route: Route::Request { source: None } };
            if self.run_on_primary(place, &request, call.flags, call.source, BitReader::new(&args)).is_err() {
                self.stats.rpcs_dropped += 1;
            }
        }
    }

    fn address_calls(&mut self) {
        // Again when one of them turned out to run here: its echo is in the outbox then.
        while !self.outbox.calls.is_empty() || !self.outbox.destroys.is_empty() {
            let mut outbox = core::mem::take(&mut self.outbox);
            for (i, call) in outbox.calls.iter().enumerate() {
                let too_late = outbox.destroys.get(&call.replica).is_some_and(|last| i >= *last);
                if !too_late {
                    self.address_call(call, &outbox.arena[call.args..]);
                }
            }
            while let Some((id, _)) = outbox.destroys.pop_first() {
                // Destroying twice is destroying once.
                if self.destroy(id).is_ok() {
                    self.push_event(ReplicaEvent::Removed { id });
                }
            }
            outbox.calls.clear();
            outbox.arena.clear();
            if self.outbox.calls.is_empty() {
                self.outbox = outbox; // With its buffers.
            }
        }
    }

    pub(super) fn address_call(&mut self, call: &OutboxCall, args: &[u8]) {
        let Some(&place) = self.index.get(&call.replica) else {
            self.stats.rpcs_dropped += 1;
            return;
        };
        let head = |route| Call { replica: call.replica, chunk: call.chunk, rpc: call.rpc, route };
        let bytes = &args[..call.bits.div_ceil(8)];
        let args = BitReader::new(bytes);
        let entry = &self.entries[place as usize];
        let upstream = entry.upstream;
        match upstream {
            _ if call.echo => {
                let &OutboxCall { chunk, rpc, flags, source, to, ticket, .. } = call;
                let echo = Echo { chunk, rpc, flags, source, to, ticket };
                self.send_echo(place, &echo, (&args, call.bits), self.tick);
            }
            Some(_) if entry.in_transfer => self.postpone(call, bytes),
            Some(upstream) => {
                let upstream = self.way_of_calls(entry, upstream);
                if self.succession.is_lost(upstream) {
                    return self.postpone(call, bytes);
                }
                let mut w = core::mem::take(&mut self.encoder.scratch);
                w.clear();
                head(Route::Request { source: None }).write(&mut w);
                w.append_from(&mut args.clone(), call.bits);
                self.send_request(upstream, &mut w, call.flags.reliable);
                self.encoder.scratch = w;
            }
            // It was a proxy when the call was made.
            None => {
                let request = head(Route::Request { source: None });
                if self.run_on_primary(place, &request, call.flags, call.source, args).is_err() {
                    self.stats.rpcs_dropped += 1;
                }
            }
        }
    }

    /// Queues an echo for every peer that has, or will have, the replica at `place`, unless the chunk is hidden from it. `tick` is
    /// the one that goes out next.
    pub(super) fn send_echo(&mut self, place: u32, echo: &Echo, (args, bits): (&BitReader<'_>, usize), tick: u32) {
        let only = match echo.to.map(|to| self.way_to(to)) {
            Some(None) => {
                self.stats.rpcs_dropped += 1;
                return;
            }
            way => way.flatten(),
        };
        let Self { entries, peers, stores, encoder, .. } = self;
        let entry = &mut entries[place as usize];
        let &Echo { chunk, rpc, flags, source, to, ticket } = echo;
        let to = to.map(|member| To { member, ticket: (ticket != 0).then_some(ticket) });
        entry.echoed |= flags.reliable;
        let waits_for = entry.waits_for(flags);
        // A host passes it on, and has to know to whom: it needs what this chunk is now, or what never comes.
        let is_discreet = ticket == 0 && !entry.oversized && {
            let class = entry.chunks[usize::from(chunk)].class;
            entry.audience != 0 && stores[usize::from(class)].selective()
        };
        let w = &mut encoder.scratch;
        let mut written = None;
        for (peer_id, peer) in (0..).zip(peers) {
            let Some(peer) = peer else { continue };
            if only.is_some_and(|only| only != PeerId(peer_id)) {
                continue;
            }
            let target = peer.owed.targets.get(place as usize);
            if !entry.goes_to(PeerId(peer_id), peer.role) || entry.dying && !target.knows() {
                continue;
            }
            let mut after = waits_for;
            if is_discreet && peer.role == PeerRole::Host {
                after = Some(if entry.dying { tick } else { entry.version });
            }
            if entry.audience != 0 {
                let (hidden, other) = peer.owed.ask(place as usize, entry, (peer.member, peer.role), tick, stores);
                if other && !entry.dying {
                    // Nothing else of it may be to be said in this tick.
                    peer.owed.set_pending(place);
                }
                if hidden >> chunk & 1 == 1 {
                    continue;
                }
                // What it had of the version may have been less than it is to have now.
                after = after.map(|version| version.max(peer.owed.targets.get(place as usize).kept()));
            }
            if written != Some(after) {
                written = Some(after);
                w.clear();
                let route = Route::Echo { source, epoch: entry.epoch, after, to };
                Call { replica: entry.id, chunk, rpc, route }.write(w);
                w.append_from(&mut args.clone(), bits);
            }
            peer.owed.targets.edit(place as usize, Target::tell);
            peer.queue_call(w.finish(), flags.reliable);
        }
    }

    /// The peer through which a member is reached: itself, or the host.
    pub(super) fn way_to(&self, member: MemberId) -> Option<PeerId> {
        let find = |fits: &dyn Fn(&Peer) -> bool| {
            let place = self.peers.iter().position(|peer| peer.as_ref().is_some_and(fits))?;
            u32::try_from(place).ok().map(PeerId)
        };
        find(&|peer| peer.member == member).or_else(|| find(&|peer| peer.role == PeerRole::Host))
    }

    /// Queues a message for the peer through which a replica's owner is reached.
    pub(super) fn send_request(&mut self, upstream: PeerId, message: &mut BitWriter, reliable: bool) {
        if let Some(peer) = &mut self.peers[upstream.0 as usize] {
            peer.queue_call(message.finish(), reliable);
        } else {
            self.stats.rpcs_dropped += 1;
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
