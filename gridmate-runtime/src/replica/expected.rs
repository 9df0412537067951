//! What moved in a tick will move in the next: who was in the messages of a tick, so that later ones need not name them again.
//!
//! Under models a message may begin with a flag for each replica that was in the messages of its common base. Both ends know
//! which those were, if all of them arrived; the sender can tell from the receipts.

use std::collections::VecDeque;

use crate::ids::ReplicaId;
use crate::limits;

/// A replica that a message is likely to have a record of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) id: ReplicaId,
    /// Where the sender has it.
    pub(super) place: u32,
}

/// Who was in the messages of past ticks, newest last: as many ticks as there is history.
#[derive(Debug, Default)]
pub(super) struct Company {
    ticks: VecDeque<Tick>,
    spare: Vec<Vec<Expected>>,
}

#[derive(Debug)]
struct Tick {
    tick: u32,
    list: Vec<Expected>,
    /// Messages without a receipt.
    open: u32,
    /// One of them was lost, or there are too many in it.
    useless: bool,
    sorted: bool,
}

impl Company {
    /// A message of `tick` was sent, or taken in, with these. `keep` ticks are remembered.
    pub(super) fn note(&mut self, tick: u32, list: impl Iterator<Item = Expected>, keep: usize) {
        let known = self.ticks.iter().rposition(|known| known.tick == tick);
        let at = known.unwrap_or_else(|| self.insert(tick, keep));
        let Some(known) = self.ticks.get_mut(at) else { return };
        known.open += 1;
        known.sorted = false;
        known.list.extend(list.take(limits::EXPECTED + 1 - known.list.len()));
        known.useless |= known.list.len() > limits::EXPECTED;
    }

    /// A place for a tick, in order; messages may overtake each other.
    fn insert(&mut self, tick: u32, keep: usize) -> usize {
        if self.ticks.len() >= keep {
            if self.ticks.front().is_some_and(|oldest| tick < oldest.tick) {
                return usize::MAX; // Older than all: nobody will ask.
            }
            self.spare.extend(self.ticks.pop_front().map(|oldest| oldest.list));
        }
        let mut list = self.spare.pop().unwrap_or_default();
        list.clear();
        let at = self.ticks.partition_point(|known| known.tick < tick);
        self.ticks.insert(at, Tick { tick, list, open: 0, useless: false, sorted: true });
        at
    }

    /// The receipt of a message of `tick` is here.
    pub(super) fn resolve(&mut self, tick: u32, delivered: bool) {
        if let Some(known) = self.ticks.iter_mut().rfind(|known| known.tick == tick) {
            known.open -= 1;
            known.useless |= !delivered;
        }
    }

    /// Who was in the messages of `tick`, all of which have arrived; in the order of ids.
    pub(super) fn delivered(&mut self, tick: u32) -> Option<&[Expected]> {
        self.all(tick, |known| known.open == 0)
    }

    /// Who was in the messages of `tick` that were taken in, in the order of ids.
    pub(super) fn taken_in(&mut self, tick: u32) -> Option<&[Expected]> {
        self.all(tick, |_| true)
    }

    fn all(&mut self, tick: u32, complete: impl Fn(&Tick) -> bool) -> Option<&[Expected]> {
        let known = self.ticks.iter_mut().rfind(|known| known.tick == tick)?;
        if known.useless || !complete(known) {
            return None;
        }
        if !known.sorted {
            known.list.sort_unstable_by_key(|expected| expected.id);
            known.sorted = true;
        }
        Some(&known.list)
    }
}
