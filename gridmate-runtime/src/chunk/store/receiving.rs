//! What arrives of chunks: read over a copy of what it is against, and shown when it is another.

use super::handlers::updates;
use super::{Heard, MANY, TypedStore, guesses};
use crate::chunk::ReplicaChunk;
use crate::chunk::coder::{In, Share};
use crate::chunk::cut::Cut;
use crate::chunk::erased::{Arrival, Basis, Head, ReceiveError, Taken};
use crate::wire::{Past, Window};

/// How many slots ahead memory is asked for.
const SOON: usize = 4;

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

    /// The one place where a type's packed encodings, with all datasets, are read: all of it is one function then, with the window in registers.
    pub(super) fn take_in_run(&mut self, slots: &[u32], arrival: &Arrival, head: Head, r: &mut Window<'_>) -> Taken {
        let asks = guesses(self.predicted, None);
        let mut taken = Taken { count: 0, changed: 0, fault: None };
        let mut window = r.clone();
        let soon = if self.slots.len() < MANY { usize::MAX } else { SOON };
        let ago = arrival.version.saturating_sub(arrival.basis.base.saturating_add(1));
        let fetch = |slot: &u32, heard: &[Heard<T::Snapshot>]| {
            let received = &heard[*slot as usize].received;
            received.fetch_next();
            received.fetch_ago(ago);
        };
        // Who comes before that many have been read comes at once.
        slots.iter().take(if soon == SOON { SOON } else { 0 }).for_each(|slot| fetch(slot, &self.heard));
        for (n, slot) in slots.iter().enumerate() {
            if let Some(soon) = slots.get(n.saturating_add(soon)) {
                fetch(soon, &self.heard);
            }
            if head.1 > 0 && !window.begins(head.0, head.1) {
                break;
            }
            let heard = &mut self.heard[*slot as usize];
            let read = heard
                .draft::<T>(arrival, asks, &mut self.scratch, &self.defaults)
                .and_then(|past| T::decode(&mut self.scratch, past, &mut window).map_err(ReceiveError::Wire));
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

    /// Leaves the snapshot that `r` encodes in `scratch`: of what goes through models, or is cut off, or passed over.
    pub(super) fn decode(
        &mut self,
        slot: u32,
        arrival: &Arrival,
        share: Share,
        r: Option<In<'_, '_>>,
    ) -> Result<(), ReceiveError> {
        let asks = r.is_some() && guesses(self.predicted, share);
        let past = self.heard[slot as usize].draft::<T>(arrival, asks, &mut self.scratch, &self.defaults)?;
        let Some(mut r) = r else { return Ok(()) };
        if let In::Modelled(r) = &mut r {
            r.begin(self.class, self.modelled);
        }
        let whole = T::INITIAL && arrival.basis.base == 0;
        T::decode(&mut self.scratch, past, &mut Cut::new(r, share).whole(whole)).map_err(ReceiveError::Wire)
    }

    /// Makes what is in `scratch` the newest snapshot; true if it is another one.
    #[inline(always)]
    fn accept(&mut self, slot: u32, arrival: &Arrival) -> bool {
        let (s, heard) = (&mut self.slots[slot as usize], &mut self.heard[slot as usize]);
        let first = s.version == 0;
        // Without anyone to pass it on to, any version but 0 will do: it is never sent.
        let version = arrival.relay_as.unwrap_or(1);
        let mut shown = first;
        if s.refused {
            s.version = if first { version } else { s.version };
        } else if first || s.current != self.scratch {
            shown = true;
            self.values[slot as usize].apply(&self.scratch, &s.current);
            if const { T::NOTIFIES || updates::<T>() } && heard.before.is_none() {
                heard.before = Some(self.spare.copy(&s.current));
                self.changed.push(slot);
            }
            if arrival.relay_as.is_some() {
                if !first && s.version != version {
                    s.sent.push(s.version, &s.current);
                }
                if let Some(guessing) = &mut self.guessing {
                    guessing.goes_out(slot);
                }
            }
            s.version = version;
            s.current.clone_from(&self.scratch);
            if self.watched && !s.updated {
                s.updated = true;
                self.updated.push(slot);
            }
        }
        let (is_new, before) = heard.received.offer(arrival.version, &mut self.scratch);
        if let Some(guessing) = &mut self.guessing {
            match before.filter(|_| !is_new) {
                None => guessing.changed(slot, arrival.version),
                Some(newest) => guessing.unchanged(slot, arrival.version, newest),
            }
        } else if T::INTERPOLATES > 0 && arrival.lag > 0 && is_new {
            self.lags.get_or_insert_default().note(slot, before, arrival.version, arrival.lag);
        }
        shown
    }
}

impl<S: Clone> Heard<S> {
    /// Leaves in `scratch` what is to be read over. Returns what it was before that, if it `asks`.
    #[inline(always)]
    fn draft<T: ReplicaChunk<Snapshot = S>>(
        &mut self,
        arrival: &Arrival,
        asks: bool,
        scratch: &mut S,
        defaults: &S,
    ) -> Result<Past<'_, S>, ReceiveError> {
        let Basis { base, past, .. } = arrival.basis;
        if base == 0 {
            scratch.clone_from(defaults);
            return Ok(Past::UNKNOWN);
        }
        let found = match self.received.find((base, past)) {
            Some(found) => {
                // Those who show what was, show what nobody will name any more as well.
                if T::INTERPOLATES == 0 {
                    self.received.forget_before_found(found);
                }
                found
            }
            // What is not asked for may be named all the same.
            None if !asks => self.received.find((base, 0)).ok_or(ReceiveError::MissingBaseline)?,
            None => return Err(ReceiveError::MissingBaseline),
        };
        scratch.clone_from(self.received.base(found));
        Ok(if asks && past != 0 { Past::new(self.received.past(found), arrival.ahead) } else { Past::UNKNOWN })
    }
}
