//! State messages: for each peer all that it still lacks, each encoding made once.

use core::ops::Range;
use std::collections::BTreeMap;

use super::encoder::{Asked, Encoder, Encoding, Stores};
use super::entry::Entry;
use super::in_flight::InFlight;
use super::lanes::Usual;
use super::message::{Message, Modelled, NearlyFull, Packed};
use super::neighbours::Neighbours;
use super::owed::Owed;
use super::pair::Target;
use super::ranking::{QUICK_LEVELS, Ranking};
use super::record::{Header, Kind};
use super::target::Peer;
use super::targets::BLOCK;
use super::{PeerId, PeerRole, ReplicaEvent, ReplicaManager, ReplicaView};
use crate::chunk::Basis;
use crate::ids::MemberId;
use crate::limits;
use crate::schema::Priority;

/// A state message is ready: send it unreliably, and report its fate to
/// [`handle_receipt`](ReplicaManager::handle_receipt) exactly once.
///
/// ```
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::replica::PeerRole;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Door {
///     open: bool,
/// }
///
/// let mut replicas = ReplicaManager::new(Registry::builder().chunk::<Door>().build()?, 1);
/// let peer = replicas.add_peer(MemberId(2), PeerRole::Client);
/// replicas.add(Door { open: true })?;
/// replicas.prepare();
/// let mut bytes = Vec::new();
/// let message = replicas.marshal(peer, 1_200, &mut bytes).expect("there is a door to tell of");
/// assert!(replicas.marshal(peer, 1_200, &mut Vec::new()).is_none()); // no more to say while it is under way
/// replicas.handle_receipt(peer, message.token, false); // lost
/// replicas.prepare();
/// assert!(replicas.has_state_for(peer)); // it will be said again
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct StateMessage {
    /// Names the message in its receipt.
    pub token: u64,
}

impl ReplicaManager {
    /// Whether `peer` lacks anything that could be sent now.
    pub fn has_state_for(&self, peer: PeerId) -> bool {
        self.peer(peer).is_some_and(|p| (p.owed.has_pending || p.owed.has_tombs()) && !p.lost)
    }

    /// Writes the next state message for `peer` into `out` (cleared first), of at most `max_bytes` unless a single replica
    /// needs more. `None` when it lacks nothing, or has had all its [rate](Self::set_state_rate) allows. Call after
    /// [`prepare`](Self::prepare), until `None` or out of budget: what is left goes out in a later tick, with the values of then.
    ///
    /// With 0 for `max_bytes` there is no room: then, as when the rate allows no more, only the class
    /// [`REALTIME`](Priority::REALTIME) goes out, and of it only [`limits::REALTIME_BYTES`] in a tick.
    pub fn marshal(&mut self, peer: PeerId, max_bytes: usize, out: &mut Vec<u8>) -> Option<StateMessage> {
        out.clear();
        let id = peer;
        if self.has_state_for(id) {
            self.encode_ahead();
        }
        let Self { entries, neighbours, stores, peers, encoder, stats, tick, levels, reach, now, .. } = self;
        let many = peers.len() > 1;
        let peer = peers.get_mut(id.0 as usize)?.as_mut()?;
        if !peer.owed.has_pending && !peer.owed.has_tombs() || peer.lost {
            return None;
        }
        let realtime = levels.contains_key(&Priority::REALTIME);
        let Some((room, beyond)) = peer.room(max_bytes, realtime, (*now, *tick)) else {
            peer.owed.stopped = true;
            return None;
        };
        let ranked = !beyond && (peer.owed.pressed || levels.len() > QUICK_LEVELS);
        if ranked && self.ranking.start(id.0, *tick) {
            let view = ReplicaView { registry: &self.registry, stores, entries, index: &self.index };
            peer.rank(&mut self.ranking, view, self.relevance.as_deref());
        }
        let order = match (ranked, levels.len()) {
            _ if beyond => Order::Realtime,
            (true, _) => Order::Ranked(&mut self.ranking),
            // Nearly always there is one class, and one walk.
            (false, 0..=1) => Order::Places,
            (false, _) => Order::Classes(levels),
        };
        let header = Header { tick: *tick, common: peer.owed.common_basis(*reach, *tick) };
        let profile = peer.profile.clone();
        let stores = Stores { all: stores, profile: profile.as_deref() };
        let usual = if profile.is_none() { encoder.lanes.usual(header) } else { Usual::default() };
        let to = (peer.member, peer.role);
        let mut pass = Pass { to, entries, neighbours, stores, encoder, usual, records: 0, realtime };
        if let Some(mut writer) = pass.encoder.writer.take() {
            let Peer { owed, in_flight, company, .. } = &mut *peer;
            let list = if matches!(order, Order::Places) { company.delivered(header.common.base) } else { None };
            let mut message = Modelled::new(&mut writer, header, list, room);
            pass.expected(&mut message, owed, in_flight);
            pass.fill(&mut message, owed, in_flight, order);
            out.extend_from_slice(message.finish());
            pass.encoder.writer = Some(writer);
        } else {
            let Peer { owed, in_flight, .. } = &mut *peer;
            let may_share =
                many && profile.is_none() && matches!(order, Order::Places) && !realtime && !owed.has_tombs();
            let shared = if may_share {
                pass.encoder.take_shared(header, room, (&mut *owed, &mut *in_flight), out)
            } else {
                None
            };
            if let Some(records) = shared {
                pass.records = records;
            } else {
                pass.encoder.shared.begin(owed.next_place, may_share);
                let mut bits = core::mem::take(&mut pass.encoder.message);
                let mut message = Packed::new(&mut bits, header, room);
                pass.fill(&mut message, owed, in_flight, order);
                bits.finish_into(out);
                pass.encoder.message = bits;
                if may_share && owed.stopped {
                    pass.encoder.share(header, room, owed.next_place, out);
                }
            }
        }
        let records = pass.records;
        stats.records_sent += records;
        if records > 0 {
            peer.spend(out.len(), beyond, *tick);
        }
        let message = (records > 0).then(|| {
            let Peer { in_flight, company, .. } = &mut *peer;
            if encoder.modelled {
                company.note(*tick, in_flight.unsealed(entries), limits::HISTORY);
            }
            StateMessage { token: in_flight.seal(*tick) }
        });
        self.note_encodings();
        message
    }

    fn note_encodings(&mut self) {
        self.stats.encodings += core::mem::take(&mut self.encoder.made);
        while let Some((place, bytes)) = self.encoder.oversized.pop() {
            let entry = &mut self.entries[place];
            entry.oversized = true;
            let id = entry.id;
            self.push_event(ReplicaEvent::TooLarge { id, bytes });
        }
    }

    /// Tells what became of a state message: `delivered`, or lost. Each token is worth one report; more are ignored.
    pub fn handle_receipt(&mut self, peer: PeerId, token: u64, delivered: bool) {
        if let Some(Some(peer)) = self.peers.get_mut(peer.0 as usize) {
            let Peer { in_flight, owed, company, .. } = peer;
            let sent_in = in_flight.resolve(token, |sent| {
                if delivered {
                    owed.delivered(sent, &self.entries, &self.neighbours);
                } else {
                    owed.again(sent, &self.entries, &self.neighbours);
                }
            });
            if let Some(tick) = sent_in {
                company.resolve(tick, delivered);
                if delivered {
                    owed.ticks.note(tick);
                }
            }
        }
    }
}

/// One message being filled.
struct Pass<'a> {
    /// Who the peer is.
    to: (MemberId, PeerRole),
    entries: &'a [Entry],
    neighbours: &'a Neighbours,
    stores: Stores<'a>,
    encoder: &'a mut Encoder,
    usual: Usual,
    records: u64,
    /// There are replicas of the most urgent class.
    realtime: bool,
}

/// In which order what is pending goes into a message.
enum Order<'a> {
    /// As it comes.
    Places,
    /// Class by class.
    Classes(&'a BTreeMap<Priority, usize>),
    /// By score.
    Ranked(&'a mut Ranking),
    /// The most urgent class and nothing else.
    Realtime,
}

impl Pass<'_> {
    /// What is urgent, destructions, then what is pending, until the message is full.
    fn fill(&mut self, message: &mut impl Message, owed: &mut Owed, in_flight: &mut InFlight, order: Order<'_>) {
        let tick = message.header().tick;
        if self.realtime && owed.urgent_until != tick {
            if !self.states(message, owed, in_flight, Some(Priority::REALTIME)) {
                owed.stopped = true;
                return;
            }
            owed.urgent_until = tick;
        }
        if matches!(order, Order::Realtime) {
            owed.stopped = true;
            return;
        }
        self.destroys(message, owed, in_flight);
        owed.stopped = owed.has_tombs();
        if !owed.stopped && owed.has_pending {
            let done = match order {
                Order::Places => self.states(message, owed, in_flight, None),
                Order::Classes(levels) => {
                    levels.keys().rev().all(|level| self.states(message, owed, in_flight, Some(*level)))
                }
                Order::Ranked(ranking) => self.ranked(message, owed, in_flight, ranking),
                Order::Realtime => unreachable!("it is done with above"),
            };
            (owed.has_pending, owed.stopped) = (!done, !done);
        }
    }

    fn destroys(&mut self, message: &mut impl Message, owed: &mut Owed, in_flight: &mut InFlight) {
        while message.has_room() {
            let Some((id, tomb, again)) = owed.next_tomb() else { break };
            message.destroy(id, Kind::Destroy { after_rpcs: tomb.after_rpcs, epoch: tomb.epoch });
            in_flight.record_destroy(id, again);
            self.records += 1;
        }
    }

    /// Writes what was in the messages of the common base and is pending again.
    fn expected(&mut self, message: &mut Modelled<'_>, owed: &mut Owed, in_flight: &mut InFlight) {
        while let Some(expected) = message.next_expected() {
            let place = expected.place as usize;
            let pending = self.entries.get(place).is_some_and(|entry| entry.live && entry.id == expected.id)
                && owed.pending[place];
            let written = pending
                && match self.state(message, place, owed) {
                    State::Record(kind, body, again) => {
                        message.record_expected(kind, &body, &self.encoder.recorder);
                        self.wrote(place, again, owed, in_flight);
                        true
                    }
                    State::Nothing => {
                        owed.pending.set(place, false);
                        false
                    }
                    State::Later | State::Full => false,
                };
            if !written {
                message.skip_expected();
            }
        }
    }

    /// Writes what is pending of one priority, or of all, from where the last message stopped. Returns whether that was all.
    fn states(
        &mut self,
        message: &mut impl Message,
        owed: &mut Owed,
        in_flight: &mut InFlight,
        level: Option<Priority>,
    ) -> bool {
        let start = owed.next_place;
        for places in [start..usize::MAX, 0..start] {
            if let Err(stopped) = self.states_in(places, message, owed, in_flight, level) {
                owed.next_place = stopped;
                return false;
            }
        }
        true
    }

    /// As [`states`](Self::states), for a range of places. The error is the place that found no room.
    fn states_in(
        &mut self,
        places: Range<usize>,
        message: &mut impl Message,
        owed: &mut Owed,
        in_flight: &mut InFlight,
        level: Option<Priority>,
    ) -> Result<(), usize> {
        const BITS: usize = usize::BITS as usize;
        let words = owed.pending.as_raw_slice().len();
        for i in places.start / BITS..words.min(places.end.div_ceil(BITS)) {
            let mut left = owed.pending.as_raw_slice()[i];
            if i == places.start / BITS {
                left &= usize::MAX << (places.start % BITS);
            }
            if i == places.end / BITS {
                left &= !(usize::MAX << (places.end % BITS));
            }
            while left != 0 {
                // The next block of this word with something in it.
                let shift = left.trailing_zeros() as usize / BLOCK * BLOCK;
                #[expect(clippy::cast_possible_truncation, reason = "the places of one block")]
                let places = (left >> shift) as u32;
                left &= !((u32::MAX as usize) << shift);
                let block = (i * BITS + shift) / BLOCK;
                let said = match self.block(message, (block, places), owed, in_flight, level) {
                    Whole::Said => Ok(places),
                    Whole::Other => Ok(0),
                    Whole::Full => Err((places.trailing_zeros(), 0)),
                    Whole::Parts => self.parts(message, (block, places), owed, in_flight, level),
                };
                let said_there = said.unwrap_or_else(|(_, said)| said);
                owed.pending.as_raw_mut_slice()[i] &= !((said_there as usize) << shift);
                if let Err((stopped, _)) = said {
                    return Err(block * BLOCK + stopped as usize);
                }
            }
        }
        Ok(())
    }

    /// Writes all that is pending of a block in one piece, if the peer has all of the block alike and lacks all of it.
    #[inline]
    fn block(
        &mut self,
        message: &mut impl Message,
        (block, places): (usize, u32),
        owed: &mut Owed,
        in_flight: &mut InFlight,
        level: Option<Priority>,
    ) -> Whole {
        let header = message.header();
        let Basis { base, past, .. } = header.common;
        // Bits that any peer may get, and that say what they are against.
        if base == 0 || self.stores.profile.is_some() || !message.takes_blocks() {
            return Whole::Parts;
        }
        let live = self.neighbours.live(block);
        if live & !places != 0 {
            return Whole::Parts;
        }
        let Some(target) = owed.targets.join(block, live) else { return Whole::Parts };
        if !target.is_usual(header.common) {
            return Whole::Parts;
        }
        let Some(ready) = self.encoder.block(header, (block, places), self.entries, self.stores) else {
            return Whole::Parts;
        };
        if ready.predicts && !target.knows_past(past) {
            return Whole::Parts;
        }
        match (level, ready.priority) {
            (Some(_), None) => return Whole::Parts,
            (Some(level), Some(all)) if level != all => return Whole::Other,
            _ => {}
        }
        let first = block * BLOCK + places.trailing_zeros() as usize;
        let last = block * BLOCK + places.ilog2() as usize;
        match message.block([self.entries[first].id, self.entries[last].id], &ready, self.encoder) {
            Err(NearlyFull(true)) => {
                self.encoder.shared.note(block, places, *target);
                return Whole::Full;
            }
            Err(NearlyFull(false)) => return Whole::Parts,
            Ok(()) => self.encoder.shared.note(block, places, *target),
        }
        target.send_against(header);
        #[expect(clippy::cast_possible_truncation, reason = "places are 32 bits wide")]
        in_flight.record_block(block as u32, places);
        self.records += u64::from(places.count_ones());
        Whole::Said
    }

    /// Writes what is pending of a block, place by place. Returns the places of which all is said; the error is the one that found no
    /// room, and those before it of which all is said.
    fn parts(
        &mut self,
        message: &mut impl Message,
        (block, places): (usize, u32),
        owed: &mut Owed,
        in_flight: &mut InFlight,
        level: Option<Priority>,
    ) -> Result<u32, (u32, u32)> {
        let (mut said, mut left) = (0, places);
        while left != 0 {
            let bit = left & left.wrapping_neg();
            left ^= bit;
            let place = block * BLOCK + bit.trailing_zeros() as usize;
            if level.is_some_and(|level| level != self.entries[place].priority) {
                continue;
            }
            let fits = match self.copy(message, place, owed, in_flight) {
                Some(true) => {
                    said |= bit;
                    true
                }
                Some(false) => false,
                None => match self.state(message, place, owed) {
                    State::Record(kind, body, again) => {
                        message.record(self.entries[place].id, kind, &body, self.encoder);
                        self.wrote(place, again, owed, in_flight);
                        true
                    }
                    State::Nothing => {
                        said |= bit;
                        true
                    }
                    State::Later => true,
                    State::Full => false,
                },
            };
            if !fits {
                return Err((bit.trailing_zeros(), said));
            }
        }
        Ok(said)
    }

    /// Writes the usual record, if it is one and the bits are there. Whether there was room for it; if so, it is not pending any more.
    #[inline]
    fn copy(
        &mut self,
        message: &mut impl Message,
        place: usize,
        owed: &mut Owed,
        in_flight: &mut InFlight,
    ) -> Option<bool> {
        let (header, entry, mut target) = (message.header(), &self.entries[place], owed.targets.get(place));
        let body = self.encoder.lanes.find(self.usual, header, place, entry, target)?;
        if !message.copy(entry.id, body, self.encoder) {
            return Some(false);
        }
        let again = target.send_against(header);
        owed.targets.put(place, target);
        #[expect(clippy::cast_possible_truncation, reason = "places are 32 bits wide")]
        in_flight.record_state(place as u32, again);
        self.records += 1;
        Some(true)
    }

    /// Writes what is pending in the order of a ranking, until there is no room for what comes next. Returns whether that was all.
    fn ranked(
        &mut self,
        message: &mut impl Message,
        owed: &mut Owed,
        in_flight: &mut InFlight,
        ranking: &mut Ranking,
    ) -> bool {
        while let Some(place) = ranking.pop() {
            if !owed.pending[place] {
                continue;
            }
            match self.state(message, place, owed) {
                State::Record(kind, body, again) => {
                    message.record(self.entries[place].id, kind, &body, self.encoder);
                    self.wrote(place, again, owed, in_flight);
                }
                State::Nothing => owed.pending.set(place, false),
                State::Later => {}
                State::Full => {
                    ranking.put_back();
                    return false;
                }
            }
        }
        true
    }

    /// What to say of a place that is pending.
    #[inline]
    fn state(&mut self, message: &impl Message, place: usize, owed: &mut Owed) -> State {
        let header = message.header();
        let entry = &self.entries[place];
        // What arrived since the last `prepare` has a version that is not open yet.
        if entry.version > header.tick {
            return State::Later;
        }
        let hidden =
            if entry.audience == 0 { 0 } else { owed.ask(place, entry, self.to, header.tick, self.stores.all).0 };
        let mut target = owed.targets.get(place);
        if target.acked() >= entry.version {
            owed.targets.edit(place, Target::settle);
            return State::Nothing; // The receipt came while it waited for its turn.
        }
        let (basis, named) = target.basis(header, entry, self.stores.all);
        let profile = self.stores.profile.filter(|profile| profile.cuts(entry));
        let asked = Asked { basis, hidden, profile: profile.map_or(0, |profile| profile.number) };
        let stores = Stores { profile, ..self.stores };
        let Some(body) = self.encoder.body(place, asked, entry, header.tick, stores) else {
            owed.targets.edit(place, Target::settle);
            owed.skip_first(place);
            return State::Nothing;
        };
        if !message.fits(&body, self.encoder) {
            return State::Full;
        }
        // What names the common basis may still have to do without its past.
        let basis = if body.basis == basis { named } else { body.basis };
        let kind = if basis.base == 0 { Kind::Full } else { Kind::Delta { basis } };
        let again = target.send_against(Header { common: basis, ..header });
        owed.targets.put(place, target);
        State::Record(kind, body, again)
    }

    #[inline]
    fn wrote(&mut self, place: usize, again: bool, owed: &mut Owed, in_flight: &mut InFlight) {
        #[expect(clippy::cast_possible_truncation, reason = "places are 32 bits wide")]
        in_flight.record_state(place as u32, again);
        owed.pending.set(place, false);
        self.records += 1;
    }
}

/// What became of a block.
enum Whole {
    Said,
    /// It is of another class.
    Other,
    /// There is no room, and what there is is not worth being filled.
    Full,
    /// It is to be told place by place.
    Parts,
}

enum State {
    /// And whether it is said again.
    Record(Kind, Encoding, bool),
    /// It is not to be sent: it is there, or too large.
    Nothing,
    /// Not in this message.
    Later,
    /// There is no room.
    Full,
}
