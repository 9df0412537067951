//! Past snapshots of one chunk, to encode or decode against.
//!
//! What names the type of the snapshots is compiled for each chunk type, so that is kept small.

use std::collections::VecDeque;

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
    order: Order,
    /// In no order. What is forgotten stays, to be written over: so the memory that it owns serves again.
    snapshots: Vec<S>,
}

/// Which versions there are, and where the snapshot of each is.
#[derive(Debug)]
struct Order {
    entries: VecDeque<(u32, u32)>,
    /// Places of what was forgotten.
    free: Vec<u32>,
    capacity: usize,
}

impl<S: Clone> History<S> {
    /// What a receiver decodes against. It must not forget what a sender still has: the current snapshot and all that was
    /// sent before.
    #[expect(clippy::new_without_default, reason = "one kind of two")]
    pub const fn new() -> Self {
        Self { order: Order::new(limits::HISTORY + 1), snapshots: Vec::new() }
    }

    /// What a sender encodes against, besides its current snapshot.
    pub(crate) const fn sent() -> Self {
        Self { order: Order::new(limits::HISTORY), snapshots: Vec::new() }
    }

    /// Remembers what came with `version`, which is later than all before. The oldest entry makes room.
    pub fn push(&mut self, version: u32, snapshot: &S) {
        let place = self.order.push(version, self.snapshots.len());
        if place < self.snapshots.len() {
            self.snapshots[place].clone_from(snapshot);
        } else {
            self.snapshots.push(snapshot.clone());
        }
    }

    /// The snapshot in force at `version`, unless it has been forgotten.
    pub(crate) fn at(&self, version: u32) -> Option<&S> {
        let (_, place) = self.order.find(version)?;
        Some(&self.snapshots[place])
    }

    /// The version of the snapshot in force at `version`, unless it has been forgotten.
    pub(crate) fn version_at(&self, version: u32) -> Option<u32> {
        let (version, _) = self.order.find(version)?;
        Some(version)
    }

    /// The newest entry.
    pub(crate) fn newest(&self) -> Option<&S> {
        self.at(u32::MAX)
    }

    /// Forgets what nobody who has `version` will ask for: all entries before the one in force then.
    pub(crate) fn forget_before(&mut self, version: u32) {
        self.order.forget_before(version);
    }

    pub(crate) fn clear(&mut self) {
        *self = Self { order: Order::new(self.order.capacity), snapshots: Vec::new() };
    }
}

// Without a bound: these are for whoever shows what was received.
impl<S> History<S> {
    pub(super) fn len(&self) -> usize {
        self.order.entries.len()
    }

    /// The version of the entry at `index` from the oldest, and its snapshot.
    pub(super) fn entry(&self, index: usize) -> (u32, &S) {
        let (version, place) = self.order.entries[index];
        (version, &self.snapshots[place as usize])
    }

    /// How many entries there are up to a version.
    pub(super) fn count_until(&self, tick: f64) -> usize {
        self.order.entries.partition_point(|(version, _)| f64::from(*version) <= tick)
    }
}

impl Order {
    const fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), free: Vec::new(), capacity }
    }

    /// Where the new snapshot goes: over one that is forgotten, or behind all that are `held`.
    #[inline]
    fn push(&mut self, version: u32, held: usize) -> usize {
        debug_assert!(self.entries.back().is_none_or(|(last, _)| *last < version), "versions only grow");
        if self.entries.len() >= self.capacity {
            self.forget_oldest();
        }
        let place = self.free.pop().unwrap_or_else(|| u32::try_from(held).expect("no more than the capacity"));
        self.entries.push_back((version, place));
        place as usize
    }

    #[inline]
    fn find(&self, version: u32) -> Option<(u32, usize)> {
        // The answer is nearly always among the newest few.
        let entry = self.entries.iter().rev().find(|(v, _)| *v <= version);
        entry.map(|(version, place)| (*version, *place as usize))
    }

    #[inline]
    fn forget_before(&mut self, version: u32) {
        while self.entries.get(1).is_some_and(|(next, _)| *next <= version) {
            self.forget_oldest();
        }
    }

    #[inline]
    fn forget_oldest(&mut self) {
        self.free.extend(self.entries.pop_front().map(|(_, place)| place));
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
        history.forget_before(6);
        assert_eq!(history.at(6), Some(&'a'));
        history.forget_before(7);
        assert_eq!(history.at(6), None);
        assert_eq!(history.newest(), Some(&'b'));
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
        let at = history.newest().unwrap().as_ptr();
        history.push(2, &"the second".to_owned());
        history.forget_before(2);
        history.push(3, &"the third".to_owned());
        assert_eq!((history.newest().unwrap().as_str(), history.newest().unwrap().as_ptr()), ("the third", at));
    }

    #[test]
    fn no_more_is_kept_than_is_worth_it() {
        let mut spare = Spare::new();
        spare.keep(3);
        (0..9).for_each(|n| spare.put(vec![n]));
        assert_eq!(spare.snapshots, [[0], [1], [2]]);
    }
}
