//! Past snapshots of one chunk, to encode or decode against.

use std::collections::VecDeque;

use crate::limits;

/// Snapshots by the version they came with, oldest first, at most `CAPACITY`. A version stays in force until the next:
/// looking up a version finds the newest entry that is not later.
#[derive(Debug)]
pub(crate) struct History<S, const CAPACITY: usize> {
    entries: VecDeque<(u32, S)>,
}

/// What a sender encodes against, besides its current snapshot.
pub(crate) type Sent<S> = History<S, { limits::HISTORY }>;

/// What a receiver decodes against. It must not forget what a sender still has: the current snapshot and all of [`Sent`].
pub(crate) type Received<S> = History<S, { limits::HISTORY + 1 }>;

impl<S: Clone, const CAPACITY: usize> History<S, CAPACITY> {
    pub(crate) const fn new() -> Self {
        Self { entries: VecDeque::new() }
    }

    /// Remembers what came with `version`, which is later than all before. The oldest entry makes room.
    pub(crate) fn push(&mut self, version: u32, snapshot: &S) {
        debug_assert!(self.entries.back().is_none_or(|(last, _)| *last < version), "versions only grow");
        if self.entries.len() < CAPACITY {
            self.entries.push_back((version, snapshot.clone()));
        } else if let Some((_, mut reused)) = self.entries.pop_front() {
            reused.clone_from(snapshot);
            self.entries.push_back((version, reused));
        }
    }

    /// The snapshot in force at `version`, unless it has been forgotten.
    pub(crate) fn at(&self, version: u32) -> Option<&S> {
        // The answer is nearly always among the newest few.
        self.entries.iter().rev().find(|(v, _)| *v <= version).map(|(_, snapshot)| snapshot)
    }

    /// The version of the snapshot in force at `version`, unless it has been forgotten.
    pub(crate) fn version_at(&self, version: u32) -> Option<u32> {
        self.entries.iter().rev().map(|(v, _)| *v).find(|v| *v <= version)
    }

    /// All of them, oldest first.
    pub(super) const fn entries(&self) -> &VecDeque<(u32, S)> {
        &self.entries
    }

    /// The newest entry.
    pub(crate) fn newest(&self) -> Option<&S> {
        self.entries.back().map(|(_, snapshot)| snapshot)
    }

    /// Forgets what nobody who has `version` will ask for: all entries before the one in force then.
    pub(crate) fn forget_before(&mut self, version: u32) {
        while self.entries.get(1).is_some_and(|(next, _)| *next <= version) {
            self.entries.pop_front();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_stays_in_force_until_the_next() {
        let mut history = Sent::new();
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
        let mut history = Sent::new();
        for version in 0..=u32::try_from(limits::HISTORY).unwrap() {
            history.push(version, &version);
        }
        assert_eq!(history.at(0), None);
        assert_eq!(history.at(1), Some(&1));
    }
}
