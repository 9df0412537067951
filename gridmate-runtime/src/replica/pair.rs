//! One replica, seen from one peer: fifteen bytes, because there is one for every pair.
//!
//! Two ticks are told by way of a third. Nothing older than `kept` may be named to the peer, and what may be named is a tick it has
//! acknowledged: one of the last [`SPAN`] up to `acked`. So `kept` is stored as how many ticks it is before that, in five
//! bits; a `kept` that is older still, or newer, forbids what the nearest end of the span forbids. (Newer, it was a name for a moment in
//! which `acked` was still in force: the receiver has one snapshot for both.) Only as long as nothing was acknowledged can it be any
//! tick, and then it has the place of `seen`, which is empty.
//!
//! With the bit that says whether the replica is pending, that is less than sixteen bytes a pair, and nothing else is kept of pairs.

use super::entry::Entry;
use super::owed::AckedTicks;
use super::record::Header;
use crate::chunk::{Basis, ChunkStore};

/// Ticks up to the newest acknowledged of which it is known whether they were.
const SPAN: u32 = 32;

const BACK: u8 = 0b1_1111;
const TOLD: u8 = 1 << 5;
const AGAIN: u8 = 1 << 6;
const FIRST: u8 = 1 << 7;

/// What a peer has of a replica; see the module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, packed)]
pub(super) struct Target {
    acked: u32,
    seen: u32,
    sent: u32,
    waited: u16,
    bits: u8,
}

const _: () = assert!(size_of::<Target>() * 8 < 16 * 8, "one bit more says whether it is pending");

impl Target {
    /// Newest version it acknowledged: its baseline. 0 = none.
    #[inline]
    pub(super) const fn acked(self) -> u32 {
        self.acked
    }

    /// Which ticks it acknowledged, up to that one.
    #[inline]
    pub(super) const fn ticks(self) -> AckedTicks {
        AckedTicks { newest: self.acked, seen: if self.acked == 0 { 0 } else { self.seen } }
    }

    /// Nothing older may be named to it any more: it may have forgotten that.
    #[inline]
    pub(super) const fn kept(self) -> u32 {
        if self.acked == 0 { self.seen } else { self.acked.saturating_sub((self.bits & BACK) as u32) }
    }

    /// The oldest version that may be named to it from now on, or may turn out to have arrived there.
    #[inline]
    pub(super) const fn oldest(self) -> u32 {
        match (self.acked, self.sent) {
            (0, 0) => u32::MAX, // What it is sent first is of its own time.
            (0, _) => 0,
            _ => self.kept(),
        }
    }

    /// Raises what is the oldest that may be named.
    #[inline]
    pub(super) fn keep(&mut self, tick: u32) {
        let kept = self.kept().max(tick);
        if self.acked == 0 {
            self.seen = kept;
        } else {
            let back = self.acked.saturating_sub(kept).min(SPAN - 1).to_le_bytes()[0];
            self.bits = self.bits & !BACK | back;
        }
    }

    /// Newest version sent to it. 0 = none.
    #[inline]
    pub(super) const fn sent(self) -> u32 {
        self.sent
    }

    /// Whether it has exactly what a message goes by, and what is to be said of it was not said before.
    #[inline]
    pub(super) const fn is_usual(self, common: Basis) -> bool {
        self.acked == common.base && !self.is_again()
    }

    /// Whether what was in force at `past`, which is not after what it acknowledged, may be named to it.
    #[inline]
    pub(super) fn knows_past(self, past: u32) -> bool {
        past >= self.kept() && self.ticks().has(past)
    }

    /// Whether that version was the last to be sent, and has not arrived.
    #[inline]
    pub(super) const fn lacks(self, version: u32) -> bool {
        self.sent == version && self.acked < version
    }

    /// A version goes out: whatever waited has waited enough. Returns whether it is said again.
    #[inline]
    pub(super) const fn send(&mut self, version: u32) -> bool {
        self.sent = version;
        self.waited = 0;
        let again = self.bits & AGAIN != 0;
        self.bits &= !AGAIN;
        again
    }

    /// A version goes out against what a header names: nothing older than that may be named from now on. Returns whether it is said again.
    #[inline]
    pub(super) fn send_against(&mut self, Header { tick, common: Basis { base, past, .. } }: Header) -> bool {
        self.keep(if past == 0 { base } else { past });
        self.send(tick)
    }

    /// A version was acknowledged. Returns whether that is the first news of a replica that was there when the peer came.
    pub(super) fn delivered(&mut self, version: u32) -> bool {
        let kept = self.kept();
        if version < kept {
            return false; // Too old to be named, or from when the peer was to have other chunks of it.
        }
        let mut ticks = self.ticks();
        ticks.note(version);
        (self.acked, self.seen) = (ticks.newest, ticks.seen);
        self.bits &= !BACK;
        let back = self.acked.saturating_sub(kept).min(SPAN - 1).to_le_bytes()[0];
        self.bits |= back;
        self.arrive()
    }

    /// Forgets what was acknowledged: it is sent whole from now on, until that is.
    pub(super) const fn renew(&mut self) {
        let kept = self.kept();
        (self.acked, self.seen) = (0, kept);
    }

    /// An echo was sent to it, so it must hear of the replica's end even if it never heard of its beginning.
    pub(super) const fn tell(&mut self) {
        self.bits |= TOLD;
    }

    /// Whether it must hear of the replica's end.
    pub(super) const fn knows(self) -> bool {
        self.sent != 0 || self.bits & TOLD != 0
    }

    /// What is pending was sent before, and nothing was heard of it.
    pub(super) const fn repeat(&mut self) {
        self.bits |= AGAIN;
    }

    /// Whether what is pending was sent before.
    #[inline]
    pub(super) const fn is_again(self) -> bool {
        self.bits & AGAIN != 0
    }

    /// There is nothing to be repeated after all.
    #[inline]
    pub(super) const fn settle(&mut self) {
        self.bits &= !AGAIN;
    }

    /// The replica was there when the peer came.
    pub(super) const fn mark_first(&mut self) {
        self.bits |= FIRST;
    }

    /// It has it now, or is not to have it: true once for what was there when it came.
    pub(super) const fn arrive(&mut self) -> bool {
        let first = self.bits & FIRST != 0;
        self.bits &= !FIRST;
        first
    }

    /// Ticks that it was passed over in since it was sent last, and from now on one more.
    #[inline]
    pub(super) const fn wait(&mut self) -> u16 {
        let waited = self.waited;
        self.waited = waited.saturating_add(1);
        waited
    }

    /// What to encode `entry` against for this peer, and how a record names that.
    ///
    /// Most of what moves was acknowledged in the same two messages, so that most records say no more than "the common basis".
    /// Whatever else has been in force since then goes by that name too.
    pub(super) fn basis(self, header: Header, entry: &Entry, stores: &[Box<dyn ChunkStore>]) -> (Basis, Basis) {
        if self.acked() == 0 {
            return (Basis::DEFAULTS, Basis::DEFAULTS);
        }
        let common = header.common;
        let in_force = |version: u32, at: u32| {
            version == at
                || version < at
                    && entry.chunks.iter().all(|chunk| {
                        stores[usize::from(chunk.class)].in_force(chunk.slot, at).is_some_and(|v| v <= version)
                    })
        };
        let base_is_common = common.base != 0 && in_force(self.acked(), common.base);
        if !entry.predicts {
            let own = Basis { base: self.acked(), ..Basis::DEFAULTS };
            return (own, if base_is_common { common } else { own });
        }
        if base_is_common && common.past != 0 && common.past >= self.kept() {
            let known = self.ticks().up_to(common.past);
            let past_is_common = common.past >= self.acked() || known.is_some_and(|known| in_force(known, common.past));
            if past_is_common {
                return (common, common);
            }
        }
        let own = self.own_basis(common);
        (own, own)
    }

    /// What it has, with a past as near to the common one as this peer may still know it, so that the two meet again.
    #[inline]
    fn own_basis(self, common: Basis) -> Basis {
        let ticks = self.ticks();
        let near = [common.past.max(self.kept()).min(self.acked() - 1), self.acked() - 1].map(|tick| ticks.up_to(tick));
        let past = near.into_iter().flatten().find(|past| *past >= self.kept()).unwrap_or(0);
        Basis { base: self.acked(), past, calm: if past == 0 { 0 } else { common.calm } }
    }

    /// What [`basis`](Self::basis) is, as a rule, of what is guessed and on the move.
    #[cfg(feature = "parallel")]
    pub(super) fn likely_basis(self, common: Basis) -> Basis {
        if self.acked() == 0 {
            Basis::DEFAULTS
        } else if self.acked() == common.base && (common.past == 0 || self.knows_past(common.past)) {
            common
        } else {
            self.own_basis(common)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The same with every tick in full.
    #[derive(Default)]
    struct Wide {
        ticks: AckedTicks,
        kept: u32,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Deliver(u32),
        Keep(u32),
        Renew,
        Pass(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0u32..80).prop_map(Step::Deliver),
            4 => (0u32..80).prop_map(Step::Keep),
            1 => Just(Step::Renew),
            3 => prop_oneof![1u32..5, 20u32..70, 100_000u32..1 << 28].prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// Whatever ticks there are before now, the compact form says of each tick that may be named what the wide one says.
        #[test]
        fn what_may_be_named_is_what_may_be_named_in_full(steps in prop::collection::vec(step(), 0..60)) {
            let (mut compact, mut wide, mut now) = (Target::default(), Wide::default(), 100);
            for step in steps {
                match step {
                    Step::Deliver(back) => {
                        let version = now - back;
                        let _ = compact.delivered(version);
                        if version >= wide.kept {
                            wide.ticks.note(version);
                        }
                    }
                    Step::Keep(back) => {
                        // What is named was acknowledged, or nothing was.
                        let tick = if wide.ticks.newest == 0 { now - back } else { wide.ticks.newest.saturating_sub(back) };
                        compact.keep(tick);
                        wide.kept = wide.kept.max(tick);
                    }
                    Step::Renew => {
                        compact.renew();
                        // Only what is sent from now on counts, so how far back this is matters to nobody.
                        wide.kept = wide.kept.max(wide.ticks.newest.saturating_sub(SPAN - 1));
                        wide.ticks = AckedTicks::default();
                    }
                    Step::Pass(ticks) => now = if now < 1 << 30 { now + ticks } else { now + 1 },
                }
                prop_assert_eq!(compact.acked(), wide.ticks.newest);
                for back in 0..=2 * SPAN {
                    let tick = wide.ticks.newest.saturating_sub(back);
                    let known = |ticks: AckedTicks, kept| ticks.up_to(tick).filter(|tick| *tick >= kept);
                    prop_assert_eq!(known(compact.ticks(), compact.kept()), known(wide.ticks, wide.kept));
                }
                if wide.ticks.newest == 0 {
                    prop_assert_eq!(compact.kept(), wide.kept);
                }
            }
        }
    }

    #[test]
    fn what_is_kept_goes_no_further_back_than_what_is_known() {
        let mut target = Target::default();
        target.keep(7);
        assert_eq!((target.acked(), target.kept()), (0, 7), "as long as nothing was acknowledged it is any tick");
        assert!(!target.delivered(6) && target.acked() == 0, "older than what is kept");
        let _ = target.delivered(9);
        assert_eq!((target.acked(), target.kept()), (9, 7));
        let _ = target.delivered(38);
        assert_eq!(target.kept(), 7, "31 ticks back");
        let _ = target.delivered(39);
        assert_eq!(target.kept(), 8, "32 ticks back, of which nothing is known");
        let _ = target.delivered(u32::MAX);
        assert_eq!(target.kept(), u32::MAX - 31);
        target.keep(u32::MAX);
        assert_eq!(target.kept(), u32::MAX);
        target.renew();
        assert_eq!((target.acked(), target.kept(), target.ticks().up_to(u32::MAX)), (0, u32::MAX, None));
    }

    #[test]
    fn flags_and_waits_do_not_touch_each_other() {
        let mut target = Target::default();
        target.mark_first();
        target.tell();
        target.repeat();
        target.keep(3);
        assert!(target.knows() && target.sent() == 0);
        for waited in (0..u16::MAX).chain([u16::MAX; 3]) {
            assert_eq!(target.wait(), waited);
        }
        assert!(target.send(5) && !target.send(6), "said again once");
        assert_eq!(target.wait(), 0, "and has not waited since");
        assert!(target.delivered(6) && !target.delivered(7), "the first news comes once");
        target.renew();
        assert!(target.knows() && !target.arrive());
    }
}
