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
    pub(crate) fn push(&mut self, version: u32, snapshot: &S) {
        if self.entries.len() < self.capacity {
            self.entries.push_back((version, snapshot.clone()));
        } else if let Some((_, mut reused)) = self.entries.pop_front() {
            reused.clone_from(snapshot);
            self.entries.push_back((version, reused));
        }
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
    pub(crate) fn forget_before(&mut self, version: u32) {
        while let Some((next, _)) = self.entries.get(1)
            && *next <= version
        {
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
}
