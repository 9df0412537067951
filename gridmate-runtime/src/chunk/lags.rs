//! When what was received was sampled, where that was before its sender's tick: of what a host passes on.
//!
//! Types that nobody interpolates have none of this, and others only once such a thing has arrived.

use std::collections::VecDeque;

use crate::limits;

/// Parts of a tick in which it is kept how much earlier than its version a snapshot was sampled.
pub(crate) const LAG_UNITS: u8 = 8;

/// Of each slot.
#[derive(Debug, Default)]
pub(crate) struct Lags {
    slots: Vec<Known>,
}

/// Versions that were sampled earlier, and how many [`LAG_UNITS`] earlier: oldest first, no more than are remembered.
pub(crate) type Known = VecDeque<(u32, u8)>;

impl Lags {
    /// What was received as `version`, next after `before`, was sampled so much earlier. After that one, whatever is claimed.
    pub(crate) fn note(&mut self, slot: u32, before: Option<u32>, version: u32, lag: u8) {
        let slot = slot as usize;
        if self.slots.len() <= slot {
            self.slots.resize_with(slot + 1, Known::default);
        }
        let known = &mut self.slots[slot];
        let most = before.map_or(u64::MAX, |before| units(version).saturating_sub(sampled(known, before) + 1));
        let lag = u8::try_from(most).map_or(lag, |most| lag.min(most));
        if lag == 0 {
            return;
        }
        if known.len() > limits::HISTORY {
            known.pop_front();
        }
        known.push_back((version, lag));
    }

    /// A slot starts again.
    pub(crate) fn reset(&mut self, slot: u32) {
        if let Some(known) = self.slots.get_mut(slot as usize) {
            known.clear();
        }
    }

    pub(crate) fn of(&self, slot: u32) -> Option<&Known> {
        self.slots.get(slot as usize).filter(|known| !known.is_empty())
    }
}

/// The tick in which a version was sampled: that, or somewhat before.
#[inline]
#[expect(clippy::cast_precision_loss, reason = "35 bits")]
pub(crate) fn tick(known: Option<&Known>, version: u32) -> f64 {
    known.map_or_else(|| version.into(), |known| sampled(known, version) as f64 / f64::from(LAG_UNITS))
}

fn sampled(known: &Known, version: u32) -> u64 {
    let lag = known.iter().rev().find(|(of, _)| *of <= version).filter(|(of, _)| *of == version);
    units(version).saturating_sub(lag.map_or(0, |(_, lag)| u64::from(*lag)))
}

fn units(version: u32) -> u64 {
    u64::from(version) * u64::from(LAG_UNITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is claimed of lags, each version has its own, and they are in order; and no more are kept than there are versions.
    #[test]
    fn lags_stay_with_their_versions_and_change_no_order() {
        let mut rng = crate::Rng::new(5);
        for round in 0..50 {
            let (mut lags, mut model, mut version) = (Lags::default(), Vec::new(), 0_u32);
            let claims = [0, 8, 64, 255][round % 4];
            for _ in 0..200 {
                let before = (version > 0).then_some(version);
                version += 1 + u32::try_from(rng.below(3)).unwrap();
                let lag = u8::try_from(rng.below(claims + 1)).unwrap();
                lags.note(3, before, version, lag);
                let earliest = model.last().map_or(0.0, |(_, tick)| tick + 1.0 / f64::from(LAG_UNITS));
                model.push((version, (f64::from(version) - f64::from(lag) / f64::from(LAG_UNITS)).max(earliest)));
                for (version, at) in &model[model.len().saturating_sub(limits::HISTORY + 1)..] {
                    assert_eq!(tick(lags.of(3), *version), *at, "round {round}");
                }
                assert!(lags.of(3).is_none_or(|known| known.len() <= limits::HISTORY + 1));
            }
            assert_eq!(lags.of(3).is_some(), claims > 0, "what is never late takes no memory");
            assert!(lags.of(2).is_none() && lags.of(4).is_none());
            lags.reset(3);
            assert_eq!(tick(lags.of(3), version), f64::from(version));
        }
    }
}
