//! What guesses need of a store: that rest is told from silence, and when what arrived did.
//!
//! Nothing is sent of what does not change, so a proxy that hears nothing cannot tell a dataset at rest from one whose messages are lost.
//! Where proxies guess on ([`Extrapolate`](crate::chunk::Extrapolate)), a chunk that has not changed for as many ticks as they guess is
//! therefore sent once more: a few bits, until they are acknowledged. A node in between does the same for what it passes on.
//!
//! Types that nobody guesses have none of this.

use super::interpolate::Arrivals;
use crate::time::Instant;

#[derive(Debug)]
pub(crate) struct Guessing {
    /// For how many ticks the dataset with the longest guess is guessed.
    limit: u32,
    slots: Vec<Known>,
    /// Slots that something came for since the last stamp.
    fresh: Vec<u32>,
    /// Slots that have changed and were not sent at rest since.
    moving: Vec<u32>,
}

#[derive(Debug, Default)]
struct Known {
    arrivals: Arrivals,
    fresh: bool,
    moving: bool,
}

impl Guessing {
    pub(crate) const fn new(limit: u32) -> Self {
        Self { limit, slots: Vec::new(), fresh: Vec::new(), moving: Vec::new() }
    }

    /// A slot that is new, next to the last, or starts again.
    pub(crate) fn reset(&mut self, slot: u32) {
        let slot = slot as usize;
        if slot == self.slots.len() {
            self.slots.push(Known::default());
            return;
        }
        // The lists may still have it.
        self.slots[slot].arrivals = Arrivals::default();
    }

    pub(crate) fn arrivals(&self, slot: u32) -> &Arrivals {
        &self.slots[slot as usize].arrivals
    }

    /// What was received of that version is a change.
    pub(crate) fn changed(&mut self, slot: u32, version: u32) {
        self.slots[slot as usize].arrivals.change(version);
        self.note(slot);
    }

    /// What was received of that version is the same as `newest` was.
    pub(crate) fn unchanged(&mut self, slot: u32, version: u32, newest: u32) {
        if version - newest.min(version) >= self.limit {
            self.slots[slot as usize].arrivals.rest(version);
            self.note(slot);
        }
    }

    fn note(&mut self, slot: u32) {
        if !core::mem::replace(&mut self.slots[slot as usize].fresh, true) {
            self.fresh.push(slot);
        }
    }

    /// What has come since the last stamp came at `now`.
    pub(crate) fn stamp(&mut self, now: Instant) {
        for slot in self.fresh.drain(..) {
            let known = &mut self.slots[slot as usize];
            known.fresh = false;
            known.arrivals.stamp(now);
        }
    }

    /// A change goes out.
    pub(crate) fn goes_out(&mut self, slot: u32) {
        if !core::mem::replace(&mut self.slots[slot as usize].moving, true) {
            self.moving.push(slot);
        }
    }

    /// A slot is gone, or not this node's any more: whoever has it next begins anew.
    pub(crate) fn still(&mut self, slot: u32) {
        if core::mem::take(&mut self.slots[slot as usize].moving) {
            self.moving.retain(|other| *other != slot);
        }
    }

    /// Slots that changed last `limit` ticks ago are to be sent once more: `rests` says which that is true of, or that are gone.
    pub(crate) fn settle(&mut self, mut rests: impl FnMut(u32, u32) -> bool) {
        let Self { limit, slots, moving, .. } = self;
        moving.retain(|slot| {
            let moves = !rests(*slot, *limit);
            slots[*slot as usize].moving = moves;
            moves
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_a_slot_is_not_taken_for_what_moved_there() {
        let mut guessing = Guessing::new(6);
        (0..3).for_each(|slot| guessing.reset(slot));
        let asked = |guessing: &mut Guessing| {
            let mut asked = Vec::new();
            guessing.settle(|slot, _| {
                asked.push(slot);
                false
            });
            asked
        };
        (0..3).for_each(|slot| guessing.goes_out(slot));
        guessing.still(1);
        guessing.reset(1);
        assert_eq!(asked(&mut guessing), [0, 2]);
        guessing.goes_out(1);
        guessing.goes_out(1);
        guessing.still(1);
        guessing.goes_out(1);
        assert_eq!(asked(&mut guessing), [0, 2, 1], "each once");
    }
}
