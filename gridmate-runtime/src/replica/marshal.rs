//! State messages: for each peer all that it still lacks, each encoding made once.

use core::ops::Range;
use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::entry::{ChunkRef, Entry};
use super::in_flight::{InFlight, Sent};
use super::lanes::{Lanes, Usual};
use super::message::{Message, Modelled, Packed};
use super::owed::Owed;
use super::profile::{PeerProfile, share};
use super::ranking::{QUICK_LEVELS, Ranking};
use super::record::{Header, Kind};
use super::target::Peer;
use super::{PeerId, PeerRole, ReplicaEvent, ReplicaManager, ReplicaView};
use crate::chunk::coder::{Collect, Share};
use crate::chunk::{Basis, ChunkStore};
use crate::ids::MemberId;
use crate::limits;
use crate::schema::Priority;
use crate::wire::BitWriter;
use crate::wire::entropy::{Recorder, Symbols, Writer};

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

/// Encodings of the current tick, shared by all peers on the same baseline.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// All of them, each starting at a byte; of a registry with models, as symbols.
    pub(super) arena: BitWriter,
    pub(super) recorder: Recorder,
    modelled: bool,
    by_place: Vec<Encodings>,
    /// Of those that are bits, where what most peers are sent is.
    lanes: Lanes,
    /// Encodings made and not yet counted; places and sizes of those that are too large.
    made: u64,
    oversized: Vec<(usize, usize)>,
    /// Counts ticks; tells this tick's encodings from older ones.
    generation: u64,
    /// For messages that are not state.
    pub(super) scratch: BitWriter,
    /// For state messages.
    message: BitWriter,
    /// For those under models, but while one is being written.
    writer: Option<Writer>,
}

#[derive(Clone, Debug, Default)]
struct Encodings {
    generation: u64,
    list: SmallVec<[Encoding; 2]>,
}

/// What peers on one baseline, who may have the same chunks and of these the same datasets, are told of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    /// Without a base, the whole.
    basis: Basis,
    /// A bit for each chunk that is hidden from them.
    hidden: u64,
    /// The number of their profile, if that cuts anything off; else 0.
    profile: u32,
}

/// One body: where it is, and against what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoding {
    asked: Asked,
    /// What it came out as: without a past that has been forgotten, or whole.
    basis: Basis,
    /// Bytes and bits, or symbols.
    pub(super) start: usize,
    pub(super) length: usize,
    /// Too large to be sent.
    oversized: bool,
}

impl Encoder {
    pub(super) fn new(modelled: bool) -> Self {
        Self { modelled, writer: modelled.then(Writer::default), ..Self::default() }
    }

    pub(super) fn start_tick(&mut self, places: usize) {
        self.generation += 1;
        self.arena.clear();
        self.recorder.clear();
        self.lanes.start_tick();
        if self.by_place.len() < places {
            self.by_place.resize(places, Encodings::default());
        }
    }

    /// The body of `entry` that is `asked` for, made now unless it was for a peer before; `None` when it is too large.
    #[inline]
    fn body(&mut self, place: usize, asked: Asked, entry: &Entry, tick: u32, stores: Stores<'_>) -> Option<Encoding> {
        debug_assert!(place < self.by_place.len(), "messages are written after `prepare`");
        let encodings = &mut self.by_place[place];
        if encodings.generation != self.generation {
            encodings.generation = self.generation;
            encodings.list.clear();
        }
        if let Some(known) = encodings.list.iter().find(|e| e.asked == asked) {
            return (!known.oversized).then_some(*known);
        }
        let body = if self.modelled {
            encode(&mut self.recorder, asked, entry, tick, stores)
        } else {
            encode(&mut self.arena, asked, entry, tick, stores)
        };
        encodings.list.push(body);
        self.made += 1;
        if !self.modelled {
            self.arena.finish(); // As lanes want it.
            if hands_out(asked, &body) {
                self.lanes.note(asked.basis, place, tick, body.start, body.length);
            }
        }
        if body.oversized {
            self.oversized.push((place, body.length / 8));
            return None;
        }
        Some(body)
    }
}

/// Whether a body is what any peer on that basis gets, against what it asked for.
fn hands_out(asked: Asked, body: &Encoding) -> bool {
    let Asked { basis, hidden, profile } = asked;
    hidden == 0 && profile == 0 && !body.oversized && basis.base != 0 && basis == body.basis
}

/// All chunks there are, and what is shared of them with those that an encoding is for.
#[derive(Clone, Copy)]
struct Stores<'a> {
    all: &'a [Box<dyn ChunkStore>],
    profile: Option<&'a PeerProfile>,
}

impl<'a> Stores<'a> {
    fn of(self, chunk: ChunkRef) -> (&'a dyn ChunkStore, Share) {
        (&*self.all[usize::from(chunk.class)], share(self.profile, chunk.class))
    }
}

/// The bits that a body would take, about; nothing of it is kept.
pub(super) fn trial(
    encoder: &mut Encoder,
    basis: Basis,
    entry: &Entry,
    tick: u32,
    stores: &[Box<dyn ChunkStore>],
) -> usize {
    if !entry.live || entry.version > tick {
        return 0;
    }
    let Encoder { arena, recorder, writer, modelled, .. } = encoder;
    let (asked, stores) = (Asked { basis, hidden: 0, profile: 0 }, Stores { all: stores, profile: None });
    if *modelled {
        let body = encode(recorder, asked, entry, tick, stores);
        let symbols = Symbols { start: body.start, len: body.length };
        let cost = writer.as_ref().map_or(0, |writer| writer.cost(recorder, symbols));
        recorder.truncate(body.start);
        cost
    } else {
        let body = encode(arena, asked, entry, tick, stores);
        arena.rewind(body.start);
        arena.finish();
        body.length
    }
}

fn encode(to: &mut impl Collect, asked: Asked, entry: &Entry, tick: u32, stores: Stores<'_>) -> Encoding {
    let start = to.mark();
    let Asked { mut basis, hidden, .. } = asked;
    if basis.past != 0 && !encode_delta(to, start, asked, entry, tick, stores) {
        basis = basis.without_past();
    }
    if basis.past == 0 && (basis.base == 0 || !encode_delta(to, start, Asked { basis, ..asked }, entry, tick, stores)) {
        basis = Basis::DEFAULTS;
        to.rewind(start);
        encode_full(to, hidden, entry, tick, stores);
    }
    let length = to.length(start);
    // What breaks a length limit of its own is as unfit to be sent as what is too large.
    let oversized = to.take_fault() | (to.size(start) > limits::RECORD_BYTES * 8);
    Encoding { asked, basis, start, length, oversized }
}

fn encode_delta(
    to: &mut impl Collect,
    start: usize,
    Asked { basis, hidden, .. }: Asked,
    entry: &Entry,
    tick: u32,
    stores: Stores<'_>,
) -> bool {
    to.rewind(start);
    if let [chunk] = entry.chunks[..] {
        let (store, share) = stores.of(chunk);
        if hidden != 0 {
            store.encode_hidden(basis, tick, share, to.out());
            return true;
        }
        return store.encode(chunk.slot, basis, tick, share, to.out());
    }
    entry.chunks.iter().enumerate().all(|(i, chunk)| {
        let (store, share) = stores.of(*chunk);
        let differs = hidden >> i & 1 == 0 && store.differs(chunk.slot, basis.base);
        to.bool(differs);
        !differs || store.encode(chunk.slot, basis, tick, share, to.out())
    })
}

fn encode_full(to: &mut impl Collect, hidden: u64, entry: &Entry, tick: u32, stores: Stores<'_>) {
    entry.ownership().write(to);
    to.gamma(u32::try_from(entry.chunks.len()).expect("at most 64"));
    for chunk in &entry.chunks {
        to.gamma(u32::from(chunk.class) + 1);
    }
    for (i, chunk) in entry.chunks.iter().enumerate() {
        let (store, share) = stores.of(*chunk);
        if hidden >> i & 1 == 0 {
            store.encode(chunk.slot, Basis::DEFAULTS, tick, share, to.out());
        } else {
            store.encode_hidden(Basis::DEFAULTS, tick, share, to.out());
        }
    }
}

impl ReplicaManager {
    /// Whether `peer` lacks anything that could be sent now.
    pub fn has_state_for(&self, peer: PeerId) -> bool {
        self.peer(peer).is_some_and(|p| p.owed.has_pending || p.owed.has_tombs())
    }

    /// Writes the next state message for `peer` into `out` (cleared first), of at most `max_bytes` unless a single replica
    /// needs more. `None` when it lacks nothing, or has had all its [rate](Self::set_state_rate) allows. Call after
    /// [`prepare`](Self::prepare), until `None` or out of budget: what is left goes out in a later tick, with the values of then.
    ///
    /// With 0 for `max_bytes` there is no room: then, as when the rate allows no more, only the class
    /// [`REALTIME`](Priority::REALTIME) goes out, and of it only [`limits::REALTIME_BYTES`] in a tick.
    pub fn marshal(&mut self, peer: PeerId, max_bytes: usize, out: &mut Vec<u8>) -> Option<StateMessage> {
        out.clear();
        let to = peer;
        let Self { entries, stores, peers, encoder, stats, tick, levels, reach, now, .. } = self;
        let peer = peers.get_mut(to.0 as usize)?.as_mut()?;
        if !peer.owed.has_pending && !peer.owed.has_tombs() {
            return None;
        }
        let realtime = levels.contains_key(&Priority::REALTIME);
        let Some((room, beyond)) = peer.room(max_bytes, realtime, (*now, *tick)) else {
            peer.owed.stopped = true;
            return None;
        };
        let ranked = !beyond && (peer.owed.pressed || levels.len() > QUICK_LEVELS);
        if ranked && self.ranking.start(to.0, *tick) {
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
        let header = Header { tick: *tick, common: peer.owed.common_basis(*reach) };
        let profile = peer.profile.clone();
        let stores = Stores { all: stores, profile: profile.as_deref() };
        let usual = if profile.is_none() { encoder.lanes.usual(header) } else { Usual::default() };
        let mut pass = Pass { to: (peer.member, peer.role), entries, stores, encoder, usual, records: 0, realtime };
        if let Some(mut writer) = pass.encoder.writer.take() {
            let Peer { owed, in_flight, company, .. } = &mut *peer;
            let list = if matches!(order, Order::Places) { company.delivered(header.common.base) } else { None };
            let mut message = Modelled::new(&mut writer, header, list, room);
            pass.expected(&mut message, owed, in_flight);
            pass.fill(&mut message, owed, in_flight, order);
            out.extend_from_slice(message.finish());
            pass.encoder.writer = Some(writer);
        } else {
            let mut bits = core::mem::take(&mut pass.encoder.message);
            let mut message = Packed::new(&mut bits, header, room);
            pass.fill(&mut message, &mut peer.owed, &mut peer.in_flight, order);
            out.extend_from_slice(bits.finish());
            pass.encoder.message = bits;
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
                    owed.delivered(sent, &self.entries);
                } else {
                    owed.again(sent, &self.entries);
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
            message.destroy(id, tomb.after_rpcs);
            in_flight.record(Sent::Destroy { id, again });
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
                    State::Record(kind, body, sent) => {
                        message.record_expected(kind, &body, &self.encoder.recorder);
                        self.wrote(place, sent, owed, in_flight);
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
            let mut said = 0;
            while left != 0 {
                let bit = left & left.wrapping_neg();
                left ^= bit;
                let place = i * BITS + bit.trailing_zeros() as usize;
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
                        State::Record(kind, body, sent) => {
                            message.record(self.entries[place].id, kind, &body, self.encoder);
                            self.wrote(place, sent, owed, in_flight);
                            true
                        }
                        State::Nothing => {
                            owed.pending.as_raw_mut_slice()[i] ^= bit;
                            true
                        }
                        State::Later => true,
                        State::Full => false,
                    },
                };
                if !fits {
                    owed.pending.as_raw_mut_slice()[i] &= !said;
                    return Err(place);
                }
            }
            if said != 0 {
                owed.pending.as_raw_mut_slice()[i] &= !said;
            }
        }
        Ok(())
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
        let (header, entry, target) = (message.header(), &self.entries[place], &mut owed.targets[place]);
        let body = self.encoder.lanes.find(self.usual, header, place, entry, *target)?;
        if !message.copy(entry.id, body, self.encoder) {
            return Some(false);
        }
        let Basis { base, past, .. } = header.common;
        target.keep(if past == 0 { base } else { past });
        let again = target.send(header.tick);
        #[expect(clippy::cast_possible_truncation, reason = "places are 32 bits wide")]
        in_flight.record(Sent::State { place: place as u32, version: header.tick, again });
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
                State::Record(kind, body, sent) => {
                    message.record(self.entries[place].id, kind, &body, self.encoder);
                    self.wrote(place, sent, owed, in_flight);
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
        let target = &mut owed.targets[place];
        if target.acked() >= entry.version {
            target.settle();
            return State::Nothing; // The receipt came while it waited for its turn.
        }
        let (basis, named) = target.basis(header, entry, self.stores.all);
        let profile = self.stores.profile.filter(|profile| profile.cuts(entry));
        let asked = Asked { basis, hidden, profile: profile.map_or(0, |profile| profile.number) };
        let stores = Stores { profile, ..self.stores };
        let Some(body) = self.encoder.body(place, asked, entry, header.tick, stores) else {
            target.settle();
            owed.skip_first(place);
            return State::Nothing;
        };
        if !message.fits(&body, self.encoder) {
            return State::Full;
        }
        // What names the common basis may still have to do without its past.
        let basis = if body.basis == basis { named } else { body.basis };
        let kind = if basis.base == 0 { Kind::Full } else { Kind::Delta { basis } };
        target.keep(if basis.past == 0 { basis.base } else { basis.past });
        let again = target.send(header.tick);
        #[expect(clippy::cast_possible_truncation, reason = "places are 32 bits wide")]
        State::Record(kind, body, Sent::State { place: place as u32, version: header.tick, again })
    }

    #[inline]
    fn wrote(&mut self, place: usize, sent: Sent, owed: &mut Owed, in_flight: &mut InFlight) {
        in_flight.record(sent);
        owed.pending.set(place, false);
        self.records += 1;
    }
}

enum State {
    Record(Kind, Encoding, Sent),
    /// It is not to be sent: it is there, or too large.
    Nothing,
    /// Not in this message.
    Later,
    /// There is no room.
    Full,
}
