//! What one peer has, was sent, and still lacks.

use std::collections::{BTreeMap, VecDeque};

use bitvec::vec::BitVec;

use super::entry::Entry;
use super::in_flight::Sent;
use super::neighbours::Neighbours;
use super::pair::Target;
use super::reach::Reach;
use super::targets::{BLOCK, BLOCKS_A_WORD, Targets, each};
use crate::chunk::{Basis, PeerRole};
use crate::ids::ReplicaId;

/// The state and the destructions that one peer has to be brought to acknowledge.
#[derive(Debug, Default)]
pub(super) struct Owed {
    /// By place in the replica table.
    pub(super) targets: Targets,
    /// By audience number: a bit for each chunk of the replica that is hidden from the peer. As long as it has to be.
    pub(super) hidden: Vec<u64>,
    /// Places whose newest version is neither sent nor on its way.
    pub(super) pending: BitVec,
    pub(super) has_pending: bool,
    /// The last message did not hold all that was pending; and so it was in the last tick, or nothing was sent yet.
    pub(super) stopped: bool,
    pub(super) pressed: bool,
    /// The tick up to which all that is most urgent went out.
    pub(super) urgent_until: u32,
    /// Replicas left of those that were there when the peer came.
    pub(super) left: u32,
    /// Where the last message that did not hold everything stopped: the next goes on there, so that no place is always last.
    pub(super) next_place: usize,
    /// Ticks of messages it acknowledged: what most of a message is written against.
    pub(super) ticks: AckedTicks,
    /// The past last named to most.
    past: u32,
    /// Destructions not yet acknowledged.
    tombs: BTreeMap<ReplicaId, Tomb>,
    /// Those of them that are to be sent, and perhaps some that are not any more.
    tomb_queue: VecDeque<ReplicaId>,
}

/// A destruction that a peer has not acknowledged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tomb {
    pub(super) after_rpcs: Option<u32>,
    pub(super) epoch: u32,
    pending: bool,
    again: bool,
}

/// The newest tick that was acknowledged, and which of those up to 31 before it were.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AckedTicks {
    pub(super) newest: u32,
    pub(super) seen: u32,
}

impl AckedTicks {
    pub(super) fn note(&mut self, tick: u32) {
        if tick > self.newest {
            self.seen = self.seen.checked_shl(tick - self.newest).unwrap_or(0) | 1;
            self.newest = tick;
        } else {
            self.seen |= 1_u32.checked_shl(self.newest - tick).unwrap_or(0);
        }
    }

    /// Whether a tick, not after the newest, is among them.
    #[inline]
    pub(super) fn has(self, tick: u32) -> bool {
        self.seen.checked_shr(self.newest - tick).is_some_and(|seen| seen & 1 == 1)
    }

    /// The newest of them that is not after `tick`.
    pub(super) fn up_to(self, tick: u32) -> Option<u32> {
        let later = self.newest.saturating_sub(tick);
        let seen = self.seen.checked_shr(later).filter(|seen| *seen != 0)?;
        Some(self.newest - later - seen.trailing_zeros())
    }
}

impl Owed {
    /// Makes room for a table of `places` replicas.
    pub(super) fn resize(&mut self, places: usize) {
        self.targets.resize(places);
        if self.pending.len() < places {
            self.pending.resize(places, false);
        }
    }

    /// For a peer that is to be told everything again, with what `before` had not yet told it of those that are gone.
    pub(super) fn anew(mut before: Self, entries: &[Entry], role: PeerRole) -> Self {
        let mut owed = Self::default();
        owed.resize(entries.len());
        for (place, entry) in (0..).zip(entries) {
            // What was never captured becomes pending when it is.
            if entry.is_for_newcomer(role) && entry.version != 0 {
                owed.set_pending(place);
            }
        }
        owed.tombs = core::mem::take(&mut before.tombs);
        for (id, tomb) in &mut owed.tombs {
            tomb.pending = true;
            owed.tomb_queue.push_back(*id);
        }
        owed
    }

    pub(super) fn set_pending(&mut self, place: u32) {
        self.pending.set(place as usize, true);
        self.has_pending = true;
    }

    /// The places of a block that are pending.
    #[inline]
    pub(super) fn pending_of(&self, block: usize) -> u32 {
        let word = self.pending.as_raw_slice().get(block / BLOCKS_A_WORD).copied().unwrap_or(0);
        #[expect(clippy::cast_possible_truncation, reason = "the places of one block")]
        {
            (word >> (block % BLOCKS_A_WORD * BLOCK)) as u32
        }
    }

    /// Of these places of a block all is said.
    #[inline]
    pub(super) fn set_said(&mut self, block: usize, places: u32) {
        if let Some(word) = self.pending.as_raw_mut_slice().get_mut(block / BLOCKS_A_WORD) {
            *word &= !((places as usize) << (block % BLOCKS_A_WORD * BLOCK));
        }
    }

    /// There is nothing to be said of `place`.
    pub(super) fn set_settled(&mut self, place: u32) {
        self.pending.set(place as usize, false);
    }

    /// The same as [`set_pending`](Self::set_pending) for all places with a bit in `marks`.
    pub(super) fn set_all_pending(&mut self, marks: &[usize]) {
        for (pending, marks) in self.pending.as_raw_mut_slice().iter_mut().zip(marks) {
            *pending |= marks;
        }
        self.has_pending |= marks.iter().any(|marks| *marks != 0);
    }

    /// The peer comes, and these are there.
    pub(super) fn mark_first(&mut self, entries: &[Entry], role: PeerRole, neighbours: &Neighbours) {
        let there = entries.iter().enumerate().filter(|(_, entry)| entry.is_for_newcomer(role));
        for (place, _) in there {
            self.targets.edit(place, Target::mark_first);
            self.left += 1;
        }
        self.targets.join_all(neighbours);
    }

    /// The replica at `place` counts as there when the peer came.
    pub(super) fn mark_first_at(&mut self, place: u32) {
        self.skip_first(place as usize);
        self.targets.edit(place as usize, Target::mark_first);
        self.left += 1;
    }

    /// If the replica at `place` was there when the peer came, that is not waited for any more.
    pub(super) fn skip_first(&mut self, place: usize) {
        self.left -= u32::from(self.targets.edit(place, Target::arrive));
    }

    pub(super) fn has_tombs(&self) -> bool {
        !self.tomb_queue.is_empty()
    }

    /// Destructions without an acknowledgement.
    pub(super) fn tombs(&self) -> usize {
        self.tombs.len()
    }

    /// A replica comes to `place`.
    pub(super) fn begin(&mut self, place: u32) {
        self.targets.edit(place as usize, |target| *target = Target::default());
    }

    /// The replica at `place` is gone and was the peer's own.
    pub(super) fn forget(&mut self, place: u32) {
        self.skip_first(place as usize);
        self.set_settled(place);
    }

    /// The replica at `place` is gone: its end is announced, if the peer ever heard of it.
    pub(super) fn bury(&mut self, place: u32, entry: &Entry, rpcs_sent: u32) {
        let target = self.targets.get(place as usize);
        self.forget(place);
        if target.knows() {
            let after_rpcs = entry.echoed.then_some(rpcs_sent);
            self.tombs.insert(entry.id, Tomb { after_rpcs, epoch: entry.epoch, pending: true, again: false });
            self.tomb_queue.push_back(entry.id);
        }
    }

    /// The next destruction to send, and whether it was sent before.
    pub(super) fn next_tomb(&mut self) -> Option<(ReplicaId, Tomb, bool)> {
        while let Some(id) = self.tomb_queue.pop_front() {
            if let Some(tomb) = self.tombs.get_mut(&id).filter(|tomb| tomb.pending) {
                tomb.pending = false;
                return Some((id, *tomb, core::mem::take(&mut tomb.again)));
            }
        }
        None
    }

    /// What the next message names for most of what is in it: the newest tick before `tick`, which is now, and one some before it.
    ///
    /// The past never goes back, because receivers forget: a reach that has grown is come to by waiting.
    pub(super) fn common_basis(&mut self, reach: Reach, tick: u32) -> Basis {
        let basis = self.next_basis(reach, tick);
        self.past = basis.past.max(self.past);
        basis
    }

    /// What that will be, as far as is known now.
    pub(super) fn next_basis(&self, reach: Reach, tick: u32) -> Basis {
        // Of what is said in a tick some may have been acknowledged before the rest of it is written.
        let base = self.ticks.up_to(tick.saturating_sub(1)).unwrap_or(0);
        let past = self.ticks.up_to(base.saturating_sub(reach.ticks()).max(self.past));
        let past =
            past.filter(|past| *past >= self.past && *past < base).or_else(|| self.ticks.up_to(base.saturating_sub(1)));
        match past {
            Some(past) => Basis { base, past, calm: reach.calm() },
            None => Basis { base, past: 0, calm: 0 },
        }
    }

    /// Something was acknowledged.
    pub(super) fn delivered(&mut self, sent: Sent, entries: &[Entry], neighbours: &Neighbours) {
        match sent {
            Sent::State { place, version, .. } => self.state_delivered(place, version, entries),
            Sent::Blocks { first, count, places, version } => {
                for block in first..first + count {
                    self.block_delivered(block, places, version, entries, neighbours);
                }
            }
            Sent::Destroy { id, .. } => {
                self.tombs.remove(&id);
            }
        }
    }

    fn block_delivered(&mut self, block: u32, places: u32, version: u32, entries: &[Entry], neighbours: &Neighbours) {
        if neighbours.are(block as usize, places, version)
            && let Some(target) = self.targets.alike(block as usize)
        {
            let all = neighbours.live(block as usize).count_ones();
            self.left -= if target.delivered(version) { all } else { 0 };
        } else {
            each(block, places).for_each(|place| self.state_delivered(place, version, entries));
        }
    }

    fn state_delivered(&mut self, place: u32, version: u32, entries: &[Entry]) {
        // Not of a replica that is gone, of one that had this place before, or of one that was renewed since.
        let entry = &entries[place as usize];
        if entry.live && entry.floor != 0 && version >= entry.floor {
            self.left -= u32::from(self.targets.edit(place as usize, |target| target.delivered(version)));
        }
    }

    /// Something was lost, or nothing was heard of it: it is to be sent again, unless something newer was sent since.
    pub(super) fn again(&mut self, sent: Sent, entries: &[Entry], neighbours: &Neighbours) {
        match sent {
            Sent::State { place, version, .. } => self.state_again(place, version, entries),
            Sent::Blocks { first, count, places, version } => {
                for block in first..first + count {
                    self.block_again(block, places, version, entries, neighbours);
                }
            }
            Sent::Destroy { id, .. } => {
                if let Some(tomb) = self.tombs.get_mut(&id).filter(|tomb| !tomb.pending) {
                    tomb.pending = true;
                    tomb.again = true;
                    self.tomb_queue.push_back(id);
                }
            }
        }
    }

    fn block_again(&mut self, block: u32, places: u32, version: u32, entries: &[Entry], neighbours: &Neighbours) {
        if neighbours.are(block as usize, places, version)
            && let Some(target) = self.targets.alike(block as usize)
        {
            if target.lacks(version) {
                target.repeat();
                let live = each(block, neighbours.live(block as usize));
                live.for_each(|place| self.set_pending(place));
            }
        } else {
            each(block, places).for_each(|place| self.state_again(place, version, entries));
        }
    }

    fn state_again(&mut self, place: u32, version: u32, entries: &[Entry]) {
        let entry = &entries[place as usize];
        if entry.live && version >= entry.floor && self.targets.get(place as usize).lacks(version) {
            self.targets.edit(place as usize, Target::repeat);
            self.set_pending(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_costs_less_than_sixteen_bytes_however_the_table_grew() {
        for step in [1, 7, 1_000, 100_000] {
            let mut owed = Owed::default();
            (step..=100_000).step_by(step).for_each(|places| owed.resize(places));
            let places = owed.pending.len();
            let alike = owed.targets.bytes() + owed.pending.capacity() / 8;
            assert!(alike <= places, "{alike} bytes for {places} replicas that are alike, {step} at a time");
            for place in 0..places {
                owed.targets.edit(place, |target| target.send(1 + u32::from(place % 2 == 0)));
            }
            let bytes = owed.targets.bytes() + owed.pending.capacity() / 8;
            assert!(bytes < 16 * places, "{bytes} bytes for {places} replicas, {step} at a time");
        }
    }
}
