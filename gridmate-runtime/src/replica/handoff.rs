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
//! echoes have arrived before it did, and N has the state before the first call that was held comes in. What N itself called before it
//! knew comes back to it from the host, behind the state, and may run after what it calls as the owner. From the moment it lets go a node has a proxy. Everyone else hears of the
//! new owner with the state, which is sent whole once.
//!
//! Nobody is waited for but C, and not for longer than [`limits::RECALL_MILLIS`]: then the host takes what it has, in an epoch beyond the
//! one that C may be about to begin. The same goes for what a lost member owned. What a former owner sends after that is late: not
//! applied, not acknowledged, and no fault.
//!
//! ```text
//! handoff  = call-head (chunk = 255, rpc = kind)  payload
//! ask      = 0                                     to the owner, from whoever wants it
//! refused  = 1  member:gamma reason                to that member: see `RefusedOwnership`
//! offer    = 2  member:gamma                       from its owner to the host
//! recall   = 3                                     from the host to the owner
//! released = 4  version:32 body-full               version: of the sender's ticks; body-full as in a state message, with its bits
//!                                                  for chunks of `host_only` types
//! granted  = 5  version:32 body-full
//! vouched, detour, flushed = 6, 7, 8              in a mesh, see `mesh`
//! claims, void, hosted = 9, 10, 11                when its host is lost, see `succession`
//! reason   = 1 (cannot migrate) | 2 code:16 (by the game) | 3 (too large) | 4 (gone) | 5 (owns too many) | 6 (overtaken)   as gamma
//! ```
//!
//! An owner that cannot release what it was recalled for, because it is too large to be sent, refuses it to the host.

use super::hold::HeldCall;
use super::ownership::{OwnershipOutcome, RefusedOwnership};
use super::record::{Call, Ownership, Route, at_end};
use super::target::{Peer, PeerId};
use super::unmarshal::Stop;
use super::{PeerFault, PeerRole, ReplicaManager};
use crate::chunk::{Basis, OwnershipRequest};
use crate::ids::{MemberId, ReplicaId};
use crate::limits;
use crate::wire::{BitReader, BitWriter, Window, WireError};

/// The chunk that words about the replica itself name.
pub(super) const SELF: u8 = u8::MAX;

/// What words name that are about no replica: an id that none has.
pub(super) const NO_REPLICA: ReplicaId = ReplicaId { creator: MemberId::HOST, serial: u32::MAX };

pub(super) mod kind {
    pub(in crate::replica) const ASK: u8 = 0;
    pub(in crate::replica) const REFUSED: u8 = 1;
    pub(in crate::replica) const OFFER: u8 = 2;
    pub(in crate::replica) const RECALL: u8 = 3;
    pub(in crate::replica) const RELEASED: u8 = 4;
    pub(in crate::replica) const GRANTED: u8 = 5;
    pub(in crate::replica) const VOUCHED: u8 = 6;
    pub(in crate::replica) const DETOUR: u8 = 7;
    pub(in crate::replica) const FLUSHED: u8 = 8;
    pub(in crate::replica) const CLAIMS: u8 = 9;
    pub(in crate::replica) const VOID: u8 = 10;
    pub(in crate::replica) const HOSTED: u8 = 11;
}

pub(super) const fn is_handoff(call: &Call) -> bool {
    call.chunk == SELF
}

/// Whether it brings the state with which a replica changes hands.
pub(super) const fn has_state(call: &Call) -> bool {
    is_handoff(call) && matches!(call.rpc, kind::RELEASED | kind::GRANTED)
}

impl Call {
    /// Whether it is what a follower tells its heir.
    pub(super) const fn is_claims(&self) -> bool {
        is_handoff(self) && self.rpc == kind::CLAIMS
    }
}

impl ReplicaManager {
    /// A word about a replica itself has arrived. False when it comes too late to mean anything.
    ///
    /// The state that a replica changes hands with is read at once: calls that wait for it may be before it in line.
    pub(super) fn take_handoff(
        &mut self,
        from: PeerId,
        reliable: bool,
        call: &Call,
        r: &BitReader<'_>,
    ) -> Result<bool, PeerFault> {
        let passed_on = call.is_passed_on() && call.rpc != kind::ASK;
        if !reliable || passed_on || matches!(call.route, Route::Echo { .. }) {
            return Err(PeerFault::NoSuchType);
        }
        if call.rpc == kind::VOUCHED {
            return self.take_word(from, call.replica, &mut r.clone()).map(|()| false);
        }
        if call.rpc == kind::HOSTED {
            return self.take_former_host(from, &mut r.clone()).map(|()| false);
        }
        if !has_state(call) {
            return Ok(true);
        }
        let mut r = r.clone();
        let version = read_version(&mut r)?;
        let Ownership { owner, epoch, .. } = Ownership::read(&mut r.clone())?;
        // The first epoch is the creator's.
        if call.rpc == kind::GRANTED && epoch <= 1 {
            return Err(WireError::Invalid.into());
        }
        let role = self.peer(from).map(|peer| peer.role);
        let place = self.index.get(&call.replica).copied();
        let entry = place.map(|place| &self.entries[place as usize]);
        let in_time = match (call.rpc, role) {
            (kind::RELEASED, Some(PeerRole::Client | PeerRole::Peer)) => {
                entry.is_some_and(|e| e.awaits_release(from, epoch))
            }
            (kind::GRANTED, Some(PeerRole::Host)) => match entry {
                Some(e) => !e.dying && !e.doomed && epoch > e.epoch,
                None => !self.peer(from).is_some_and(|peer| peer.graves.covers(call.replica, epoch)),
            },
            _ => return Err(PeerFault::NotOwner),
        };
        if !in_time || owner != self.local {
            return Ok(false);
        }
        if let Some(place) = place {
            if self.entries[place as usize].is_primary() {
                // Taken from us, and given back, before we have heard of either.
                self.lose(place, from);
            } else if self.entries[place as usize].upstream != Some(from) {
                self.follow_other(place, from);
            }
            // What waits for the program runs before the primary is here.
            self.lift(place);
        }
        let mut body = Window::of(&r);
        match self.read_handed_over(from, call.replica, version, &mut body) {
            Ok(()) if at_end(&body.reader()) => Ok(true),
            Ok(()) => Err(WireError::Invalid.into()),
            Err(Stop::TooLate) => Ok(false),
            Err(Stop::Fault(fault)) => Err(fault),
        }
    }

    fn read_handed_over(&mut self, from: PeerId, id: ReplicaId, version: u32, r: &mut Window<'_>) -> Result<(), Stop> {
        let (ownership, classes, refused) = self.read_head(r)?;
        let Some(&place) = self.index.get(&id) else {
            // Until it is ours it is the host's.
            let owner = self.peer_member(from).unwrap_or(MemberId::NONE);
            let ownership = Ownership { owner, epoch: ownership.epoch - 1, ..ownership };
            let refused = self.refused(from, id, &classes, refused)?;
            return self.create_proxy(from, id, ownership, (&classes, refused, None), version, r);
        };
        let entry = &mut self.entries[place as usize];
        if !entry.is_made_of(&classes) {
            return Err(PeerFault::NoSuchType.into());
        }
        if version <= entry.received {
            return Err(Stop::TooLate);
        }
        entry.assigned = ownership.assigned;
        entry.set_lag(None);
        self.keep_refused(from, place, refused);
        self.receive_chunks(place, Basis::DEFAULTS, version, r)
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
            // Whoever is the next host has them say it again, if it wants that.
            kind::RECALL | kind::DETOUR if self.succession.is_lost(from) => Ok(()),
            kind::ASK => {
                check_end(&r)?;
                self.charge(from, message.len())?;
                self.answer_request(call.replica, source, Some(from));
                Ok(())
            }
            kind::REFUSED => {
                let member = MemberId(r.gamma()?);
                let reason = RefusedOwnership::read(&mut r)?;
                check_end(&r)?;
                self.charge_answer(from, message.len())?;
                // Only those who own it, or speak for them, refuse.
                if role != PeerRole::Host && upstream != Some(from) {
                    return Ok(());
                }
                let unfit = reason == RefusedOwnership::TooLarge && member == self.local;
                let recall = if unfit && role.is_guest() { self.recalls.remove(&call.replica) } else { None };
                if let (Some(recall), Some(place)) = (recall, place) {
                    self.entries[place as usize].in_transfer = false;
                    self.resume_postponed(call.replica);
                    self.refuse(call.replica, recall.to, reason);
                } else {
                    self.refuse(call.replica, member, reason);
                }
                Ok(())
            }
            kind::OFFER => {
                let to = MemberId(r.gamma()?);
                check_end(&r)?;
                self.charge_answer(from, message.len())?;
                if let Some(place) = place.filter(|_| upstream == Some(from) && self.host().is_none()) {
                    let known = to == self.local || self.peer_of(to).is_some();
                    if !known || Some(to) == self.peer_member(from) {
                        return Ok(());
                    }
                    match self.unfit(place, to) {
                        None => self.recall(place, to, false),
                        Some(reason) => self.refuse(call.replica, to, reason),
                    }
                }
                Ok(())
            }
            kind::RECALL if role == PeerRole::Host => {
                check_end(&r)?;
                if let Some(place) = place.filter(|place| self.entries[*place as usize].is_primary()) {
                    self.part_when_flushed(place, source);
                }
                Ok(())
            }
            kind::RELEASED | kind::GRANTED => {
                let version = read_version(&mut r)?;
                let Ownership { owner, epoch, .. } = Ownership::read(&mut r)?;
                // What was read when it arrived may have been overtaken since: by state of another ownership, or the next gift.
                let Some(place) = place.filter(|place| {
                    let entry = &self.entries[*place as usize];
                    let expected = call.rpc == kind::GRANTED || entry.awaits_release(from, epoch);
                    entry.upstream == Some(from)
                        && entry.received == version
                        && epoch > entry.epoch
                        && expected
                        && owner == self.local
                        && !entry.doomed
                }) else {
                    return Ok(());
                };
                self.become_owner(place, epoch);
                Ok(())
            }
            kind::DETOUR if role == PeerRole::Host => self.take_detour(call.replica, &mut r),
            // Of a host, what it said before it was that.
            kind::FLUSHED if role != PeerRole::Client && self.host().is_some() => {
                self.take_flushed(from, call.replica, &mut r)
            }
            kind::CLAIMS if role == PeerRole::Peer => self.take_claims(from, &mut r),
            kind::VOID if role == PeerRole::Host => self.take_void(call.replica, &mut r),
            _ => Err(PeerFault::NoSuchType),
        }
    }

    /// Someone wants to own a replica. `from`: the peer that said so, if it was not this node.
    pub(super) fn answer_request(&mut self, id: ReplicaId, member: MemberId, from: Option<PeerId>) {
        let Some(&place) = self.index.get(&id) else { return self.refuse(id, member, RefusedOwnership::Gone) };
        let entry = &self.entries[place as usize];
        if let Some(upstream) = entry.upstream {
            // Who thinks that we own it has not heard of the end of that. It will, and so will the one who asks.
            let host = self.host();
            // Whoever owns it is asked by way of the host.
            if from.is_none() || host.is_none() && from != Some(upstream) {
                let upstream = host.unwrap_or(upstream);
                let route = Route::Request { source: from.map(|_| member) };
                self.say(upstream, id, kind::ASK, route, |_| ());
                self.note_asked(upstream);
            }
            return;
        }
        if entry.owner == member || entry.dying {
            return self.refuse(id, member, RefusedOwnership::Gone);
        }
        if !entry.migratable {
            return self.refuse(id, member, RefusedOwnership::NotMigratable);
        }
        let request = OwnershipRequest { replica: id, member, owner: self.local, now: self.now };
        for chunk in self.entries[place as usize].chunks.iter().filter(|chunk| !chunk.refused) {
            if let Err(code) = self.stores[usize::from(chunk.class)].accepts_owner(chunk.slot, &request) {
                return self.refuse(id, member, RefusedOwnership::ByGame(code));
            }
        }
        self.give(place, member);
    }

    /// A member is asked for something: it may answer that, whatever it costs.
    fn note_asked(&mut self, peer: PeerId) {
        if let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize) {
            peer.asked = limits::OPEN_ASKS.min(peer.asked + 1);
        }
    }

    /// What a client answers though nobody has asked it may cost others only so much.
    fn charge_answer(&mut self, peer: PeerId, bytes: usize) -> Result<(), PeerFault> {
        match self.peers.get_mut(peer.0 as usize) {
            Some(Some(peer)) if peer.asked > 0 => {
                peer.asked -= 1;
                Ok(())
            }
            _ => self.charge(peer, bytes),
        }
    }

    /// Tells a member that it may not have a replica.
    pub(super) fn refuse(&mut self, id: ReplicaId, member: MemberId, reason: RefusedOwnership) {
        if member == self.local {
            return self.conclude(id, OwnershipOutcome::Refused(reason));
        }
        // The host knows everyone, and whom to believe.
        if let Some(peer) = self.host().or_else(|| self.peer_of(member)) {
            self.say(peer, id, kind::REFUSED, Route::Request { source: None }, |w| {
                w.gamma(member.0);
                reason.write(w);
            });
        }
    }

    pub(super) fn say(
        &mut self,
        to: PeerId,
        replica: ReplicaId,
        kind: u8,
        route: Route,
        payload: impl FnOnce(&mut BitWriter),
    ) {
        let mut w = core::mem::take(&mut self.encoder.scratch);
        w.clear();
        Call { replica, chunk: SELF, rpc: kind, route }.write(&mut w);
        payload(&mut w);
        self.send_request(to, &mut w, true);
        self.encoder.scratch = w;
    }

    /// The peer that hosts; none on the host, and on a node that has no peers.
    pub(super) fn host(&self) -> Option<PeerId> {
        let host = self.peers.iter().position(|peer| peer.as_ref().is_some_and(|peer| peer.role == PeerRole::Host))?;
        Some(PeerId(u32::try_from(host).expect("peers are counted in 32 bits")))
    }

    pub(super) fn peer_of(&self, member: MemberId) -> Option<PeerId> {
        let is_it = |peer: &Option<Peer>| peer.as_ref().is_some_and(|peer| peer.member == member);
        let at = self.peers.iter().position(is_it).filter(|_| member != MemberId::NONE)?;
        Some(PeerId(u32::try_from(at).expect("peers are counted in 32 bits")))
    }
}

pub(super) fn check_end(r: &BitReader<'_>) -> Result<(), WireError> {
    if at_end(r) { Ok(()) } else { Err(WireError::Invalid) }
}

fn read_version(r: &mut BitReader<'_>) -> Result<u32, WireError> {
    #[expect(clippy::cast_possible_truncation, reason = "32 bits are read")]
    r.bits(32).map(|bits| bits as u32)
}
