//! What was noted down while messages came in is carried out: RPC handlers first, then change handlers, then destructions.

use super::handoff::{has_state, is_handoff};
use super::hold::HeldCall;
use super::prepare::Echo;
use super::record::{Call, Route};
use super::target::{Doomed, Peer, PeerId};
use super::{PeerFault, ReplicaEvent, ReplicaManager};
use crate::chunk::{MayCall, OutboxCall, Propagate, RequestError, RpcContext, RpcFlags, TimeContext};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::time::Instant;
use crate::wire::{BitReader, WireError};

impl ReplicaManager {
    /// Runs the RPCs that have arrived, then the change handlers, then destroys what peers have destroyed. A call that belongs
    /// to state not yet here stays for a later tick; calls on other replicas do not wait for it.
    ///
    /// `faults` is told of peers whose calls do not follow the protocol.
    pub fn update(&mut self, now: Instant, mut faults: impl FnMut(PeerId, PeerFault)) {
        self.follow_ticks(now);
        self.now = now;
        for peer in self.hopeless.drain(..) {
            faults(peer, PeerFault::Limit("unacknowledged destructions"));
        }
        for peer in self.overdue_followers() {
            faults(peer, PeerFault::Limit("time to follow a new host"));
        }
        self.lift_overtaken();
        self.tell_lives();
        self.ask_at_last();
        for place in 0..self.peers.len() {
            let Some(peer) = &self.peers[place] else { continue };
            if peer.held.calls.is_empty() && peer.doomed.is_empty() {
                continue;
            }
            #[expect(clippy::cast_possible_truncation, reason = "peers are counted in 32 bits")]
            let id = PeerId(place as u32);
            if let Err(fault) = self.run_held(id) {
                faults(id, fault);
            }
        }
        self.notify();
        for place in 0..self.peers.len() {
            self.carry_out_destructions(place);
        }
        self.settle_succession();
        self.settle_mesh();
        self.settle_transfers();
        self.end_requests();
    }

    fn run_held(&mut self, peer: PeerId) -> Result<(), PeerFault> {
        self.pass += 1;
        let Some(known) = self.peer_mut(peer) else { return Ok(()) };
        known.forwarded = 0;
        known.held.unpark();
        let mut all_wait = false;
        for _ in 0..known.held.calls.len() {
            let Some(held) = self.peer_mut(peer).and_then(|p| p.held.calls.pop_front()) else { break };
            let is_early = held.call.is_claims() && self.claims_come_early(peer);
            all_wait |= is_early || self.waits_for_take_over(peer);
            if is_early && held.is_overdue(self.now) {
                return Err(PeerFault::NotOwner); // It follows a node that nobody else does.
            }
            if all_wait {
                let now = self.now;
                if let Some(peer) = self.peer_mut(peer) {
                    // What is behind claims has not waited for anything of its own so far.
                    if is_early { peer.held.wait(held, now) } else { peer.held.calls.push_back(held) }
                }
                continue;
            }
            if self.is_parked(&held.call) {
                self.park(peer, held);
                continue;
            }
            if self.waits_for_transfer(peer, &held.call, held.reliable) {
                if let Some(peer) = self.peer_mut(peer) {
                    peer.held.calls.push_back(held);
                }
                continue;
            }
            if !self.is_ready(peer, &held) && !held.is_overdue(self.now) {
                self.note_waiting(held.call.replica);
                let now = self.now;
                if let Some(peer) = self.peer_mut(peer) {
                    peer.held.wait(held, now);
                }
                continue;
            }
            let result = if is_handoff(&held.call) { self.run_handoff(peer, &held) } else { self.run(peer, &held) };
            if let Some(peer) = self.peer_mut(peer) {
                peer.held.finished(held);
            }
            result?;
        }
        self.lift_overfull(peer);
        self.peer(peer).filter(|_| !all_wait).map_or(Ok(()), |p| p.held.check())
    }

    fn is_ready(&self, peer: PeerId, HeldCall { call, reliable, .. }: &HeldCall) -> bool {
        let Route::Echo { after, epoch, .. } = call.route else {
            // Requests wait for nothing: the primary is the newest there is. What hands a replica over is behind its echoes.
            let place = self.index.get(&call.replica).filter(|_| has_state(call));
            return place.is_none_or(|place| self.entries[*place as usize].waits_in != self.pass);
        };
        if self.is_buried(peer, call.replica) {
            return true; // Its end has been announced; no newer state will come.
        }
        let Some(place) = self.index.get(&call.replica) else {
            return false; // On its way.
        };
        let entry = &self.entries[*place as usize];
        if entry.upstream != Some(peer) && !reliable {
            return true; // It is dropped: values from there will come when that is the owner again, and then it is too late.
        }
        if entry.upstream != Some(peer) && self.is_in_mesh() {
            return self.is_heard_of(peer, call.replica, epoch); // Who owns it, and did, is news that comes by another way.
        }
        entry.waits_in != self.pass && after.is_none_or(|version| entry.received >= version)
    }

    /// Later calls of this pass on the same replica wait too, so that order is kept.
    fn note_waiting(&mut self, replica: ReplicaId) {
        if let Some(place) = self.index.get(&replica) {
            self.entries[*place as usize].waits_in = self.pass;
        }
    }

    fn run(&mut self, peer: PeerId, held: &HeldCall) -> Result<(), PeerFault> {
        let HeldCall { call, message, reliable, .. } = held;
        let Some(&place) = self.index.get(&call.replica) else {
            self.stats.rpcs_dropped += 1;
            return Ok(());
        };
        let entry = &self.entries[place as usize];
        let chunk = *entry.chunks.get(usize::from(call.chunk)).ok_or(PeerFault::NoSuchType)?;
        let store = &self.stores[usize::from(chunk.class)];
        if chunk.refused {
            self.stats.rpcs_dropped += 1;
            return Ok(());
        }
        let (flags, question) = store.rpc(call.rpc).ok_or(PeerFault::NoSuchType)?;
        if flags.reliable != *reliable {
            return Err(PeerFault::NoSuchType);
        }
        let (upstream, received, is_selective) = (entry.upstream, entry.received, store.selective());
        let mut r = BitReader::new(message);
        Call::read(&mut r)?;
        self.charge(peer, message.len())?;
        match call.route {
            Route::Echo { source, epoch, to, after } => {
                let is_late = upstream != Some(peer);
                if is_late && !self.counts_late(peer, call, epoch, *reliable) {
                    self.stats.rpcs_dropped += 1;
                    let is_early = self.is_in_mesh() && epoch > self.entries[place as usize].epoch;
                    let is_correct = is_early || self.is_former_owner(peer, place);
                    return if is_correct { Ok(()) } else { Err(PeerFault::NotOwner) };
                }
                // What says who may see the chunk did not come before the replica's end: this is for nobody else.
                let is_secret = is_selective && !is_late && after.is_some_and(|version| received < version);
                if let Some(to) = to {
                    if is_secret && to.member != self.local && to.ticket.is_none() {
                        self.stats.rpcs_dropped += 1;
                        return Ok(());
                    }
                    return self.take_directed((peer, place), call, flags, (source, to), r);
                }
                let args = r.clone();
                let context = RpcContext::new(source, self.local, call.replica, false, self.now);
                self.stores[usize::from(chunk.class)].invoke(chunk.slot, call.rpc, &context, &mut r)?;
                self.stats.rpcs_run += 1;
                let end = read_of(&r)?;
                if is_secret {
                    self.stats.rpcs_dropped += 1;
                } else {
                    self.forward_echo(place, call, flags, source, &args, end);
                }
                Ok(())
            }
            Route::Request { source } => {
                let source = source.or_else(|| self.peer_member(peer)).unwrap_or(MemberId::NONE);
                let entry = &self.entries[place as usize];
                let permitted = match flags.may_call {
                    MayCall::Anyone => true,
                    MayCall::Owner => source == entry.assigned || source == entry.owner,
                    MayCall::Authority => source == entry.owner,
                };
                // A handler that the program has called may have ended it already.
                let is_over = entry.dying || self.outbox.destroys.contains_key(&call.replica);
                if !permitted || is_over {
                    self.stats.rpcs_dropped += 1;
                    self.turn_down(call, (flags, question), source, RequestError::NotPermitted, r);
                    return Ok(());
                }
                match upstream {
                    // Who owns it did not know that yet, and hears of it before the call comes back.
                    Some(upstream) if upstream == peer && self.returns_calls(peer, place) => {
                        self.forward_request(upstream, call, source, *reliable, &mut r);
                        Ok(())
                    }
                    // Between members of a mesh nothing is passed on: who makes a call knows where to.
                    Some(upstream) if upstream == peer || self.is_in_mesh() => {
                        self.stats.rpcs_dropped += 1;
                        Ok(())
                    }
                    Some(_) if !flags.relayed => {
                        self.stats.rpcs_dropped += 1;
                        self.turn_down(call, (flags, question), source, RequestError::NotPermitted, r);
                        Ok(())
                    }
                    Some(upstream) => {
                        self.forward_request(upstream, call, source, *reliable, &mut r);
                        Ok(())
                    }
                    None if source != self.local && !self.within_rate(chunk.class, call.rpc, flags, source) => {
                        self.stats.rpcs_limited += 1;
                        self.turn_down(call, (flags, question), source, RequestError::TooOften, r);
                        Ok(())
                    }
                    None => match self.run_on_primary(place, call, flags, source, r) {
                        Err(PeerFault::Malformed(_)) if call.is_passed_on() => {
                            self.stats.rpcs_dropped += 1;
                            Ok(())
                        }
                        result => result,
                    },
                }
            }
        }
    }

    pub(super) fn run_on_primary(
        &mut self,
        place: u32,
        call: &Call,
        flags: RpcFlags,
        source: MemberId,
        mut r: BitReader<'_>,
    ) -> Result<(), PeerFault> {
        let chunk = self.entries[place as usize].chunks[usize::from(call.chunk)];
        let store = &self.stores[usize::from(chunk.class)];
        let ticket = if store.rpc(call.rpc).is_some_and(|(_, question)| question) { r.gamma()? } else { 0 };
        let mut args = r.clone();
        let context = RpcContext::new(source, self.local, call.replica, true, self.now);
        let answer = self.stores[usize::from(chunk.class)].invoke(chunk.slot, call.rpc, &context, &mut r)?;
        self.stats.rpcs_run += 1;
        let end = if call.is_passed_on() { r.position() } else { read_of(&r)? };
        let bits = end - args.position();
        let echo = match answer {
            Propagate::ToProxies => Some(None),
            Propagate::To(member) if member != self.local => Some(Some(member)),
            Propagate::To(_) | Propagate::Stop => None,
        };
        if ticket != 0 {
            let answer = context.take_answer(flags.bytes()).ok_or(RequestError::Unreadable);
            self.send_answer(call, flags, (source, ticket), answer);
        }
        if let Some(to) = echo {
            let mut w = core::mem::take(&mut self.encoder.scratch);
            w.clear();
            w.append_from(&mut args, bits);
            let start = self.outbox.arena.len();
            self.outbox.arena.extend_from_slice(w.finish());
            self.encoder.scratch = w;
            self.outbox.calls.push(OutboxCall {
                replica: call.replica,
                chunk: call.chunk,
                rpc: call.rpc,
                flags,
                echo: true,
                to,
                ticket: 0,
                source,
                args: start,
                bits,
            });
        }
        if context.wants_destroy() {
            self.end(place);
            self.push_event(ReplicaEvent::Removed { id: call.replica });
        }
        Ok(())
    }

    /// A client's calls may cost others only so much.
    pub(super) fn charge(&mut self, peer: PeerId, bytes: usize) -> Result<(), PeerFault> {
        let others = self.hosts_others(peer);
        if let Some(peer) = self.peer_mut(peer).filter(|_| others) {
            peer.forwarded += bytes;
            if peer.forwarded > limits::FORWARDED_RPC_BYTES {
                return Err(PeerFault::Limit("calls for others in one tick"));
            }
        }
        Ok(())
    }

    /// Passes an echo on to the peers behind this node, waiting there for what this node has now.
    fn forward_echo(
        &mut self,
        place: u32,
        call: &Call,
        flags: RpcFlags,
        source: MemberId,
        args: &BitReader<'_>,
        end: usize,
    ) {
        let upstream = self.entries[place as usize].upstream;
        if !upstream.is_some_and(|upstream| self.passes_on(upstream)) {
            return;
        }
        let echo = Echo { chunk: call.chunk, rpc: call.rpc, flags, source, to: None, ticket: 0 };
        self.send_echo(place, &echo, (args, end - args.position()), self.tick + 1);
        self.stats.rpcs_forwarded += 1;
    }

    fn forward_request(
        &mut self,
        upstream: PeerId,
        call: &Call,
        source: MemberId,
        reliable: bool,
        args: &mut BitReader<'_>,
    ) {
        let mut w = core::mem::take(&mut self.encoder.scratch);
        w.clear();
        Call { route: Route::Request { source: Some(source) }, ..*call }.write(&mut w);
        w.append_from(args, usize::MAX);
        self.send_request(upstream, &mut w, reliable);
        self.encoder.scratch = w;
        self.stats.rpcs_forwarded += 1;
    }

    fn notify(&mut self) {
        let (now, local, entries) = (self.now, self.local, &self.entries);
        for store in &mut self.stores {
            store.notify(local, &|place| {
                let entry = &entries[place as usize];
                let tick = entry.received;
                let context = TimeContext::new(now, entry.id, entry.owner, tick);
                entry.live.then_some((context, entry.is_primary()))
            });
        }
    }

    fn carry_out_destructions(&mut self, place: usize) {
        let has_some = self.peers[place].as_ref().is_some_and(|peer| !peer.doomed.is_empty());
        #[expect(clippy::cast_possible_truncation, reason = "peers are counted in 32 bits")]
        if !has_some || self.waits_for_take_over(PeerId(place as u32)) {
            return; // Calls made before have not run.
        }
        let Some(peer) = &mut self.peers[place] else { return };
        let mut doomed = core::mem::take(&mut peer.doomed);
        let received = peer.rpcs_received;
        doomed.retain(|Doomed { id, after_rpcs }| {
            let Some(&replica) = self.index.get(id) else { return false };
            let entry = &self.entries[replica as usize];
            // The count wraps, so "enough" is "not behind by less than half of its range".
            let wait = after_rpcs.is_some_and(|count| received.wrapping_sub(count).cast_signed() < 0);
            if !wait && entry.upstream.is_some_and(|upstream| upstream.0 as usize == place) {
                self.vacate(replica);
                self.push_event(ReplicaEvent::Removed { id: *id });
            }
            wait
        });
        if let Some(peer) = &mut self.peers[place] {
            peer.doomed = doomed;
        }
    }

    fn peer_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(id.0 as usize)?.as_mut()
    }
}

/// Where a handler stopped reading its arguments. Nothing but padding may be left: a byte's by the caller, and one by a node
/// that passed the call on.
pub(super) fn read_of(r: &BitReader<'_>) -> Result<usize, WireError> {
    let left = u32::try_from(r.remaining()).unwrap_or(u32::MAX);
    if left < 16 && r.clone().bits(left) == Ok(0) { Ok(r.position()) } else { Err(WireError::Invalid) }
}
