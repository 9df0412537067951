//! Chunks whose replica changes hands.

use super::TypedStore;
use crate::chunk::ReplicaChunk;

impl<T: ReplicaChunk> TypedStore<T> {
    /// A proxy is the primary from now on.
    pub(super) fn begin_owning(&mut self, slot: u32) {
        let s = &mut self.slots[slot as usize];
        // Everyone is sent it whole: what was sent by the former owner serves nobody.
        s.sent.clear();
        self.heard[slot as usize].received.clear();
        self.throttles.reset(slot, &s.current);
        self.forget_arrivals(slot);
        self.touch(slot);
    }

    /// A primary is a proxy from now on: what it is was this node's to say until this version.
    pub(super) fn end_owning(&mut self, slot: u32, version: u32) {
        let s = &mut self.slots[slot as usize];
        let value = &mut self.values[slot as usize];
        value.capture(&mut self.scratch);
        if T::INITIAL && s.version != 0 {
            let written = self.scratch.clone();
            T::keep_initial(&mut self.scratch, &s.current);
            // What was written there later was this owner's alone.
            value.apply(&self.scratch, &written);
        }
        if self.scratch != s.current {
            s.version = version;
            core::mem::swap(&mut s.current, &mut self.scratch);
        }
        s.sent.clear();
        self.heard[slot as usize].received.clear();
        self.marks[slot as usize] = false;
        if let Some(guessing) = &mut self.guessing {
            guessing.still(slot);
        }
        self.forget_lags(slot);
    }
}
