//! Encodings made ahead, on several threads.
//!
//! Before the first message of a tick is written, it is known of nearly all there is to say against which basis it will be said. So it is
//! encoded then, a block of places at a time, by as many threads as the program allows, each into a writer of its own. Meanwhile the thread
//! that ticks waits. Then it serves peers as always: where an encoding is to be made, it is copied if it was made ahead. Which thread made
//! what differs from run to run, and no bit depends on it.
//!
//! The pool computes and nothing else: it sees what is not changed meanwhile, waits for nothing, and has nothing to do between two calls.

use core::sync::atomic::{AtomicUsize, Ordering};

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::ReplicaManager;
use super::alike::{Alike, HEAD, HEAD_OF_FIRST};
use super::blocks::{fetch, open_record};
use super::encoder::{Asked, Stores, encode};
use super::entry::Entry;
use super::owed::Owed;
use super::pair::Target;
use super::ranking::QUICK_LEVELS;
use super::record::{Cursor, Header};
use super::target::Peer;
use super::targets::{BLOCK, Pairs};
use crate::chunk::{Basis, ChunkStore};
use crate::limits;
use crate::schema::Priority;
use crate::wire::BitWriter;

/// Encodings of a tick that are worth waking others for, count. To hand work over, to wait and to copy what comes of it takes some forty to
/// eighty microseconds, one of neighbours that are alike a fortieth of one: two threads save as much as they cost with some thousands.
const WORTH_WAKING: usize = 4_096;

/// Blocks that a thread takes at a time.
const CLAIM: usize = 2;

/// Bases of one tick, count: as many as there are ticks in a round trip, for a few peers.
const BASES: usize = 32;

/// The pool, if the program wants one.
#[derive(Debug, Default)]
pub(super) struct EncodePool(Option<Box<Workers>>);

#[derive(Debug)]
struct Workers {
    pool: ThreadPool,
    /// The last tick that something was to be sent in.
    tick: u32,
    /// By what it is against, as a rule, the blocks and places that are wanted. The first `open` belong to that tick; the others are kept for their memory.
    bases: Vec<(Basis, Vec<Marks>)>,
    open: usize,
    wanted: Vec<Wanted>,
    /// Places in it.
    count: usize,
    /// One for each thread.
    hands: Vec<Hand>,
    /// By block: the tick in which something was made of it, and the first of that.
    made: Vec<(u32, Option<At>)>,
    stats: EncodeAheadStats,
}

/// Places of a block.
#[derive(Clone, Copy, Debug, Default)]
struct Marks {
    tick: u32,
    places: u32,
}

/// Some places of a block, and a peer that lacks them.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    peer: usize,
    header: Header,
    /// What they will be told against, as a rule.
    likely: Basis,
    block: usize,
    places: u32,
}

/// Whose it is, and which of theirs.
type At = (u32, u32);

/// What a thread has made in this tick.
#[derive(Debug, Default)]
struct Hand {
    bits: BitWriter,
    made: Vec<Made>,
    /// What those are against that are not against what is likely.
    odd: Vec<Basis>,
}

/// Encodings of a block, as records one after the other. Bits are counted from the beginning of their writer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// More of the same block.
    next: Option<At>,
    likely: Basis,
    block: usize,
    /// A bit for each place.
    places: u32,
    /// Those of them that are guessed from their past.
    pub(super) moving: u32,
    /// Those of them that are not against what is likely; where in their hand's list it says against what they are.
    odd: u32,
    odd_at: u32,
    /// All that was wanted is there, and against what is likely: if messages go by that, it can be copied in one piece.
    whole: bool,
    /// That of all, if it is the same.
    pub(super) priority: Option<Priority>,
    pub(super) start: u32,
    pub(super) length: u32,
    pub(super) bodies: [Body; BLOCK],
}

impl Made {
    /// What the body of a place is against.
    #[inline]
    fn basis(&self, n: usize, hand: &Hand) -> Basis {
        if self.odd >> n & 1 == 1 {
            hand.odd[self.odd_at as usize + (self.odd & ((1 << n) - 1)).count_ones() as usize]
        } else if self.moving >> n & 1 == 1 {
            self.likely
        } else {
            self.likely.without_past()
        }
    }
}

/// Where one of them is.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Body {
    pub(super) start: u32,
    pub(super) length: u32,
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
    /// Those of them that were not made on the first thread to be free. How many differs from run to run.
    pub made_beside: u64,
    /// Those of them that messages were made of; the others were in vain.
    pub used: u64,
}

/// What the threads look at.
#[derive(Clone, Copy)]
struct Job<'a> {
    entries: &'a [Entry],
    stores: &'a [Box<dyn ChunkStore>],
    peers: &'a [Option<Peer>],
    wanted: &'a [Wanted],
    /// How much of that was taken by someone.
    taken: &'a AtomicUsize,
}

impl ReplicaManager {
    /// On how many threads state is encoded from now on. They are the node's own, and the one that ticks waits for them; with 0 and 1 it
    /// does all by itself, as without this call. Never on more than [`limits::ENCODE_THREADS`]. Messages are the same bit by bit, whatever
    /// the number. If the system has no threads to give, there is that one alone.
    ///
    /// It pays where some thousand replicas change in a tick and cores are idle; where none is, it costs a little. A tick in which fewer
    /// than a thousand do goes on as without; so does one whose messages are too full to say everything, and with models
    /// ([`Coder::Entropy`](crate::schema::Coder)) all do.
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
        let Self { entries, stores, peers, encoder, tick, levels, reach, relayed, .. } = self;
        let Some(workers) = &mut encoder.pool.0 else { return };
        if !relayed.is_empty() {
            // What arrived since `prepare` is not to be sent before the next.
            workers.made.clear();
            return;
        }
        if core::mem::replace(&mut workers.tick, *tick) == *tick {
            return;
        }
        // Told by rank, peers are told of few.
        if entries.len() < WORTH_WAKING || levels.len() > QUICK_LEVELS {
            return;
        }
        workers.start(entries.len().div_ceil(BLOCK));
        let guesses = stores.iter().any(|store| store.predicts());
        for (number, peer) in peers.iter().enumerate() {
            // Of newcomers it is not known how much they can be told, and of those who are pressed that it is not all.
            if let Some(Peer { owed, .. }) = peer
                && owed.has_pending
                && !owed.pressed
                && owed.ticks.newest != 0
            {
                workers.want((number, owed), Header { tick: *tick, common: owed.next_basis(*reach, *tick) }, guesses);
            }
        }
        if workers.count >= WORTH_WAKING {
            workers.make(entries, stores, peers);
        }
    }
}

impl EncodePool {
    fn new(threads: usize) -> Self {
        if threads < 2 {
            return Self(None);
        }
        let named = ThreadPoolBuilder::new().thread_name(|number| format!("gridmate-encode-{number}"));
        let Ok(pool) = named.num_threads(threads).build() else { return Self(None) };
        Self(Some(Box::new(Workers {
            pool,
            tick: 0,
            bases: Vec::new(),
            open: 0,
            wanted: Vec::new(),
            count: 0,
            hands: (0..threads).map(|_| Hand::default()).collect(),
            made: Vec::new(),
            stats: EncodeAheadStats::default(),
        })))
    }

    /// So many encodings were taken from here.
    pub(super) fn note_used(&mut self, count: u64) {
        if let Some(workers) = &mut self.0 {
            workers.stats.used += count;
        }
    }

    /// Whether anything of a block was made ahead.
    #[inline]
    pub(super) fn has(&self, block: usize, tick: u32) -> bool {
        self.0.as_ref().is_some_and(|workers| workers.of_block(block, tick).next().is_some())
    }

    /// All that is said of these places in messages with that header, if it was made ahead, and the bits that it lies in.
    #[inline]
    pub(super) fn block(&self, header: Header, block: usize, places: u32) -> Option<(&Made, &[u8])> {
        let all = self.0.as_ref()?.of_block(block, header.tick);
        let Basis { base, .. } = header.common;
        let fits = |made: &Made| {
            made.likely == header.common
                || made.moving == 0 && made.likely.without_past() == header.common.without_past()
        };
        let (made, hand) =
            all.into_iter().find(|(made, _)| base != 0 && made.whole && made.places == places && fits(made))?;
        Some((made, hand.bits.finished()))
    }

    /// Where the body of one place against a basis is, if it was made ahead: bits, the first one's number, and how many.
    #[inline]
    pub(super) fn body(&self, basis: Basis, place: usize, tick: u32) -> Option<(&[u8], usize, usize)> {
        let all = self.0.as_ref()?.of_block(place / BLOCK, tick);
        let n = place % BLOCK;
        let (made, hand) =
            all.into_iter().find(|(made, hand)| made.places >> n & 1 == 1 && made.basis(n, hand) == basis)?;
        Some((hand.bits.finished(), made.bodies[n].start as usize, made.bodies[n].length as usize))
    }
}

impl Workers {
    fn start(&mut self, blocks: usize) {
        self.open = 0;
        self.count = 0;
        self.wanted.clear();
        self.made.resize(blocks.max(self.made.len()), (0, None));
    }

    /// All that was made of a block in a tick, and by whom.
    fn of_block(&self, block: usize, tick: u32) -> impl Iterator<Item = (&Made, &Hand)> {
        let first = self.made.get(block).filter(|(made_in, _)| *made_in == tick).and_then(|(_, first)| *first);
        let of = |(hand, at): At| (&self.hands[hand as usize].made[at as usize], &self.hands[hand as usize]);
        core::iter::successors(first.map(of), move |(made, _)| made.next.map(of))
    }

    /// Notes down what a peer lacks, as far as it was not for one like it.
    fn want(&mut self, (peer, owed): (usize, &Owed), header: Header, guesses: bool) {
        const BITS: usize = usize::BITS as usize;
        let likely = |pair: Target| {
            let basis = pair.likely_basis(header.common);
            if guesses { basis } else { basis.without_past() }
        };
        for (i, word) in owed.pending.as_raw_slice().iter().enumerate().filter(|(_, word)| **word != 0) {
            for shift in (0..BITS).step_by(BLOCK) {
                #[expect(clippy::cast_possible_truncation, reason = "the places of one block")]
                let pending = (word >> shift) as u32;
                let block = (i * BITS + shift) / BLOCK;
                if pending == 0 {
                    continue;
                }
                match owed.targets.pairs(block) {
                    Pairs::Alike(pair) => self.want_places(peer, header, likely(pair), (block, pending)),
                    Pairs::Apart(pairs) => {
                        // Most go with their neighbours.
                        let (mut left, mut run) = (pending, 0_u32);
                        while left != 0 {
                            let n = left.trailing_zeros();
                            left &= left - 1;
                            run |= 1 << n;
                            let pair = pairs[n as usize];
                            if left == 0 || pairs[left.trailing_zeros() as usize].acked() != pair.acked() {
                                self.want_places(peer, header, likely(pair), (block, run));
                                run = 0;
                            }
                        }
                    }
                }
            }
        }
    }

    #[inline]
    fn want_places(&mut self, peer: usize, header: Header, likely: Basis, (block, places): (usize, u32)) {
        let known = self.bases[..self.open].iter().rposition(|(known, _)| *known == likely);
        let at = known.unwrap_or(self.open);
        if known.is_none() {
            match self.bases.get_mut(self.open) {
                _ if self.open == BASES => return,
                Some((known, _)) => *known = likely,
                None => self.bases.push((likely, Vec::new())),
            }
            self.open += 1;
            let marks = &mut self.bases[at].1;
            marks.resize(self.made.len().max(marks.len()), Marks::default());
        }
        let marks = &mut self.bases[at].1[block];
        if marks.tick != header.tick {
            *marks = Marks { tick: header.tick, places: 0 };
        }
        let places = places & !marks.places;
        if places != 0 {
            marks.places |= places;
            self.count += places.count_ones() as usize;
            self.wanted.push(Wanted { peer, header, likely, block, places });
        }
    }

    /// Makes all that is wanted, on all threads.
    fn make(&mut self, entries: &[Entry], stores: &[Box<dyn ChunkStore>], peers: &[Option<Peer>]) {
        let taken = AtomicUsize::new(0);
        for hand in &mut self.hands {
            hand.bits.clear();
            hand.made.clear();
            hand.odd.clear();
        }
        let job = Job { entries, stores, peers, wanted: &self.wanted, taken: &taken };
        let hands = &mut self.hands[..];
        self.pool.install(|| all_work(hands, job));
        for (number, hand) in (0..).zip(&mut self.hands) {
            for (at, made) in (0..).zip(&mut hand.made) {
                let (made_in, first) = &mut self.made[made.block];
                made.next = if *made_in == self.tick { *first } else { None };
                (*made_in, *first) = (self.tick, Some((number, at)));
                let count = u64::from(made.places.count_ones());
                self.stats.made += count;
                self.stats.made_beside += if number == 0 { 0 } else { count };
            }
        }
        self.stats.ticks += 1;
    }
}

/// Lets all hands work. Of a thread that is not free, the first does the work and does not wait for it.
fn all_work(hands: &mut [Hand], job: Job<'_>) {
    if let [hand] = hands {
        hand.work(job);
    } else if hands.len() > 1 {
        let (some, others) = hands.split_at_mut(hands.len() / 2);
        rayon::join(|| all_work(some, job), || all_work(others, job));
    }
}

impl Hand {
    /// Takes a few blocks after the other until there is none left.
    fn work(&mut self, job: Job<'_>) {
        loop {
            let first = job.taken.fetch_add(CLAIM, Ordering::Relaxed);
            let end = job.wanted.len().min(first.saturating_add(CLAIM));
            if first >= end {
                break;
            }
            job.wanted[first..end].iter().for_each(|wanted| self.make(*wanted, job));
        }
    }

    /// Encodes what is wanted of a block: against what messages go by as `Encoder::make_ready` does, otherwise as `Encoder::body`.
    fn make(&mut self, wanted: Wanted, job: Job<'_>) {
        let Job { entries, stores, peers, .. } = job;
        let Wanted { peer, header, likely, block, places } = wanted;
        let Some(peer) = &peers[peer] else { return };
        let stores = Stores { all: stores, profile: None };
        let start = self.bits.finish().len() * 8;
        let odd_at = self.odd.len();
        let first = block * BLOCK + places.trailing_zeros() as usize;
        let mut made = Made {
            next: None,
            likely,
            block,
            places: 0,
            moving: 0,
            odd: 0,
            odd_at: 0,
            whole: true,
            priority: Some(entries[first].priority),
            start: 0,
            length: 0,
            bodies: [Body::default(); BLOCK],
        };
        if let Some(made) = self.make_alike(peer, wanted, &made, entries, stores) {
            self.made.push(made);
            return;
        }
        fetch(header, block, places, entries, stores);
        let mut cursor = Cursor::START;
        let mut left = places;
        while left != 0 {
            let n = left.trailing_zeros() as usize;
            left &= left - 1;
            let (place, entry) = (block * BLOCK + n, &entries[block * BLOCK + n]);
            let before = self.bits.len();
            open_record(&mut self.bits, &mut cursor, entry.id, place == first);
            let Some((basis, body)) = self.body(peer, header, place, entry, stores) else {
                self.bits.truncate(before);
                made.whole = false;
                continue;
            };
            let usual = if entry.predicts { likely } else { likely.without_past() };
            if basis != usual {
                made.odd |= 1 << n;
                self.odd.push(basis);
            }
            made.whole &= basis == usual && entry.has_usual_news(Header { common: likely, ..header });
            made.priority = made.priority.filter(|priority| *priority == entry.priority);
            made.places |= 1 << n;
            made.moving |= u32::from(entry.predicts) << n;
            made.bodies[n] = body;
        }
        let length = self.bits.len() - start;
        self.bits.finish(); // To be copied from.
        if let (Ok(start), Ok(length), Ok(odd_at)) =
            (u32::try_from(start), u32::try_from(length), u32::try_from(odd_at))
            && made.places != 0
        {
            self.made.push(Made { start, length, odd_at, ..made });
        }
    }

    /// Encodes what the peer lacks of one replica; none if that is nothing, or is of this peer alone, or does not come out as it should.
    /// All that is wanted of a block, in one go where that is possible.
    fn make_alike(
        &mut self,
        peer: &Peer,
        wanted: Wanted,
        none: &Made,
        entries: &[Entry],
        stores: Stores<'_>,
    ) -> Option<Made> {
        let Wanted { header, likely, block, places, .. } = wanted;
        let Pairs::Alike(pair) = peer.owed.targets.pairs(block) else { return None };
        let common = header.common;
        if pair.acked() != common.base || common.base == 0 || peer.profile.is_some() {
            return None;
        }
        let first = block * BLOCK + places.trailing_zeros() as usize;
        let alike = Alike::of(header, first, places, entries)?;
        let is_likely = if alike.predicts {
            likely == common && pair.knows_past(common.past)
        } else {
            likely.without_past() == alike.basis
        };
        if !is_likely {
            return None;
        }
        let start = self.bits.len();
        let mut ends = [0; BLOCK];
        let ends = alike.write(header.tick, stores, &mut self.bits, &mut ends)?;
        let mut made =
            Made { places, moving: if alike.predicts { places } else { 0 }, priority: Some(alike.priority), ..*none };
        let (mut at, n) = (start + HEAD_OF_FIRST.1 as usize, places.trailing_zeros() as usize);
        for (body, end) in made.bodies[n..].iter_mut().zip(ends) {
            *body = Body { start: u32::try_from(at).ok()?, length: u32::try_from(end - at).ok()? };
            at = end + HEAD.1 as usize;
        }
        made.start = u32::try_from(start).ok()?;
        made.length = u32::try_from(self.bits.len() - start).ok()?;
        self.bits.finish(); // To be copied from.
        Some(made)
    }

    #[inline]
    fn body(
        &mut self,
        peer: &Peer,
        header: Header,
        place: usize,
        entry: &Entry,
        stores: Stores<'_>,
    ) -> Option<(Basis, Body)> {
        let pair = peer.owed.targets.get(place);
        let to_say = entry.live && entry.version <= header.tick && pair.acked() < entry.version;
        if !to_say || entry.audience != 0 || peer.profile.as_ref().is_some_and(|profile| profile.cuts(entry)) {
            return None;
        }
        let common = header.common;
        let is_usual = pair.acked() == common.base && common.base != 0;
        let basis = match (is_usual, entry.predicts) {
            (true, false) => common.without_past(),
            (true, true) if common.past != 0 && pair.knows_past(common.past) => common,
            _ => pair.basis(header, entry, stores.all).0,
        };
        let asked = Asked { basis, hidden: 0, profile: 0 };
        let body = encode(&mut self.bits, asked, entry, header.tick, stores).if_as_asked()?;
        Some((basis, Body { start: u32::try_from(body.0).ok()?, length: u32::try_from(body.1).ok()? }))
    }
}
