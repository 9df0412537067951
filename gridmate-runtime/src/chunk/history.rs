//! Past snapshots of one chunk, to encode or decode against.
//!
//! Compiled for each chunk type, so plain loops: each closure would be a function of its own for each of them.

use std::collections::VecDeque;

use crate::limits;

/// Snapshots by the version they came with, oldest first, at most so many. A version stays in force until the next:
/// looking up a version finds the newest entry that is not later.
#[derive(Debug)]
pub(crate) struct History<S> {
    entries: VecDeque<(u32, S)>,
    capacity: usize,
}

impl<S: Clone> History<S> {
    /// What a sender encodes against, besides its current snapshot.
    pub(crate) const fn sent() -> Self {
        Self { entries: VecDeque::new(), capacity: limits::HISTORY }
    }

    /// What a receiver decodes against. It must not forget what a sender still has: the current snapshot and all that was
    /// [`sent`](Self::sent).
    pub(crate) const fn received() -> Self {
        Self { entries: VecDeque::new(), capacity: limits::HISTORY + 1 }
    }

    /// Remembers what came with `version`, which is later than all before. The oldest entry makes room.
    pub(crate) fn push(&mut self, version: u32, snapshot: &S, spare: &mut Spare<S>) {
        debug_assert!(self.version_at(u32::MAX) < Some(version), "versions only grow");
        if self.entries.len() >= self.capacity
            && let Some((_, oldest)) = self.entries.pop_front()
        {
            spare.put(oldest);
        }
        self.entries.push_back((version, spare.copy(snapshot)));
    }

    /// The entry in force at `version`, unless it has been forgotten.
    fn find(&self, version: u32) -> Option<&(u32, S)> {
        // The answer is nearly always among the newest few.
        let mut at = self.entries.len();
        while at > 0 {
            at -= 1;
            let entry = &self.entries[at];
            if entry.0 <= version {
                return Some(entry);
            }
        }
        None
    }

    /// The snapshot in force at `version`, unless it has been forgotten.
    pub(crate) fn at(&self, version: u32) -> Option<&S> {
        let (_, snapshot) = self.find(version)?;
        Some(snapshot)
    }

    /// The version of the snapshot in force at `version`, unless it has been forgotten.
    pub(crate) fn version_at(&self, version: u32) -> Option<u32> {
        let (version, _) = self.find(version)?;
        Some(*version)
    }

    /// All of them, oldest first.
    pub(super) const fn entries(&self) -> &VecDeque<(u32, S)> {
        &self.entries
    }

    /// The newest entry.
    pub(crate) fn newest(&self) -> Option<&S> {
        let (_, snapshot) = self.entries.back()?;
        Some(snapshot)
    }

    /// Forgets what nobody who has `version` will ask for: all entries before the one in force then.
    pub(crate) fn forget_before(&mut self, version: u32, spare: &mut Spare<S>) {
        while let Some((next, _)) = self.entries.get(1)
            && *next <= version
        {
            if let Some((_, forgotten)) = self.entries.pop_front() {
                spare.put(forgotten);
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
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
        let (mut history, spare) = (History::sent(), &mut Spare::new());
        assert_eq!(history.at(9), None);
        history.push(3, &'a', spare);
        history.push(7, &'b', spare);
        assert_eq!([2, 3, 6, 7, 9].map(|v| history.at(v).copied()), [None, Some('a'), Some('a'), Some('b'), Some('b')]);
        history.forget_before(6, spare);
        assert_eq!(history.at(6), Some(&'a'));
        history.forget_before(7, spare);
        assert_eq!(history.at(6), None);
        assert_eq!(history.newest(), Some(&'b'));
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut history = History::sent();
        for version in 0..=u32::try_from(limits::HISTORY).unwrap() {
            history.push(version, &version, &mut Spare::new());
        }
        assert_eq!(history.at(0), None);
        assert_eq!(history.at(1), Some(&1));
    }

    #[test]
    fn what_is_forgotten_lends_its_memory_to_what_comes() {
        let (mut history, mut spare) = (History::received(), Spare::new());
        history.push(1, &"the first of them".to_owned(), &mut spare);
        let at = history.newest().unwrap().as_ptr();
        history.push(2, &"the second".to_owned(), &mut spare);
        history.forget_before(2, &mut spare);
        history.push(3, &"the third".to_owned(), &mut spare);
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
