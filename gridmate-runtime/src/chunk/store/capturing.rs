//! What has become of the program's values: compared with what was captured last, once a tick, where they were touched.

use super::{TypedStore, ahead};
use crate::chunk::history::hand_over;
use crate::chunk::{ReplicaChunk, TimeContext};
use crate::time::Instant;

/// How many slots ahead memory is asked for.
const SOON: usize = 12;

impl<T: ReplicaChunk> TypedStore<T> {
    pub(super) fn capture_touched(
        &mut self,
        at: (u32, Instant),
        oldest: &[u32],
        changed: &mut Vec<u32>,
        context: &dyn Fn(u32) -> Option<TimeContext>,
        ending: &mut Vec<u32>,
    ) {
        let (version, _) = at;
        let mut touched = core::mem::take(&mut self.touched);
        // Who walked over all may have written to slots that are not listed.
        let all = core::mem::take(&mut self.walked);
        let count = if all { self.slots.len() } else { touched.len() };
        let soon = ahead(self.slots.len(), SOON);
        for n in 0..count {
            let slot = if all { number(n) } else { touched[n] };
            if !core::mem::take(&mut self.marks[slot as usize]) {
                continue;
            }
            // Slots follow one another, as a rule, and their pasts do not.
            let soon = n.saturating_add(soon);
            let soon =
                if all { self.slots.get(soon) } else { touched.get(soon).map(|slot| &self.slots[*slot as usize]) };
            if let Some(soon) = soon {
                soon.sent.fetch_next();
                soon.sent.fetch_second();
            }
            let s = &mut self.slots[slot as usize];
            let value = &mut self.values[slot as usize];
            value.capture(&mut self.scratch);
            let first = s.version == 0;
            let sent = if first { None } else { Some(&s.current) };
            if T::INITIAL && !first {
                // What is written there later stays here.
                T::keep_initial(&mut self.scratch, &s.current);
            }
            if self.throttles.hold(slot, &mut self.scratch, sent, at) {
                self.again.push(slot);
            }
            if first || self.scratch != s.current {
                // Version and tick are the same when it arrived in this very tick and its owner was lost since.
                if !first && s.version != version {
                    s.sent.forget_before(oldest.get(s.replica as usize).copied().unwrap_or(0), s.version);
                    s.sent.push(s.version, &s.current);
                }
                s.version = version;
                changed.push(s.replica);
                if let Some(guessing) = &mut self.guessing {
                    guessing.goes_out(slot);
                }
                let context = if const { T::NOTIFIES_PRIMARY } { context(s.replica) } else { None };
                if let Some(context) = &context {
                    value.notify(&self.scratch, if first { &self.defaults } else { &s.current }, context);
                }
                hand_over(&mut s.current, &mut self.scratch);
                if let Some(context) = &context {
                    if context.wants_destroy() {
                        ending.push(s.replica);
                    }
                    // What the handler has written is looked at in the next tick, and by whoever keeps a copy.
                    self.again.push(slot);
                    self.mark_updated(slot);
                }
            }
        }
        touched.clear();
        self.touched = touched;
        self.settle(version, changed);
        while let Some(slot) = self.again.pop() {
            self.touch(slot);
        }
    }

    /// What has come to rest is a version once more.
    fn settle(&mut self, version: u32, changed: &mut Vec<u32>) {
        let Self { guessing: Some(guessing), slots, .. } = self else { return };
        guessing.settle(|slot, limit| {
            let s = &mut slots[slot as usize];
            let rests = version.saturating_sub(s.version) >= limit;
            if rests && s.live {
                s.sent.push(s.version, &s.current);
                s.version = version;
                changed.push(s.replica);
            }
            rests || !s.live
        });
    }
}

/// Of a slot.
#[inline(always)]
fn number(slot: usize) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "there are fewer")]
    let number = slot as u32;
    number
}
