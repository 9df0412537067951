//! Back from a guess to what was true, without a jump.
//!
//! What is shown between two values that have arrived never changes, so nothing has to be made up for. A guess does: when a change
//! arrives after the moment shown has gone on without it, the way turns out to be another. From then on both are followed, the way as it is
//! now and the way as it looked before, and what is shown goes over from one to the other: within as many ticks as had been guessed for,
//! [`MOST`] at most. A change that arrives meanwhile does the same to the way as it looked then, and does not cut short what is under way.
//!
//! So all that is needed is when the newest few came. Nothing that is shown is remembered; a moment looks the same however often, and by
//! whomever, it is asked for.

use std::collections::VecDeque;

use smallvec::SmallVec;

use super::Moment;
use crate::time::Instant;

/// Ticks of the sender in which the longest guess is taken back, count.
const MOST: u32 = 12;

/// Arrivals remembered, count. One comes in a tick at most, and now and then one more that says that nothing has changed: none is
/// forgotten that matters.
const ARRIVALS: usize = MOST as usize + 8;

/// When a proxy's newest values came.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    /// Oldest first. What never arrives takes no memory.
    list: VecDeque<Arrival>,
}

#[derive(Clone, Copy, Debug)]
struct Arrival {
    /// The sender's.
    version: u32,
    /// It is so much later than the change before it that nothing else has changed until then.
    rest: bool,
    /// None before it is known.
    at: Option<Instant>,
}

impl Arrivals {
    /// A change is here, of that version.
    pub(crate) fn change(&mut self, version: u32) {
        self.push(Arrival { version, rest: false, at: None });
    }

    /// Nothing has changed until that version. What says so again is no news.
    pub(crate) fn rest(&mut self, version: u32) {
        if self.rest_version().is_none() {
            self.push(Arrival { version, rest: true, at: None });
        }
    }

    fn push(&mut self, arrival: Arrival) {
        if self.list.len() == ARRIVALS {
            self.list.pop_front();
        }
        self.list.push_back(arrival);
    }

    /// All that has no time yet came at `now`.
    pub(crate) fn stamp(&mut self, now: Instant) {
        let fresh = self.list.iter_mut().rev().map(|arrival| &mut arrival.at).take_while(|at| at.is_none());
        fresh.for_each(|at| *at = Some(now));
    }

    /// Until when nothing has changed since the last change, if that is known.
    pub(super) fn rest_version(&self) -> Option<u32> {
        self.list.back().filter(|last| last.rest).map(|last| last.version)
    }
}

/// What a moment knows of arrivals.
#[derive(Clone, Copy, Debug)]
pub(super) struct News<'a> {
    pub(super) arrivals: &'a Arrivals,
    pub(super) now: Instant,
    /// Ticks of the sender in a second.
    pub(super) rate: f64,
}

/// An arrival that the display is not done with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level {
    /// How many entries there were before it, and until when nothing had changed, as far as that was known.
    before: usize,
    rest: Option<u32>,
    /// The part of what is shown that is still as it was then.
    pub(super) part: f32,
}

impl<'a, S> Moment<'a, S> {
    /// The arrivals that the dataset whose repr `of` picks is on its way back from, oldest first, if it is guessed for so many ticks.
    pub(super) fn levels<R: PartialEq + 'a>(&self, limit: u32, of: impl Fn(&'a S) -> &'a R) -> SmallVec<[Level; 4]> {
        let mut levels = SmallVec::new();
        self.note(limit);
        let Some(News { arrivals, now, rate }) = self.news.filter(|_| limit > 0) else { return levels };
        let (most, limit) = (f64::from(limit.min(MOST)), f64::from(limit));
        let present = self.tick + self.behind;
        let tick = |i: usize| self.tick_of(i);
        let repr = |i: usize| of(self.received.entry(i).1);
        let (now, rate) = (now.as_micros(), rate * 1e-6);
        let age = |arrival: &Arrival| arrival.at.map_or(0.0, |at| now.saturating_sub(at.as_micros()) as f64 * rate);
        // Of those that may matter, each change is an entry, up to the newest.
        let young = arrivals.list.iter().rev().take_while(|arrival| age(arrival) < most).count();
        let old = arrivals.list.len() - young;
        let young = arrivals.list.range(old..);
        let mut entries = self.received.len() - young.clone().filter(|arrival| !arrival.rest).count();
        let last_old = old.checked_sub(1).map(|last| arrivals.list[last]);
        let mut rest_before = last_old.filter(|last| last.rest).map(|last| last.version);
        let mut end = f64::MIN;
        for arrival in young {
            let Arrival { version, rest, .. } = *arrival;
            let (before, rest_before) = (entries, core::mem::replace(&mut rest_before, rest.then_some(version)));
            entries += usize::from(!rest);
            // On this side of a leap, and the leap itself.
            if before <= self.first || before > self.end {
                continue;
            }
            let newest = before - 1;
            let since = (self.first + 1..=newest).rev().find(|i| repr(*i - 1) != repr(*i)).unwrap_or(self.first);
            let came = present - age(arrival);
            let shown = came - self.behind;
            if shown <= tick(since) && end <= present {
                continue; // What was shown was known.
            }
            let (rests_from, known) = (tick(since) + limit, rest_before.map_or_else(|| tick(newest), f64::from));
            let version = f64::from(version);
            if (rest || repr(before) == repr(newest)) && (version < rests_from || known >= rests_from) {
                continue; // It is on the way that it was on.
            }
            // From when on what was shown is not what it is now: from the last change on, or from where the way out of a rest begins.
            let wrong_from =
                if known < rests_from { f64::MIN } else { version - self.behind.max(limit) }.max(tick(since));
            end = end.max(came + (shown - wrong_from).clamp(0.0, most));
            if end > present {
                #[expect(clippy::cast_possible_truncation, reason = "a fraction")]
                let part = ((end - present) / (end - came)) as f32;
                levels.push(Level { before, rest: rest_before, part });
            }
        }
        levels
    }

    /// The same moment as it was before an arrival.
    pub(super) fn before(&self, level: &Level) -> Self {
        let Level { before: end, rest, .. } = *level;
        Self { end, at: self.at.min(end - 1), leap: None, rest, news: None, ..*self }
    }
}
