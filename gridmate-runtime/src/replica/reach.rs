//! How far back to look for what was on the move.
//!
//! A guess takes the pace from the base and what was some ticks before it. What moves smoothly is better told from afar,
//! where the steps of quantisation count for less; what is pushed about, from near. Which it is shows in the bits: now and
//! then some of what changed is encoded in several ways, and the shortest is taken for what follows. How well guesses do is
//! found out the same way: the calmer the motion, the fewer bits are kept ready for errors.

use smallvec::SmallVec;

use super::ReplicaManager;
use super::encoder::trial;
use super::neighbours::Neighbours;
use super::targets::{by_block, each};
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
const TRIAL_REPLICAS: usize = 16;
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

/// Of what has changed, a bit for each place, what trials are made with: the first of what is guessed, so that it is the same ones each time.
/// Of these more is remembered, see `oldest`.
pub(super) fn tried(marks: &[usize], neighbours: &Neighbours) -> impl Iterator<Item = u32> {
    let blocks = (0..).zip(by_block(marks)).filter(|(_, changed)| *changed != 0);
    let guessed = blocks.flat_map(|(block, changed)| each(block, changed & neighbours.predicts(block as usize)));
    guessed.take(TRIAL_REPLICAS)
}

impl ReplicaManager {
    /// Encodes some of what changed in this tick with other reaches, every few ticks, and keeps to the best.
    pub(super) fn try_reach(&mut self) {
        if !self.tick.is_multiple_of(TRIAL_TICKS) || self.changed.is_empty() {
            return;
        }
        let Self { entries, stores, encoder, marks, neighbours, peers, tick, reach, .. } = self;
        let Some(base) = peers.iter().flatten().map(|peer| peer.owed.ticks.newest).max().filter(|base| *base != 0)
        else {
            return;
        };
        // Where something that is looked at has been forgotten, it would only show that.
        let farthest = base.saturating_sub(reach.ticks_tried());
        let is_known = |place: &u32| {
            let mut chunks = entries[*place as usize].chunks.iter();
            chunks.all(|chunk| stores[usize::from(chunk.class)].in_force(chunk.slot, farthest).is_some())
        };
        let moving: SmallVec<[u32; TRIAL_REPLICAS]> = tried(marks, neighbours).filter(is_known).collect();
        let mut best = (usize::MAX, *reach);
        for reach in reach.neighbours() {
            let Some(past) = base.checked_sub(reach.ticks()).filter(|past| *past != 0) else { continue };
            let basis = Basis { base, past, calm: reach.calm };
            let bits = moving.iter().map(|place| trial(encoder, basis, &entries[*place as usize], *tick, stores)).sum();
            // What is no better does not replace what is.
            if bits < best.0 {
                best = (bits, reach);
            }
        }
        *reach = best.1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;
    use crate::replica::{PeerId, PeerRole};

    #[derive(Default, ReplicaChunk)]
    #[chunk(crate = crate)]
    struct Snail {
        #[dataset(predict = Linear)]
        at: u32,
    }

    /// How far back guesses look after so many ticks in which some of those that creep are touched, in any order.
    fn settled(step: impl Fn(u32, u32) -> u32, touched: impl Fn(u64, u32) -> bool) -> u32 {
        let registry = Registry::builder().chunk::<Snail>().build().unwrap();
        let mut host = ReplicaManager::new(registry, 1);
        let mut ids: Vec<_> = (0..100).map(|_| host.add(Snail::default()).unwrap()).collect();
        let peer = host.add_peer(MemberId(2), PeerRole::Client);
        let (mut rng, mut message) = (crate::Rng::new(5), Vec::new());
        for tick in 1..400 {
            for n in (1..ids.len()).rev() {
                ids.swap(n, usize::try_from(rng.below(n as u64 + 1)).unwrap());
            }
            for id in ids.iter().filter(|id| touched(id.serial.into(), tick)) {
                host.primary_mut::<Snail>(*id).unwrap().at = step(tick, id.serial);
            }
            host.prepare();
            while let Some(sent) = host.marshal(peer, 1_200, &mut message) {
                host.handle_receipt(PeerId(0), sent.token, true);
            }
        }
        host.reach.ticks()
    }

    #[test]
    fn the_pace_of_what_trembles_is_told_from_afar() {
        let tremble = |tick: u32, serial: u32| {
            let off = crate::Rng::new(u64::from(tick * 1_000 + serial)).below(17);
            tick * 10 + u32::try_from(off).unwrap()
        };
        assert_eq!(settled(tremble, |_, _| true), 8);
        assert_eq!(settled(tremble, |serial, tick| (serial + u64::from(tick)) % 2 == 0), 8, "every other one in turns");
    }

    #[test]
    fn what_gathers_pace_is_guessed_from_near() {
        assert_eq!(settled(|tick, serial| (tick + serial) * (tick + serial) / 2 % 977 * 5, |_, _| true), 1);
    }
}
