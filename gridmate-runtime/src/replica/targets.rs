//! What one peer has of every replica: one [`Target`] for each, or for as many as are alike.
//!
//! What moves together is sent together and acknowledged together, so that neighbours in the table mostly have the same to say of
//! themselves. A **block** of [`BLOCK`] places keeps one pair as long as that is so, and what happens to all of a block costs no more
//! than what happens to one place. As soon as one differs each has its own, until they are found alike again.
//!
//! A place where no replica is may be part of any block, and has whatever that says: a replica that comes there starts afresh.

use core::ops::Range;

use super::neighbours::Neighbours;
use super::pair::Target;

/// Places that may share a pair. Messages end between two blocks as a rule, so it is a good deal less than what a datagram holds.
pub(super) const BLOCK: usize = 32;

/// Blocks in a word of marks, a bit for each place.
pub(super) const BLOCKS_A_WORD: usize = usize::BITS as usize / BLOCK;

/// Pairs by place.
#[derive(Debug, Default)]
pub(super) struct Targets {
    /// By block: of all its places, unless they are apart.
    alike: Vec<Target>,
    /// By block: where in `apart` the pairs are that differ, or [`ALIKE`].
    at: Vec<u32>,
    apart: Vec<[Target; BLOCK]>,
    /// Of `apart`, those that no block has.
    free: Vec<u32>,
}

const ALIKE: u32 = u32::MAX;

/// The pairs of a block.
#[cfg(feature = "parallel")]
pub(super) enum Pairs<'a> {
    /// Of all its places.
    Alike(Target),
    /// Of each.
    Apart(&'a [Target; BLOCK]),
}

impl Targets {
    /// Makes room for a table of `places` replicas.
    pub(super) fn resize(&mut self, places: usize) {
        let blocks = places.div_ceil(BLOCK);
        if self.at.len() < blocks {
            grow(&mut self.alike, blocks);
            grow(&mut self.at, blocks);
            self.alike.resize(blocks, Target::default());
            self.at.resize(blocks, ALIKE);
        }
    }

    #[inline]
    pub(super) fn get(&self, place: usize) -> Target {
        match self.at[place / BLOCK] {
            ALIKE => self.alike[place / BLOCK],
            apart => self.apart[apart as usize][place % BLOCK],
        }
    }

    #[inline]
    pub(super) fn put(&mut self, place: usize, target: Target) {
        match self.at[place / BLOCK] {
            ALIKE if target == self.alike[place / BLOCK] => {}
            ALIKE => self.part(place / BLOCK)[place % BLOCK] = target,
            apart => self.apart[apart as usize][place % BLOCK] = target,
        }
    }

    /// Changes one pair.
    #[inline]
    pub(super) fn edit<R>(&mut self, place: usize, change: impl FnOnce(&mut Target) -> R) -> R {
        let mut target = self.get(place);
        let answer = change(&mut target);
        self.put(place, target);
        answer
    }

    /// The oldest version that may be named to the peer, of any place of a block if they are alike; else it lowers what is said of each.
    #[inline]
    pub(super) fn note_oldest(&self, block: usize, oldest: &mut [u32]) -> u32 {
        match self.at.get(block) {
            None => u32::MAX,
            Some(&ALIKE) => self.alike[block].oldest(),
            Some(&at) => {
                let pairs = oldest.iter_mut().zip(&self.apart[at as usize]);
                pairs.for_each(|(oldest, target)| *oldest = target.oldest().min(*oldest));
                u32::MAX
            }
        }
    }

    /// What a block has.
    #[cfg(feature = "parallel")]
    pub(super) fn pairs(&self, block: usize) -> Pairs<'_> {
        match self.at[block] {
            ALIKE => Pairs::Alike(self.alike[block]),
            apart => Pairs::Apart(&self.apart[apart as usize]),
        }
    }

    /// The pair of all places of a block, if they share one. What is changed is changed for all of them.
    #[inline]
    pub(super) fn alike(&mut self, block: usize) -> Option<&mut Target> {
        if *self.at.get(block)? == ALIKE { self.alike.get_mut(block) } else { None }
    }

    /// The pairs of some blocks, if each has one for all of its places.
    #[inline]
    pub(super) fn all_alike(&mut self, blocks: Range<usize>) -> Option<&mut [Target]> {
        let all = self.at.get(blocks.clone())?.iter().all(|at| *at == ALIKE);
        if all { self.alike.get_mut(blocks) } else { None }
    }

    /// Lets a block share one pair if the places in `live`, one at least, have the same. Returns it then, as [`alike`](Self::alike).
    #[inline]
    pub(super) fn join(&mut self, block: usize, live: u32) -> Option<&mut Target> {
        let apart = self.at[block];
        if apart == ALIKE {
            return self.alike.get_mut(block);
        }
        let pairs = &self.apart[apart as usize];
        let first = pairs[live.trailing_zeros() as usize];
        let mut left = live & (live - 1);
        while left != 0 {
            if pairs[left.trailing_zeros() as usize] != first {
                return None;
            }
            left &= left - 1;
        }
        (self.alike[block], self.at[block]) = (first, ALIKE);
        self.free.push(apart);
        self.alike.get_mut(block)
    }

    /// The same for all blocks.
    pub(super) fn join_all(&mut self, neighbours: &Neighbours) {
        for block in 0..self.at.len() {
            let live = neighbours.live(block);
            if live != 0 {
                self.join(block, live);
            }
        }
    }

    #[cold]
    fn part(&mut self, block: usize) -> &mut [Target; BLOCK] {
        let pairs = [self.alike[block]; BLOCK];
        let at = if let Some(at) = self.free.pop() {
            self.apart[at as usize] = pairs;
            at
        } else {
            let at = self.apart.len();
            grow(&mut self.apart, at + 1);
            self.apart.push(pairs);
            u32::try_from(at).expect("no more than there are blocks")
        };
        self.at[block] = at;
        &mut self.apart[at as usize]
    }

    /// Bytes taken.
    #[cfg(test)]
    pub(super) const fn bytes(&self) -> usize {
        self.alike.capacity() * size_of::<Target>()
            + self.at.capacity() * size_of::<u32>()
            + self.apart.capacity() * size_of::<[Target; BLOCK]>()
            + self.free.capacity() * size_of::<u32>()
    }
}

/// The places of a block that have a bit.
pub(super) fn each(block: u32, places: u32) -> impl Iterator<Item = u32> {
    (0..u32::BITS).filter(move |n| places >> n & 1 == 1).map(move |n| block * u32::BITS + n)
}

/// Marks, a bit for each place, by block.
pub(super) fn by_block(marks: &[usize]) -> impl Iterator<Item = u32> {
    #[expect(clippy::cast_possible_truncation, reason = "the places of one block")]
    marks.iter().flat_map(|word| (0..BLOCKS_A_WORD).map(move |n| (*word >> (n * BLOCK)) as u32))
}

/// Makes room for `len`, and not for twice as many: this is most of what a large world costs.
fn grow<T>(list: &mut Vec<T>, len: usize) {
    if list.capacity() < len {
        list.reserve_exact(len + len / 64 - list.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is changed and joined, each place that is live says what it would say by itself.
    #[test]
    fn places_say_what_they_would_say_by_themselves() {
        let mut rng = crate::Rng::new(11);
        let places = 3 * BLOCK;
        let (mut targets, mut model) = (Targets::default(), vec![Target::default(); places]);
        let mut live = [u32::MAX; 3];
        let (mut joined, mut alike) = (0, 0);
        targets.resize(places);
        for tick in 1..20_000_u32 {
            let block = usize::try_from(rng.below(3)).unwrap();
            let of_block = block * BLOCK..(block + 1) * BLOCK;
            match rng.below(6) {
                // One is changed, or begins, or is gone.
                0 => {
                    let place = of_block.start + usize::try_from(rng.below(BLOCK as u64)).unwrap();
                    targets.edit(place, |target| target.send(tick));
                    model[place].send(tick);
                }
                1 => {
                    let place = of_block.start + usize::try_from(rng.below(BLOCK as u64)).unwrap();
                    targets.put(place, Target::default());
                    model[place] = Target::default();
                    live[block] ^= 1 << (place % BLOCK);
                }
                // All are, each by itself or at once.
                2 | 3 => {
                    for place in of_block.clone() {
                        targets.edit(place, |target| target.send(tick));
                        model[place].send(tick);
                    }
                }
                4 => {
                    if let Some(target) = targets.alike(block) {
                        alike += 1;
                        let _ = target.delivered(tick);
                        model[of_block.clone()].iter_mut().for_each(|target| {
                            let _ = target.delivered(tick);
                        });
                    }
                }
                _ => {
                    if live[block] != 0 && targets.join(block, live[block]).is_some() {
                        joined += 1;
                    }
                }
            }
            for place in of_block.filter(|place| live[block] >> (place % BLOCK) & 1 == 1) {
                assert_eq!(targets.get(place), model[place], "place {place} after {tick}");
            }
        }
        assert!(joined > 20 && alike > 20, "{joined} {alike}");
    }

    #[test]
    fn what_is_apart_takes_memory_only_as_long() {
        let mut targets = Targets::default();
        targets.resize(64 * BLOCK);
        let before = targets.bytes();
        for round in 1..50 {
            for block in 0..64 {
                targets.edit(block * BLOCK, |target| target.send(round));
                assert!(targets.alike(block).is_none());
                (1..BLOCK).for_each(|place| {
                    targets.edit(block * BLOCK + place, |target| target.send(round));
                });
                assert!(targets.join(block, u32::MAX).is_some());
            }
        }
        assert!(targets.bytes() <= before + 2 * size_of::<[Target; BLOCK]>(), "{} {before}", targets.bytes());
    }
}
