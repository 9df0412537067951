//! Past snapshots of one chunk, to encode or decode against.
//!
//! What names the type of the snapshots is compiled for each chunk type, so that is kept small.

mod ring;
mod turn;

use prefetch_index::prefetch_index;
use ring::Round;
pub(crate) use turn::Turn;

use crate::limits;

/// Snapshots by the version they came with, oldest first, at most so many. A version stays in force until the next:
/// looking up a version finds the newest entry that is not later.
///
/// Chunks keep theirs themselves. Tests of hand-written chunks make one for a [`Moment`](crate::chunk::Moment).
///
/// ```
/// use gridmate_runtime::chunk::{History, Moment};
///
/// let mut received = History::new();
/// assert!(Moment::<f32>::new(&received, 12.0, 6.0).is_none()); // nothing to show yet
/// received.push(10, &1.5);
/// received.push(14, &3.5);
/// let moment = Moment::new(&received, 12.0, 6.0).expect("something was received");
/// assert_eq!(*moment.between(|height| height).to, 3.5);
/// ```
#[derive(Debug)]
pub struct History<S> {
    /// Versions and their snapshots in a ring. What is forgotten stays, to be written over: so the memory that it owns serves again.
    ring: Box<[Kept<S>]>,
    round: Round,
}

/// Aligned so that its size is a number that is easily multiplied with.
#[derive(Clone, Debug)]
#[repr(align(8))]
struct Kept<S> {
    version: u32,
    snapshot: S,
}

/// What a receiver remembers: what a sender does, and its current snapshot. There is a place more, for the one that is coming.
const RECEIVED: usize = limits::HISTORY + 1;

const _: () = assert!(RECEIVED < u8::MAX as usize);

/// Where in the ring what was in force at two versions is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    base: usize,
    /// The same as `base` if nobody asked.
    past: usize,
}

impl<S: Clone> History<S> {
    /// What a receiver decodes against. It must not forget what a sender still has: the current snapshot and all that was
    /// sent before.
    #[expect(clippy::new_without_default, reason = "one kind of two")]
    pub fn new() -> Self {
        Self::with_capacity(RECEIVED)
    }

    /// What a sender encodes against, besides its current snapshot.
    pub(crate) fn sent() -> Self {
        Self::with_capacity(limits::HISTORY)
    }

    fn with_capacity(capacity: usize) -> Self {
        Self { ring: Box::default(), round: Round::of(capacity) }
    }

    /// Remembers what came with `version`, which is later than all before. The oldest entry makes room.
    #[inline]
    pub fn push(&mut self, version: u32, snapshot: &S) {
        debug_assert!(self.newest().is_none_or(|(newest, _)| newest < version), "versions only grow");
        if self.round.len == self.round.capacity {
            self.round = self.round.without_oldest();
        }
        let next = self.next_place(snapshot);
        let kept = &mut self.ring[next];
        kept.version = version;
        kept.snapshot.clone_from(snapshot);
        self.round.len += 1;
    }

    /// Where the next entry goes: there is a place from now on.
    #[inline(always)]
    fn next_place(&mut self, like: &S) -> usize {
        if let Some(places) = self.round.better() {
            self.make_room(places, like);
        }
        self.round.place(self.len())
    }

    /// Forgets what was in force before `version`. What comes next is of the version `next`.
    #[inline]
    pub(crate) fn forget_before(&mut self, version: u32, next: u32) {
        while self.len() > 0 && (if self.len() > 1 { self.ring[self.round.place(1)].version } else { next }) <= version
        {
            self.round = self.round.without_oldest();
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::with_capacity(self.round.capacity.into());
    }

    fn go_round_in(&mut self, places: u8) {
        self.ring[..self.round.places.into()].rotate_left(self.round.first.into());
        (self.round.first, self.round.places) = (0, places);
    }

    /// From now on so many places are gone round in. What owns memory lends it to what comes.
    #[cold]
    fn make_room(&mut self, places: u8, like: &S) {
        self.go_round_in(places);
        let (there, places) = (self.ring.len(), usize::from(places));
        // Of what is not gone round in most is given back.
        let wanted = match () {
            () if there < places => (there * 2).max(1).min(usize::from(self.round.capacity) + 1),
            () if there > 8 && places * 8 <= there => places * 2,
            () => return,
        };
        let mut ring = core::mem::take(&mut self.ring).into_vec();
        ring.truncate(wanted);
        ring.reserve_exact(wanted - ring.len());
        ring.resize(wanted, Kept { version: 0, snapshot: like.clone() });
        self.ring = ring.into_boxed_slice();
    }
}

// Without a bound: these are for whoever shows what was received.
impl<S> History<S> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.round.len()
    }

    /// The version of the entry at `index` from the oldest, and its snapshot.
    pub(super) fn entry(&self, index: usize) -> (u32, &S) {
        assert!(index < self.len(), "there are {} entries", self.len());
        let Kept { version, snapshot } = &self.ring[self.round.place(index)];
        (*version, snapshot)
    }

    /// The newest version, and its snapshot.
    #[inline(always)]
    pub(crate) fn newest(&self) -> Option<(u32, &S)> {
        if self.len() == 0 {
            return None;
        }
        let Kept { version, snapshot } = &self.ring[self.round.place(self.len() - 1)];
        Some((*version, snapshot))
    }

    /// What was in force at `version`, unless that has been forgotten.
    pub(crate) fn at(&self, version: u32) -> Option<&S> {
        Some(&self.ring[self.back(version, self.len())?].snapshot)
    }

    /// The version of the snapshot in force at `version`, unless it has been forgotten.
    pub(crate) fn version_at(&self, version: u32) -> Option<u32> {
        Some(self.ring[self.back(version, self.len())?].version)
    }

    /// Finds what was in force at `base`, and unless that is 0 at `past` before it. None if one of them has been forgotten.
    pub(crate) fn find(&self, (base, past): (u32, u32)) -> Option<Found> {
        let (newest, _) = self.newest()?;
        // What is on the move has an entry for each tick: then it is known how many ago that is.
        let ago = newest.wrapping_sub(base) as usize;
        if ago < self.len() {
            let index = self.len() - 1 - ago;
            let guess = self.round.place(index);
            let further = if past == 0 { 0 } else { base.wrapping_sub(past) as usize };
            if self.ring[guess].version == base && further <= index {
                let before = self.round.place(index - further);
                if past == 0 || self.ring[before].version == past {
                    return Some(Found { base: guess, past: before });
                }
            }
        }
        self.look_for(base, past)
    }

    fn look_for(&self, base: u32, past: u32) -> Option<Found> {
        let base = self.back(base, self.len())?;
        if past == 0 || self.ring[base].version <= past {
            return Some(Found { base, past: base });
        }
        Some(Found { base, past: self.back(past, self.round.index(base))? })
    }

    #[inline(always)]
    pub(crate) fn base(&self, found: Found) -> &S {
        &self.ring[found.base].snapshot
    }

    #[inline(always)]
    pub(crate) fn past(&self, found: Found) -> &S {
        &self.ring[found.past].snapshot
    }

    /// Has the place of the next entry brought into the cache.
    #[inline]
    pub(crate) fn fetch_next(&self) {
        self.fetch(self.len());
    }

    /// The same of the entry that decides whether the oldest is forgotten.
    #[inline]
    pub(crate) fn fetch_second(&self) {
        self.fetch(1);
    }

    /// The same of the entry that was the newest so many entries ago.
    #[inline]
    pub(crate) fn fetch_ago(&self, entries: u32) {
        self.fetch(self.len().saturating_sub(entries as usize + 1));
    }

    #[inline]
    fn fetch(&self, index: usize) {
        if self.round.places > 0 {
            prefetch_index(&self.ring, self.round.place(index));
        }
    }

    /// The place of the newest of the first `entries` that is not later than `version`. Nearly always that is among the newest few.
    fn back(&self, version: u32, entries: usize) -> Option<usize> {
        let mut left = entries;
        while left > 0 {
            left -= 1;
            let place = self.round.place(left);
            if self.ring[place].version <= version {
                return Some(place);
            }
        }
        None
    }
}

/// There are fewer than 256.
const fn number(places: usize) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    let number = places as u32;
    number
}

/// Puts one snapshot in the place of another, which may stay in its place: whichever of copying and swapping is less.
#[inline(always)]
pub(crate) fn hand_over<S: Clone>(to: &mut S, from: &mut S) {
    if const { core::mem::needs_drop::<S>() } {
        core::mem::swap(to, from);
    } else {
        to.clone_from(from);
    }
}

/// Snapshots that nobody needs any more, kept for the memory they own.
#[derive(Debug)]
pub(crate) struct Spare<S> {
    snapshots: Vec<S>,
    /// How many are worth keeping.
    most: usize,
}

impl<S: Clone> Spare<S> {
    pub(crate) const fn new() -> Self {
        Self { snapshots: Vec::new(), most: 1 }
    }

    /// From now on up to so many are kept.
    pub(crate) fn keep(&mut self, most: usize) {
        self.most = self.most.max(most);
    }

    pub(crate) fn copy(&mut self, of: &S) -> S {
        match self.snapshots.pop() {
            Some(mut reused) => {
                reused.clone_from(of);
                reused
            }
            None => of.clone(),
        }
    }

    pub(crate) fn put(&mut self, snapshot: S) {
        // What owns nothing is as well made anew.
        if core::mem::needs_drop::<S>() && self.snapshots.len() < self.most {
            self.snapshots.push(snapshot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_stays_in_force_until_the_next() {
        let mut history = History::sent();
        assert_eq!(history.at(9), None);
        history.push(3, &'a');
        history.push(7, &'b');
        assert_eq!([2, 3, 6, 7, 9].map(|v| history.at(v).copied()), [None, Some('a'), Some('a'), Some('b'), Some('b')]);
        history.forget_before(6, 10);
        assert_eq!(history.at(6), Some(&'a'));
        history.forget_before(7, 10);
        assert_eq!((history.at(6), history.at(u32::MAX)), (None, Some(&'b')));
        history.forget_before(9, 10);
        assert_eq!(history.at(9), Some(&'b'), "until what comes next is in force");
        history.forget_before(10, 10);
        assert_eq!(history.at(10), None);
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut history = History::sent();
        for version in 0..=u32::try_from(limits::HISTORY).unwrap() {
            history.push(version, &version);
        }
        assert_eq!(history.at(0), None);
        assert_eq!(history.at(1), Some(&1));
    }

    #[test]
    fn what_is_forgotten_lends_its_memory_to_what_comes() {
        let mut history = History::new();
        history.push(1, &"the first of them".to_owned());
        let newest = |history: &History<String>| history.at(u32::MAX).unwrap().clone();
        history.push(2, &"the second".to_owned());
        let at = history.at(1).unwrap().as_ptr();
        history.forget_before(2, 3);
        history.push(3, &"the third".to_owned());
        assert_eq!((newest(&history).as_str(), history.at(3).unwrap().as_ptr()), ("the third", at));
    }

    #[test]
    fn two_versions_are_found_at_once() {
        let mut history = History::new();
        [(5, 'a'), (7, 'b'), (10, 'c')].iter().for_each(|(version, snapshot)| history.push(*version, snapshot));
        let found = |history: &History<char>, versions| {
            history.find(versions).map(|found| (*history.base(found), *history.past(found)))
        };
        for (versions, snapshots) in [
            ((10, 7), Some(('c', 'b'))),
            ((10, 8), Some(('c', 'b'))),
            ((11, 5), Some(('c', 'a'))),
            ((12, 11), Some(('c', 'c'))),
            ((9, 6), Some(('b', 'a'))),
            ((9, 0), Some(('b', 'b'))),
            ((9, 4), None),
            ((4, 0), None),
        ] {
            assert_eq!(found(&history, versions), snapshots, "{versions:?}");
        }
    }

    /// Round the ring and over its end, while it grows and shrinks: what a list would say.
    #[test]
    fn a_ring_is_a_list_with_an_end() {
        let mut rng = crate::Rng::new(7);
        let (mut history, mut model) = (History::new(), Vec::new());
        let mut version = 0;
        let mut most = 0;
        for round in 0..6_000_u32 {
            version += 1 + u32::try_from(rng.below(3)).unwrap();
            // In turns nearly all is remembered and nearly nothing.
            let ago = if round / 200 % 2 == 0 { 100 + rng.below(80) } else { rng.below(6) };
            let oldest = version.saturating_sub(u32::try_from(ago).unwrap());
            history.forget_before(oldest, version);
            while !model.is_empty() && model.get(1).map_or(version, |(second, _)| *second) <= oldest {
                model.remove(0);
            }
            history.push(version, &version.to_string());
            model.push((version, version.to_string()));
            if model.len() > RECEIVED {
                model.remove(0);
            }
            assert!((0..history.len()).map(|i| history.entry(i)).eq(model.iter().map(|(v, s)| (*v, s))), "{round}");
            most = most.max(history.round.places);
            if round % 400 == 399 {
                assert!(history.round.places <= 8, "{} places for {} entries", history.round.places, history.len());
            }
        }
        assert_eq!(usize::from(most), RECEIVED);
        assert!(history.ring.len() <= 8, "most was given back");
    }

    #[test]
    fn no_more_is_kept_than_is_worth_it() {
        let mut spare = Spare::new();
        spare.keep(3);
        (0..9).for_each(|n| spare.put(vec![n]));
        assert_eq!(spare.snapshots, [[0], [1], [2]]);
    }
}
