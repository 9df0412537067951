//! What arrives of chunks: read over a copy of what it is against, and shown when it is another.

use super::handlers::updates;
use super::{Heard, Slot, TypedStore, guesses};
use crate::chunk::ReplicaChunk;
use crate::chunk::coder::{In, Share};
use crate::chunk::cut::Cut;
use crate::chunk::erased::{Arrival, Basis, Head, ReceiveError, Taken};
use crate::chunk::guessing::Guessing;
use crate::chunk::history::{History, Spare, Turn};
use crate::chunk::lags::Lags;
use crate::wire::{Past, Window};

/// How many slots ahead memory is asked for.
const SOON: usize = 4;

/// With so many slots it is: what was heard of them and what is shown do not fit into the nearest cache together.
const MANY_HEARD: usize = 128;

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
        let turn = self.decode(slot, arrival, share, r)?;
        let (heard, mut front) = self.parts();
        let Heard { received, before } = &mut heard[slot as usize];
        let shown = front.show(slot, arrival, received.opened(&turn), before);
        front.note(slot, arrival, &turn, received, shown);
        Ok(shown)
    }

    /// The one place where a type's packed encodings, with all datasets, are read: all of it is one function then, with the window in registers.
    pub(super) fn take_in_run(&mut self, slots: &[u32], arrival: &Arrival, head: Head, r: &mut Window<'_>) -> Taken {
        let asks = guesses(self.predicted, None);
        let (mut window, mut turn) = (r.clone(), Turn::NONE);
        let (mut count, mut changed, mut fault) = (0, 0, None);
        let (heard, mut front) = self.parts();
        let ago = arrival.version.saturating_sub(arrival.basis.base.saturating_add(1));
        let soon = if heard.len() < MANY_HEARD { slots.len() } else { SOON.min(slots.len()) };
        let mut later = slots[soon..].iter();
        if later.len() > 0 {
            // Who comes before that many have been read comes at once.
            for slot in &slots[..soon] {
                let received = &heard[*slot as usize].received;
                received.fetch_next();
                received.fetch_ago(ago);
            }
        }
        for slot in slots {
            if let Some(later) = later.next() {
                heard[*later as usize].received.fetch_beside(&turn);
            }
            if head.1 > 0 && !window.begins(head.0, head.1) {
                break;
            }
            let Heard { received, before } = &mut heard[*slot as usize];
            let read = draft::<T>(received, arrival, asks, &mut turn, front.defaults).and_then(|(new, past)| {
                T::decode(new, past, &mut window).map_err(ReceiveError::Wire)?;
                Ok(front.show(*slot, arrival, new, before))
            });
            let shown = match read {
                Ok(shown) => shown,
                Err(error) => {
                    fault = Some(error);
                    break;
                }
            };
            front.note(*slot, arrival, &turn, received, shown);
            changed |= u64::from(shown) << count;
            count += 1;
        }
        *r = window;
        Taken { count, changed, fault }
    }

    /// Opens the snapshot that `r` encodes: of what goes through models, or is cut off, or passed over.
    pub(super) fn decode(
        &mut self,
        slot: u32,
        arrival: &Arrival,
        share: Share,
        r: Option<In<'_, '_>>,
    ) -> Result<Turn, ReceiveError> {
        let (asks, mut turn) = (r.is_some() && guesses(self.predicted, share), Turn::NONE);
        let received = &mut self.heard[slot as usize].received;
        let (new, past) = draft::<T>(received, arrival, asks, &mut turn, &self.defaults)?;
        let Some(mut r) = r else { return Ok(turn) };
        if let In::Modelled(r) = &mut r {
            r.begin(self.class, self.modelled);
        }
        let whole = T::INITIAL && arrival.basis.base == 0;
        T::decode(new, past, &mut Cut::new(r, share).whole(whole)).map_err(ReceiveError::Wire)?;
        Ok(turn)
    }

    fn parts(&mut self) -> (&mut [Heard<T::Snapshot>], Front<'_, T>) {
        let Self { values, slots, heard, updated, watched, changed, guessing, lags, defaults, spare, .. } = self;
        (heard, Front { defaults, values, slots, spare, changed, guessing, lags, updated, watched: *watched })
    }
}

/// Opens what is to be read over. With it comes what it was before that, if it `asks`.
#[inline(always)]
fn draft<'a, T: ReplicaChunk>(
    received: &'a mut History<T::Snapshot>,
    arrival: &Arrival,
    asks: bool,
    turn: &mut Turn,
    defaults: &'a T::Snapshot,
) -> Result<(&'a mut T::Snapshot, Past<'a, T::Snapshot>), ReceiveError> {
    let (Basis { base, past, .. }, version) = (arrival.basis, arrival.version);
    if base == 0 {
        return Ok((received.open_anew(turn, defaults, version), Past::UNKNOWN.with_base(Some(defaults))));
    }
    // Those who show what was, show what nobody will name any more as well. What is not asked for may be named, and be gone.
    let opened = received.open(turn, (base, past), (asks, T::INTERPOLATES == 0), version);
    let (new, from, before) = opened.ok_or(ReceiveError::MissingBaseline)?;
    let past = if asks && past != 0 { Past::new(before, arrival.ahead) } else { Past::UNKNOWN };
    Ok((new, past.with_base(Some(from))))
}

/// All of a store but what was heard: what can be seen while that is held.
struct Front<'a, T: ReplicaChunk> {
    defaults: &'a T::Snapshot,
    values: &'a mut [T],
    slots: &'a mut [Slot<T>],
    spare: &'a mut Spare<T::Snapshot>,
    changed: &'a mut Vec<u32>,
    guessing: &'a mut Option<Box<Guessing>>,
    lags: &'a mut Option<Box<Lags>>,
    updated: &'a mut Vec<u32>,
    watched: bool,
}

impl<T: ReplicaChunk> Front<'_, T> {
    /// Makes what has come the current snapshot; true if it is another one.
    #[inline(always)]
    fn show(&mut self, slot: u32, arrival: &Arrival, new: &T::Snapshot, before: &mut Option<T::Snapshot>) -> bool {
        let s = &mut self.slots[slot as usize];
        let first = s.version == 0;
        // Without anyone to pass it on to, any version but 0 will do: it is never sent.
        let version = arrival.relay_as.unwrap_or(1);
        if s.refused {
            s.version = if first { version } else { s.version };
            return first;
        }
        if !first && s.current == *new {
            return false;
        }
        self.values[slot as usize].apply(new, &s.current);
        if const { T::NOTIFIES || updates::<T>() } && before.is_none() {
            *before = Some(self.spare.copy(&s.current));
            self.changed.push(slot);
        }
        if arrival.relay_as.is_some() {
            if !first && s.version != version {
                s.sent.push(s.version, &s.current);
            }
            if let Some(guessing) = self.guessing {
                guessing.goes_out(slot);
            }
        }
        s.version = version;
        s.current.clone_from(new);
        if self.watched && !s.updated {
            s.updated = true;
            self.updated.push(slot);
        }
        true
    }

    /// Makes it the newest entry of what was heard, if it is another one: what is shown is, as a rule.
    #[inline(always)]
    fn note(&mut self, slot: u32, arrival: &Arrival, turn: &Turn, received: &mut History<T::Snapshot>, shown: bool) {
        let is_new = shown || received.newest().is_none_or(|(_, newest)| newest != received.opened(turn));
        let newest = || received.newest().map(|(version, _)| version);
        if let Some(guessing) = self.guessing {
            match newest().filter(|_| !is_new) {
                None => guessing.changed(slot, arrival.version),
                Some(newest) => guessing.unchanged(slot, arrival.version, newest),
            }
        } else if T::INTERPOLATES > 0 && arrival.lag > 0 && is_new {
            self.lags.get_or_insert_default().note(slot, newest(), arrival.version, arrival.lag);
        }
        if is_new {
            received.close(turn);
        }
    }
}
