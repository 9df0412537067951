//! Encodings made ahead, on several threads.
//!
//! Before the first message of a tick is written, it is known of most of what there is to say against which basis it will be said: the
//! common one of each peer's messages. So it is encoded then, a block of places at a time, by as many threads as the program allows,
//! each into a writer of its own. Then peers are served as always, on the thread that ticks: where an encoding is to be made, it is
//! copied if it was made ahead. Which thread made what differs from tick to tick, and no bit depends on it.
//!
//! The pool computes and nothing else: it sees what is not changed meanwhile, waits for nothing, and has nothing to do between two calls.

use core::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::ReplicaManager;
use super::blocks::{BASES, fetch, open_record};
use super::encoder::{Stores, add_body};
use super::entry::Entry;
use super::neighbours::Neighbours;
use super::owed::Owed;
use super::pair::Target;
use super::ranking::QUICK_LEVELS;
use super::record::{Cursor, Header};
use super::targets::{BLOCK, Pairs};
use crate::chunk::Basis;
use crate::limits;
use crate::schema::Priority;
use crate::wire::BitWriter;

/// Encodings of a tick that are worth waking others for, count: to do so and to wait for them takes as long as some hundred.
const WORTH_WAKING: usize = 1_024;

/// Blocks that a thread takes at a time.
const CLAIM: usize = 2;

/// The pool, if the program wants one.
#[derive(Debug, Default)]
pub(super) struct EncodePool(Option<Box<Workers>>);

#[derive(Debug)]
struct Workers {
    /// One thread fewer than take part: the other is the one that ticks.
    pool: ThreadPool,
    /// The last tick that something was to be sent in.
    tick: u32,
    /// The first `open` belong to that; the others are kept for their memory.
    bases: Vec<(Header, Vec<Slot>)>,
    open: usize,
    /// What is to be made: the number of a basis, and of a block.
    wanted: Vec<(usize, usize)>,
    /// The encodings in it.
    count: usize,
    /// One for each thread; the first is for the one that ticks.
    hands: Vec<Hand>,
    stats: EncodeAheadStats,
}

/// What was made of a block.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    tick: u32,
    /// A bit for each place that is wanted.
    places: u32,
    /// Whose it is, and which of theirs; none before it is made.
    at: Option<(u32, u32)>,
}

/// What a thread has made in this tick.
#[derive(Debug, Default)]
struct Hand {
    bits: BitWriter,
    made: Vec<Made>,
}

/// Encodings of a block, as records one after the other. All that is said of bits counts from the beginning of their writer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    basis: usize,
    block: usize,
    /// A bit for each place.
    places: u32,
    /// All of those that were wanted are there, so that it can be copied in one piece.
    whole: bool,
    /// Those of them that are guessed from their past.
    pub(super) moving: u32,
    /// That of all, if it is the same.
    pub(super) priority: Option<Priority>,
    pub(super) start: u32,
    pub(super) length: u32,
    /// Of each place, where its body is and how long.
    pub(super) bodies: [(u32, u32); BLOCK],
}

/// What a pool of threads has done for a node's encodings, counted since it was set up.
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// let mut replicas = ReplicaManager::new(Registry::builder().build()?, 1);
/// replicas.set_encode_threads(2);
/// let stats = replicas.encode_ahead_stats();
/// assert_eq!((stats.ticks, stats.made), (0, 0)); // nobody to encode anything for
/// # Ok::<(), gridmate_runtime::RegistryError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EncodeAheadStats {
    /// Ticks in which there was enough to encode.
    pub ticks: u64,
    /// Encodings made ahead in them.
    pub made: u64,
    /// Those of them that were made on other threads than the one that ticks. How many differs from run to run.
    pub made_elsewhere: u64,
    /// Those of them that messages were made of; the others were in vain.
    pub used: u64,
}

/// What the threads look at.
#[derive(Clone, Copy)]
struct Job<'a> {
    entries: &'a [Entry],
    stores: Stores<'a>,
    bases: &'a [(Header, Vec<Slot>)],
    wanted: &'a [(usize, usize)],
    /// How much of that was taken by someone.
    taken: &'a AtomicUsize,
}

impl ReplicaManager {
    /// On how many threads state is encoded from now on, the one that ticks included; with 0 and 1 on that one alone, as without this
    /// call, and never on more than [`limits::ENCODE_THREADS`]. Messages are the same bit by bit, whatever the number. If the system
    /// has no threads to give, there is that one alone.
    ///
    /// It pays where a thousand replicas and more change in a tick. A tick in which fewer do goes on as without; so does one whose
    /// messages are too full to say everything, and with models ([`Coder::Entropy`](crate::schema::Coder)) all do.
    ///
    /// ```
    /// use gridmate_runtime::prelude::*;
    ///
    /// let mut replicas = ReplicaManager::new(Registry::builder().build()?, 1);
    /// assert_eq!(replicas.encode_threads(), 1);
    /// replicas.set_encode_threads(4);
    /// # Ok::<(), gridmate_runtime::RegistryError>(())
    /// ```
    pub fn set_encode_threads(&mut self, threads: usize) {
        let threads = if self.encoder.modelled { 1 } else { threads.clamp(1, limits::ENCODE_THREADS) };
        if threads != self.encode_threads() {
            self.encoder.pool = EncodePool::new(threads);
        }
    }

    /// On how many threads state is encoded, 1 at least.
    pub fn encode_threads(&self) -> usize {
        self.encoder.pool.0.as_ref().map_or(1, |workers| workers.hands.len())
    }

    /// What those threads have done; nothing while there is only one.
    pub fn encode_ahead_stats(&self) -> EncodeAheadStats {
        self.encoder.pool.0.as_ref().map_or_else(EncodeAheadStats::default, |workers| workers.stats)
    }

    /// Once in a tick, before its first message: makes what its messages will be put together from.
    pub(super) fn encode_ahead(&mut self) {
        let Self { entries, neighbours, stores, peers, encoder, tick, levels, reach, relayed, .. } = self;
        let Some(workers) = &mut encoder.pool.0 else { return };
        if !relayed.is_empty() {
            // What arrived since `prepare` is not to be sent before the next.
            workers.open = 0;
            return;
        }
        if core::mem::replace(&mut workers.tick, *tick) == *tick || entries.len() < WORTH_WAKING {
            return;
        }
        workers.start();
        // By rank, peers are told of few.
        if levels.len() > QUICK_LEVELS {
            return;
        }
        let predicts = stores.iter().any(|store| store.predicts());
        for peer in peers.iter().flatten().filter(|peer| peer.profile.is_none() && !peer.owed.pressed) {
            let common = peer.owed.next_basis(*reach);
            if peer.owed.has_pending && common.base != 0 {
                workers.want(Header { tick: *tick, common }, &peer.owed, neighbours, predicts);
            }
        }
        if workers.count >= WORTH_WAKING {
            workers.make(entries, Stores { all: stores, profile: None });
        }
    }
}

impl EncodePool {
    fn new(threads: usize) -> Self {
        if threads < 2 {
            return Self(None);
        }
        let named = ThreadPoolBuilder::new().thread_name(|number| format!("gridmate-encode-{number}"));
        let Ok(pool) = named.num_threads(threads - 1).build() else { return Self(None) };
        Self(Some(Box::new(Workers {
            pool,
            tick: 0,
            bases: Vec::new(),
            open: 0,
            wanted: Vec::new(),
            count: 0,
            hands: (0..threads).map(|_| Hand::default()).collect(),
            stats: EncodeAheadStats::default(),
        })))
    }

    pub(super) fn start_tick(&mut self) {
        if let Some(workers) = &mut self.0 {
            workers.open = 0;
        }
    }

    /// So many encodings were taken from here.
    pub(super) fn note_used(&mut self, count: u64) {
        if let Some(workers) = &mut self.0 {
            workers.stats.used += count;
        }
    }

    /// All that is said of these places in messages with that header, if it was made ahead, and the bits that it lies in.
    #[inline]
    pub(super) fn block(&self, header: Header, block: usize, places: u32) -> Option<(&Made, &[u8])> {
        let workers = self.0.as_ref()?;
        let (_, by_block) = workers.bases[..workers.open].iter().find(|(known, _)| *known == header)?;
        let (made, bits) = workers.made(by_block.get(block)?, header)?;
        (made.whole && made.places == places).then_some((made, bits))
    }

    /// Where the body of one place against a basis is, if it was made ahead: bits, the first one's number, and how many.
    #[inline]
    pub(super) fn body(&self, basis: Basis, place: usize) -> Option<(&[u8], usize, usize)> {
        let workers = self.0.as_ref()?;
        let bases = workers.bases[..workers.open].iter().filter(|(header, _)| header.common.base == basis.base);
        for (header, by_block) in bases {
            let Some((made, bits)) = by_block.get(place / BLOCK).and_then(|slot| workers.made(slot, *header)) else {
                continue;
            };
            let against =
                if made.moving >> (place % BLOCK) & 1 == 1 { header.common } else { header.common.without_past() };
            if made.places >> (place % BLOCK) & 1 == 1 && against == basis {
                let (start, length) = made.bodies[place % BLOCK];
                return Some((bits, start as usize, length as usize));
            }
        }
        None
    }
}

impl Workers {
    fn start(&mut self) {
        self.open = 0;
        self.count = 0;
        self.wanted.clear();
    }

    /// What was made of a slot, and the bits that it lies in.
    fn made(&self, slot: &Slot, header: Header) -> Option<(&Made, &[u8])> {
        let (hand, at) = slot.at.filter(|_| slot.tick == header.tick)?;
        let hand = &self.hands[hand as usize];
        Some((&hand.made[at as usize], hand.bits.finished()))
    }

    /// Notes down what a peer's messages will say against their common basis, as far as it is not noted down yet.
    fn want(&mut self, header: Header, owed: &Owed, neighbours: &Neighbours, predicts: bool) {
        let Header { tick, common } = header;
        let known = self.bases[..self.open].iter().position(|(known, _)| *known == header);
        let basis = known.unwrap_or(self.open);
        if known.is_none() {
            match self.bases.get_mut(self.open) {
                // As many as there are blocks for.
                _ if self.open == BASES => return,
                Some((known, _)) => *known = header,
                None => self.bases.push((header, Vec::new())),
            }
            self.open += 1;
        }
        let slots = &mut self.bases[basis].1;
        let words = owed.pending.as_raw_slice();
        slots.resize((words.len() * (usize::BITS as usize / BLOCK)).max(slots.len()), Slot::default());
        let knows =
            |pair: &Target| pair.is_usual(common) && (!predicts || common.past == 0 || pair.knows_past(common.past));
        for (i, word) in words.iter().enumerate().filter(|(_, word)| **word != 0) {
            for half in 0..usize::BITS as usize / BLOCK {
                #[expect(clippy::cast_possible_truncation, reason = "the places of one block")]
                let pending = (word >> (half * BLOCK)) as u32;
                let block = i * (usize::BITS as usize / BLOCK) + half;
                let slot = &mut slots[block];
                let is_new = slot.tick != tick;
                let missing = pending & if is_new { neighbours.live(block) } else { !slot.places };
                if missing == 0 {
                    continue;
                }
                let places = match owed.targets.pairs(block) {
                    Pairs::Alike(pair) => {
                        if knows(&pair) {
                            missing
                        } else {
                            0
                        }
                    }
                    Pairs::Apart(pairs) => (0..)
                        .zip(pairs)
                        .fold(0, |places, (n, pair)| places | u32::from(missing >> n & 1 == 1 && knows(pair)) << n),
                };
                if places == 0 {
                    continue;
                }
                if is_new {
                    *slot = Slot { tick, places: 0, at: None };
                    self.wanted.push((basis, block));
                }
                slot.places |= places;
                self.count += places.count_ones() as usize;
            }
        }
    }

    /// Makes all that is wanted, on all threads.
    fn make(&mut self, entries: &[Entry], stores: Stores<'_>) {
        let taken = AtomicUsize::new(0);
        for hand in &mut self.hands {
            hand.bits.clear();
            hand.made.clear();
        }
        let job = Job { entries, stores, bases: &self.bases, wanted: &self.wanted, taken: &taken };
        let [own, others @ ..] = &mut self.hands[..] else { return };
        self.pool.in_place_scope(|scope| {
            for hand in others {
                scope.spawn(move |_| hand.work(job));
            }
            own.work(job);
        });
        for (number, hand) in (0..).zip(&self.hands) {
            for (at, made) in (0..).zip(&hand.made) {
                self.bases[made.basis].1[made.block].at = Some((number, at));
                let count = u64::from(made.places.count_ones());
                self.stats.made += count;
                self.stats.made_elsewhere += if number == 0 { 0 } else { count };
            }
        }
        self.stats.ticks += 1;
    }
}

impl Hand {
    /// Takes a few blocks after the other until there is none left.
    fn work(&mut self, job: Job<'_>) {
        loop {
            let first = job.taken.fetch_add(CLAIM, Ordering::Relaxed);
            let end = job.wanted.len().min(first + CLAIM);
            if first >= end {
                break;
            }
            for &(basis, block) in &job.wanted[first..end] {
                self.make((basis, block), job);
            }
        }
    }

    /// Encodes what is wanted of a block, as `Encoder::make_ready` does.
    fn make(&mut self, (basis, block): (usize, usize), job: Job<'_>) {
        let Job { entries, stores, bases, .. } = job;
        let (header, slots) = &bases[basis];
        let Header { tick, common } = *header;
        let wanted = slots[block].places;
        fetch(*header, block, wanted, entries, stores);
        let start = self.bits.finish().len() * 8;
        let first = block * BLOCK + wanted.trailing_zeros() as usize;
        let mut made = Made {
            basis,
            block,
            places: 0,
            whole: true,
            moving: 0,
            priority: Some(entries[first].priority),
            start: 0,
            length: 0,
            bodies: [(0, 0); BLOCK],
        };
        let mut cursor = Cursor::START;
        let mut left = wanted;
        while left != 0 {
            let n = left.trailing_zeros() as usize;
            left &= left - 1;
            let (place, entry) = (block * BLOCK + n, &entries[block * BLOCK + n]);
            made.priority = made.priority.filter(|priority| *priority == entry.priority);
            let before = self.bits.len();
            open_record(&mut self.bits, &mut cursor, entry.id, place == first);
            let basis = if entry.predicts { common } else { common.without_past() };
            let has_news = entry.live && entry.has_usual_news(*header);
            let body = if has_news { add_body(&mut self.bits, basis, entry, tick, stores) } else { None };
            let body = body.and_then(|(start, length)| Some((u32::try_from(start).ok()?, u32::try_from(length).ok()?)));
            if let Some(body) = body {
                made.bodies[n] = body;
                made.places |= 1 << n;
                made.moving |= u32::from(entry.predicts) << n;
            } else {
                self.bits.truncate(before);
                made.whole = false;
            }
        }
        let length = self.bits.len() - start;
        self.bits.finish(); // To be copied from.
        if let (Ok(start), Ok(length)) = (u32::try_from(start), u32::try_from(length)) {
            self.made.push(Made { start, length, ..made });
        }
    }
}
