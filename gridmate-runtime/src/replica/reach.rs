//! How far back to look for what was on the move.
//!
//! A guess takes the pace from the base and what was some ticks before it. What moves smoothly is better told from afar,
//! where the steps of quantisation count for less; what is pushed about, from near. Which it is shows in the bits: now and
//! then some of what changed is encoded in several ways, and the shortest is taken for what follows. How well guesses do is
//! found out the same way: the calmer the motion, the fewer bits are kept ready for errors.

use smallvec::SmallVec;

use super::ReplicaManager;
use super::encoder::trial;
use super::entry::Entry;
use super::oldest::marked;
use crate::chunk::Basis;

/// How many ticks before the base the past is to be, and how calm what moves is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    step: u8,
    calm: u8,
}

/// Ticks from one trial to the next.
const TRIAL_TICKS: u32 = 16;
/// Replicas in a trial.
pub(super) const TRIAL_REPLICAS: usize = 16;
/// 2^3 ticks at most: with the round trip, well within what may be remembered.
const LARGEST_STEP: u8 = 3;
/// As a number of three bits.
const CALMEST: u8 = 7;

impl Reach {
    pub(super) const fn ticks(self) -> u32 {
        1 << self.step
    }

    /// How many ticks before what peers are told against trials look at.
    pub(super) const fn ticks_tried(self) -> u32 {
        1 << if self.step < LARGEST_STEP { self.step + 1 } else { LARGEST_STEP }
    }

    pub(super) const fn calm(self) -> u8 {
        self.calm
    }

    /// Itself first.
    fn neighbours(self) -> impl Iterator<Item = Self> {
        let Self { step, calm } = self;
        let all = [
            (step, calm),
            (step, calm + 1),
            (step, calm.wrapping_sub(1)),
            (step + 1, calm),
            (step.wrapping_sub(1), calm),
        ];
        all.into_iter()
            .filter(|(step, calm)| *step <= LARGEST_STEP && *calm <= CALMEST)
            .map(|(step, calm)| Self { step, calm })
    }
}

impl ReplicaManager {
    /// Encodes some of what changed in this tick with other reaches, every few ticks, and keeps to the best.
    pub(super) fn try_reach(&mut self) {
        if !self.tick.is_multiple_of(TRIAL_TICKS) || self.changed.is_empty() {
            return;
        }
        let Self { entries, stores, encoder, marks, peers, tick, reach, .. } = self;
        let Some(base) = peers.iter().flatten().map(|peer| peer.owed.ticks.newest).max().filter(|base| *base != 0)
        else {
            return;
        };
        // Of the same replicas each time, and of those of which all is remembered that is looked at: see `oldest`.
        let farthest = base.saturating_sub(reach.ticks_tried());
        let is_known = |place: &usize| {
            let Entry { predicts, chunks, .. } = &entries[*place];
            let mut chunks = chunks.iter();
            *predicts && chunks.all(|chunk| stores[usize::from(chunk.class)].in_force(chunk.slot, farthest).is_some())
        };
        let moving: SmallVec<[usize; TRIAL_REPLICAS]> = marked(marks).filter(is_known).take(TRIAL_REPLICAS).collect();
        let mut best = (usize::MAX, *reach);
        for reach in reach.neighbours() {
            let Some(past) = base.checked_sub(reach.ticks()).filter(|past| *past != 0) else { continue };
            let basis = Basis { base, past, calm: reach.calm };
            let bits = moving.iter().map(|place| trial(encoder, basis, &entries[*place], *tick, stores)).sum();
            // What is no better does not replace what is.
            if bits < best.0 {
                best = (bits, reach);
            }
        }
        *reach = best.1;
    }
}
