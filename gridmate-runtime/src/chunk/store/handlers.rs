//! Handlers that the program has written, and what they may not change.

use super::{Slot, TypedStore};
use crate::chunk::{LifeContext, LifeEvent, Propagate, ReplicaChunk, RpcContext, TimeContext};
use crate::ids::MemberId;
use crate::wire::{BitReader, WireError};

impl<T: ReplicaChunk> TypedStore<T> {
    /// Runs the change handlers for everything received since the last call.
    pub(super) fn tell_changes(&mut self, local: MemberId, context: &dyn Fn(u32) -> Option<(TimeContext, bool)>) {
        if const { !T::NOTIFIES && !updates::<T>() } {
            return;
        }
        let mut waiting = 0;
        for at in 0..self.changed.len() {
            let slot = self.changed[at];
            let (s, heard) = (&mut self.slots[slot as usize], &mut self.heard[slot as usize]);
            if (s.waits || s.suspended) && heard.before.is_some() {
                self.changed[waiting] = slot;
                waiting += 1;
            } else if let Some(before) = heard.before.take()
                && let Some((context, primary)) = context(s.replica)
            {
                let value = &mut self.values[slot as usize];
                value.notify(&s.current, &before, &context);
                if !primary {
                    if const { updates::<T>() } {
                        let TimeContext { now, replica, owner, .. } = context;
                        let context = LifeContext::new(now, replica, owner, local).at_primary(false);
                        value.live(LifeEvent::Update, &context);
                    }
                    s.follow(value, &mut self.scratch);
                }
                self.spare.put(before);
            }
        }
        self.changed.truncate(waiting);
    }

    pub(super) fn tell(&mut self, slot: u32, event: LifeEvent, context: &LifeContext) {
        if const { T::LIFE.is_empty() } {
            return;
        }
        if context.primary {
            self.touch(slot);
        }
        self.mark_updated(slot);
        let value = &mut self.values[slot as usize];
        value.live(event, context);
        if !context.primary {
            self.slots[slot as usize].follow(value, &mut self.scratch);
        }
    }

    pub(super) fn tell_all(&mut self, context: &dyn Fn(u32) -> Option<LifeContext>, ending: &mut Vec<u32>) {
        if const { !updates::<T>() } {
            return;
        }
        for slot in (0..).take(self.slots.len()) {
            let Slot { replica, live: true, hidden: false, .. } = self.slots[slot as usize] else { continue };
            if let Some(context) = context(replica) {
                self.tell(slot, LifeEvent::Update, &context);
                if context.wants_destroy() {
                    ending.push(replica);
                }
            }
        }
    }

    pub(super) fn run(
        &mut self,
        slot: u32,
        index: u8,
        context: &RpcContext,
        r: &mut BitReader<'_>,
    ) -> Result<Propagate, WireError> {
        if const { T::RPCS.is_empty() } {
            return Err(WireError::Invalid);
        }
        let Some(rpc) = T::RPCS.get(usize::from(index)) else { return Err(WireError::Invalid) };
        if context.primary {
            self.touch(slot);
        }
        self.mark_updated(slot);
        let value = &mut self.values[slot as usize];
        // A former owner's calls come to its successor too, whose datasets are its own, captured or not.
        let own = (!context.primary && self.owned[slot as usize].is_some()).then(|| value.snapshot());
        let answer = (rpc.invoke)(value, context, r);
        if !context.primary {
            go_back(value, own.as_ref().unwrap_or(&self.slots[slot as usize].current), &mut self.scratch);
        }
        answer
    }
}

impl<T: ReplicaChunk> Slot<T> {
    /// A proxy's datasets are its owner's: what a handler has written into them here is taken back. What is not a dataset
    /// stays.
    fn follow(&self, value: &mut T, scratch: &mut T::Snapshot) {
        go_back(value, &self.current, scratch);
    }
}

/// Takes back what a handler has written into datasets.
fn go_back<T: ReplicaChunk>(value: &mut T, to: &T::Snapshot, scratch: &mut T::Snapshot) {
    value.capture(scratch);
    if *scratch != *to {
        value.apply(to, scratch);
    }
}

/// Whether chunks of the type are told of updates.
pub(super) const fn updates<T: ReplicaChunk>() -> bool {
    LifeEvent::Update.is_in(T::LIFE)
}
