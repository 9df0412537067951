//! One deadline per connection, the earliest on top: an indexed binary heap.
//!
//! Connections that wait for nothing cost nothing, setting a deadline costs a few swaps, and memory is two words per slot.

use crate::time::Instant;

/// No slot.
pub(super) const NOBODY: u32 = u32::MAX;

const NOWHERE: u32 = u32::MAX;

/// Deadlines by slot number.
#[derive(Debug, Default)]
pub(super) struct Timers {
    /// Slots, ordered as a heap by `(deadline, slot)`, so that equal deadlines fire in slot order.
    heap: Vec<u32>,
    /// By slot: its deadline and its place in `heap`.
    slots: Vec<(Instant, u32)>,
}

impl Timers {
    /// The earliest deadline and whose it is.
    pub(super) fn first(&self) -> Option<(Instant, u32)> {
        self.heap.first().map(|&slot| self.key(slot))
    }

    /// Sets, moves or (with `None`) removes the deadline of `slot`.
    pub(super) fn set(&mut self, slot: u32, deadline: Option<Instant>) {
        let index = slot as usize;
        if index >= self.slots.len() {
            self.slots.resize(index + 1, (Instant::ZERO, NOWHERE));
        }
        let (old, place) = self.slots[index];
        match (deadline, place) {
            (None, NOWHERE) => {}
            (None, _) => self.remove(place),
            (Some(at), NOWHERE) => {
                self.slots[index].0 = at;
                self.heap.push(slot);
                self.up(self.heap.len() - 1);
            }
            (Some(at), _) if at != old => {
                self.slots[index].0 = at;
                let place = self.up(place as usize);
                self.down(place);
            }
            (Some(_), _) => {}
        }
    }

    fn remove(&mut self, place: u32) {
        let place = place as usize;
        let slot = self.heap.swap_remove(place);
        self.slots[slot as usize].1 = NOWHERE;
        if place < self.heap.len() {
            let place = self.up(place);
            self.down(place);
        }
    }

    fn key(&self, slot: u32) -> (Instant, u32) {
        (self.slots[slot as usize].0, slot)
    }

    fn less(&self, a: usize, b: usize) -> bool {
        self.key(self.heap[a]) < self.key(self.heap[b])
    }

    fn up(&mut self, mut place: usize) -> usize {
        while place > 0 && self.less(place, (place - 1) / 2) {
            self.heap.swap(place, (place - 1) / 2);
            self.note(place);
            place = (place - 1) / 2;
        }
        self.note(place);
        place
    }

    fn down(&mut self, mut place: usize) {
        loop {
            let mut least = place;
            for child in [2 * place + 1, 2 * place + 2] {
                if child < self.heap.len() && self.less(child, least) {
                    least = child;
                }
            }
            self.note(place);
            if least == place {
                return;
            }
            self.heap.swap(place, least);
            self.note(place);
            place = least;
        }
    }

    fn note(&mut self, place: usize) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "at most one entry per slot, and slots are numbered in 32 bits"
        )]
        {
            self.slots[self.heap[place] as usize].1 = place as u32;
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
