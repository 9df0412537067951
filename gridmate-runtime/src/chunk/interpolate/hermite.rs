//! A smooth curve through what arrived.

#[cfg(feature = "glam")]
use super::Slerp;
use super::{Beside, Interpolator, Lerp, Linear, Way};

/// A smooth curve, for all that [`Linear`] is for and for rotations: a cubic through the changes that does not turn sharply at
/// them.
///
/// At a change between two ways of `h₀` and `h₁` ticks, with paces `d₀` and `d₁`, the pace is `(d₀ h₁ + d₁ h₀) / (h₀ + h₁)`, that of
/// the parabola through the three values. Where the dataset rests before or after a way, it sets out or arrives with none; where
/// nothing is known yet, the pace is that of the way itself. The curve is then the one of Bézier with its inner points a third of the way
/// from the ends, drawn with straight lines only, so that it needs no more of a type than [`Lerp`] (or, for rotations, `Slerp`).
/// What a way before or after it adds is held to a third of that way, so the curve leaves the range of its ends by at most 4/27 of
/// the longer one of the ways beside it at each end.
///
/// It needs the change after the next: show it one time between two changes later than [`Linear`], or it corrects itself when that
/// arrives.
///
/// ```
/// use gridmate_runtime::chunk::{History, Moment};
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Ball {
///     #[dataset(interpolate = Hermite)]
///     height: f32,
/// }
///
/// let mut received = History::new();
/// for (tick, height) in [(0, 0.0), (2, 3.0), (4, 4.0), (6, 3.0)] {
///     received.push(tick, &Ball { height }.snapshot());
/// }
/// let mut ball = Ball::default();
/// ball.interpolate(&Moment::new(&received, 3.0, 8.0).expect("something was received"));
/// assert_eq!(ball.height, 3.75); // a straight line is at 3.5
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hermite;

impl<T: Lerp + Clone> Interpolator<T> for Hermite {
    const LOOKS_AROUND: bool = true;

    #[inline]
    fn between(&self, from: &T, to: &T, t: f32) -> T {
        from.lerp(to, t)
    }

    fn along(&self, way: &Way<T>) -> Option<T> {
        cubic(&Linear, way)
    }
}

#[cfg(feature = "glam")]
#[diagnostic::do_not_recommend]
impl Interpolator<glam::Quat> for Hermite {
    const LOOKS_AROUND: bool = true;

    #[inline]
    fn between(&self, from: &glam::Quat, to: &glam::Quat, t: f32) -> glam::Quat {
        Slerp.between(from, to, t)
    }

    fn along(&self, way: &Way<glam::Quat>) -> Option<glam::Quat> {
        cubic(&Slerp, way)
    }
}

fn cubic<T: Clone>(by: &impl Interpolator<T>, way: &Way<T>) -> Option<T> {
    let (from, to, t) = (&way.from.value, way.to.as_ref()?, way.t());
    if t <= 0.0 {
        return None;
    }
    let span = to.tick - way.start();
    let leaving = inner(by, (from, &to.value), &way.before, way.from.tick, span);
    let arriving = inner(by, (&to.value, from), &way.after, to.tick, span);
    let (a, b, c) =
        (by.between(from, &leaving, t), by.between(&leaving, &arriving, t), by.between(&arriving, &to.value, t));
    Some(by.between(&by.between(&a, &b, t), &by.between(&b, &c, t), t))
}

/// The inner point next to `end`, on a way of `span` ticks to or from `other`.
fn inner<T: Clone>(by: &impl Interpolator<T>, (end, other): (&T, &T), beside: &Beside<T>, tick: f64, span: f64) -> T {
    let own = || by.between(end, other, 1.0 / 3.0);
    match beside {
        Beside::Unknown => own(),
        Beside::Rest => end.clone(),
        Beside::Change(next) => {
            let beyond = (next.tick - tick).abs();
            #[expect(clippy::cast_possible_truncation, reason = "fractions")]
            let (reach, share) = ((span / beyond).min(1.0) as f32 / 3.0, (span / (span + beyond)) as f32);
            by.between(&own(), &by.between(&next.value, end, 1.0 + reach), share)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Moment;
    use super::*;
    use crate::chunk::History;

    fn shown(entries: &[(u32, f64)], tick: f64, behind: f64) -> f64 {
        let mut past = History::new();
        entries.iter().for_each(|(tick, value)| past.push(*tick, value));
        let way = Moment::new(&past, tick, behind).unwrap().way(|value| value).map(|value| *value);
        Hermite.along(&way).unwrap_or(way.from.value)
    }

    #[test]
    fn a_parabola_is_followed_exactly() {
        let path = |t: f64| 3.0 + 2.0 * t - 0.25 * t * t;
        let entries: Vec<_> = (0..8).map(|i| (i * 3, path(f64::from(i * 3)))).collect();
        for i in 30..180 {
            let tick = f64::from(i) / 10.0;
            let off = shown(&entries, tick, 12.0) - path(tick);
            assert!(off.abs() < 1e-4, "{tick}: off by {off}");
        }
    }

    #[test]
    fn it_is_smooth_at_changes_and_starts_and_ends_in_rest() {
        let entries = [(0, 0.0), (10, 1.0), (12, 5.0), (14, 4.0), (40, 9.0)];
        let pace = |tick: f64| (shown(&entries, tick + 1e-3, 5.0) - shown(&entries, tick - 1e-3, 5.0)) / 2e-3;
        let step = |tick: f64| (pace(tick + 2e-3) - pace(tick - 2e-3)).abs();
        assert!(step(12.0) < 0.05, "{}", step(12.0));
        assert!(pace(5.005).abs() < 0.02 && pace(13.995).abs() < 0.02, "{} {}", pace(5.005), pace(13.995));
    }

    #[test]
    fn it_leaves_the_range_of_its_ends_by_no_more_than_is_said() {
        let mut rng = crate::rng::Rng::new(7);
        for _ in 0..2_000 {
            let (mut tick, mut entries) = (0, Vec::new());
            for _ in 0..4 {
                tick += 1 + u32::try_from(rng.below(6)).unwrap();
                entries.push((tick, f64::from(u32::try_from(rng.below(1_000)).unwrap())));
            }
            let [a, b, c, d] = [0, 1, 2, 3].map(|i| entries[i].1);
            if a == b || b == c || c == d {
                continue;
            }
            let room = 4.0 / 27.0 * ((b - a).abs().max((c - b).abs()) + (d - c).abs().max((c - b).abs())) + 1e-6;
            let (from, to) = (f64::from(entries[1].0), f64::from(entries[2].0));
            for i in 1..20 {
                let shown = shown(&entries, from + (to - from) * f64::from(i) / 20.0, 30.0);
                assert!(shown > b.min(c) - room && shown < b.max(c) + room, "{entries:?}: {shown}");
            }
        }
    }

    #[test]
    fn what_is_beside_it_unknown_is_straight() {
        assert!((shown(&[(10, 1.0), (14, 3.0)], 11.0, 9.0) - 1.5).abs() < 1e-6);
        assert!((shown(&[(10, 1.0)], 11.0, 9.0) - 1.0).abs() < 1e-9);
    }
}
