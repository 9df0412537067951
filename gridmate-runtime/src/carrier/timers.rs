//! One deadline per connection, the earliest first: a heap of those that are near, and a wheel of those that are not.
//!
//! A deadline mostly moves: every packet puts off the next ping, and the one by which silence is death. In a heap of thousands each
//! move is a walk through memory that no cache holds. So only what is due before the *horizon* is in the heap, which is small. What is
//! due later is in lists, one for each [`GRAIN`] of time, where it takes no more than changing a few numbers to come and go; and
//! what is due later than the wheel goes round is in a list of its own, which is gone through every half turn, and whenever there is
//! nothing on the wheel. When the heap is empty, the horizon moves to the end of the next list that is not, and what is in it moves to
//! the heap.
//!
//! An entry whose deadline is put off stays where it is, too early, and moves when its time comes. The entry on top of the heap is
//! always right. Memory is a few words per slot, and some for as many as were ever in the heap at once.

use prefetch_index::prefetch_index;

use crate::time::Instant;

/// No slot.
pub(super) const NOBODY: u32 = u32::MAX;

/// Bits of a time in microseconds by which times in one list differ: 16 ms, a tick of most programs.
const GRAIN: u32 = 14;

/// Lists of the wheel, count: four seconds, and most programs ping more often.
const LISTS: usize = 256;

/// Entries below each entry of the heap. With four, which are next to each other in memory, an entry passes half as many levels on
/// its way down as with two.
const CHILDREN: usize = 4;

/// Where an entry is, when it is not in the list of that number.
#[expect(clippy::cast_possible_truncation, reason = "a few hundred")]
const LATER: u16 = LISTS as u16;
const HEAP: u16 = LATER + 1;
const NOWHERE: u16 = HEAP + 1;

/// Deadlines by slot number.
#[derive(Debug)]
pub(super) struct Timers {
    /// Ordered as a heap by time, then slot, so that equal deadlines fire in slot order. The time is the slot's deadline or
    /// earlier.
    heap: Vec<(Instant, u32)>,
    /// By slot.
    slots: Vec<Entry>,
    /// The first slot of each list, that of [`LATER`] included; lists are by time, in units of [`GRAIN`], modulo their number.
    firsts: [u32; LISTS + 1],
    /// A bit for each list of the wheel that is not empty.
    full: [u64; LISTS / 64],
    /// Entries of earlier times, in units of [`GRAIN`], are in the heap.
    horizon: u64,
    /// When the horizon is there, what is due later has to be looked through.
    look: u64,
}

/// A slot's deadline, and where it is noted.
#[derive(Clone, Debug)]
struct Entry {
    deadline: Instant,
    /// The slots before and after it in its list; before it, its place in the heap.
    before: u32,
    after: u32,
    list: u16,
}

impl Default for Timers {
    fn default() -> Self {
        let firsts = [NOBODY; LISTS + 1];
        Self { heap: Vec::new(), slots: Vec::new(), firsts, full: [0; LISTS / 64], horizon: 0, look: 0 }
    }
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

    /// What comes after that, unless it is put off.
    pub(super) fn second(&self) -> Option<(Instant, u32)> {
        self.heap.iter().skip(1).take(CHILDREN).min().copied()
    }

    /// Sets, moves or (with `None`) removes the deadline of `slot`.
    pub(super) fn set(&mut self, slot: u32, deadline: Option<Instant>) {
        let index = slot as usize;
        if index >= self.slots.len() {
            let nothing = Entry { deadline: Instant::ZERO, before: NOBODY, after: NOBODY, list: NOWHERE };
            self.slots.resize(index + 1, nothing);
        }
        let entry = &mut self.slots[index];
        let Some(deadline) = deadline else {
            if entry.list != NOWHERE {
                self.unlink(slot);
                self.settle();
            }
            return;
        };
        entry.deadline = deadline;
        let place = entry.before as usize;
        match entry.list {
            NOWHERE => self.link(slot),
            HEAP => {
                if deadline < self.heap[place].0 {
                    self.heap[place].0 = deadline;
                    self.up(place);
                }
            }
            list => {
                if unit(deadline) < self.unit_of(list) {
                    self.unlink(slot);
                    self.link(slot);
                }
            }
        }
        self.settle();
    }

    /// Makes the entry on top of the heap right: entries that are there too early move to where they belong.
    fn settle(&mut self) {
        loop {
            while let Some(&(at, slot)) = self.heap.first() {
                let deadline = self.slots[slot as usize].deadline;
                if at == deadline {
                    return;
                }
                if unit(deadline) < self.horizon {
                    self.heap[0].0 = deadline;
                    self.down(0);
                } else {
                    self.unlink(slot);
                    self.link(slot);
                }
            }
            if !self.advance() {
                return;
            }
        }
    }

    /// Moves the horizon behind the next list that is not empty. False when none is left.
    fn advance(&mut self) -> bool {
        let next = self.next_full();
        if self.firsts[usize::from(LATER)] != NOBODY && next.is_none_or(|next| next >= self.look) {
            self.horizon = if next.is_some() { self.look } else { self.earliest_of_later() };
            self.spread(LATER);
            return true;
        }
        let Some(next) = next else { return false };
        self.horizon = next + 1;
        self.spread(list_of(next));
        true
    }

    /// Puts every entry of a list where it belongs now.
    fn spread(&mut self, list: u16) {
        let mut slot = core::mem::replace(&mut self.firsts[usize::from(list)], NOBODY);
        self.note_empty(list);
        while slot != NOBODY {
            let after = self.slots[slot as usize].after;
            prefetch_index(&self.slots, after as usize);
            self.link(slot);
            slot = after;
        }
    }

    /// The time of the next list of the wheel that is not empty.
    fn next_full(&self) -> Option<u64> {
        let start = usize::from(list_of(self.horizon));
        let words = LISTS / 64;
        // The first word is looked at twice: what is in it from the start on, and last what is before that.
        (0..=words).find_map(|step| {
            let word = (start / 64 + step) % words;
            let from_start = u64::MAX << (start % 64);
            let mask = if step == 0 {
                from_start
            } else if step == words {
                !from_start
            } else {
                u64::MAX
            };
            let bits = self.full[word] & mask;
            let list = word * 64 + bits.trailing_zeros() as usize;
            (bits != 0).then(|| self.horizon + ((list + LISTS - start) % LISTS) as u64)
        })
    }

    fn earliest_of_later(&self) -> u64 {
        let (mut slot, mut earliest) = (self.firsts[usize::from(LATER)], u64::MAX);
        while slot != NOBODY {
            let entry = &self.slots[slot as usize];
            (slot, earliest) = (entry.after, earliest.min(unit(entry.deadline)));
        }
        earliest
    }

    /// The time that a list is for; of what is due later, the first that is not the wheel's.
    fn unit_of(&self, list: u16) -> u64 {
        let ahead = if list == LATER {
            LISTS
        } else {
            (usize::from(list) + LISTS - usize::from(list_of(self.horizon))) % LISTS
        };
        self.horizon + ahead as u64
    }

    /// Notes an entry where its deadline belongs.
    fn link(&mut self, slot: u32) {
        let deadline = self.slots[slot as usize].deadline;
        let unit = unit(deadline);
        if unit < self.horizon {
            self.slots[slot as usize].list = HEAP;
            self.heap.push((deadline, slot));
            self.up(self.heap.len() - 1);
            return;
        }
        let list = if unit < self.horizon + LISTS as u64 { list_of(unit) } else { LATER };
        let first = core::mem::replace(&mut self.firsts[usize::from(list)], slot);
        if first == NOBODY {
            if list == LATER {
                self.look = self.horizon + LISTS as u64 / 2;
            } else {
                self.full[usize::from(list) / 64] |= 1 << (list % 64);
            }
        } else {
            self.slots[first as usize].before = slot;
        }
        let entry = &mut self.slots[slot as usize];
        (entry.before, entry.after, entry.list) = (NOBODY, first, list);
    }

    /// Takes an entry from where it is noted.
    fn unlink(&mut self, slot: u32) {
        let entry = &mut self.slots[slot as usize];
        let (before, after) = (entry.before, entry.after);
        let list = core::mem::replace(&mut entry.list, NOWHERE);
        if list == HEAP {
            return self.remove(before as usize);
        }
        if after != NOBODY {
            self.slots[after as usize].before = before;
        }
        if before == NOBODY {
            self.firsts[usize::from(list)] = after;
            if after == NOBODY {
                self.note_empty(list);
            }
        } else {
            self.slots[before as usize].after = after;
        }
    }

    fn note_empty(&mut self, list: u16) {
        if let Some(word) = self.full.get_mut(usize::from(list) / 64) {
            *word &= !(1 << (list % 64));
        }
    }

    fn remove(&mut self, place: usize) {
        self.heap.swap_remove(place);
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
            self.slots[entry.1 as usize].before = place as u32;
        }
    }
}

/// A time in units of [`GRAIN`].
const fn unit(at: Instant) -> u64 {
    at.as_micros() >> GRAIN
}

/// The list of the wheel for a time.
#[expect(clippy::cast_possible_truncation, reason = "below the number of lists")]
const fn list_of(unit: u64) -> u16 {
    (unit % LISTS as u64) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    /// Sets and removes deadlines up to `span` ahead at random while time passes, and compares with the least of all there are.
    fn against_a_model(seed: u64, span: u64, keep: f64) {
        let mut rng = Rng::new(seed);
        let mut timers = Timers::default();
        let mut model = [None; 50];
        let mut now = rng.below(1 << 40);
        for step in 0..6_000 {
            let slot = u32::try_from(rng.below(50)).unwrap();
            let at = rng.chance(keep).then(|| Instant::from_micros(now + rng.below(span)));
            timers.set(slot, at);
            model[slot as usize] = at.map(|at| (at, slot));
            assert_eq!(timers.first(), model.iter().flatten().min().copied(), "seed {seed}, step {step}");
            now += rng.below(span / 200 + 2);
            // What is due is put off, as an endpoint does, or fires and is not set again.
            while let Some((at, slot)) = timers.first().filter(|first| first.0.as_micros() <= now) {
                assert_eq!(model[slot as usize], Some((at, slot)));
                let next = rng.chance(keep).then(|| Instant::from_micros(now + 1 + rng.below(span)));
                timers.set(slot, next);
                model[slot as usize] = next.map(|at| (at, slot));
            }
        }
        assert_eq!(timers.first(), model.iter().flatten().min().copied());
    }

    #[test]
    fn the_first_is_always_the_earliest() {
        for (seed, span) in [40, 10_000, 300_000, 3_000_000, 6_000_000, 90_000_000, 1 << 44].into_iter().enumerate() {
            for keep in [0.2, 0.7, 0.98] {
                against_a_model(seed as u64, span, keep);
            }
        }
    }

    #[test]
    fn a_deadline_that_never_comes_takes_no_time() {
        let mut timers = Timers::default();
        let never = Instant::from_micros(u64::MAX);
        timers.set(3, Some(never));
        assert_eq!(timers.first(), Some((never, 3)));
        timers.set(2, Some(Instant::from_millis(5)));
        assert_eq!(timers.first(), Some((Instant::from_millis(5), 2)));
        timers.set(2, Some(never));
        assert_eq!(timers.first(), Some((never, 2)));
        timers.set(3, Some(Instant::from_millis(9_000)));
        timers.set(2, None);
        assert_eq!(timers.first(), Some((Instant::from_millis(9_000), 3)));
    }

    #[test]
    fn the_heap_is_as_small_as_what_is_near() {
        let (mut timers, mut rng) = (Timers::default(), Rng::new(5));
        let mut now = 7_000_000;
        let mut largest = 0;
        for tick in 0..400 {
            for slot in 0..2_000 {
                if tick == 0 || timers.first().is_some_and(|first| first.0.as_micros() <= now) {
                    let slot = if tick == 0 { slot } else { timers.first().unwrap().1 };
                    timers.set(slot, Some(Instant::from_micros(now + 900_000 + rng.below(200_000))));
                }
            }
            now += 16_667;
            if tick > 100 {
                largest = largest.max(timers.heap.len());
            }
        }
        assert!((1..400).contains(&largest), "{largest}");
    }
}
