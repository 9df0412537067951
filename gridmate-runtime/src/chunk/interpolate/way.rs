//! What lies around the moment shown, for interpolators that look at more than two values.

use super::{Interpolator, Moment};

/// A value of a dataset and the sender's tick that it came with.
///
/// ```
/// use gridmate_runtime::chunk::{Beside, History, Moment};
///
/// let mut received = History::new();
/// for (tick, height) in [(10, 1.0), (12, 2.0), (16, 4.0)] {
///     received.push(tick, &height);
/// }
/// let way = Moment::new(&received, 13.0, 8.0).expect("something was received").way(|height| height);
/// assert_eq!((way.from.tick, *way.from.value), (12.0, 2.0));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sample<T> {
    /// The sender's tick.
    pub tick: f64,
    /// The value from then on.
    pub value: T,
}

/// What is beside a way, before it or after it.
///
/// ```
/// use gridmate_runtime::chunk::{Beside, History, Moment};
///
/// let mut received = History::new();
/// for (tick, height) in [(10, 1.0), (12, 2.0), (16, 4.0)] {
///     received.push(tick, &height);
/// }
/// let way = Moment::new(&received, 13.0, 8.0).expect("something was received").way(|height| height);
/// assert!(matches!(way.before, Beside::Change(sample) if *sample.value == 1.0));
/// assert_eq!(way.after, Beside::Unknown); // not here yet
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Beside<T> {
    /// Nothing that is known: forgotten, or not here yet.
    Unknown,
    /// The dataset stays as it is there, for a while.
    Rest,
    /// It moves there too: from or to another change.
    Change(Sample<T>),
}

/// The way that a dataset is on at the moment shown: from its last change to its next, with what is beside it.
///
/// What the interpolators that look around are asked about; see [`Interpolator::along`].
///
/// ```
/// use gridmate_runtime::chunk::{Beside, History, Moment};
///
/// let mut received = History::new();
/// for (tick, height) in [(10, 1.0), (12, 2.0), (16, 4.0)] {
///     received.push(tick, &height);
/// }
/// let way = Moment::new(&received, 13.0, 8.0).expect("something was received").way(|height| height);
/// assert_eq!((way.start(), way.t()), (12.0, 0.25));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Way<T> {
    /// The moment shown, in ticks of the sender.
    pub tick: f64,
    /// How many ticks the moment shown is behind the present.
    pub behind: f64,
    /// What comes before `from`. A rest is one of more than `behind` ticks until the next change.
    pub before: Beside<T>,
    /// The value at or before the moment shown, and since when it is so.
    pub from: Sample<T>,
    /// The change after that, if it has arrived.
    pub to: Option<Sample<T>>,
    /// What comes after `to`.
    pub after: Beside<T>,
    /// Until which tick it is known that nothing else has changed: that of the newest values of the chunk, as a rule.
    pub known: f64,
}

impl<T> Way<T> {
    /// The tick in which it sets out for `to`: see [`Moment::between`].
    pub fn start(&self) -> f64 {
        self.to.as_ref().map_or(self.from.tick, |to| (to.tick - self.behind).max(self.from.tick))
    }

    /// How much of the way lies behind, 0 to less than 1. 0 if there is nowhere to go.
    pub fn t(&self) -> f32 {
        let start = self.start();
        match &self.to {
            Some(to) if self.tick > start => {
                #[expect(clippy::cast_possible_truncation, reason = "a fraction")]
                let t = ((self.tick - start) / (to.tick - start)) as f32;
                t.min(1.0 - f32::EPSILON)
            }
            _ => 0.0,
        }
    }

    /// What an interpolator shows that does not look around.
    pub fn straight<I: Interpolator<T> + ?Sized>(&self, by: &I) -> Option<T> {
        let (to, t) = (self.to.as_ref()?, self.t());
        (t > 0.0).then(|| by.between(&self.from.value, &to.value, t))
    }

    pub(super) fn map<U>(self, f: impl Fn(T) -> U) -> Way<U> {
        let Self { tick, behind, before, from, to, after, known } = self;
        let beside = |beside| match beside {
            Beside::Unknown => Beside::Unknown,
            Beside::Rest => Beside::Rest,
            Beside::Change(Sample { tick, value }) => Beside::Change(Sample { tick, value: f(value) }),
        };
        let sample = |Sample { tick, value }| Sample { tick, value: f(value) };
        let (before, after) = (beside(before), beside(after));
        Way { tick, behind, before, from: sample(from), to: to.map(sample), after, known }
    }
}

impl<'a, S> Moment<'a, S> {
    /// [`between`](Self::between), with the changes around. Looks at no more than what is remembered.
    pub fn way<R: PartialEq>(&self, of: impl Fn(&'a S) -> &'a R) -> Way<&'a R> {
        let repr = |i: usize| of(self.received.entry(i).1);
        let sample = |i: usize| Sample { tick: self.tick_of(i), value: repr(i) };
        let change_after = |i: usize| (i + 1..self.end).find(|next| repr(*next) != repr(i));
        // Since when it is as it is at an entry.
        let since = |i: usize| (self.first + 1..=i).rev().find(|i| repr(*i - 1) != repr(*i)).unwrap_or(self.first);

        let from = since(self.at);
        let to = change_after(self.at);
        // A way that leaves `a` at once, and not after a rest.
        let moves = |a: usize, b: usize| sample(b).tick - self.behind <= sample(a).tick;
        let before = match (from, to) {
            (_, Some(to)) if !moves(from, to) => Beside::Rest,
            _ if from == self.first => Beside::Unknown,
            _ => {
                let last = since(from - 1);
                // Where the way goes on, the last one set out no earlier than the display let it.
                let set_out = to.map_or(f64::MIN, |_| sample(from).tick - self.behind);
                let tick = sample(last).tick.max(set_out);
                Beside::Change(Sample { tick, value: repr(last) })
            }
        };
        let after = to.map_or(Beside::Unknown, |to| match change_after(to) {
            None => Beside::Unknown,
            Some(next) if !moves(to, next) => Beside::Rest,
            Some(next) => Beside::Change(sample(next)),
        });
        let (tick, behind, known) = (self.tick, self.behind, self.known());
        Way { tick, behind, before, from: sample(from), to: to.map(sample), after, known }
    }
}
