//! State messages: for each peer all that it still lacks, each encoding made once.

use core::ops::Range;

use smallvec::SmallVec;

use super::entry::Entry;
use super::in_flight::Sent;
use super::owed::Target;
use super::record::{Cursor, Header, Kind, write_version};
use super::target::Peer;
use super::{PeerId, ReplicaEvent, ReplicaManager};
use crate::chunk::{Basis, ChunkStore};
use crate::limits;
use crate::schema::Priority;
use crate::wire::BitWriter;

/// Room kept for a record's id and kind, bits: two gamma codes of 63, and four.
const RECORD_HEAD_BITS: usize = 2 + 63 + 63 + 4 + 33;

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
    /// All of them, each starting at a byte.
    arena: BitWriter,
    by_place: Vec<Encodings>,
    /// Encodings made and not yet counted; places and sizes of those that are too large.
    made: u64,
    oversized: Vec<(usize, usize)>,
    /// Counts ticks; tells this tick's encodings from older ones.
    generation: u64,
    /// For messages that are not state.
    pub(super) scratch: BitWriter,
    /// For state messages.
    message: BitWriter,
}

#[derive(Clone, Debug, Default)]
struct Encodings {
    generation: u64,
    list: SmallVec<[Encoding; 2]>,
}

/// One body: where it is, and against what.
#[derive(Clone, Copy, Debug)]
struct Encoding {
    /// What was asked for; without a base, the whole.
    asked: Basis,
    /// What it came out as: without a past that has been forgotten, or whole.
    basis: Basis,
    start: usize,
    bits: usize,
}

impl Encoding {
    const fn fits(&self) -> bool {
        self.bits <= limits::RECORD_BYTES * 8
    }
}

impl Encoder {
    pub(super) fn start_tick(&mut self, places: usize) {
        self.generation += 1;
        self.arena.clear();
        if self.by_place.len() < places {
            self.by_place.resize(places, Encodings::default());
        }
    }

    /// The body of `entry` against `basis`, made now unless a peer before has asked for it; `None` when it is too large.
    #[inline]
    fn body(
        &mut self,
        place: usize,
        basis: Basis,
        entry: &Entry,
        tick: u32,
        stores: &[Box<dyn ChunkStore>],
    ) -> Option<Encoding> {
        let Self { arena, by_place, generation, made, oversized, .. } = self;
        debug_assert!(place < by_place.len(), "messages are written after `prepare`");
        let encodings = &mut by_place[place];
        if encodings.generation != *generation {
            encodings.generation = *generation;
            encodings.list.clear();
        }
        if let Some(known) = encodings.list.iter().find(|e| e.asked == basis) {
            return known.fits().then_some(*known);
        }
        let body = encode(arena, basis, entry, tick, stores);
        encodings.list.push(body);
        *made += 1;
        if !body.fits() {
            oversized.push((place, body.bits / 8));
            return None;
        }
        Some(body)
    }
}

fn encode(arena: &mut BitWriter, asked: Basis, entry: &Entry, tick: u32, stores: &[Box<dyn ChunkStore>]) -> Encoding {
    let start = arena.finish().len();
    let mut basis = asked;
    let delta = |basis, arena: &mut BitWriter| {
        arena.truncate(start * 8);
        encode_delta(arena, basis, entry, tick, stores)
    };
    if basis.past != 0 && !delta(basis, arena) {
        basis.past = 0;
    }
    if basis.past == 0 && (basis.base == 0 || !delta(basis, arena)) {
        basis = Basis::DEFAULTS;
        arena.truncate(start * 8);
        encode_full(arena, entry, tick, stores);
    }
    let mut bits = arena.len() - start * 8;
    if arena.take_error().is_some() {
        // Breaks a length limit of its own: as unfit to be sent as one that is too large.
        bits = bits.max(limits::RECORD_BYTES * 8 + 1);
    }
    Encoding { asked, basis, start, bits }
}

fn encode_delta(arena: &mut BitWriter, basis: Basis, entry: &Entry, tick: u32, stores: &[Box<dyn ChunkStore>]) -> bool {
    write_version(entry.version, tick, arena);
    if let [chunk] = entry.chunks[..] {
        return stores[usize::from(chunk.class)].encode(chunk.slot, basis, entry.version, arena);
    }
    entry.chunks.iter().all(|chunk| {
        let store = &stores[usize::from(chunk.class)];
        let differs = store.differs(chunk.slot, basis.base);
        arena.bool(differs);
        !differs || store.encode(chunk.slot, basis, entry.version, arena)
    })
}

fn encode_full(arena: &mut BitWriter, entry: &Entry, tick: u32, stores: &[Box<dyn ChunkStore>]) {
    write_version(entry.version, tick, arena);
    entry.ownership().write(arena);
    arena.gamma(u32::try_from(entry.chunks.len()).expect("at most 64"));
    for chunk in &entry.chunks {
        arena.gamma(u32::from(chunk.class) + 1);
    }
    for chunk in &entry.chunks {
        stores[usize::from(chunk.class)].encode(chunk.slot, Basis::DEFAULTS, entry.version, arena);
    }
}

impl ReplicaManager {
    /// Whether `peer` lacks anything that could be sent now.
    pub fn has_state_for(&self, peer: PeerId) -> bool {
        self.peer(peer).is_some_and(|p| p.owed.has_pending || p.owed.has_tombs())
    }

    /// Writes the next state message for `peer` into `out` (cleared first), of at most `max_bytes` unless a single replica
    /// needs more. `None` when it lacks nothing. Call after [`prepare`](Self::prepare), until `None` or out of budget: what is
    /// left goes out in a later tick, with the values of then.
    pub fn marshal(&mut self, peer: PeerId, max_bytes: usize, out: &mut Vec<u8>) -> Option<StateMessage> {
        let Self { entries, stores, peers, encoder, stats, tick, levels, .. } = self;
        let peer = peers.get_mut(peer.0 as usize)?.as_mut()?;
        if !peer.owed.has_pending && !peer.owed.has_tombs() {
            return None;
        }
        let mut message = core::mem::take(&mut encoder.message);
        message.clear();
        let header = Header { tick: *tick, common: peer.owed.common_basis() };
        header.write(&mut message);
        let mut writer = Writer { w: &mut message, header, cursor: Cursor::START, max_bits: max_bytes * 8, any: false };
        let mut records = writer.destroys(peer);
        if !peer.owed.has_tombs() && peer.owed.has_pending {
            // The most important first. Nearly always there is one level, and one walk.
            let several = levels.len() > 1;
            let done = levels.keys().rev().all(|level| {
                let level = several.then_some(*level);
                let (written, done) = writer.states(peer, level, entries, stores, encoder);
                records += written;
                done
            });
            peer.owed.has_pending = !done;
        }
        stats.records_sent += records;
        out.clear();
        out.extend_from_slice(message.finish());
        encoder.message = message;
        let message = (records > 0).then(|| StateMessage { token: peer.in_flight.seal(*tick) });
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
            let Peer { in_flight, owed, .. } = peer;
            let sent_in = in_flight.resolve(token, |sent| {
                if delivered {
                    owed.delivered(sent, &self.entries);
                } else {
                    owed.again(sent, &self.entries);
                }
            });
            if let Some(tick) = sent_in.filter(|_| delivered) {
                owed.note_tick(tick);
            }
        }
    }
}

struct Writer<'a> {
    w: &'a mut BitWriter,
    header: Header,
    cursor: Cursor,
    max_bits: usize,
    /// Whether a record was written.
    any: bool,
}

impl Writer<'_> {
    fn destroys(&mut self, peer: &mut Peer) -> u64 {
        let mut records = 0;
        while records == 0 || self.w.len() + RECORD_HEAD_BITS <= self.max_bits {
            let Some((id, tomb, again)) = peer.owed.next_tomb() else { break };
            self.cursor.write(id, self.w);
            Kind::Destroy { after_rpcs: tomb.after_rpcs }.write(self.header, self.w);
            self.any = true;
            peer.in_flight.record(Sent::Destroy { id, again });
            records += 1;
        }
        records
    }

    /// Writes what is pending of one priority, or of all, from where the last message stopped. Returns how many records, and
    /// whether that was all of it.
    fn states(
        &mut self,
        peer: &mut Peer,
        level: Option<Priority>,
        entries: &[Entry],
        stores: &[Box<dyn ChunkStore>],
        encoder: &mut Encoder,
    ) -> (u64, bool) {
        let start = peer.owed.next_place;
        let mut records = 0;
        for places in [start..usize::MAX, 0..start] {
            match self.states_in(places, peer, level, entries, stores, encoder) {
                Ok(written) => records += written,
                Err((written, stopped)) => {
                    peer.owed.next_place = stopped;
                    return (records + written, false);
                }
            }
        }
        (records, true)
    }

    /// As [`states`](Self::states), for a range of places. The error is the place that found no room.
    fn states_in(
        &mut self,
        places: Range<usize>,
        peer: &mut Peer,
        level: Option<Priority>,
        entries: &[Entry],
        stores: &[Box<dyn ChunkStore>],
        encoder: &mut Encoder,
    ) -> Result<u64, (u64, usize)> {
        const BITS: usize = usize::BITS as usize;
        let Peer { owed, in_flight, .. } = peer;
        let words = owed.pending.as_raw_mut_slice();
        let mut records = 0;
        for i in places.start / BITS..words.len().min(places.end.div_ceil(BITS)) {
            let mut left = words[i];
            if i == places.start / BITS {
                left &= usize::MAX << (places.start % BITS);
            }
            if i == places.end / BITS {
                left &= !(usize::MAX << (places.end % BITS));
            }
            while left != 0 {
                let bit = left & left.wrapping_neg();
                left ^= bit;
                let place = i * BITS + bit.trailing_zeros() as usize;
                let (entry, target) = (&entries[place], &mut owed.targets[place]);
                // What arrived since the last `prepare` has a version that is not open yet.
                if level.is_some_and(|level| level != entry.priority) || entry.version > self.header.tick {
                    continue;
                }
                let again = core::mem::take(&mut target.again);
                if target.acked == entry.version {
                    words[i] ^= bit; // The receipt came while it waited for its turn.
                    continue;
                }
                let (asked, named) = target.basis(self.header, entry, stores);
                let Some(body) = encoder.body(place, asked, entry, self.header.tick, stores) else {
                    words[i] ^= bit;
                    continue;
                };
                // A first record always fits: the carrier cuts it into fragments when it must.
                if self.any && self.w.len() + RECORD_HEAD_BITS + body.bits > self.max_bits {
                    target.again = again;
                    return Err((records, place));
                }
                // What names the common basis may still have to do without its past.
                let basis = if body.basis == asked { named } else { body.basis };
                self.cursor.write(entry.id, self.w);
                if basis.base == 0 { Kind::Full } else { Kind::Delta { basis } }.write(self.header, self.w);
                self.any = true;
                target.kept = target.kept.max(if basis.past == 0 { basis.base } else { basis.past });
                let bytes = encoder.arena.finish();
                self.w.append(&bytes[body.start..], body.bits);
                target.sent = entry.version;
                #[expect(clippy::cast_possible_truncation, reason = "places are 32 bits wide")]
                in_flight.record(Sent::State { place: place as u32, version: entry.version, again });
                records += 1;
                words[i] ^= bit;
            }
        }
        Ok(records)
    }
}

impl Target {
    /// What to encode `entry` against for this peer, and how a record names that.
    ///
    /// Most of what moves was acknowledged in the same two messages, so that most records say no more than "the common basis".
    /// Whatever else has been in force since then goes by that name too.
    fn basis(&self, header: Header, entry: &Entry, stores: &[Box<dyn ChunkStore>]) -> (Basis, Basis) {
        if self.acked == 0 {
            return (Basis::DEFAULTS, Basis::DEFAULTS);
        }
        let common = header.common;
        let in_force = |version: u32, at: u32| {
            version == at
                || version < at
                    && entry.chunks.iter().all(|chunk| {
                        stores[usize::from(chunk.class)].in_force(chunk.slot, at).is_some_and(|v| v <= version)
                    })
        };
        let base_is_common = common.base != 0 && in_force(self.acked, common.base);
        if !entry.predicts {
            let own = Basis { base: self.acked, past: 0 };
            return (own, if base_is_common { common } else { own });
        }
        if base_is_common && common.past != 0 && common.past >= self.kept {
            let past_is_common = common.past >= self.acked || self.before != 0 && in_force(self.before, common.past);
            if past_is_common {
                return (common, common);
            }
        }
        let past = if self.before >= self.kept { self.before } else { 0 };
        let own = Basis { base: self.acked, past };
        (own, own)
    }
}
