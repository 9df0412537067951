//! Going on when nothing newer is here.

use super::{Beside, Interpolator, Way};

/// An interpolator that goes on past the newest value, at the last pace: for `limit` of the sender's ticks at most, as
/// [`AtMost`](crate::chunk::AtMost) counts them. What it has come to then is held until there is news.
///
/// The next change finds it somewhere else, as a rule. What is shown does not jump there: it goes over to the way as it turns out to be
/// within as many ticks as were guessed, but no more than `limit`, and than twelve. In a tick it thus moves by no more than the guess and
/// the way themselves do, and the share that a tick has in that time of how wrong the guess was: by as much for each change that came
/// upon a guess and is still gone over to. What is then shown has its delay behind the owner again.
///
/// What rests is exact. So that rest is told from silence, a chunk that has not changed for `limit` ticks is sent once more: a few bits,
/// which other types do without. As soon as that is here, or any other value of the chunk from so late, what is shown goes back to the
/// newest value, in the same way. For the same reason a way that took more than `limit` ticks is not gone on with: make it longer than
/// the time between two changes, in ticks, with as many losses in between as are to go unnoticed.
///
/// A way of up to `limit` ticks is taken whole, however short the delay, so that it is the one guessed.
///
/// ```
/// use gridmate_runtime::chunk::{History, Moment};
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Train {
///     #[dataset(interpolate = Extrapolate(Linear, 6))]
///     at: f32,
/// }
///
/// let mut received = History::new();
/// received.push(10, &Train { at: 1.0 }.snapshot());
/// received.push(14, &Train { at: 3.0 }.snapshot());
/// let shown = |received: &History<_>, tick| {
///     let mut train = Train::default();
///     train.interpolate(&Moment::new(received, tick, 4.0).expect("something was received"));
///     train.at
/// };
/// assert_eq!([shown(&received, 12.0), shown(&received, 16.0), shown(&received, 20.0)], [2.0, 4.0, 6.0]);
/// assert_eq!(shown(&received, 90.0), 6.0); // held
/// received.push(20, &Train { at: 3.0 }.snapshot()); // it has stopped where it was at 14
/// assert_eq!(shown(&received, 90.0), 3.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extrapolate<I>(
    /// What shows the way between two values, and the line beyond.
    pub I,
    /// For how many ticks of the sender.
    pub u32,
);

impl<T: Clone, I: Interpolator<T>> Interpolator<T> for Extrapolate<I> {
    const LOOKS_AROUND: bool = true;

    #[inline]
    fn between(&self, from: &T, to: &T, t: f32) -> T {
        self.0.between(from, to, t)
    }

    fn guesses(&self) -> u32 {
        self.1
    }

    fn along(&self, way: &Way<T>) -> Option<T> {
        let limit = f64::from(self.1);
        let (None, Beside::Change(before)) = (&way.to, &way.before) else {
            return self.0.along(&Way { behind: way.behind.max(limit), ..way.clone() });
        };
        let took = way.from.tick - before.tick;
        let on = (way.tick - way.from.tick).min(limit);
        if on <= 0.0 || took > limit || way.known >= way.from.tick + limit {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a few ways")]
        let on = (on / took) as f32;
        Some(self.0.between(&before.value, &way.from.value, 1.0 + on))
    }
}
