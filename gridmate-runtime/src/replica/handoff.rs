//! How a replica changes hands: one message at a time, each reliable, all by way of the host.
//!
//! Whose primary it is counts by **epoch**: each change of owner begins a new one, and in one epoch there is never more than one
//! primary. The host decides. A primary at the host is given away in one step, one at a client in three:
//!
//! ```text
//!            client C owns it            host                          client N
//!   offer    N may have it        ─────▶ holds calls on it from now
//!   recall                        ◀───── after all calls so far
//!   released state, epoch + 1     ─────▶ is the primary
//!   granted                              state, epoch + 1       ─────▶ is the primary
//! ```
//!
//! They travel on the channel of reliable calls, in order with them. So C has run every call that was sent to it before it lets go, its
//! echoes have arrived before it did, and N has the state before the first call that was held comes in. From the moment it lets go a
//! node has a proxy. Everyone else hears of the new owner with the state, which is sent whole once.
//!
//! Nobody is waited for but C, and not for longer than [`limits::RECALL_MILLIS`]: then the host takes what it has, in an epoch beyond the
//! one that C may be about to begin. What a former owner sends after that is late: not applied, not acknowledged, and no fault.
//!
//! ```text
//! handoff  = call-head (chunk = 256, rpc = kind)  payload
//! ask      = 0                                     to the owner, from whoever wants it
//! refused  = 1  member:gamma reason:gamma [code:16] to that member; 1 cannot migrate, 2 by the game with a code, 3 too large, 4 gone, 5 full
//! offer    = 2  member:gamma
//! recall   = 3
//! released = 4  version:32 body-full               version: of the sender's ticks; body-full as in a state message
//! granted  = 5  version:32 body-full
//! ```

use core::time::Duration;

use super::hold::HeldCall;
use super::ownership::{OwnershipOutcome, RefusedOwnership};
use super::record::{Call, Ownership, Route};
use super::target::PeerId;
use super::{PeerFault, PeerRole, ReplicaEvent, ReplicaManager};
use crate::chunk::coder::Out;
use crate::chunk::{Basis, OwnershipRequest};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::time::Instant;
use crate::wire::{BitReader, BitWriter, Sink as _, Source as _, WireError};

/// The chunk that words about the replica itself name.
pub(super) const SELF: u8 = u8::MAX;

pub(super) mod kind {
    pub(in crate::replica) const ASK: u8 = 0;
    pub(in crate::replica) const REFUSED: u8 = 1;
    pub(in crate::replica) const OFFER: u8 = 2;
    pub(in crate::replica) const RECALL: u8 = 3;
    pub(in crate::replica) const RELEASED: u8 = 4;
    pub(in crate::replica) const GRANTED: u8 = 5;
}

/// Beyond the epoch that a client which was recalled, and was not heard of, may have begun by letting go.
pub(super) const PAST_RELEASE: u32 = 2;

/// A replica that a client was asked to let go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recall {
    to: MemberId,
    deadline: Instant,
}

/// What is to be done with a primary once this tick's calls are addressed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaving {
    pub(super) id: ReplicaId,
    /// Whose it will be.
    pub(super) to: MemberId,
}

pub(super) const fn is_handoff(call: &Call) -> bool {
    call.chunk == SELF
}

/// Whether it brings the state with which a replica changes hands.
pub(super) const fn has_state(call: &Call) -> bool {
    is_handoff(call) && matches!(call.rpc, kind::RELEASED | kind::GRANTED)
}

impl ReplicaManager {
    /// Reads the state that a replica changes hands with, as soon as it arrives: calls that wait for it may be before it in line.
    /// False when it comes too late to mean anything.
    pub(super) fn take_handed_over(&mut self, from: PeerId, call: &Call, r: &BitReader<'_>) -> Result<bool, PeerFault> {
        let mut r = r.clone();
        let version = read_version(&mut r)?;
        let Ownership { owner, epoch, .. } = Ownership::read(&mut r.clone())?;
        let role = self.peer(from).map(|peer| peer.role);
        let entry = self.index.get(&call.replica).map(|place| &self.entries[*place as usize]);
        let in_time = match (call.rpc, role) {
            (kind::RELEASED, Some(PeerRole::Client)) => {
                entry.is_some_and(|e| e.upstream == Some(from) && e.recalled && epoch == e.epoch.wrapping_add(1))
                    && owner == self.local
            }
            (kind::GRANTED, Some(PeerRole::Host)) if owner == self.local => {
                entry.is_none_or(|e| e.upstream == Some(from) && epoch > e.epoch) && !self.is_buried(from, call.replica)
            }
            _ => return Err(PeerFault::NotOwner),
        };
        if in_time {
            self.read_whole(from, call.replica, version, &mut r).map_err(|stop| match stop {
                super::unmarshal::Stop::Fault(fault) => fault,
                super::unmarshal::Stop::TooLate => PeerFault::NotOwner,
            })?;
        }
        Ok(in_time)
    }

    /// Carries out what another node said of a replica itself.
    pub(super) fn run_handoff(&mut self, from: PeerId, held: &HeldCall) -> Result<(), PeerFault> {
        let HeldCall { call, message, .. } = held;
        let mut r = BitReader::new(message);
        Call::read(&mut r)?;
        let Route::Request { source } = call.route else { return Err(PeerFault::NoSuchType) };
        let source = source.or_else(|| self.peer_member(from)).unwrap_or(MemberId::NONE);
        let role = self.peer(from).map_or(PeerRole::Client, |peer| peer.role);
        let place = self.index.get(&call.replica).copied();
        let upstream = place.and_then(|place| self.entries[place as usize].upstream);
        match call.rpc {
            kind::ASK => {
                self.answer_request(call.replica, source, Some(from));
                Ok(())
            }
            kind::REFUSED => {
                let member = MemberId(r.gamma()?);
                let reason = RefusedOwnership::read(&mut r)?;
                // Only those who own it, or speak for them, refuse.
                if role == PeerRole::Host || upstream == Some(from) {
                    self.refuse(call.replica, member, reason);
                }
                Ok(())
            }
            kind::OFFER => {
                let to = MemberId(r.gamma()?);
                if let Some(place) = place.filter(|_| upstream == Some(from) && role == PeerRole::Client) {
                    self.recall(place, to);
                }
                Ok(())
            }
            kind::RECALL if role == PeerRole::Host => {
                if place.is_some_and(|place| self.entries[place as usize].is_primary()) {
                    self.leaving.push(Leaving { id: call.replica, to: source });
                }
                Ok(())
            }
            kind::RELEASED | kind::GRANTED => {
                read_version(&mut r)?;
                let Ownership { owner, epoch, .. } = Ownership::read(&mut r)?;
                // What was read when it arrived may have been overtaken since.
                let Some(place) = place.filter(|place| {
                    let entry = &self.entries[*place as usize];
                    entry.upstream == Some(from) && epoch > entry.epoch && owner == self.local && !entry.doomed
                }) else {
                    return Ok(());
                };
                self.become_owner(place, epoch);
                Ok(())
            }
            _ => Err(PeerFault::NoSuchType),
        }
    }

    /// Someone wants to own a replica. `from`: the peer that said so, if it was not this node.
    pub(super) fn answer_request(&mut self, id: ReplicaId, member: MemberId, from: Option<PeerId>) {
        let Some(&place) = self.index.get(&id) else { return self.refuse(id, member, RefusedOwnership::Gone) };
        let entry = &self.entries[place as usize];
        if let Some(upstream) = entry.upstream {
            // Who thinks that we own it has not heard of the end of that. It will, and so will the one who asks.
            if from != Some(upstream) {
                let route = Route::Request { source: from.map(|_| member) };
                self.say(upstream, id, kind::ASK, route, |_| ());
            }
            return;
        }
        if entry.owner == member {
            return self.refuse(id, member, RefusedOwnership::Gone);
        }
        if entry.dying {
            return self.refuse(id, member, RefusedOwnership::Gone);
        }
        if !entry.migratable {
            return self.refuse(id, member, RefusedOwnership::NotMigratable);
        }
        let request = OwnershipRequest { replica: id, member, owner: self.local, now: self.now };
        for chunk in &self.entries[place as usize].chunks {
            if let Err(code) = self.stores[usize::from(chunk.class)].accepts_owner(chunk.slot, &request) {
                return self.refuse(id, member, RefusedOwnership::ByGame(code));
            }
        }
        self.give(place, member);
    }

    /// A primary here is to be `to`'s: now, if this node is the host, else when the host is ready.
    pub(super) fn give(&mut self, place: u32, to: MemberId) {
        let id = self.entries[place as usize].id;
        match self.host() {
            None => self.leaving.push(Leaving { id, to }),
            Some(host) => self.say(host, id, kind::OFFER, Route::Request { source: None }, |w| w.gamma(to.0)),
        }
    }

    /// On the host: a client is to let go of the replica at `place`. Calls on it wait here from now on.
    pub(super) fn recall(&mut self, place: u32, to: MemberId) {
        let entry = &mut self.entries[place as usize];
        let (id, Some(upstream)) = (entry.id, entry.upstream) else { return };
        let deadline = self.now + Duration::from_millis(limits::RECALL_MILLIS);
        if core::mem::replace(&mut entry.recalled, true) {
            // The last one who was to have it will.
            if let Some(recall) = self.recalls.get_mut(&id) {
                recall.to = to;
            }
            return;
        }
        self.recalls.insert(id, Recall { to, deadline });
        self.say(upstream, id, kind::RECALL, Route::Request { source: None }, |_| ());
    }

    /// Takes what clients were to let go of, and did not.
    pub(super) fn end_recalls(&mut self) {
        while let Some(id) = self.recalls.iter().find(|(_, recall)| recall.deadline <= self.now).map(|(id, _)| *id) {
            let Some(&place) = self.index.get(&id) else {
                self.recalls.remove(&id);
                continue;
            };
            let epoch = self.entries[place as usize].epoch.saturating_add(PAST_RELEASE);
            self.become_owner(place, epoch);
        }
    }

    /// The primary is here from now on, unless it goes on from here.
    pub(super) fn become_owner(&mut self, place: u32, epoch: u32) {
        self.promote(place, epoch);
        let entry = &mut self.entries[place as usize];
        let id = entry.id;
        entry.recalled = false;
        match self.recalls.remove(&id) {
            Some(Recall { to, .. }) if to != self.local => self.leaving.push(Leaving { id, to }),
            _ => {}
        }
        self.push_event(ReplicaEvent::OwnerChanged { id, owner: self.local });
        self.conclude(id, OwnershipOutcome::Granted);
    }

    /// At the end of `prepare`, when every call made so far has been addressed: lets go of what is to go.
    pub(super) fn let_go(&mut self) {
        for at in 0..self.leaving.len() {
            let Leaving { id, to } = self.leaving[at];
            let Some(&place) = self.index.get(&id) else { continue };
            let entry = &self.entries[place as usize];
            if entry.is_primary() && !entry.dying && to != self.local {
                match self.host() {
                    None => self.grant(place, to),
                    Some(host) => self.hand_over(place, host, kind::RELEASED),
                }
            }
        }
        self.leaving.clear();
    }

    fn grant(&mut self, place: u32, to: MemberId) {
        let id = self.entries[place as usize].id;
        // Who has left meanwhile cannot have it.
        let Some(peer) = self.peer_of(to) else { return };
        if self.peer(peer).is_some_and(|peer| peer.proxies >= limits::REPLICAS_PER_MEMBER) {
            return self.refuse(id, to, RefusedOwnership::Full);
        }
        self.hand_over(place, peer, kind::GRANTED);
    }

    /// Sends the state of a primary to its next owner, and is a proxy from then on.
    fn hand_over(&mut self, place: u32, to: PeerId, kind: u8) {
        let Some(owner) = self.peer_member(to) else { return };
        let Self { entries, stores, peers, .. } = self;
        let entry = &mut entries[place as usize];
        let (id, former, epoch) = (entry.id, entry.owner, entry.epoch.saturating_add(1));
        for chunk in &entry.chunks {
            stores[usize::from(chunk.class)].demote(chunk.slot, self.tick + 1);
        }
        entry.owner = owner;
        entry.epoch = epoch;
        if entry.assigned == former {
            entry.assigned = owner;
        }
        let ownership = entry.ownership();
        let mut body = BitWriter::new();
        body.bits(u64::from(self.tick), 32);
        ownership.write(&mut body);
        body.gamma(u32::try_from(entry.chunks.len()).expect("at most 64"));
        for chunk in &entry.chunks {
            body.gamma(u32::from(chunk.class) + 1);
        }
        let profile = peers[to.0 as usize].as_ref().and_then(|peer| peer.profile.as_deref());
        for chunk in &entry.chunks {
            let share = super::profile::share(profile, chunk.class);
            let store = &stores[usize::from(chunk.class)];
            store.encode(chunk.slot, Basis::DEFAULTS, self.tick, share, Out::Packed(&mut body));
        }
        if body.take_error().is_some() || body.len() > limits::RECORD_BYTES * 8 {
            // Nobody could be told of it. It stays, in an epoch of its own.
            entry.owner = former;
            let oversized = RefusedOwnership::TooLarge;
            self.promote(place, epoch);
            return self.refuse(id, owner, oversized);
        }
        entry.upstream = Some(to);
        entry.received = 0;
        entry.echoed = false;
        self.primaries -= 1;
        if let Some(peer) = &mut self.peers[to.0 as usize] {
            peer.proxies += 1;
            peer.owed.forget(place);
        }
        self.renew(place);
        let bits = body.len();
        let state = body.finish().to_vec();
        self.say(to, id, kind, Route::Request { source: None }, |w| {
            w.append(&state, bits);
        });
        self.push_event(ReplicaEvent::OwnerChanged { id, owner });
    }

    /// The host has taken the replica at `place`, whose primary was here.
    pub(super) fn lose(&mut self, place: u32, to: PeerId) {
        let Self { entries, stores, peers, .. } = self;
        let entry = &mut entries[place as usize];
        for chunk in &entry.chunks {
            stores[usize::from(chunk.class)].demote(chunk.slot, self.tick + 1);
        }
        entry.upstream = Some(to);
        entry.received = 0;
        entry.echoed = false;
        self.primaries -= 1;
        if let Some(peer) = &mut peers[to.0 as usize] {
            peer.proxies += 1;
            peer.owed.forget(place);
        }
        self.renew(place);
    }

    /// Tells a member that it may not have a replica.
    fn refuse(&mut self, id: ReplicaId, member: MemberId, reason: RefusedOwnership) {
        if member == self.local {
            return self.conclude(id, OwnershipOutcome::Refused(reason));
        }
        // A client has nobody else to tell than the host, who knows everyone.
        if let Some(peer) = self.peer_of(member).or_else(|| self.host()) {
            self.say(peer, id, kind::REFUSED, Route::Request { source: None }, |w| {
                w.gamma(member.0);
                reason.write(w);
            });
        }
    }

    pub(super) fn say(&mut self, to: PeerId, replica: ReplicaId, kind: u8, route: Route, payload: impl FnOnce(&mut BitWriter)) {
        let mut w = core::mem::take(&mut self.encoder.scratch);
        w.clear();
        Call { replica, chunk: SELF, rpc: kind, route }.write(&mut w);
        payload(&mut w);
        self.send_request(to, &mut w, true);
        self.encoder.scratch = w;
    }

    /// The peer that hosts; none on the host, and on a node that has no peers.
    fn host(&self) -> Option<PeerId> {
        let host = self.peers.iter().position(|peer| peer.as_ref().is_some_and(|peer| peer.role == PeerRole::Host))?;
        Some(PeerId(u32::try_from(host).expect("peers are counted in 32 bits")))
    }

    fn peer_of(&self, member: MemberId) -> Option<PeerId> {
        let is_it = |peer: &Option<super::target::Peer>| peer.as_ref().is_some_and(|peer| peer.member == member);
        let at = self.peers.iter().position(is_it).filter(|_| member != MemberId::NONE)?;
        Some(PeerId(u32::try_from(at).expect("peers are counted in 32 bits")))
    }
}

fn read_version(r: &mut BitReader<'_>) -> Result<u32, WireError> {
    #[expect(clippy::cast_possible_truncation, reason = "32 bits are read")]
    r.bits(32).map(|bits| bits as u32)
}
