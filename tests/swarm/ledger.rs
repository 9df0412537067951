//! Who called what, and where it ran: R6.

use std::collections::{BTreeMap, BTreeSet};

use gridmate_runtime::chunk::MayCall;
use gridmate_runtime::{MemberId, ReplicaId};

use crate::chunks::{Ran, flags, mix};
use crate::counts::{Counts, Happened, Law};
use crate::oracle::Truth;

/// Whom a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// The primary, whose handler decides who else.
    Primary,
    /// The primary, whose handler passes it on to this member.
    Through(MemberId),
    /// One proxy, or all of them, and not the primary.
    Member(MemberId),
    Proxies,
}

/// A call that was made.
#[derive(Debug)]
pub struct Call {
    pub replica: ReplicaId,
    pub rpc: &'static str,
    pub caller: usize,
    pub to: For,
    pub made: u64,
    /// When it ran on a primary, or was sent to proxies; its place among all that did on this replica, and the stamp it left.
    pub ran: Option<(u64, u64, u32)>,
    /// Nodes that ran it.
    pub by: BTreeSet<usize>,
}

impl Call {
    pub fn is_reliable(&self) -> bool {
        flags(self.rpc).reliable
    }

    /// The primary's handler passes it on to every proxy, or it was made for them.
    pub fn is_echoed(&self) -> bool {
        match self.to {
            For::Primary => !matches!(self.rpc, "ask" | "nod" | "ring" | "question"),
            For::Proxies => true,
            For::Through(_) | For::Member(_) => false,
        }
    }

    /// A primary runs it.
    const fn is_for_primary(&self) -> bool {
        matches!(self.to, For::Primary | For::Through(_))
    }
}

#[derive(Debug, Default)]
pub struct Ledger {
    /// By number.
    pub calls: BTreeMap<u32, Call>,
    /// By replica and reliability: how many ran on a primary.
    places: BTreeMap<(ReplicaId, bool), u64>,
    /// By caller, node, replica and reliability: the last number that ran on the primary there. (A former owner that has not heard
    /// of its loss may run what was on its way to it.)
    heard: BTreeMap<(usize, usize, ReplicaId, bool), u32>,
    /// By node, replica and reliability: the place of the last echo.
    echoed: BTreeMap<(usize, ReplicaId, bool), u64>,
}

impl Ledger {
    pub fn made(&mut self, number: u32, call: Call) {
        self.calls.insert(number, call);
        // What is for proxies alone has its place as soon as it is made.
        if !self.calls[&number].is_for_primary() {
            self.take_place(number, 0);
        }
    }

    fn take_place(&mut self, number: u32, stamp: u32) {
        let call = self.calls.get_mut(&number).expect("it was made");
        let places = self.places.entry((call.replica, flags(call.rpc).reliable)).or_default();
        *places += 1;
        call.ran = Some((call.made, *places, stamp));
    }

    /// A handler ran, on a replica with this truth. The node it ran on, and the caller it was told of, are players.
    pub fn ran(&mut self, ran: &Ran, (node, caller): (usize, usize), tick: u64, truth: &Truth, counts: &mut Counts) {
        let Ran { number, replica, rpc, .. } = *ran;
        let reliable = flags(rpc).reliable;
        let Some(call) = self.calls.get_mut(&number) else { panic!("R6: {ran:?} was never called") };
        let true_to_it = (call.replica, call.rpc, call.caller) == (replica, rpc, caller) && ran.check == mix(number);
        counts.hold(Law::R6, true_to_it, || format!("{ran:?} of {call:?}"));
        let new = call.by.insert(node);
        counts.hold(Law::R6, new, || format!("once more: {ran:?} of {call:?}"));
        if ran.primary {
            counts.note(Happened::Runs);
            let made = call.made;
            let first = call.ran.is_none() && call.is_for_primary();
            counts.hold(Law::R6, first, || format!("on a second primary: {ran:?} of {call:?}"));
            self.take_place(number, ran.stamp);
            if let Some(call) = self.calls.get_mut(&number)
                && let Some((at, ..)) = &mut call.ran
            {
                *at = tick;
            }
            // What its caller called before it became the owner itself has to come back to it, or goes after it to the next.
            let came_back = truth.homes.get(&caller).is_some_and(|since| made <= *since);
            let last = self.heard.entry((caller, node, replica, reliable)).or_default();
            counts.hold(Law::R6, *last < number || came_back, || format!("after {last}: {ran:?}"));
            *last = number.max(*last);
            return;
        }
        counts.note(Happened::Echoes);
        let Some((_, place, stamp)) = call.ran else { panic!("R6: an echo of nothing: {ran:?} of {call:?}") };
        let asked = match call.to {
            For::Member(to) | For::Through(to) => to == ran.at,
            For::Primary | For::Proxies => call.is_echoed(),
        };
        counts.hold(Law::R6, asked, || format!("not for this proxy: {ran:?} of {call:?}"));
        let last = self.echoed.entry((node, replica, reliable)).or_default();
        counts.hold(Law::R6, *last < place, || format!("after place {last}: {ran:?} of {call:?}"));
        *last = place;
        // What was hidden meanwhile has no stamp, and what has ended gets no more values.
        if flags(rpc).post_attached && ran.stamp != 0 && truth.ended.is_none() {
            counts.hold(Law::R6, ran.stamp >= stamp, || format!("before its values: {ran:?} of {call:?}"));
        }
    }

    /// A call was an error, or not: whether its maker may make it.
    pub fn refused(rpc: &'static str, primary: bool, assigned: bool, refused: bool, counts: &mut Counts) {
        let may = match flags(rpc).may_call {
            MayCall::Anyone => return,
            MayCall::Owner => primary || assigned,
            MayCall::Authority => primary,
        };
        counts.hold(Law::R3, refused != may, || format!("{rpc}: refused {refused}, may {may}"));
    }
}
