//! Past snapshots of one chunk, to encode or decode against.
//!
//! What names the type of the snapshots is compiled for each chunk type, so that is kept small.

use prefetch_index::prefetch_index;

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
    ring: Vec<(u32, S)>,
    /// Where the oldest is.
    first: u8,
    len: u8,
    capacity: u8,
}

/// One more than what is remembered, for what is being read.
const _: () = assert!(limits::HISTORY + 2 <= u8::MAX as usize);

impl<S: Clone> History<S> {
    /// What a receiver decodes against. It must not forget what a sender still has: the current snapshot and all that was
    /// sent before.
    #[expect(clippy::new_without_default, reason = "one kind of two")]
    pub const fn new() -> Self {
        Self::with_capacity(limits::HISTORY + 1)
    }

    /// What a sender encodes against, besides its current snapshot.
    pub(crate) const fn sent() -> Self {
        Self::with_capacity(limits::HISTORY)
    }

    #[expect(clippy::cast_possible_truncation, reason = "see above")]
    const fn with_capacity(capacity: usize) -> Self {
        Self { ring: Vec::new(), first: 0, len: 0, capacity: capacity as u8 }
    }

    /// Remembers what came with `version`, which is later than all before. The oldest entry makes room.
    pub fn push(&mut self, version: u32, snapshot: &S) {
        if self.len == self.capacity {
            // Where there are no drafts, the ring has no more than it remembers.
            self.forget_oldest();
        }
        self.make_room(snapshot);
        let next = self.place(self.len());
        self.ring[next].1.clone_from(snapshot);
        self.commit(next, version);
    }

    /// A place for what is to be read: it holds a copy of what was in force at the version `base`, of `defaults` if that is 0. And what was
    /// in force at `past`, unless that is 0 or is not `asked` for. None if one of them has been forgotten. What is before both is forgotten
    /// if nobody is `shown` it.
    #[inline(always)]
    pub(crate) fn draft(
        &mut self,
        (base, past): (u32, u32),
        asked: bool,
        shown: bool,
        defaults: &S,
    ) -> Option<(&mut S, Option<&S>)> {
        if base == 0 {
            self.make_room(defaults);
            let next = self.place(self.len());
            self.ring[next].1.clone_from(defaults);
            return Some((&mut self.ring[next].1, None));
        }
        let (mut base_at, mut before) = self.back(base, self.place(self.len()), self.len())?;
        let mut past_at = base_at;
        if past != 0 && self.ring[base_at].0 > past {
            match self.back(past, base_at, before) {
                Some(found) => (past_at, before) = found,
                None if asked => return None,
                None => before = 0,
            }
        }
        if !shown && before > 0 {
            #[expect(clippy::cast_possible_truncation, reason = "no more than the capacity and one")]
            {
                self.first = past_at as u8;
                self.len -= before as u8;
            }
        }
        if self.len() == self.ring.len() {
            self.grow(defaults);
            base_at = self.find(base)?;
            past_at = if asked && past != 0 { self.find(past)? } else { base_at };
        }
        let next = self.place(self.len());
        let [(_, draft), (_, base)] = self.ring.get_disjoint_mut([next, base_at]).ok()?;
        draft.clone_from(base);
        if past == 0 || !asked {
            return Some((&mut self.ring[next].1, None));
        }
        let [(_, draft), (_, past)] = self.ring.get_disjoint_mut([next, past_at]).ok()?;
        Some((draft, Some(past)))
    }

    /// What was read into the draft came with `version`, later than all before: it is remembered, unless it is what the newest entry
    /// holds. Returns whether it is, and the newest entry and its version.
    #[inline(always)]
    pub(crate) fn keep_draft(&mut self, version: u32) -> (bool, u32, &S)
    where
        S: PartialEq,
    {
        let next = self.place(self.len());
        if self.len > 0 {
            let newest = if next == 0 { self.ring.len() } else { next } - 1;
            if self.ring[next].1 == self.ring[newest].1 {
                let (version, snapshot) = &self.ring[newest];
                return (false, *version, snapshot);
            }
        }
        self.commit(next, version);
        (true, version, &self.ring[next].1)
    }

    /// The snapshot in force at `version`, unless it has been forgotten.
    pub(crate) fn at(&self, version: u32) -> Option<&S> {
        Some(&self.ring[self.find(version)?].1)
    }

    /// The version of the snapshot in force at `version`, unless it has been forgotten.
    pub(crate) fn version_at(&self, version: u32) -> Option<u32> {
        Some(self.ring[self.find(version)?].0)
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::with_capacity(self.capacity.into());
    }

    /// Sees to it that there is a place behind the newest.
    #[inline]
    fn make_room(&mut self, like: &S) {
        if self.len() == self.ring.len() {
            self.grow(like);
        }
    }

    #[cold]
    fn grow(&mut self, like: &S) {
        self.ring.rotate_left(self.first.into());
        self.first = 0;
        if self.ring.len() == self.ring.capacity() {
            // Twice as many at first; but of thirty-three a half would lie idle.
            self.ring.reserve_exact(self.ring.len().clamp(2, 8));
        }
        self.ring.push((0, like.clone()));
    }
}

// Without a bound: these are for whoever shows what was received.
impl<S> History<S> {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len.into()
    }

    /// The version of the entry at `index` from the oldest, and its snapshot.
    pub(super) fn entry(&self, index: usize) -> (u32, &S) {
        assert!(index < self.len(), "there are {} entries", self.len);
        let (version, snapshot) = &self.ring[self.place(index)];
        (*version, snapshot)
    }

    /// The newest version.
    pub(crate) fn newest_version(&self) -> Option<u32> {
        Some(self.entry(self.len().checked_sub(1)?).0)
    }

    /// Has the place of the next entry brought into the cache.
    #[inline]
    pub(crate) fn fetch_next(&self) {
        self.fetch(self.len());
    }

    /// The same of the entry that was the newest so many entries ago.
    #[inline]
    pub(crate) fn fetch_ago(&self, entries: u32) {
        self.fetch(self.len().saturating_sub(entries as usize + 1));
    }

    #[inline]
    fn fetch(&self, index: usize) {
        if !self.ring.is_empty() {
            prefetch_index(&self.ring, self.place(index));
        }
    }

    /// Where the entry at `index` from the oldest is.
    #[inline]
    fn place(&self, index: usize) -> usize {
        let place = usize::from(self.first) + index;
        if place >= self.ring.len() { place - self.ring.len() } else { place }
    }

    /// Goes back from the place behind `left` entries to the newest that is not later than `version`: its place, and how many there are
    /// before it. Nearly always that is among the newest few.
    #[inline(always)]
    fn back(&self, version: u32, from: usize, left: usize) -> Option<(usize, usize)> {
        let (mut at, mut left) = (from, left);
        while left > 0 {
            at = if at == 0 { self.ring.len() } else { at } - 1;
            left -= 1;
            if self.ring[at].0 <= version {
                return Some((at, left));
            }
        }
        None
    }

    /// Where what was in force at a version is.
    #[inline]
    fn find(&self, version: u32) -> Option<usize> {
        Some(self.back(version, self.place(self.len()), self.len())?.0)
    }

    /// What is at `next`, behind the newest, is the newest now.
    #[inline]
    fn commit(&mut self, next: usize, version: u32) {
        debug_assert!(self.len == 0 || self.entry(self.len() - 1).0 < version, "versions only grow");
        self.ring[next].0 = version;
        self.len += 1;
        if self.len > self.capacity {
            self.forget_oldest();
        }
    }

    #[inline]
    fn forget_oldest(&mut self) {
        #[expect(clippy::cast_possible_truncation, reason = "no more than the capacity and one")]
        let second = self.place(1) as u8;
        self.first = second;
        self.len -= 1;
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
        history.draft((6, 0), false, false, &' ');
        assert_eq!(history.at(6), Some(&'a'));
        history.draft((7, 0), false, false, &' ');
        assert_eq!(history.at(6), None);
        assert_eq!(history.at(u32::MAX), Some(&'b'));
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
        let at = history.at(1).unwrap().as_ptr();
        history.push(2, &"the second".to_owned());
        history.push(3, &"the third".to_owned());
        history.draft((3, 0), false, false, &String::new());
        history.push(4, &"the fourth".to_owned());
        assert_eq!((newest(&history).as_str(), history.at(4).unwrap().as_ptr()), ("the fourth", at));
    }

    #[test]
    fn a_draft_is_nothing_until_it_is_kept() {
        let mut history = History::new();
        let mut read = |base, past, found: Option<&str>, text: &str, keep| {
            let (draft, past) = history.draft((base, past), true, true, &String::from("default")).expect("it is there");
            assert_eq!(past.map(String::as_str), found);
            let was = core::mem::replace(draft, text.to_owned());
            keep_draft(&mut history, keep);
            was
        };
        fn keep_draft(history: &mut History<String>, version: Option<u32>) {
            if let Some(version) = version {
                history.keep_draft(version);
            }
        }
        assert_eq!(read(0, 0, None, "a", None), "default");
        assert_eq!(read(0, 0, None, "a", Some(5)), "default");
        assert_eq!(read(5, 0, None, "b", Some(7)), "a");
        assert_eq!(read(7, 5, Some("a"), "c", None), "b");
        assert_eq!(read(8, 6, Some("a"), "b", Some(8)), "b");
        assert_eq!(history.len(), 2, "what is the same is not remembered twice");
        assert!(history.draft((4, 0), true, true, &String::new()).is_none());
        assert!(history.draft((7, 4), true, true, &String::new()).is_none());
        assert_eq!(
            history.draft((7, 4), false, false, &String::new()).map(|(draft, past)| (&draft[..], past)),
            Some(("b", None))
        );
        assert_eq!(history.len(), 2, "nothing is forgotten but what is before both");
        // Round the ring, and over its end while it grows.
        for version in 9..200 {
            let past = if version < 60 { version - version % 7 - 1 } else { 0 };
            let (draft, found) = history.draft((version - 1, past), true, version >= 60, &String::new()).unwrap();
            if past > 8 {
                assert_eq!(found, Some(&past.to_string()));
            }
            *draft = version.to_string();
            assert_eq!(history.keep_draft(version), (true, version, &version.to_string()));
            if past > 8 {
                assert_eq!(history.entry(0), (past, &past.to_string()));
            }
        }
        assert_eq!((history.len(), history.at(166)), (limits::HISTORY + 1, None));
        assert_eq!(history.at(167).map(String::as_str), Some("167"));
    }

    #[test]
    fn no_more_is_kept_than_is_worth_it() {
        let mut spare = Spare::new();
        spare.keep(3);
        (0..9).for_each(|n| spare.put(vec![n]));
        assert_eq!(spare.snapshots, [[0], [1], [2]]);
    }
}
