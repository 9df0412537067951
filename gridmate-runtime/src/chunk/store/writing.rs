//! What is said of chunks: their snapshots against those that a peer has.

use super::{Slot, TypedStore, guesses};
use crate::chunk::ReplicaChunk;
use crate::chunk::erased::{Basis, Head, RUN};
use crate::chunk::history::Turn;
use crate::wire::{Ahead, BitWriter, Change, Past, Pen, Sink as _};

/// How many slots ahead memory is asked for.
const SOON: usize = 4;

impl<T: ReplicaChunk> TypedStore<T> {
    /// The one place where a type's packed encodings, with all datasets, are written against what was sent: all of it is one function then, with the pen in
    /// registers.
    pub(super) fn write_run(
        &self,
        slots: &[u32],
        (basis, version): (Basis, u32),
        (bits, count): Head,
        w: &mut BitWriter,
        ends: &mut [usize; RUN],
    ) -> usize {
        let past = if guesses(self.predicted, None) { basis.past } else { 0 };
        let ahead = if past == 0 { Ahead::new(0, 0) } else { basis.ahead(version) };
        let soon = super::ahead(self.slots.len(), SOON);
        // Who comes before that many have been written comes at once.
        slots
            .iter()
            .take(if soon == SOON { SOON } else { 0 })
            .for_each(|slot| self.slots[*slot as usize].fetch(basis, version));
        let mut pen = Pen::of(w);
        let (mut written, mut turn) = (0_usize, Turn::NONE);
        for (slot, end) in slots.iter().zip(ends) {
            if let Some(soon) = slots.get(written.saturating_add(soon)) {
                self.slots[*soon as usize].sent.fetch_found_beside(&turn);
            }
            let s = &self.slots[*slot as usize];
            let Some((base, before)) = s.basis((basis.base, past), &mut turn) else { break };
            if T::INITIAL && !T::same_initial(&s.current, base) {
                break; // It was hidden from us before. No difference says that.
            }
            if written > 0 {
                pen.bits(bits, count);
            }
            T::encode(Change::new(&s.current, base).with_past(Past::known(before, ahead)), &mut pen);
            *end = pen.len();
            written += 1;
        }
        pen.put_down();
        written
    }
}

impl<T: ReplicaChunk> Slot<T> {
    /// Asks memory for what encodings against a basis will need, as far as that can be guessed.
    #[inline]
    pub(super) fn fetch(&self, basis: Basis, version: u32) {
        // What is on the move has one entry for each tick, and the tick before this is the newest.
        for tick in [basis.base, basis.past] {
            self.sent.fetch_ago(version.saturating_sub(tick.saturating_add(1)));
        }
    }

    /// What was in force at two versions, the second of which is before the first, or none.
    #[inline(always)]
    fn basis(&self, (base, past): (u32, u32), turn: &mut Turn) -> Option<(&T::Snapshot, Option<&T::Snapshot>)> {
        if self.version > base {
            let found = self.sent.find_beside(turn, (base, past))?;
            return Some((self.sent.base(found), (past != 0).then(|| self.sent.past(found))));
        }
        let past = if past == 0 { None } else { Some(self.at(past)?) };
        Some((&self.current, past))
    }
}
