//! Who goes first when not everything fits.
//!
//! Order matters only under **pressure**: when the last tick's messages to a peer stopped for lack of room, or the peer has just come.
//! Then what is pending is put in the order of its *score*,
//!
//! ```text
//! score = weight × relevance × (1 + waited)
//! weight = 1 + level / 8192          LOWEST 1, LOW 3, NORMAL 5, HIGH 7, HIGHEST 9
//! relevance = 1/8 … 1                what the program says, or 1
//! ```
//!
//! and goes out in it as far as there is room. `waited` counts the ticks with state that passed over the replica since it was sent
//! last. So replicas that all change all the time are sent in proportion to weight × relevance, and **nothing starves**: of *n*
//! replicas, *k* of which fit a tick, one with a score of 1/*ρ* of the greatest weight × relevance there is waits at most
//!
//! ```text
//! 2 (ρ + 1) n / k   ticks, ρ ≤ 72
//! ```
//!
//! Why: once it has waited *a*, whatever goes before it has waited (1 + *a*) / *ρ* or more. In the second half of its wait that is half
//! as much at least, so each of the others goes before it at most 1 + *ρ* times then; *k* do in each tick. A count that has come to its end
//! (65,535 ticks) beats every score, and who has it is served in turn.
//!
//! Without pressure there is no order but that of classes, and nothing is counted, asked or sorted.

use crate::schema::Priority;

/// More classes than this in use, and one sort is cheaper than a walk for each.
pub(super) const QUICK_LEVELS: usize = 8;

/// As many as a message holds, about, are put in order first, and then as many again as there were: most ticks need no more.
const HEAD: usize = 128;

/// The pending replicas of one peer in the order of their scores, as far as it was asked for.
#[derive(Debug, Default)]
pub(super) struct Ranking {
    /// For whom, and in which tick.
    of: Option<(u32, u32)>,
    /// The score, upside down, and the place below it.
    keys: Vec<u64>,
    next: usize,
    sorted: usize,
}

impl Ranking {
    /// Starts another ranking, unless this is it.
    pub(super) fn start(&mut self, peer: u32, tick: u32) -> bool {
        if self.of == Some((peer, tick)) {
            return false;
        }
        self.of = Some((peer, tick));
        self.keys.clear();
        (self.next, self.sorted) = (0, 0);
        true
    }

    pub(super) fn add(&mut self, place: u32, score: f32) {
        // Floats that are not negative are in the order of their bits.
        self.keys.push(u64::from(!score.to_bits()) << 32 | u64::from(place));
    }

    /// The place with the greatest score of those left; of equals the first.
    #[inline]
    pub(super) fn pop(&mut self) -> Option<usize> {
        if self.next == self.sorted {
            self.sort_more();
        }
        let key = *self.keys.get(self.next)?;
        self.next += 1;
        #[expect(clippy::cast_possible_truncation, reason = "the lower half is the place")]
        Some(key as u32 as usize)
    }

    /// Takes the last one back: it found no room.
    pub(super) const fn put_back(&mut self) {
        self.next -= 1;
    }

    fn sort_more(&mut self) {
        let rest = &mut self.keys[self.sorted..];
        let count = self.sorted.max(HEAD).min(rest.len());
        if count < rest.len() {
            rest.select_nth_unstable(count);
        }
        rest[..count].sort_unstable();
        self.sorted += count;
    }
}

/// How important what is pending is; see the module.
pub(super) fn score(priority: Priority, relevance: f32, waited: u16) -> f32 {
    if waited == u16::MAX {
        return f32::INFINITY;
    }
    weight(priority) * relevance * (1.0 + f32::from(waited))
}

fn weight(priority: Priority) -> f32 {
    1.0 + f32::from(priority.level()) / 8192.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rng;

    #[test]
    fn all_come_in_order_however_many_there_are_and_who_was_put_back_comes_again() {
        let mut rng = Rng::new(7);
        for count in [0_u32, 1, 127, 128, 129, 3 * 128, 5_000] {
            let mut ranking = Ranking::default();
            assert!(ranking.start(1, 1) && !ranking.start(1, 1) && ranking.start(1, 2));
            let mut all: Vec<(u8, u32)> =
                (0..count).map(|place| (rng.next_u64().to_le_bytes()[0] % 50, place)).collect();
            for (score, place) in &all {
                ranking.add(*place, f32::from(*score) * 0.1);
            }
            all.sort_by_key(|(score, place)| (core::cmp::Reverse(*score), *place));
            let mut come = Vec::new();
            while let Some(place) = ranking.pop() {
                if rng.chance(0.2) {
                    ranking.put_back();
                } else {
                    come.push(place);
                }
            }
            assert_eq!(come, all.iter().map(|(_, place)| *place as usize).collect::<Vec<_>>(), "of {count}");
        }
    }

    #[test]
    fn every_level_has_a_score_of_its_own_and_a_long_wait_beats_all() {
        let scores = (0..=u16::MAX).map(|level| score(Priority::new(level), 1.0, 0));
        assert!(scores.clone().zip(scores.skip(1)).all(|(lower, higher)| lower < higher));
        let waited = score(Priority::LOWEST, 0.125, u16::MAX);
        assert!(waited > score(Priority::REALTIME, 1.0, u16::MAX - 1));
        // 72 of the least are one of the greatest.
        assert!(score(Priority::LOWEST, 0.125, 72) > score(Priority::REALTIME, 1.0, 0));
        assert!(score(Priority::LOWEST, 0.125, 70) < score(Priority::HIGHEST, 1.0, 0));
    }
}
