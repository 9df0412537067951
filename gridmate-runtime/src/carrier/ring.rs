//! A queue whose first entries need no memory of their own.
//!
//! Most queues of most connections are as good as empty most of the time: a message on its way, a packet that is not acknowledged
//! yet. Thousands of connections do not fit into a cache, so what counts is in how many places there is something to look at. The
//! first `N` entries are part of the queue, next to whatever else is looked at with it. When there are more, all of them move
//! to a `VecDeque`, and the queue is at home again when that one is empty. It is kept for the next time.

use core::mem::take;
use core::ops::{Index, IndexMut};
use std::collections::VecDeque;

/// See the module. `T`'s default is what is in places that are empty.
#[derive(Debug)]
pub(super) struct Ring<T, const N: usize> {
    /// Entries here, from the first place on: 0 when they are in `many`.
    few: u32,
    /// They are in `many`.
    is_many: bool,
    #[expect(clippy::box_collection, reason = "a queue of few has one word for it, not four")]
    many: Option<Box<VecDeque<T>>>,
    places: [T; N],
}

impl<T: Default, const N: usize> Ring<T, N> {
    pub(super) fn new() -> Self {
        Self { few: 0, is_many: false, many: None, places: core::array::from_fn(|_| T::default()) }
    }

    #[inline]
    fn many(&self) -> Option<&VecDeque<T>> {
        if self.is_many { self.many.as_deref() } else { None }
    }

    #[inline]
    fn many_mut(&mut self) -> Option<&mut VecDeque<T>> {
        if self.is_many { self.many.as_deref_mut() } else { None }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.many().map_or(self.few as usize, VecDeque::len)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        // Many are never none.
        self.few == 0 && !self.is_many
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&T> {
        match self.many() {
            None => self.places[..self.few as usize].get(index),
            Some(many) => many.get(index),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut T> {
        if self.is_many {
            return self.many_mut()?.get_mut(index);
        }
        self.places[..self.few as usize].get_mut(index)
    }

    #[inline]
    pub(super) fn front(&self) -> Option<&T> {
        self.get(0)
    }

    #[inline]
    pub(super) fn back_mut(&mut self) -> Option<&mut T> {
        self.get_mut(self.len().checked_sub(1)?)
    }

    #[inline]
    pub(super) fn push_back(&mut self, entry: T) {
        if let Some(many) = self.many_mut() {
            many.push_back(entry);
        } else if (self.few as usize) < N {
            self.places[self.few as usize] = entry;
            self.few += 1;
        } else {
            self.move_out().push_back(entry);
        }
    }

    /// There are more than there is room for here.
    #[cold]
    #[inline(never)]
    fn move_out(&mut self) -> &mut VecDeque<T> {
        let many = self.many.get_or_insert_default();
        many.extend(self.places.iter_mut().map(take));
        (self.few, self.is_many) = (0, true);
        many
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<T> {
        if let Some(many) = self.many_mut() {
            let (popped, left) = (many.pop_front(), many.len());
            self.is_many = left > 0;
            return popped;
        }
        self.few = self.few.checked_sub(1)?;
        let first = take(&mut self.places[0]);
        // What is left begins in the first place again, so that one line of memory is enough for most.
        for place in 0..self.few as usize {
            self.places.swap(place, place + 1);
        }
        Some(first)
    }

    #[inline]
    pub(super) fn pop_back(&mut self) -> Option<T> {
        if let Some(many) = self.many_mut() {
            let (popped, left) = (many.pop_back(), many.len());
            self.is_many = left > 0;
            return popped;
        }
        self.few = self.few.checked_sub(1)?;
        Some(take(&mut self.places[self.few as usize]))
    }

    pub(super) fn clear(&mut self) {
        while self.pop_back().is_some() {}
    }
}

impl<T: Default, const N: usize> Index<usize> for Ring<T, N> {
    type Output = T;

    #[inline]
    fn index(&self, index: usize) -> &T {
        match self.many() {
            None => &self.places[..self.few as usize][index],
            Some(many) => &many[index],
        }
    }
}

impl<T: Default, const N: usize> IndexMut<usize> for Ring<T, N> {
    #[inline]
    fn index_mut(&mut self, index: usize) -> &mut T {
        let (len, place) = (self.len(), self.get_mut(index));
        place.unwrap_or_else(|| panic!("entry {index} of {len}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    #[test]
    fn it_is_a_queue() {
        let mut rng = Rng::new(7);
        let mut ring = Ring::<u64, 2>::new();
        let mut model = VecDeque::new();
        let (mut longest, mut homes) = (0, 0);
        for step in 1..20_000 {
            match rng.below(if step / 300 % 2 == 0 { 9 } else { 12 }) {
                0..=4 => {
                    ring.push_back(step);
                    model.push_back(step);
                }
                5..=7 | 9..=11 => assert_eq!(ring.pop_front(), model.pop_front()),
                _ => assert_eq!(ring.pop_back(), model.pop_back()),
            }
            if let Some(entry) = ring.back_mut() {
                *entry += 1;
            }
            if let Some(entry) = model.back_mut() {
                *entry += 1;
            }
            assert_eq!((ring.len(), ring.is_empty(), ring.front()), (model.len(), model.is_empty(), model.front()));
            assert!((0..=model.len()).all(|at| ring.get(at) == model.get(at)));
            assert!((0..model.len()).all(|at| ring[at] == model[at]));
            longest = longest.max(model.len());
            homes += u32::from(model.len() == 1 && ring.many.is_some() && !ring.is_many);
            if rng.chance(0.001) {
                ring.clear();
                model.clear();
            }
        }
        assert!(longest > 20 && homes > 20, "{longest} {homes}");
    }
}
