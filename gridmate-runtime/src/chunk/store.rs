//! All chunks of one type, side by side.
//!
//! Everything about a chunk but its place in a replica is here: the user's value, its current snapshot, and two histories.
//! `sent` is by this node's versions and serves those we send to; `received` is by the versions of the peer we have it from and
//! serves what arrives. A primary has only the first; a proxy on a node that forwards to others has both.
//!
//! All of it is compiled for each chunk type of a program, so what does not need the type stands at the end, and there are
//! loops and `match` where a closure would be one more function for each.

mod capturing;
mod handlers;
mod owning;
mod receiving;
mod writing;

use core::any::Any;

use super::coder::{In, Out, Share, first_predicted, guesses};
use super::cut::Cut;
use super::erased::{Arrival, Basis, ChunkStore, Head, RUN, ReceiveError, Taken};
use super::guessing::Guessing;
use super::history::{History, Spare};
use super::interpolate::guess_limit;
use super::lags::Lags;
use super::throttle::Throttles;
use crate::chunk::{
    LifeContext, LifeEvent, Moment, OwnershipRequest, Propagate, ReplicaChunk, RpcContext, RpcFlags, TargetPeer,
    TimeContext,
};
use crate::ids::{MemberId, ReplicaId};
use crate::schema::{ChunkDescriptor, Coder};
use crate::time::Instant;
use crate::wire::{BitReader, BitWriter, Change, Past, Window, WireError};

/// Slots that do not all fit into a near cache: with so many, memory is asked for ahead.
pub(crate) const MANY: usize = 2_048;

/// How far ahead, of so many: `by`, or farther than there are any.
#[inline(always)]
pub(crate) const fn ahead(len: usize, by: usize) -> usize {
    if len < MANY { usize::MAX } else { by }
}

pub(crate) struct TypedStore<T: ReplicaChunk> {
    /// By slot, apart from all else: who walks over them all touches nothing but these, and two small lists.
    values: Vec<T>,
    /// Of each slot the replica, if its primary is here; else none.
    owned: Vec<Option<ReplicaId>>,
    slots: Vec<Slot<T>>,
    /// Of each slot what matters where the primary is not.
    heard: Vec<Heard<T::Snapshot>>,
    free: Vec<u32>,
    touched: Vec<u32>,
    /// Of each slot, whether it is listed there, or was written to since by someone who walked over all.
    marks: Vec<bool>,
    /// Someone has walked, and may have written to slots that are not listed.
    walked: bool,
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
    /// Of a type that proxies guess of.
    guessing: Option<Box<Guessing>>,
    /// Of a type that is shown, once something has come that was sampled before it was sent.
    lags: Option<Box<Lags>>,
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
    /// The newest snapshot. Before there is one, the defaults that a proxy has; of a primary's value what [`TypedStore::merge`]
    /// compares with.
    current: T::Snapshot,
    /// Our version of `current`; 0 before the first.
    version: u32,
    sent: History<T::Snapshot>,
    replica: u32,
    updated: bool,
    /// Nobody is to be notified yet.
    waits: bool,
    /// Its change handlers wait until the program resumes it.
    suspended: bool,
    /// What arrives is not taken in: it keeps the values it has.
    refused: bool,
    /// The program does not see it.
    hidden: bool,
    live: bool,
}

struct Heard<S> {
    received: History<S>,
    /// What it held before the changes that nobody was notified of yet.
    before: Option<S>,
}

impl<T: ReplicaChunk> TypedStore<T> {
    pub(crate) fn new(class: u16, coder: Coder) -> Self {
        let defaults = T::default().snapshot();
        let scratch = defaults.clone();
        Self {
            values: Vec::new(),
            owned: Vec::new(),
            slots: Vec::new(),
            heard: Vec::new(),
            free: Vec::new(),
            touched: Vec::new(),
            marks: Vec::new(),
            walked: false,
            again: Vec::new(),
            updated: Vec::new(),
            watched: false,
            changed: Vec::new(),
            waits: false,
            throttles: Throttles::new(),
            guessing: Some(guess_limit::<T>()).filter(|limit| *limit > 0).map(|limit| Box::new(Guessing::new(limit))),
            lags: None,
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
        self.values[slot as usize].capture(&mut s.current);
        self.touch(slot);
        slot
    }

    pub(crate) fn value(&self, slot: u32) -> &T {
        &self.values[slot as usize]
    }

    /// The value, to be written: it is looked at in the next tick.
    #[inline]
    pub(crate) fn value_mut(&mut self, slot: u32) -> &mut T {
        self.touch(slot);
        &mut self.values[slot as usize]
    }

    /// What was received of a proxy, at the sender's tick `tick`, so many ticks `behind` the newest there could be, as of `now`, at so many
    /// ticks a second. None where the primary is.
    pub(crate) fn moment(
        &self,
        slot: u32,
        (tick, behind): (f64, f64),
        (now, rate): (Instant, f64),
    ) -> Option<Moment<'_, T::Snapshot>> {
        let lags = self.lags.as_ref().and_then(|lags| lags.of(slot));
        let moment = Moment::of(&self.heard[slot as usize].received, lags, tick, behind)?;
        Some(match &self.guessing {
            Some(guessing) => moment.with_arrivals(guessing.arrivals(slot), now, rate),
            None => moment,
        })
    }

    /// Takes over every dataset of `from` that differs from what was last captured. Where nothing was yet: from what the
    /// value was made with, or the last copy that was merged.
    pub(crate) fn merge(&mut self, slot: u32, from: &T) {
        from.capture(&mut self.scratch);
        let s = &mut self.slots[slot as usize];
        let first = s.version == 0;
        let captured = self.throttles.captured(slot).filter(|_| !first).unwrap_or(&s.current);
        if T::INITIAL && !first {
            T::keep_initial(&mut self.scratch, captured);
        }
        if self.scratch != *captured {
            self.values[slot as usize].apply(&self.scratch, captured);
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
                each(s.replica, &self.values[slot as usize]);
            }
        }
    }

    fn write(&self, change: Change<'_, T::Snapshot>, whole: bool, share: Share, mut out: Out<'_>) {
        let whole = T::INITIAL && whole;
        if let Out::Modelled(w) = &mut out {
            w.begin(self.class, self.modelled);
        }
        T::encode(change, &mut Cut::new(out, share).whole(whole));
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
        let slots = self.slots.iter().zip(&self.values).filter(|(s, _)| s.live && !s.hidden);
        slots.map(|(s, value)| (s.replica, value))
    }

    #[inline]
    fn touch(&mut self, slot: u32) {
        if !core::mem::replace(&mut self.marks[slot as usize], true) {
            self.touched.push(slot);
        }
    }

    /// For someone to walk over all: of each slot the replica if its primary is here, the value, and the mark to be set by who writes
    /// to it. That is all there is to a write.
    pub(crate) fn walk(&mut self) -> (&[Option<ReplicaId>], &mut [T], &mut [bool]) {
        self.walked = true;
        (&self.owned, &mut self.values, &mut self.marks)
    }

    fn allocate(&mut self, value: T, replica: u32) -> u32 {
        let fresh = Slot {
            current: self.defaults.clone(),
            version: 0,
            sent: History::sent(),
            replica,
            updated: false,
            waits: false,
            suspended: false,
            refused: false,
            hidden: false,
            live: true,
        };
        if let Some(index) = self.free.pop() {
            // A slot freed in this tick may still be listed as touched; the list skips what its flag does not confirm.
            self.slots[index as usize] = fresh;
            self.heard[index as usize] = Heard { received: History::new(), before: None };
            self.values[index as usize] = value;
            self.marks[index as usize] = false;
            self.throttles.reset(index, &self.defaults);
            self.forget_arrivals(index);
            return index;
        }
        let index = u32::try_from(self.slots.len()).expect("fewer than 2^32 chunks fit in memory");
        self.slots.push(fresh);
        self.heard.push(Heard { received: History::new(), before: None });
        self.values.push(value);
        self.owned.push(None);
        self.marks.push(false);
        self.spare.keep(self.slots.len());
        self.throttles.reset(index, &self.defaults);
        self.forget_arrivals(index);
        index
    }

    fn forget_arrivals(&mut self, slot: u32) {
        if let Some(guessing) = &mut self.guessing {
            guessing.reset(slot);
        }
        self.forget_lags(slot);
    }

    fn forget_lags(&mut self, slot: u32) {
        if let Some(lags) = &mut self.lags {
            lags.reset(slot);
        }
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
        let (s, heard) = (&mut self.slots[slot as usize], &mut self.heard[slot as usize]);
        if (s.waits || s.suspended) && heard.before.is_some() {
            // Only those that wait stay listed for longer than a tick.
            forget(&mut self.changed, slot);
        }
        if let Some(guessing) = &mut self.guessing {
            guessing.still(slot);
        }
        self.values[slot as usize] = T::default();
        self.owned[slot as usize] = None;
        s.sent = History::sent();
        *heard = Heard { received: History::new(), before: None };
        self.marks[slot as usize] = false;
        s.updated = false;
        s.live = false;
        self.free.push(slot);
    }

    fn set_owned(&mut self, slot: u32, replica: Option<ReplicaId>) {
        self.owned[slot as usize] = replica;
    }

    fn capture(
        &mut self,
        at: (u32, Instant),
        oldest: &[u32],
        changed: &mut Vec<u32>,
        context: &dyn Fn(u32) -> Option<TimeContext>,
        ending: &mut Vec<u32>,
    ) {
        self.capture_touched(at, oldest, changed, context, ending);
    }

    fn forget_before(&mut self, slot: u32, version: u32) {
        let s = &mut self.slots[slot as usize];
        s.sent.forget_before(version, s.version);
    }

    fn predicts(&self) -> bool {
        self.predicted.is_some()
    }

    fn in_force(&self, slot: u32, at: u32) -> Option<u32> {
        let s = &self.slots[slot as usize];
        if s.version <= at { Some(s.version) } else { s.sent.version_at(at) }
    }

    fn fetch(&self, slot: u32, basis: Basis, version: u32) {
        self.slots[slot as usize].fetch(basis, version);
    }

    fn encode(&self, slot: u32, basis: Basis, version: u32, share: Share, out: Out<'_>) -> bool {
        let out = match (share, out) {
            (None, Out::Packed(w)) if basis.base != 0 => {
                return self.write_run(&[slot], (basis, version), (0, 0), w, &mut [0; RUN]) == 1;
            }
            (_, out) => out,
        };
        let s = &self.slots[slot as usize];
        let base = if basis.base == 0 { Some(&self.defaults) } else { s.at(basis.base) };
        let Some(base) = base else { return false };
        if T::INITIAL && basis.base != 0 && !T::same_initial(&s.current, base) {
            return false; // It was hidden from us before. No difference says that.
        }
        let mut past = Past::UNKNOWN;
        if guesses(self.predicted, share) && basis.past != 0 {
            let Some(before) = s.at(basis.past) else { return false };
            past = Past::new(before, basis.ahead(version));
        }
        self.write(Change::new(&s.current, base).with_past(past), basis.base == 0, share, out);
        true
    }

    fn encode_run(
        &self,
        slots: &[u32],
        at: (Basis, u32),
        head: Head,
        w: &mut BitWriter,
        ends: &mut [usize; RUN],
    ) -> usize {
        self.write_run(slots, at, head, w, ends)
    }

    fn encode_hidden(&self, basis: Basis, version: u32, share: Share, out: Out<'_>) {
        let past = if guesses(self.predicted, share) && basis.past != 0 {
            Past::new(&self.defaults, basis.ahead(version))
        } else {
            Past::UNKNOWN
        };
        self.write(Change::new(&self.defaults, &self.defaults).with_past(past), basis.base == 0, share, out);
    }

    fn selective(&self) -> bool {
        T::SELECTIVE
    }

    fn sends_to(&self, slot: u32, peer: &TargetPeer) -> bool {
        self.values[slot as usize].sends_to(peer)
    }

    fn accepts_owner(&self, slot: u32, request: &OwnershipRequest) -> Result<(), u16> {
        self.values[slot as usize].accept_ownership(request)
    }

    fn differs(&self, slot: u32, base: u32) -> bool {
        let s = &self.slots[slot as usize];
        match s.at(base) {
            Some(base) => *base != s.current,
            None => true,
        }
    }

    fn save(&self, slot: u32, share: Share, w: &mut BitWriter) {
        let s = &self.slots[slot as usize];
        let mut now = self.values[slot as usize].snapshot();
        if T::INITIAL && s.version != 0 {
            T::keep_initial(&mut now, &s.current);
        }
        let change = Change::new(&now, &self.defaults);
        T::encode(change, &mut Cut::new(Out::Packed(w), share).whole(true));
    }

    fn restore(&mut self, replica: u32, r: &mut BitReader<'_>) -> Result<u32, WireError> {
        self.scratch.clone_from(&self.defaults);
        let mut window = Window::of(r);
        T::decode(&mut self.scratch, Past::UNKNOWN, &mut Cut::new(In::Packed(&mut window), None).whole(true))?;
        *r = window.reader();
        let mut value = T::default();
        value.apply(&self.scratch, &self.defaults);
        Ok(self.insert(value, replica))
    }

    fn receive(
        &mut self,
        slot: u32,
        arrival: &Arrival,
        share: Share,
        r: Option<In<'_, '_>>,
    ) -> Result<bool, ReceiveError> {
        self.take_in(slot, arrival, share, r)
    }

    fn receive_run(&mut self, slots: &[u32], arrival: &Arrival, head: Head, r: &mut Window<'_>) -> Taken {
        self.take_in_run(slots, arrival, head, r)
    }

    fn skip(&mut self, slot: u32, arrival: &Arrival, share: Share, r: In<'_, '_>) -> Result<(), ReceiveError> {
        self.decode(slot, arrival, share, Some(r)).map(|_turn| ())
    }

    fn notify(&mut self, local: MemberId, context: &dyn Fn(u32) -> Option<(TimeContext, bool)>) {
        self.tell_changes(local, context);
    }

    fn refuse(&mut self, slot: u32, shown: bool) {
        let s = &mut self.slots[slot as usize];
        (s.refused, s.hidden) = (true, !shown);
    }

    fn life(&self) -> &'static [LifeEvent] {
        T::LIFE
    }

    fn live(&mut self, slot: u32, event: LifeEvent, context: &LifeContext) {
        self.tell(slot, event, context);
    }

    fn live_all(&mut self, context: &dyn Fn(u32) -> Option<LifeContext>, ending: &mut Vec<u32>) {
        self.tell_all(context, ending);
    }

    fn mark_bound(&mut self, slot: u32) {
        self.slots[slot as usize].waits = false;
    }

    fn set_suspended(&mut self, slot: u32, suspended: bool) {
        self.slots[slot as usize].suspended = suspended;
    }

    fn promote(&mut self, slot: u32) {
        self.begin_owning(slot);
    }

    fn demote(&mut self, slot: u32, version: u32) {
        self.end_owning(slot, version);
    }

    fn interpolates(&self) -> bool {
        T::INTERPOLATES > 0
    }

    fn samples(&self) -> bool {
        T::INTERPOLATES > 0 && self.guessing.is_none()
    }

    fn stamp(&mut self, now: Instant) {
        if let Some(guessing) = &mut self.guessing {
            guessing.stamp(now);
        }
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
        self.run(slot, index, context, r)
    }
}

impl<T: ReplicaChunk> Slot<T> {
    fn at(&self, version: u32) -> Option<&T::Snapshot> {
        if self.version <= version { Some(&self.current) } else { self.sent.at(version) }
    }
}

fn forget(slots: &mut Vec<u32>, slot: u32) {
    slots.retain(|other| *other != slot);
}
