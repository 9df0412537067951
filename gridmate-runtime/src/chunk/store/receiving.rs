//! What arrives of chunks: read into a draft in the history of what was received, and shown when it is another.

use super::{Slot, TypedStore, guesses, updates};
use crate::chunk::ReplicaChunk;
use crate::chunk::coder::{In, Share};
use crate::chunk::cut::Cut;
use crate::chunk::erased::{Arrival, Head, ReceiveError, Taken};
use crate::wire::{Past, Window};

/// How many slots ahead memory is asked for, of as many as do not fit into a near cache.
const SOON: usize = 4;
const MANY: usize = 2_048;

impl<T: ReplicaChunk> TypedStore<T> {
    pub(super) fn take_in(
        &mut self,
        slot: u32,
        arrival: &Arrival,
        share: Share,
        mut r: Option<In<'_, '_>>,
    ) -> Result<bool, ReceiveError> {
        let whole = T::INITIAL && arrival.basis.base == 0;
        if let (None, Some(In::Packed(r)), false) = (share, &mut r, whole) {
            let Taken { changed, fault, .. } = self.take_in_run(&[slot], arrival, (0, 0), r);
            return fault.map_or(Ok(changed != 0), Err);
        }
        self.decode(slot, arrival, share, r)?;
        Ok(self.accept(slot, arrival))
    }

    /// The one place where a type's packed encodings are read: all of it is one function then, with the window in registers.
    pub(super) fn take_in_run(&mut self, slots: &[u32], arrival: &Arrival, head: Head, r: &mut Window<'_>) -> Taken {
        let asks = guesses(self.predicted, None);
        let mut taken = Taken { count: 0, changed: 0, fault: None };
        let mut window = r.clone();
        let soon = if self.slots.len() < MANY { usize::MAX } else { SOON };
        let ago = arrival.version.saturating_sub(arrival.basis.base.saturating_add(1));
        for (n, slot) in slots.iter().enumerate() {
            if let Some(soon) = slots.get(n.saturating_add(soon)) {
                let received = &self.slots[*soon as usize].received;
                received.fetch_next();
                received.fetch_ago(ago);
            }
            if head.1 > 0 && !window.begins(head.0, head.1) {
                break;
            }
            let read = Self::draft(&mut self.slots, &self.defaults, *slot, arrival, asks)
                .and_then(|(draft, past)| T::decode(draft, past, &mut window).map_err(ReceiveError::Wire));
            if let Err(fault) = read {
                taken.fault = Some(fault);
                break;
            }
            taken.changed |= u64::from(self.accept(*slot, arrival)) << taken.count;
            taken.count += 1;
        }
        *r = window;
        taken
    }

    /// The draft of what is received, as it is before it is read, and its past if that is asked for.
    #[inline(always)]
    fn draft<'a>(
        slots: &'a mut [Slot<T>],
        defaults: &T::Snapshot,
        slot: u32,
        arrival: &Arrival,
        asks: bool,
    ) -> Result<(&'a mut T::Snapshot, Past<'a, T::Snapshot>), ReceiveError> {
        let &Arrival { basis, ahead, .. } = arrival;
        let received = &mut slots[slot as usize].received;
        // Those who show what was, show what nobody will name any more as well.
        match received.draft((basis.base, basis.past), asks, T::INTERPOLATES != 0, defaults) {
            Some((draft, None)) => Ok((draft, Past::UNKNOWN)),
            Some((draft, Some(past))) => Ok((draft, Past::new(past, ahead))),
            None => Err(ReceiveError::MissingBaseline),
        }
    }

    /// Leaves the snapshot that `r` encodes in the draft: of what goes through models, or is cut off, or passed over.
    pub(super) fn decode(
        &mut self,
        slot: u32,
        arrival: &Arrival,
        share: Share,
        r: Option<In<'_, '_>>,
    ) -> Result<(), ReceiveError> {
        let asks = r.is_some() && guesses(self.predicted, share);
        let (draft, past) = Self::draft(&mut self.slots, &self.defaults, slot, arrival, asks)?;
        let Some(mut r) = r else { return Ok(()) };
        if let In::Modelled(r) = &mut r {
            r.begin(self.class, self.modelled);
        }
        let whole = T::INITIAL && arrival.basis.base == 0;
        T::decode(draft, past, &mut Cut::new(r, share).whole(whole)).map_err(ReceiveError::Wire)
    }

    /// Makes what is in the draft the newest snapshot; true if it is another one.
    #[inline(always)]
    fn accept(&mut self, slot: u32, arrival: &Arrival) -> bool {
        let s = &mut self.slots[slot as usize];
        let lagged = T::INTERPOLATES > 0 && arrival.lag > 0 && self.guessing.is_none();
        let before = if lagged { s.received.newest_version() } else { None };
        let (is_new, newest, now) = s.received.keep_draft(arrival.version);
        if lagged && is_new {
            self.lags.get_or_insert_default().note(slot, before, arrival.version, arrival.lag);
        }
        if let Some(guessing) = &mut self.guessing {
            if is_new {
                guessing.changed(slot, arrival.version);
            } else {
                guessing.unchanged(slot, arrival.version, newest);
            }
        }
        let first = s.version == 0;
        if s.refused {
            s.version = if first { arrival.relay_as.unwrap_or(1) } else { s.version };
            return first;
        }
        if !first && s.current == *now {
            return false;
        }
        self.values[slot as usize].apply(now, &s.current);
        if const { T::NOTIFIES || updates::<T>() } && s.before.is_none() {
            s.before = Some(self.spare.copy(&s.current));
            self.changed.push(slot);
        }
        // Without anyone to pass it on to, any version but 0 will do: it is never sent.
        let version = arrival.relay_as.unwrap_or(1);
        if !first && arrival.relay_as.is_some() && s.version != version {
            s.sent.push(s.version, &s.current);
        }
        s.version = version;
        s.current.clone_from(now);
        if let Some(guessing) = self.guessing.as_mut().filter(|_| arrival.relay_as.is_some()) {
            guessing.goes_out(slot);
        }
        self.mark_updated(slot);
        true
    }
}
