//! What is found in a history, and where its next entry goes, for many of them in a row.
//!
//! Of what moves side by side the same is asked and the same is done, so rings are alike: what was found out of one is true of the next, which
//! then is only looked at. That lasts as long as their entries are in the same places. So a ring with an entry for each tick has them where
//! the number of the tick says, whatever it went through before.

use prefetch_index::prefetch_index;

use super::ring::Round;
use super::{Found, History, number};

/// What is found in a ring, and where the next entry goes. Of what moves side by side rings are alike, so that what was found out of one is true
/// of the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// In which rings that is: those that are gone round like this, with just these versions where something is found. No ring if it is only here.
    round: u32,
    versions: (u32, u32),
    found: Found,
    next: usize,
    /// What the ring is to be then, without the next entry and with it.
    without: Round,
    with_next: Round,
}

impl Turn {
    /// That of no ring.
    pub(crate) const NONE: Self = {
        let (round, found) = (Round::of(0), Found { base: 0, past: 0 });
        Self { round: round.word(), versions: (0, 0), found, next: 0, without: round, with_next: round }
    };
}

impl<S: Clone> History<S> {
    /// As [`find`](Self::find). The turn is the last one there was, as in [`open`](Self::open).
    #[inline(always)]
    pub(crate) fn find_beside(&self, turn: &mut Turn, asked: (u32, u32)) -> Option<Found> {
        if !self.is_for(turn) {
            let found = self.find(asked)?;
            *turn = Turn { found, versions: named(asked), round: self.round.word(), ..Turn::NONE };
        }
        Some(turn.found)
    }

    /// A copy of what was in force at the first of these versions, to become the entry of `version` if it is [closed](Self::close), that itself, and what was
    /// in force at the second: see [`find`](Self::find). If that one is gone, and it does not `matter`, it is the first instead. If it `forgets`, what is before
    /// both is gone then. The turn is the last one there was, of another ring perhaps that was asked the same, and becomes that of this one.
    #[inline(always)]
    pub(crate) fn open(
        &mut self,
        turn: &mut Turn,
        asked: (u32, u32),
        (matters, forgets): (bool, bool),
        version: u32,
    ) -> Option<(&mut S, &S, &S)> {
        if !self.is_for(turn) {
            *turn = self.turn(asked, (matters, forgets), version, turn.without)?;
        }
        self.round = turn.without;
        // Looked up once: nobody knows that the ring stays where it is.
        let (ring, Turn { found: Found { base, past }, next, .. }) = (&mut *self.ring, *turn);
        let (new, base, past) = if base == past {
            let [new, base] = ring.get_disjoint_mut([next, base]).ok()?;
            (new, &*base, &*base)
        } else {
            let [new, base, past] = ring.get_disjoint_mut([next, base, past]).ok()?;
            (new, &*base, &*past)
        };
        new.version = version;
        new.snapshot.clone_from(&base.snapshot);
        Some((&mut new.snapshot, &base.snapshot, &past.snapshot))
    }

    #[inline(always)]
    fn is_for(&self, turn: &Turn) -> bool {
        let (ring, Turn { found: Found { base, past }, versions, .. }) = (&*self.ring, *turn);
        let (Some(base), Some(past)) = (ring.get(base), ring.get(past)) else { return false };
        self.round.word() == turn.round && (base.version, past.version) == versions
    }

    #[inline(never)]
    fn turn(
        &mut self,
        asked: (u32, u32),
        (matters, forgets): (bool, bool),
        version: u32,
        neighbour: Round,
    ) -> Option<Turn> {
        let mut found = match self.find(asked) {
            None if !matters => return self.turn((asked.0, 0), (true, false), version, neighbour),
            found => found?,
        };
        if self.is_steady(version) && self.fall_in(version, neighbour) {
            found = self.find(asked)?;
        }
        let mut round = self.round;
        self.round = if forgets { round.from(found.past) } else { round };
        if let Some(places) = self.round.better() {
            let like = self.base(found).clone();
            self.make_room(places, &like);
            found = self.find(asked)?;
            round = Round::of(0);
        }
        let without = self.round;
        let next = without.place(self.len());
        let versions = named(asked);
        Some(Turn { round: round.word(), versions, found, next, without, with_next: without.with_next() })
    }

    /// Whether it has an entry for each tick up to `version`, as all that is on the move.
    fn is_steady(&self, version: u32) -> bool {
        let len = self.len();
        let has = |ago: usize| self.ring[self.round.place(len - ago)].version.wrapping_add(number(ago)) == version;
        len > 1 && has(1) && has(len)
    }

    /// Turns the ring, if it has to be turned, so that the next entry, of `version`, will be where other rings have theirs, in as few places as a
    /// neighbour.
    fn fall_in(&mut self, version: u32, neighbour: Round) -> bool {
        let few = neighbour.len() > 0 && self.round.len < neighbour.places && neighbour.places < self.round.places;
        if few {
            self.go_round_in(neighbour.places);
        }
        let places = usize::from(self.round.places);
        let (before, next) = (self.round.place(self.len()), version as usize % places);
        if before == next {
            return few;
        }
        self.ring[..places].rotate_right((next + places - before) % places);
        self.round = self.round.ending_at(next);
        true
    }

    /// Has that brought into the cache which the turn of a neighbour names: what was found there, and the place of the next entry.
    #[inline(always)]
    pub(crate) fn fetch_beside(&self, turn: &Turn) {
        for place in [turn.found.base, turn.next] {
            prefetch_index(&self.ring, place);
        }
    }

    /// The same of both that were found.
    #[inline(always)]
    pub(crate) fn fetch_found_beside(&self, turn: &Turn) {
        for place in [turn.found.base, turn.found.past] {
            prefetch_index(&self.ring, place);
        }
    }

    /// A copy of `like`, to become the entry of `version` if it is [closed](Self::close).
    pub(crate) fn open_anew(&mut self, turn: &mut Turn, like: &S, version: u32) -> &mut S {
        let (next, without) = (self.next_place(like), self.round);
        *turn = Turn { next, without, with_next: without.with_next(), ..Turn::NONE };
        let new = &mut self.ring[next];
        new.version = version;
        new.snapshot.clone_from(like);
        &mut new.snapshot
    }

    /// What was opened last.
    #[inline(always)]
    pub(crate) fn opened(&self, turn: &Turn) -> &S {
        &self.ring[turn.next].snapshot
    }

    /// What was opened last is an entry from now on. Its version is later than all before.
    #[inline(always)]
    pub(crate) fn close(&mut self, turn: &Turn) {
        debug_assert!(
            self.newest().is_none_or(|(newest, _)| newest < self.ring[turn.next].version),
            "versions only grow"
        );
        self.round = turn.with_next;
    }
}

/// What is found, to the tick, if it is there.
const fn named((base, past): (u32, u32)) -> (u32, u32) {
    (base, if past == 0 { base } else { past })
}

#[cfg(test)]
mod tests {
    use super::super::RECEIVED;
    use super::*;

    #[test]
    fn what_is_opened_is_a_copy_and_an_entry_once_it_is_closed() {
        let mut history = History::new();
        [(5, 'a'), (7, 'b'), (10, 'c')].iter().for_each(|(version, snapshot)| history.push(*version, snapshot));
        let found = |history: &History<char>, versions| {
            history.find(versions).map(|found| (*history.base(found), *history.past(found)))
        };
        let mut turn = Turn::NONE;
        let (new, base, past) = history.open(&mut turn, (10, 8), (true, true), 12).unwrap();
        assert_eq!((*new, *base, *past), ('c', 'c', 'b'));
        *new = 'd';
        assert_eq!((history.len(), found(&history, (11, 7)), found(&history, (11, 6))), (2, Some(('c', 'b')), None));
        history.close(&turn);
        assert_eq!((history.len(), found(&history, (12, 11))), (3, Some(('d', 'c'))));
        // A past that is gone matters to those who go by it.
        assert!(history.open(&mut turn, (12, 6), (true, true), 13).is_none());
        let (new, base, past) = history.open(&mut turn, (12, 6), (false, true), 13).unwrap();
        assert_eq!((*new, *base, *past), ('d', 'd', 'd'));
        assert_eq!(found(&history, (10, 7)), Some(('c', 'b')), "nothing is forgotten for it");
    }

    #[test]
    fn the_oldest_makes_room_once_the_next_is_there() {
        let (mut history, mut turn) = (History::new(), Turn::NONE);
        (1..=number(RECEIVED)).for_each(|version| history.push(version, &version));
        for next in [100, 101] {
            let oldest = history.entry(0).0;
            assert_eq!(history.len(), RECEIVED);
            let opened = history.open(&mut turn, (oldest + 1, oldest), (true, false), next);
            assert_eq!(opened, Some((&mut (oldest + 1), &(oldest + 1), &oldest)));
            history.close(&turn);
            assert_eq!((history.len(), history.at(oldest), history.newest().unwrap().0), (RECEIVED, None, next));
        }
    }

    #[test]
    fn what_was_found_stays_where_it_is_when_much_is_forgotten() {
        let mut history = History::new();
        for (round, many) in [9, 12, 20, 30, 3, 33].into_iter().enumerate() {
            let last = u32::try_from(100 * (round + 1)).unwrap();
            (last - many..=last).for_each(|version| history.push(version, &version));
            let mut turn = Turn::NONE;
            let (new, base, past) = history.open(&mut turn, (last, last - 1), (true, true), last + 1).unwrap();
            assert_eq!((*new, *base, *past), (last, last, last - 1));
            *new = last + 1;
            history.close(&turn);
            assert_eq!(history.len(), 3);
            assert!(history.round.places <= 9, "{} places for three", history.round.places);
            assert_eq!(
                [last - 1, last, last + 1].map(|version| history.at(version).copied()),
                [last - 1, last, last + 1].map(Some)
            );
        }
    }

    /// Rings that have the same entries, whatever was in them before, and one after the other: none is taken for another.
    #[test]
    fn one_turn_after_the_other_is_as_each_by_itself() {
        let mut rng = crate::Rng::new(3);
        let below = |rng: &mut crate::Rng, bound: u64| u32::try_from(rng.below(bound)).unwrap();
        let mut rings: Vec<History<(u32, u32)>> = (0..40).map(|_| History::new()).collect();
        let mut models = vec![Vec::<u32>::new(); rings.len()];
        let (mut all, mut alike) = (0, 0);
        for version in 1..3_000_u32 {
            let odd = version / 500 % 2 == 1;
            let base = version.saturating_sub(1 + below(&mut rng, if odd { 12 } else { 2 }));
            let past = base.saturating_sub(below(&mut rng, if odd { 9 } else { 3 }));
            let mut turn = Turn::NONE;
            for (ring, (history, model)) in (0..).zip(rings.iter_mut().zip(&mut models)) {
                if version > 1 && below(&mut rng, if odd { 3 } else { 200 }) == 0 {
                    continue; // Nothing comes of it.
                }
                let at = |model: &[u32], version| model.iter().rfind(|known| **known <= version).copied();
                let expected = at(model, base).zip(if past == 0 { at(model, base) } else { at(model, past) });
                let round = turn.round;
                let opened = history.open(&mut turn, (base, past), (true, true), version);
                assert_eq!(
                    opened.as_ref().map(|(new, base, past)| (**new, **base, **past)),
                    expected.map(|(b, p)| ((b, ring), (b, ring), (p, ring)))
                );
                let stays = match (opened, expected) {
                    (Some((new, ..)), Some((_, past))) => {
                        *new = (version, ring);
                        alike += u32::from(turn.round == round && round != Turn::NONE.round);
                        model.retain(|known| *known >= past);
                        below(&mut rng, 50) == 0
                    }
                    _ => {
                        history.open_anew(&mut turn, &(version, ring), version);
                        false
                    }
                };
                all += 1;
                if !stays {
                    history.close(&turn);
                    model.push(version);
                }
                let entries = (0..history.len()).map(|i| history.entry(i));
                assert!(entries.map(|(v, s)| (v, *s)).eq(model.iter().map(|v| (*v, (*v, ring)))), "{version}, {ring}");
            }
        }
        assert!(alike * 3 > all, "{alike} of {all}");
    }
}
