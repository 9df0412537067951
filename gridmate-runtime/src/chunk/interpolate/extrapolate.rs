//! Going on when nothing newer is here.

use super::{Beside, Interpolator, Way};

/// An interpolator that goes on past the newest value, at the last pace: for `limit` of the sender's ticks at most, as
/// [`AtMost`](crate::chunk::AtMost) counts them. The guess is then taken back within as many ticks again, and the newest value is
/// held: what rests is exact, and a dataset that has stopped is not told from one whose messages are lost.
///
/// When the next change arrives, what is shown is on the way to it at once: it jumps, by as much as the guess was wrong, and not at
/// all if the pace was kept. A way of up to `limit` ticks is taken whole, however short the delay, so that it is the one guessed.
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
/// let shown = |tick| {
///     let mut train = Train::default();
///     train.interpolate(&Moment::new(&received, tick, 4.0).expect("something was received"));
///     train.at
/// };
/// assert_eq!([shown(12.0), shown(16.0), shown(20.0)], [2.0, 4.0, 6.0]);
/// assert_eq!([shown(23.0), shown(26.0), shown(90.0)], [4.5, 3.0, 3.0]);
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

    fn along(&self, way: &Way<T>) -> Option<T> {
        let limit = f64::from(self.1);
        let (None, Beside::Change(before)) = (&way.to, &way.before) else {
            return self.0.along(&Way { behind: way.behind.max(limit), ..way.clone() });
        };
        let since = way.tick - way.from.tick;
        let on = since.min(2.0 * limit - since);
        if on <= 0.0 {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a few ways")]
        let on = (on / (way.from.tick - before.tick)) as f32;
        Some(self.0.between(&before.value, &way.from.value, 1.0 + on))
    }
}
