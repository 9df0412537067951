//! The encodings of a tick: what is said of a replica, made once for all peers on the same baseline.

use smallvec::SmallVec;

use super::blocks::Blocks;
use super::encode_pool::EncodePool;
use super::entry::{ChunkRef, Entry};
use super::lag;
use super::lanes::{Copied, Lanes, Listed};
use super::profile::{PeerProfile, share};
use super::shared::SharedMessages;
use crate::chunk::coder::{Collect, Share};
use crate::chunk::{Basis, ChunkStore};
use crate::limits;
use crate::wire::BitWriter;
use crate::wire::entropy::{Recorder, Symbols, Writer};

/// Encodings of the current tick, shared by all peers on the same baseline.
#[derive(Debug, Default)]
pub(super) struct Encoder {
    /// All of them; of a registry with models, as symbols.
    pub(super) arena: BitWriter,
    pub(super) recorder: Recorder,
    pub(super) modelled: bool,
    /// Where those are that are in no list.
    by_place: Vec<Encodings>,
    /// Of those that are bits, where what most peers are sent is.
    pub(super) lanes: Lanes,
    /// Of those that are said of a whole block, the records.
    pub(super) blocks: Blocks,
    /// Messages of which others may get a copy.
    pub(super) shared: SharedMessages,
    /// Where some of both were made ahead.
    pub(super) pool: EncodePool,
    /// Neighbours that are alike are written as all others.
    #[cfg(test)]
    pub(super) one_by_one: bool,
    /// How often they were not, in the last tick.
    #[cfg(test)]
    pub(super) in_one_go: u32,
    /// Encodings made and not yet counted; places and sizes of those that are too large.
    pub(super) made: u64,
    pub(super) oversized: Vec<(usize, usize)>,
    /// Counts ticks; tells this tick's encodings from older ones.
    generation: u64,
    /// For messages that are not state.
    pub(super) scratch: BitWriter,
    /// For state messages.
    pub(super) message: BitWriter,
    /// For those under models, but while one is being written.
    pub(super) writer: Option<Writer>,
}

#[derive(Clone, Debug, Default)]
struct Encodings {
    generation: u64,
    list: SmallVec<[Encoding; 2]>,
}

/// What peers on one baseline, who may have the same chunks and of these the same datasets, are told of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    /// Without a base, the whole.
    pub(super) basis: Basis,
    /// A bit for each chunk that is hidden from them.
    pub(super) hidden: u64,
    /// The number of their profile, if that cuts anything off; else 0.
    pub(super) profile: u32,
}

/// One body: where it is, and against what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Encoding {
    asked: Asked,
    /// What it came out as: without a past that has been forgotten, or whole.
    pub(super) basis: Basis,
    /// Bits, or symbols.
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
        self.blocks.start_tick();
        self.shared.start_tick();
        #[cfg(test)]
        {
            self.in_one_go = 0;
        }
        if self.by_place.len() < places {
            self.by_place.resize(places, Encodings::default());
        }
    }

    /// The body of `entry` that is `asked` for, made now unless it was for a peer before; `None` when it is too large.
    #[inline]
    pub(super) fn body(
        &mut self,
        place: usize,
        asked: Asked,
        entry: &Entry,
        tick: u32,
        stores: Stores<'_>,
    ) -> Option<Encoding> {
        debug_assert!(place < self.by_place.len(), "messages are written after `prepare`");
        let is_usual = !self.modelled && asked.hidden == 0 && asked.profile == 0 && asked.basis.base != 0;
        let lane = if is_usual { self.lanes.open(asked.basis) } else { None };
        match lane.map_or(Listed::Elsewhere, |lane| self.lanes.look_up(lane, place, tick)) {
            Listed::At(Copied { start, length, .. }) => {
                let (start, length) = (start as usize, length as usize);
                return Some(Encoding { asked, basis: asked.basis, start, length, oversized: false });
            }
            Listed::NotYet => {}
            Listed::Elsewhere => {
                if let Some(known) = self.unusual(place).iter().find(|e| e.asked == asked) {
                    return (!known.oversized).then_some(*known);
                }
            }
        }
        let body = if self.modelled {
            encode(&mut self.recorder, asked, entry, tick, stores)
        } else {
            let is_plain = asked.hidden == 0 && asked.profile == 0;
            let ahead = if is_plain { self.take(asked.basis, place, tick) } else { None };
            let body = match ahead {
                Some((start, length)) => Encoding { asked, basis: asked.basis, start, length, oversized: false },
                None => encode(&mut self.arena, asked, entry, tick, stores),
            };
            self.arena.finish(); // To be copied from.
            body
        };
        self.made += 1;
        if !lane.is_some_and(|lane| self.lanes.note(lane, place, tick, body.if_as_asked())) {
            self.unusual(place).push(body);
        }
        if body.oversized {
            self.oversized.push((place, body.length / 8));
            return None;
        }
        Some(body)
    }

    /// This tick's encodings of a place that are in no list.
    fn unusual(&mut self, place: usize) -> &mut SmallVec<[Encoding; 2]> {
        let Encodings { generation, list } = &mut self.by_place[place];
        if core::mem::replace(generation, self.generation) != self.generation {
            list.clear();
        }
        list
    }

    /// Adds the body of `entry` against `basis` to the arena, behind what is there, and lists it. Returns whether it is one that any
    /// peer on that basis may get.
    #[inline]
    pub(super) fn add_usual(
        &mut self,
        (lane, basis): (usize, Basis),
        place: usize,
        entry: &Entry,
        tick: u32,
        stores: Stores<'_>,
    ) -> bool {
        match self.lanes.look_up(lane, place, tick) {
            Listed::At(Copied { start, length, .. }) => {
                self.arena.append_own(start as usize, length as usize);
                return true;
            }
            Listed::NotYet => {}
            Listed::Elsewhere => return false,
        }
        if let Some(body) = self.take(basis, place, tick) {
            self.made += 1;
            return self.lanes.note(lane, place, tick, Some(body));
        }
        let asked = Asked { basis, hidden: 0, profile: 0 };
        let start = self.arena.mark();
        if !encode_delta(&mut self.arena, start, asked, entry, tick, stores) {
            return false;
        }
        let length = self.arena.length(start);
        if self.arena.error().is_some() || length > limits::RECORD_BYTES * 8 {
            let _ = self.arena.take_fault();
            return false;
        }
        self.made += 1;
        self.lanes.note(lane, place, tick, Some((start, length)))
    }

    /// Adds the body of a place to the arena, if it was made ahead.
    #[inline]
    fn take(&mut self, basis: Basis, place: usize, tick: u32) -> Option<(usize, usize)> {
        let (bits, start, length) = self.pool.body(basis, place, tick)?;
        let at = self.arena.mark();
        self.arena.append_at(bits, start, length);
        self.pool.note_used(1);
        Some((at, length))
    }
}

impl Encoding {
    /// Where it is, if it is what was asked for.
    pub(super) fn if_as_asked(&self) -> Option<(usize, usize)> {
        (!self.oversized && self.basis == self.asked.basis).then_some((self.start, self.length))
    }
}

/// All chunks there are, and what is shared of them with those that an encoding is for.
#[derive(Clone, Copy)]
pub(super) struct Stores<'a> {
    pub(super) all: &'a [Box<dyn ChunkStore>],
    pub(super) profile: Option<&'a PeerProfile>,
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

pub(super) fn encode(to: &mut impl Collect, asked: Asked, entry: &Entry, tick: u32, stores: Stores<'_>) -> Encoding {
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
    if entry.is_passed_on_late() {
        lag::write(entry.lag_in(tick), to);
    }
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
        if stores.of(*chunk).0.is_refusable() {
            to.bool(chunk.refused);
        }
    }
    to.bool(entry.is_passed_on_late());
    if entry.is_passed_on_late() {
        lag::write(entry.lag_in(tick), to);
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
