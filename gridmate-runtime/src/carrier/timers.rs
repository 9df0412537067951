//! One deadline per connection, the earliest on top: an indexed heap with four entries below each.
//!
//! Connections that wait for nothing cost nothing, and memory is four words per slot. A deadline mostly moves to later: every
//! packet puts off the next ping, and the one by which silence is death. So an entry that is to move down stays where it is, too
//! early, and moves when it comes to the top. The entry on top is always right.

use prefetch_index::prefetch_index;

use crate::time::Instant;

/// No slot.
pub(super) const NOBODY: u32 = u32::MAX;

const NOWHERE: u32 = u32::MAX;

/// Entries below each entry of the heap. With four, which are next to each other in memory, an entry passes half as many levels on
/// its way down as with two.
const CHILDREN: usize = 4;

/// Deadlines by slot number.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// Ordered as a heap by time, then slot, so that equal deadlines fire in slot order. The time is the slot's deadline or
    /// earlier.
    heap: Vec<(Instant, u32)>,
    /// By slot: its deadline and its place in `heap`.
    slots: Vec<(Instant, u32)>,
}

impl Timers {
    /// Fetches what there is about a slot.
    pub(super) fn fetch(&self, slot: u32) {
        prefetch_index(&self.slots, slot as usize);
    }

    /// The earliest deadline and whose it is.
    pub(super) fn first(&self) -> Option<(Instant, u32)> {
        self.heap.first().copied()
    }

    /// Sets, moves or (with `None`) removes the deadline of `slot`.
    pub(super) fn set(&mut self, slot: u32, deadline: Option<Instant>) {
        let index = slot as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, (Instant::ZERO, NOWHERE));
        }
        let place = self.slots[index].1;
        match (deadline, place) {
            (None, NOWHERE) => {}
            (None, _) => self.remove(place),
            (Some(at), NOWHERE) => {
                self.slots[index].0 = at;
                self.heap.push((at, slot));
                self.up(self.heap.len() - 1);
            }
            (Some(at), _) => {
                self.slots[index].0 = at;
                if at < self.heap[place as usize].0 {
                    self.heap[place as usize].0 = at;
                    self.up(place as usize);
                }
            }
        }
        self.settle();
    }

    /// Moves entries that are on top too early to where they belong.
    fn settle(&mut self) {
        while let Some(&(at, slot)) = self.heap.first() {
            let deadline = self.slots[slot as usize].0;
            if at == deadline {
                return;
            }
            self.heap[0].0 = deadline;
            self.down(0);
        }
    }

    fn remove(&mut self, place: u32) {
        let place = place as usize;
        let (_, slot) = self.heap.swap_remove(place);
        self.slots[slot as usize].1 = NOWHERE;
        if place < self.heap.len() {
            let place = self.up(place);
            self.down(place);
        }
    }

    fn up(&mut self, mut place: usize) -> usize {
        let entry = self.heap[place];
        while place > 0 && entry < self.heap[(place - 1) / CHILDREN] {
            self.put(place, self.heap[(place - 1) / CHILDREN]);
            place = (place - 1) / CHILDREN;
        }
        self.put(place, entry);
        place
    }

    fn down(&mut self, mut place: usize) {
        let entry = self.heap[place];
        loop {
            let first = CHILDREN * place + 1;
            let children = (first..).zip(self.heap.iter().skip(first).take(CHILDREN));
            let Some((next, &child)) = children.min_by_key(|(_, child)| **child) else { break };
            if entry <= child {
                break;
            }
            self.put(place, child);
            place = next;
        }
        self.put(place, entry);
    }

    fn put(&mut self, place: usize, entry: (Instant, u32)) {
        self.heap[place] = entry;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most one entry per slot, and slots are numbered in 32 bits"
        )]
        {
            self.slots[entry.1 as usize].1 = place as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn the_first_is_always_the_earliest() {
        let mut rng = Rng::new(3);
        let mut timers = Timers::default();
        let mut model = [None; 50];
        for _ in 0..5_000 {
            let slot = u32::try_from(rng.below(50)).unwrap();
            let at = rng.chance(0.7).then(|| Instant::from_micros(rng.below(40)));
            timers.set(slot, at);
            model[slot as usize] = at.map(|at| (at, slot));
            assert_eq!(timers.first(), model.iter().flatten().min().copied());
        }
    }
}
