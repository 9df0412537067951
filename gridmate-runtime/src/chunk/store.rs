//! All chunks of one type, side by side.
//!
//! Everything about a chunk but its place in a replica is here: the user's value, its current snapshot, and two histories.
//! `sent` is by this node's versions and serves those we send to; `received` is by the versions of the peer we have it from and
//! serves what arrives. A primary has only the first; a proxy on a node that forwards to others has both.
//!
//! All of it is compiled for each chunk type of a program, so what does not need the type stands at the end, and there are
//! loops and `match` where a closure would be one more function for each.

use core::any::Any;

use super::coder::{In, Out, Share};
use super::cut::Cut;
use super::erased::{Arrival, Basis, ChunkStore, ReceiveError};
use super::history::{History, Spare};
use super::throttle::Throttles;
use crate::chunk::{Moment, Propagate, ReplicaChunk, RpcContext, RpcFlags, TargetPeer, TimeContext};
use crate::schema::{ChunkDescriptor, Coder, DatasetDescriptor};
use crate::time::Instant;
use crate::wire::{BitReader, BitWriter, Change, Past, WireError};

pub(crate) struct TypedStore<T: ReplicaChunk> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    touched: Vec<u32>,
    /// Slots that will be touched when all that are have been captured.
    again: Vec<u32>,
    /// Slots whose value was changed by others, and the flag that asks for the list; see `drain_updated`.
    updated: Vec<u32>,
    watched: bool,
    /// Slots with something to notify.
    changed: Vec<u32>,
    /// Whether the handlers of a new proxy wait for `mark_bound`.
    waits: bool,
    throttles: Throttles<T>,
    /// The type's number, and whether its values are under models in messages that have any.
    class: u16,
    modelled: bool,
    /// How many datasets there are up to the first that is guessed from its past; none if no dataset is.
    predicted: Option<u32>,
    defaults: T::Snapshot,
    scratch: T::Snapshot,
    /// As many as there are chunks, at most.
    spare: Spare<T::Snapshot>,
}

struct Slot<T: ReplicaChunk> {
    value: T,
    /// The newest snapshot. Before there is one, the defaults that a proxy has; of a primary's value what [`TypedStore::merge`]
    /// compares with.
    current: T::Snapshot,
    /// Our version of `current`; 0 before the first.
    version: u32,
    sent: History<T::Snapshot>,
    received: History<T::Snapshot>,
    replica: u32,
    touched: bool,
    updated: bool,
    /// What it held before the changes that nobody was notified of yet.
    before: Option<T::Snapshot>,
    /// Nobody is to be notified yet.
    waits: bool,
    /// Its change handlers wait until the program resumes it.
    suspended: bool,
    live: bool,
}

impl<T: ReplicaChunk> TypedStore<T> {
    pub(crate) fn new(class: u16, coder: Coder) -> Self {
        let defaults = T::default().snapshot();
        let scratch = defaults.clone();
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            touched: Vec::new(),
            again: Vec::new(),
            updated: Vec::new(),
            watched: false,
            changed: Vec::new(),
            waits: false,
            throttles: Throttles::new(),
            class,
            modelled: coder == Coder::Entropy,
            predicted: first_predicted(T::DESCRIPTOR, coder),
            defaults,
            scratch,
            spare: Spare::new(),
        }
    }

    /// One in which the change handlers of a new proxy wait until it is [`mark_bound`](ChunkStore::mark_bound).
    pub(crate) fn waiting(class: u16, coder: Coder) -> Self {
        Self { waits: true, ..Self::new(class, coder) }
    }

    /// Makes a chunk that holds `value`, touched.
    pub(crate) fn insert(&mut self, value: T, replica: u32) -> u32 {
        let slot = self.allocate(value, replica);
        let s = &mut self.slots[slot as usize];
        s.value.capture(&mut s.current);
        self.touch(slot);
        slot
    }

    pub(crate) fn value(&self, slot: u32) -> &T {
        &self.slots[slot as usize].value
    }

    /// The value, to be written: it is looked at in the next tick.
    #[inline]
    pub(crate) fn value_mut(&mut self, slot: u32) -> &mut T {
        self.touch(slot);
        &mut self.slots[slot as usize].value
    }

    /// What was received of a proxy, at the sender's tick `tick`, so many ticks `behind` the newest there could be. None where
    /// the primary is.
    pub(crate) fn moment(&self, slot: u32, tick: f64, behind: f64) -> Option<Moment<'_, T::Snapshot>> {
        Moment::new(&self.slots[slot as usize].received, tick, behind)
    }

    /// Takes over every dataset of `from` that differs from what was last captured. Where nothing was yet: from what the
    /// value was made with, or the last copy that was merged.
    pub(crate) fn merge(&mut self, slot: u32, from: &T) {
        from.capture(&mut self.scratch);
        let s = &mut self.slots[slot as usize];
        let first = s.version == 0;
        let captured = self.throttles.captured(slot).filter(|_| !first).unwrap_or(&s.current);
        if self.scratch != *captured {
            s.value.apply(&self.scratch, captured);
            if first {
                core::mem::swap(&mut s.current, &mut self.scratch);
            }
            self.touch(slot);
        }
    }

    /// Starts the list that [`drain_updated`](Self::drain_updated) empties.
    pub(crate) const fn watch(&mut self) {
        self.watched = true;
    }

    /// Every value that a peer or a handler has changed since the last call, with its replica. The first call only starts
    /// the list: programs that never ask pay nothing.
    pub(crate) fn drain_updated(&mut self, mut each: impl FnMut(u32, &T)) {
        self.watched = true;
        for slot in self.updated.drain(..) {
            let s = &mut self.slots[slot as usize];
            if core::mem::take(&mut s.updated) {
                each(s.replica, &s.value);
            }
        }
    }

    /// Leaves the snapshot that `r` encodes in `scratch`.
    fn decode(&mut self, slot: u32, arrival: Arrival, r: Option<In<'_, '_>>) -> Result<(), ReceiveError> {
        let (basis, received) = (arrival.basis, &self.slots[slot as usize].received);
        let base = if basis.base == 0 { Some(&self.defaults) } else { received.at(basis.base) };
        let Some(base) = base else { return Err(ReceiveError::MissingBaseline) };
        self.scratch.clone_from(base);
        let Some(mut r) = r else { return Ok(()) };
        let mut past = Past::UNKNOWN;
        if guesses(self.predicted, arrival.share) && basis.past != 0 {
            let Some(before) = received.at(basis.past) else { return Err(ReceiveError::MissingBaseline) };
            past = Past::new(before, basis.ahead(arrival.version));
        }
        if let In::Modelled(r) = &mut r {
            r.begin(self.class, self.modelled);
        }
        let read = match (arrival.share, r) {
            (None, In::Packed(r)) => T::decode(&mut self.scratch, past, r),
            (share, r) => T::decode(&mut self.scratch, past, &mut Cut::new(r, share)),
        };
        read.map_err(ReceiveError::Wire)
    }

    fn write(&self, change: Change<'_, T::Snapshot>, share: Share, mut out: Out<'_>) {
        if let Out::Modelled(w) = &mut out {
            w.begin(self.class, self.modelled);
        }
        match (share, out) {
            (None, Out::Packed(w)) => T::encode(change, w),
            (share, out) => T::encode(change, &mut Cut::new(out, share)),
        }
    }

    pub(crate) fn mark_updated(&mut self, slot: u32) {
        let s = &mut self.slots[slot as usize];
        if self.watched && !s.updated {
            s.updated = true;
            self.updated.push(slot);
        }
    }

    /// Live slots with the replicas they belong to.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        self.slots.iter().filter(|s| s.live).map(|s| (s.replica, &s.value))
    }

    #[inline]
    fn touch(&mut self, slot: u32) {
        let touched = &mut self.slots[slot as usize].touched;
        if !*touched {
            *touched = true;
            self.touched.push(slot);
        }
    }

    fn allocate(&mut self, value: T, replica: u32) -> u32 {
        let fresh = Slot {
            value,
            current: self.defaults.clone(),
            version: 0,
            sent: History::sent(),
            received: History::new(),
            replica,
            touched: false,
            updated: false,
            before: None,
            waits: false,
            suspended: false,
            live: true,
        };
        if let Some(index) = self.free.pop() {
            // A slot freed in this tick may still be listed as touched; the list skips what its flag does not confirm.
            self.slots[index as usize] = fresh;
            self.throttles.reset(index, &self.defaults);
            return index;
        }
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 chunks fit in memory");
        self.slots.push(fresh);
        self.spare.keep(self.slots.len());
        self.throttles.reset(index, &self.defaults);
        index
    }
}

impl<T: ReplicaChunk> ChunkStore for TypedStore<T> {
    fn descriptor(&self) -> &'static ChunkDescriptor {
        T::DESCRIPTOR
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn insert_default(&mut self, replica: u32) -> u32 {
        let slot = self.allocate(T::default(), replica);
        self.slots[slot as usize].waits = self.waits;
        slot
    }

    fn remove(&mut self, slot: u32) {
        let s = &mut self.slots[slot as usize];
        if (s.waits || s.suspended) && s.before.is_some() {
            // Only those that wait stay listed for longer than a tick.
            forget(&mut self.changed, slot);
        }
        s.value = T::default();
        s.sent = History::sent();
        s.received = History::new();
        s.touched = false;
        s.updated = false;
        s.before = None;
        s.live = false;
        self.free.push(slot);
    }

    fn capture(&mut self, at: (u32, Instant), changed: &mut Vec<u32>, context: &dyn Fn(u32) -> Option<TimeContext>) {
        let (version, _) = at;
        let mut touched = core::mem::take(&mut self.touched);
        for slot in touched.drain(..) {
            let s = &mut self.slots[slot as usize];
            if !core::mem::take(&mut s.touched) {
                continue;
            }
            s.value.capture(&mut self.scratch);
            let first = s.version == 0;
            let sent = if first { None } else { Some(&s.current) };
            if self.throttles.hold(slot, &mut self.scratch, sent, at) {
                self.again.push(slot);
            }
            if first || self.scratch != s.current {
                // Version and tick are the same when it arrived in this very tick and its owner was lost since.
                if !first && s.version != version {
                    s.sent.push(s.version, &s.current);
                }
                s.version = version;
                changed.push(s.replica);
                let context = if const { T::NOTIFIES_PRIMARY } { context(s.replica) } else { None };
                if let Some(context) = &context {
                    s.value.notify(&self.scratch, if first { &self.defaults } else { &s.current }, context);
                }
                core::mem::swap(&mut s.current, &mut self.scratch);
                if context.is_some() {
                    // What the handler has written is looked at in the next tick, and by whoever keeps a copy.
                    self.again.push(slot);
                    self.mark_updated(slot);
                }
            }
        }
        self.touched = touched;
        while let Some(slot) = self.again.pop() {
            self.touch(slot);
        }
    }

    fn predicts(&self) -> bool {
        self.predicted.is_some()
    }

    fn in_force(&self, slot: u32, at: u32) -> Option<u32> {
        let s = &self.slots[slot as usize];
        if s.version <= at { Some(s.version) } else { s.sent.version_at(at) }
    }

    fn encode(&self, slot: u32, basis: Basis, version: u32, share: Share, out: Out<'_>) -> bool {
        let s = &self.slots[slot as usize];
        let base = if basis.base == 0 { Some(&self.defaults) } else { s.at(basis.base) };
        let Some(base) = base else { return false };
        let mut past = Past::UNKNOWN;
        if guesses(self.predicted, share) && basis.past != 0 {
            let Some(before) = s.at(basis.past) else { return false };
            past = Past::new(before, basis.ahead(version));
        }
        self.write(Change::new(&s.current, base).with_past(past), share, out);
        true
    }

    fn encode_hidden(&self, basis: Basis, version: u32, share: Share, out: Out<'_>) {
        let past = if guesses(self.predicted, share) && basis.past != 0 {
            Past::new(&self.defaults, basis.ahead(version))
        } else {
            Past::UNKNOWN
        };
        self.write(Change::new(&self.defaults, &self.defaults).with_past(past), share, out);
    }

    fn selective(&self) -> bool {
        T::SELECTIVE
    }

    fn sends_to(&self, slot: u32, peer: &TargetPeer) -> bool {
        self.slots[slot as usize].value.sends_to(peer)
    }

    fn differs(&self, slot: u32, base: u32) -> bool {
        let s = &self.slots[slot as usize];
        match s.at(base) {
            Some(base) => *base != s.current,
            None => true,
        }
    }

    fn save(&self, slot: u32, w: &mut BitWriter) {
        let now = self.slots[slot as usize].value.snapshot();
        T::encode(Change::new(&now, &self.defaults), w);
    }

    fn restore(&mut self, replica: u32, r: &mut BitReader<'_>) -> Result<u32, WireError> {
        self.scratch.clone_from(&self.defaults);
        T::decode(&mut self.scratch, Past::UNKNOWN, r)?;
        let mut value = T::default();
        value.apply(&self.scratch, &self.defaults);
        Ok(self.insert(value, replica))
    }

    fn receive(&mut self, slot: u32, arrival: Arrival, r: Option<In<'_, '_>>) -> Result<bool, ReceiveError> {
        self.decode(slot, arrival, r)?;
        let s = &mut self.slots[slot as usize];
        if const { T::INTERPOLATES == 0 } {
            // Whatever comes after this names nothing older.
            let Basis { base, past, .. } = arrival.basis;
            s.received.forget_before(if past == 0 { base } else { past });
        }
        let is_known = if let Some(newest) = s.received.newest() { *newest == self.scratch } else { false };
        if !is_known {
            s.received.push(arrival.version, &self.scratch);
        }
        let first = s.version == 0;
        if !first && s.current == self.scratch {
            return Ok(false);
        }
        s.value.apply(&self.scratch, &s.current);
        if const { T::NOTIFIES } && s.before.is_none() {
            s.before = Some(self.spare.copy(&s.current));
            self.changed.push(slot);
        }
        // Without anyone to pass it on to, any version but 0 will do: it is never sent.
        let version = arrival.relay_as.unwrap_or(1);
        if !first && arrival.relay_as.is_some() && s.version != version {
            s.sent.push(s.version, &s.current);
        }
        s.version = version;
        core::mem::swap(&mut s.current, &mut self.scratch);
        self.mark_updated(slot);
        Ok(true)
    }

    fn skip(&mut self, slot: u32, arrival: Arrival, r: In<'_, '_>) -> Result<(), ReceiveError> {
        self.decode(slot, arrival, Some(r))
    }

    fn notify(&mut self, context: &dyn Fn(u32) -> Option<(TimeContext, bool)>) {
        if const { !T::NOTIFIES } {
            return;
        }
        let mut waiting = 0;
        for at in 0..self.changed.len() {
            let slot = self.changed[at];
            let s = &mut self.slots[slot as usize];
            if (s.waits || s.suspended) && s.before.is_some() {
                self.changed[waiting] = slot;
                waiting += 1;
            } else if let Some(before) = s.before.take()
                && let Some((context, primary)) = context(s.replica)
            {
                s.value.notify(&s.current, &before, &context);
                if !primary {
                    s.follow(&mut self.scratch);
                }
                self.spare.put(before);
            }
        }
        self.changed.truncate(waiting);
    }

    fn mark_bound(&mut self, slot: u32) {
        self.slots[slot as usize].waits = false;
    }

    fn set_suspended(&mut self, slot: u32, suspended: bool) {
        self.slots[slot as usize].suspended = suspended;
    }

    fn promote(&mut self, slot: u32) {
        let s = &mut self.slots[slot as usize];
        s.received.clear();
        self.throttles.reset(slot, &s.current);
        self.touch(slot);
    }

    fn interpolates(&self) -> bool {
        T::INTERPOLATES > 0
    }

    fn rpc(&self, index: u8) -> Option<(RpcFlags, bool)> {
        if const { T::RPCS.is_empty() } {
            return None;
        }
        let rpc = T::RPCS.get(usize::from(index))?;
        Some((rpc.flags, rpc.reply.is_some()))
    }

    fn invoke(
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
        let s = &mut self.slots[slot as usize];
        let answer = (rpc.invoke)(&mut s.value, context, r);
        if !context.primary {
            s.follow(&mut self.scratch);
        }
        answer
    }
}

impl<T: ReplicaChunk> Slot<T> {
    /// A proxy's datasets are its owner's: what a handler has written into them here is taken back. What is not a dataset
    /// stays.
    fn follow(&mut self, scratch: &mut T::Snapshot) {
        self.value.capture(scratch);
        if *scratch != self.current {
            self.value.apply(&self.current, scratch);
        }
    }

    fn at(&self, version: u32) -> Option<&T::Snapshot> {
        if self.version <= version { Some(&self.current) } else { self.sent.at(version) }
    }
}

/// How many datasets there are up to the first that is guessed from its past; none if no dataset is.
fn first_predicted(descriptor: &ChunkDescriptor, coder: Coder) -> Option<u32> {
    // Models ask what was on the move, whether or not a guess is made of it.
    let asked = |(_, dataset): &(u32, &DatasetDescriptor)| coder == Coder::Entropy || (dataset.shape)().predicts();
    (1..).zip(descriptor.datasets).find(asked).map(|(count, _)| count)
}

/// Whether the past matters for what is shared. Where it does not, the other end names any.
fn guesses(predicted: Option<u32>, share: Share) -> bool {
    predicted.is_some_and(|first| share.is_none_or(|datasets| datasets >= first))
}

fn forget(slots: &mut Vec<u32>, slot: u32) {
    slots.retain(|other| *other != slot);
}
