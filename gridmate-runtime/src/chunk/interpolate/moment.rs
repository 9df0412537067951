//! A moment of what a proxy has received, and the two values around it.

use core::sync::atomic::{AtomicU32, Ordering};

use super::blend::{Arrivals, News};
use crate::chunk::ReplicaChunk;
use crate::chunk::history::History;
use crate::chunk::lags::{self, Known};
use crate::time::Instant;

/// What a proxy has received, and the moment of it that is shown. Handed to [`ReplicaChunk::interpolate`], which asks it about
/// one dataset after the other.
///
/// [`ReplicaChunk::interpolate`]: crate::chunk::ReplicaChunk::interpolate
///
/// ```
/// use gridmate_runtime::chunk::{History, Moment};
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Clone, Default, ReplicaChunk)]
/// struct Lift {
///     #[dataset(interpolate = Linear)]
///     height: f32,
///     door_open: bool,
/// }
///
/// let [below, above] = [Lift::default(), Lift { height: 8.0, door_open: true }];
/// let mut received = History::new();
/// received.push(10, &below.snapshot());
/// received.push(14, &above.snapshot());
///
/// // What a display does: the newest value, with interpolated datasets as they were at that moment.
/// let mut shown = above.clone();
/// shown.interpolate(&Moment::new(&received, 11.0, 6.0).expect("something was received"));
/// assert_eq!((shown.height, shown.door_open), (2.0, true));
/// ```
#[derive(Debug)]
pub struct Moment<'a, S> {
    /// By the sender's ticks; never empty.
    pub(super) received: &'a History<S>,
    /// What of it was sampled before its version.
    pub(super) lags: Option<&'a Known>,
    /// The last that is not after the moment shown.
    pub(super) at: usize,
    /// The moment shown, in ticks of the sender.
    pub(super) tick: f64,
    /// How far that is behind the present.
    pub(super) behind: f64,
    /// The entries that it lies among, between one leap and the next: the first, and the one after the last.
    pub(super) first: usize,
    pub(super) end: usize,
    /// The tick of the leap after them.
    pub(super) leap: Option<f64>,
    /// Or until when nothing has changed that came after them, if that was said.
    pub(super) rest: Option<u32>,
    pub(super) news: Option<News<'a>>,
    /// Who asks how far guesses go, and nothing else.
    pub(super) asked: Option<&'a AtomicU32>,
}

impl<S> Clone for Moment<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Moment<'_, S> {}

/// Two values of a dataset and how far it is from one to the other.
///
/// ```
/// use gridmate_runtime::chunk::{Between, History, Interpolator, Linear, Moment};
///
/// /// By hand, what `#[dataset(interpolate = Linear)] height: f32` comes to.
/// fn shown(way: &Between<'_, f32>) -> f32 {
///     let Between { from, to, t, .. } = *way;
///     if t > 0.0 { Linear.between(from, to, t) } else { *from } // at rest it is exact
/// }
///
/// let mut received = History::new();
/// received.push(10, &1.5);
/// received.push(14, &3.5);
/// let at = |tick| Moment::new(&received, tick, 6.0).expect("something was received");
/// let way = at(11.0).between(|height| height);
/// assert_eq!((*way.from, *way.to, way.t), (1.5, 3.5, 0.25));
/// assert_eq!(shown(&way), 2.0);
/// assert_eq!(shown(&at(20.0).between(|height| height)), 3.5); // nothing newer has arrived
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Between<'a, R> {
    /// The value at or before the moment shown.
    pub from: &'a R,
    /// The one after it, or the same once more.
    pub to: &'a R,
    /// 0 at `from`, less than 1.
    pub t: f32,
}

impl<'a, S> Moment<'a, S> {
    /// The moment at the sender's tick `tick`, so many ticks `behind` the newest there could be, of what was `received`: snapshots
    /// by the tick they are in force from. `None` when that is nothing.
    ///
    /// Displays make it of what a replica has received; this is for tests of hand-written chunks.
    pub fn new(received: &'a History<S>, tick: f64, behind: f64) -> Option<Self> {
        Self::of(received, None, tick, behind)
    }

    /// The same of what was in part sampled before its version.
    pub(crate) fn of(received: &'a History<S>, lags: Option<&'a Known>, tick: f64, behind: f64) -> Option<Self> {
        let (end, behind) = (received.len(), behind.max(0.0));
        let at = (0..end).rev().find(|i| lags::tick(lags, received.entry(*i).0) <= tick).unwrap_or(0);
        let (first, leap, rest, news, asked) = (0, None, None, None, None);
        (end > 0).then_some(Self { received, lags, at, tick, behind, first, end, leap, rest, news, asked })
    }

    /// The tick in which the entry at `index` from the oldest was sampled.
    #[inline]
    pub(super) fn tick_of(&self, index: usize) -> f64 {
        lags::tick(self.lags, self.received.entry(index).0)
    }

    /// With what is known of when it came, as of `now`; the sender ticks at that `rate`, per second.
    pub(crate) fn with_arrivals(self, arrivals: &'a Arrivals, now: Instant, rate: f64) -> Self {
        Self { rest: arrivals.rest_version(), news: Some(News { arrivals, now, rate }), ..self }
    }

    /// The same moment without what lies beyond a leap, before it or after it: a change of the dataset whose repr `of` picks. Nothing is
    /// shown on its way over one. See `#[dataset(breaks)]`.
    ///
    /// ```
    /// use gridmate_runtime::chunk::{History, Moment};
    ///
    /// let mut received = History::new();
    /// for (tick, at, leaps) in [(10, 0.0, 0), (12, 4.0, 0), (14, 90.0, 1), (16, 94.0, 1)] {
    ///     received.push(tick, &(at, leaps));
    /// }
    /// let to = |tick| {
    ///     let moment = Moment::new(&received, tick, 8.0).expect("something was received");
    ///     *moment.unbroken(|(_, leaps)| leaps).between(|(at, _)| at).to
    /// };
    /// assert_eq!([to(11.0), to(13.9), to(15.0)], [4.0, 4.0, 94.0]);
    /// ```
    #[must_use]
    pub fn unbroken<R: PartialEq + 'a>(&self, of: impl Fn(&'a S) -> &'a R) -> Self {
        let here = of(self.received.entry(self.at).1);
        let same = |i: &usize| of(self.received.entry(*i).1) == here;
        let first = (self.first..self.at).rev().take_while(same).last().unwrap_or(self.at);
        match (self.at + 1..self.end).find(|i| !same(i)) {
            Some(end) => Self { first, end, leap: Some(self.tick_of(end)), rest: None, ..*self },
            None => Self { first, ..*self },
        }
    }

    /// Until which tick it is known what each dataset was: nothing is remembered that came between the last entry and then.
    pub(super) fn known(&self) -> f64 {
        let last = self.tick_of(self.end - 1);
        self.leap.map_or_else(|| self.rest.map_or(last, f64::from), |leap| leap - 1.0)
    }

    /// Notes how far a guess goes, for who asks that.
    pub(super) fn note(&self, limit: u32) {
        if let Some(asked) = self.asked {
            asked.fetch_max(limit, Ordering::Relaxed);
        }
    }

    /// Where one dataset is, of which `of` picks the repr.
    ///
    /// A dataset moves from its last change to its next, if that has arrived. It begins no earlier than it could if nothing had
    /// been late: by as much before the change as the moment shown is behind the present. So what rests and then leaps starts to
    /// move when that becomes known, and no way is left to make up for.
    ///
    /// ```
    /// use gridmate_runtime::chunk::{History, Interpolator, Linear, Moment};
    /// use gridmate_runtime::wire::{Codec, codec::Quantize};
    ///
    /// #[derive(Clone)]
    /// struct DoorSnapshot {
    ///     angle: <Quantize as Codec<f32>>::Repr,
    /// }
    ///
    /// const ANGLE: Quantize = Quantize::step(0.0, 90.0, 0.5);
    ///
    /// let snapshot = |angle: f32| DoorSnapshot { angle: ANGLE.to_repr(&angle) };
    /// let mut received = History::new();
    /// received.push(10, &snapshot(30.0));
    /// received.push(14, &snapshot(50.0));
    /// let moment = Moment::new(&received, 12.0, 6.0).expect("something was received");
    /// // By hand, what `#[dataset(quantize(0.0..=90.0, step = 0.5), interpolate = Linear)] angle: f32` comes to.
    /// let way = moment.between(|snapshot| &snapshot.angle);
    /// let shown: f32 = Linear.between(&ANGLE.from_repr(way.from), &ANGLE.from_repr(way.to), way.t);
    /// assert!((shown - 40.0).abs() < 0.001);
    /// ```
    pub fn between<R: PartialEq>(&self, of: impl Fn(&'a S) -> &'a R) -> Between<'a, R> {
        let repr = |i: usize| of(self.received.entry(i).1);
        let tick = |i: usize| self.tick_of(i);
        let from = repr(self.at);
        let still = Between { from, to: from, t: 0.0 };
        let Some(next) = (self.at + 1..self.end).find(|i| repr(*i) != from) else { return still };
        let mut start = tick(next) - self.behind;
        // Since when has it been as it is? That matters only if it is later than `start`.
        let mut since = self.at;
        while since > self.first && tick(since) > start && repr(since - 1) == from {
            since -= 1;
        }
        start = start.max(tick(since));
        if self.tick <= start {
            return still;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a fraction")]
        let t = ((self.tick - start) / (tick(next) - start)) as f32;
        Between { from, to: repr(next), t: t.min(1.0 - f32::EPSILON) }
    }
}

/// For how many ticks the datasets of a type are guessed at most: each is asked, by a moment at which nothing has come yet.
pub(crate) fn guess_limit<T: ReplicaChunk>() -> u32 {
    if const { T::INTERPOLATES == 0 } {
        return 0;
    }
    let (mut value, mut received, most) = (T::default(), History::new(), AtomicU32::new(0));
    received.push(0, &value.snapshot());
    if let Some(moment) = Moment::new(&received, 0.0, 0.0) {
        value.interpolate(&Moment { asked: Some(&most), ..moment });
    }
    most.into_inner()
}
