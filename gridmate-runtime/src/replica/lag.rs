//! When a sample was made that a host passes on.
//!
//! What a node shows of a peer it shows by that peer's ticks. Of what the peer owns that is right: a value that comes with a tick is what there was
//! in that tick. Of what a host passes on it is not: the value was made earlier, by as much as it was held up on its way to the host,
//! and that changes from one to the next. Shown by the host's ticks, what moves evenly would stagger.
//!
//! The host has a line of time for each peer (`timeline`), so it knows how long ago a value could have been there at the earliest: its
//! **lag**. What all are held up by alike is not in it; it makes everything of that owner later, evenly. Records of what is passed on and
//! has a chunk that interpolates here say the lag. It depends on the replica and the tick alone, so such a record is encoded once as any
//! other. The receiver keeps it beside the snapshot (`chunk::lags`), and what is shown counts from the tick that the value was made in.
//!
//! ```text
//! lagged = 0 | 1 lag                           in the whole: whether what comes of it has one
//! lag = 1 (none) | 0 (steps - 1):6             so many steps of 4 ms, at most
//! ```
//!
//! Chunks with a dataset that is guessed of ([`Extrapolate`](crate::chunk::Extrapolate)) are shown by the host's ticks all the same. They
//! tell rest from silence, and how long the host is silent is counted in its ticks.
//!
//! What was passed on before, and is said again, has no lag: for what it is worth, it is so now. Whether records have one is said with the whole
//! of a replica, which is sent again when its owner is another. The sender decides, by what it shows itself: how a program shows things is no part
//! of its schema, so the next may show the same type otherwise, or not at all, and has to read it all the same.

use super::ReplicaManager;
use super::entry::Entry;
use super::target::PeerId;
use crate::chunk::Arrival;
use crate::chunk::lags::LAG_UNITS;
use crate::limits;
use crate::wire::{Sink, Source, WireError};

const STEP: f64 = limits::LAG_STEP_MILLIS as f64 / 1_000.0;
const BITS: u32 = 6;
const _: () = assert!(limits::LAG_STEPS as u32 == 1 << BITS);

pub(super) fn write(steps: u8, w: &mut impl Sink) {
    w.bool(steps == 0);
    if steps > 0 {
        w.bits(u64::from(steps - 1), BITS);
    }
}

pub(super) fn read(r: &mut impl Source) -> Result<u8, WireError> {
    if r.bool()? {
        return Ok(0);
    }
    Ok(r.bits(BITS)?.to_le_bytes()[0] + 1)
}

/// Reads the lag of a whole replica; none if what comes of it has none.
pub(super) fn read_of_whole(r: &mut impl Source) -> Result<Option<u8>, WireError> {
    if r.bool()? { read(r).map(Some) } else { Ok(None) }
}

/// As so many steps, the nearest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
fn steps(seconds: f64) -> u8 {
    (seconds / STEP).round().clamp(0.0, limits::LAG_STEPS.into()) as u8
}

impl Entry {
    /// Whether what is sent of it was sampled before the tick that it is sent in, and that matters.
    #[inline]
    pub(super) const fn is_passed_on_late(&self) -> bool {
        self.sampled && self.upstream.is_some()
    }

    /// By how many steps, in what is sent in this tick.
    pub(super) const fn lag_in(&self, tick: u32) -> u8 {
        if self.version == tick { self.lag } else { 0 }
    }

    /// What comes of it from now on has a lag, and the first has this one; or it has none.
    pub(super) fn set_lag(&mut self, lag: Option<u8>) {
        self.lagged = lag.is_some();
        self.came_late = lag.unwrap_or(0);
        self.row = self.row_now();
    }
}

impl ReplicaManager {
    /// Of what came since the last tick: how long ago it could have been here.
    pub(super) fn note_lags(&mut self) {
        for at in 0..self.relayed.len() {
            self.note_lag(self.relayed[at], true);
        }
    }

    /// The same of what has come to rest, from there on in the list: as long ago as the newest that was heard of its owner.
    pub(super) fn note_lags_at_rest(&mut self, first: usize) {
        for at in first..self.relayed.len() {
            self.note_lag(self.relayed[at], false);
        }
    }

    fn note_lag(&mut self, place: u32, is_fresh: bool) {
        let Self { entries, peers, .. } = self;
        let entry = &mut entries[place as usize];
        if !entry.is_passed_on_late() {
            return;
        }
        let peer = entry.upstream.and_then(|upstream| peers.get(upstream.0 as usize)?.as_ref());
        let age = peer
            .and_then(|peer| peer.timeline.as_ref())
            .map_or(0.0, |timeline| timeline.age(if is_fresh { entry.received } else { timeline.newest() }));
        entry.lag = steps(age + f64::from(entry.came_late) * STEP);
    }

    /// The same arrival of what was sampled so many steps before.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    pub(super) fn arrival_late(&mut self, from: PeerId, arrival: &Arrival, steps: u8) -> Arrival {
        let timeline = self.peers.get_mut(from.0 as usize).and_then(|peer| peer.as_mut()?.timeline.as_mut());
        let Some(timeline) = timeline.filter(|_| steps > 0) else { return *arrival };
        let seconds = f64::from(steps) * STEP;
        timeline.hear_late(seconds);
        let units = (seconds * timeline.rate() * f64::from(LAG_UNITS)).round().clamp(0.0, u8::MAX.into());
        Arrival { lag: units as u8, ..*arrival }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{BitReader, BitWriter};

    #[test]
    fn lags_come_back_and_are_bounded() {
        for lag in 0..=limits::LAG_STEPS {
            let mut w = BitWriter::new();
            write(lag, &mut w);
            assert_eq!(w.len(), if lag == 0 { 1 } else { 7 });
            assert_eq!(read(&mut BitReader::new(w.finish())), Ok(lag));
        }
        assert_eq!([0.0, 0.001, 0.003, 0.25, 9.0, f64::MAX].map(steps), [0, 0, 1, 63, 64, 64]);
        assert_eq!(steps(f64::NAN), 0);
    }
}
