//! Interpolators: what a dataset shows between two values that arrived.
//!
//! A proxy holds the newest value there is. Shown as it comes, it moves when datagrams do: late, early, in bunches. A program that
//! shows its proxies a little late instead always knows the value before the moment shown and the one after it, and an
//! interpolator says what lies between.
//!
//! What arrived is remembered anyway, to decode against. Types with interpolated datasets keep it for as long as there is room
//! ([`limits::HISTORY`](crate::limits::HISTORY) changes), others let it go as soon as nobody needs it. Moments are ticks of the
//! sender here; which tick it was at which time is the business of [`replica`](crate::replica).

mod extrapolate;
mod hermite;
mod snap;
mod way;

pub use extrapolate::Extrapolate;
pub use hermite::Hermite;
pub use snap::{Apart, Snap};
pub use way::{Beside, Sample, Way};

use crate::chunk::field::Field;
use crate::chunk::history::History;
use crate::wire::Codec;
#[cfg(feature = "glam")]
use crate::wire::types::{Color, Transform};

/// Says what a dataset of type `T` shows between two of its values: what `interpolate = …` names.
///
/// ```
/// use gridmate_runtime::chunk::Interpolator;
/// use gridmate_runtime::prelude::*;
///
/// /// Starts and stops gently.
/// struct Eased;
///
/// impl Interpolator<f32> for Eased {
///     fn between(&self, from: &f32, to: &f32, t: f32) -> f32 {
///         from + (to - from) * t * t * (3.0 - 2.0 * t)
///     }
/// }
///
/// #[derive(Default, ReplicaChunk)]
/// struct Lift {
///     #[dataset(interpolate = Eased)]
///     height: f32,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an interpolator for `{T}`",
    label = "cannot interpolate a `{T}`",
    note = "interpolators are `Point`, for floats and vectors `Linear` and `Hermite`, for angles `Angle`, for rotations `Slerp` \
            (feature `glam`), `Snap` and `Extrapolate` around one of them, and what implements `Interpolator`"
)]
pub trait Interpolator<T> {
    /// What is shown at `t`, more than 0 and less than 1, on the way from one value to the next. At the ends of the way the values
    /// themselves are shown, and nobody is asked. [`Hermite`] and [`Extrapolate`] also ask for what lies beyond the ends.
    fn between(&self, from: &T, to: &T, t: f32) -> T;

    /// Whether [`along`](Self::along) is to be asked, always, in place of [`between`](Self::between). That costs a look at the
    /// changes around.
    const LOOKS_AROUND: bool = false;

    /// What is shown on a [`Way`], with the changes around it. `None` is the value it comes from, exactly.
    ///
    /// ```
    /// use gridmate_runtime::chunk::{Beside, Interpolator, Way};
    ///
    /// /// Moves only between changes that follow one another; what comes out of a rest leaps.
    /// struct Wakes;
    ///
    /// impl Interpolator<f32> for Wakes {
    ///     const LOOKS_AROUND: bool = true;
    ///
    ///     fn between(&self, from: &f32, to: &f32, t: f32) -> f32 {
    ///         from + (to - from) * t
    ///     }
    ///
    ///     fn along(&self, way: &Way<f32>) -> Option<f32> {
    ///         if matches!(way.before, Beside::Rest) { None } else { way.straight(self) }
    ///     }
    /// }
    /// ```
    fn along(&self, way: &Way<T>) -> Option<T> {
        way.straight(self)
    }
}

/// The newest value at or before the moment shown: in step with what moves, without moving itself.
///
/// ```
/// use gridmate_runtime::chunk::{Interpolator, Point};
///
/// // A light that is switched: `#[dataset(interpolate = Point)] on: bool`.
/// assert_eq!(Point.between(&false, &true, 0.9), false);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Point;

impl<T: Clone> Interpolator<T> for Point {
    #[inline]
    fn between(&self, from: &T, _to: &T, _t: f32) -> T {
        from.clone()
    }
}

/// A straight line: floats, arrays of them, vectors, colours, transforms, and what implements [`Lerp`].
///
/// ```
/// use gridmate_runtime::chunk::{Interpolator, Linear};
///
/// // `#[dataset(interpolate = Linear)] position: [f32; 2]`
/// assert_eq!(Linear.between(&[0.0_f32, 8.0], &[4.0, 0.0], 0.25), [1.0, 6.0]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Linear;

impl<T: Lerp> Interpolator<T> for Linear {
    #[inline]
    fn between(&self, from: &T, to: &T, t: f32) -> T {
        from.lerp(to, t)
    }
}

/// What has a straight line between any two values, for [`Linear`].
///
/// ```
/// use gridmate_runtime::chunk::{Interpolator, Lerp};
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Clone, Debug, Default, PartialEq, Marshal)]
/// struct Camera {
///     position: [f32; 2],
///     cut: bool, // a fresh shot: nothing lies between
/// }
///
/// impl Lerp for Camera {
///     fn lerp(&self, to: &Self, t: f32) -> Self {
///         Self { position: if to.cut { self.position } else { self.position.lerp(&to.position, t) }, cut: self.cut }
///     }
/// }
///
/// #[derive(Default, ReplicaChunk)]
/// struct Spectator {
///     #[dataset(interpolate = Linear)]
///     camera: Camera,
/// }
///
/// let (from, to) = (Camera::default(), Camera { position: [8.0, 0.0], cut: false });
/// assert_eq!(Linear.between(&from, &to, 0.5).position, [4.0, 0.0]);
/// assert_eq!(Linear.between(&from, &Camera { cut: true, ..to }, 0.5).position, [0.0, 0.0]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`Linear` knows no line between two `{Self}`",
    label = "cannot interpolate a `{Self}` in this way",
    note = "there is one between floats, arrays of them, vectors, colours and transforms; implement `Lerp` for `{Self}`, or use \
            `Point`"
)]
pub trait Lerp {
    /// The point at `t` of the way from `self` (0) to `to` (1), and beyond its ends for [`Hermite`] and [`Extrapolate`].
    #[must_use]
    fn lerp(&self, to: &Self, t: f32) -> Self;
}

impl Lerp for f32 {
    #[inline]
    fn lerp(&self, to: &Self, t: f32) -> Self {
        self + (to - self) * t
    }
}

impl Lerp for f64 {
    #[inline]
    fn lerp(&self, to: &Self, t: f32) -> Self {
        self + (to - self) * Self::from(t)
    }
}

impl<T: Lerp, const N: usize> Lerp for [T; N] {
    #[inline]
    fn lerp(&self, to: &Self, t: f32) -> Self {
        core::array::from_fn(|i| self[i].lerp(&to[i], t))
    }
}

#[cfg(feature = "glam")]
macro_rules! vectors {
    ($($component:ident: $($vector:ident)*;)*) => {$($(
        #[diagnostic::do_not_recommend]
        impl Lerp for glam::$vector {
            #[inline]
            fn lerp(&self, to: &Self, t: f32) -> Self {
                *self + (*to - *self) * $component::from(t)
            }
        }
    )*)*};
}
#[cfg(feature = "glam")]
vectors! {
    f32: Vec2 Vec3 Vec3A Vec4;
    f64: DVec2 DVec3 DVec4;
}

/// Place and scale on straight lines, the rotation the shorter way at a steady speed, as [`Slerp`] does.
#[cfg(feature = "glam")]
#[diagnostic::do_not_recommend]
impl Lerp for Transform {
    #[inline]
    fn lerp(&self, to: &Self, t: f32) -> Self {
        Self {
            translation: Lerp::lerp(&self.translation, &to.translation, t),
            rotation: Slerp.between(&self.rotation, &to.rotation, t),
            scale: Lerp::lerp(&self.scale, &to.scale, t),
        }
    }
}

/// Each component on its own.
#[cfg(feature = "glam")]
#[diagnostic::do_not_recommend]
impl Lerp for Color {
    #[inline]
    fn lerp(&self, to: &Self, t: f32) -> Self {
        let [r, g, b, a] = [self.r, self.g, self.b, self.a].lerp(&[to.r, to.g, to.b, to.a], t);
        Self { r, g, b, a }
    }
}

/// The shorter way round the circle, for angles kept as numbers. What it shows may lie outside the range that a program keeps its
/// angles in, by less than half a turn: 355° on the way from 350° to 10°, and then 365°.
///
/// ```
/// use gridmate_runtime::chunk::{Angle, Interpolator};
///
/// // `#[dataset(interpolate = Angle::DEGREES)] heading: f32`
/// assert_eq!(Angle::DEGREES.between(&350.0_f32, &10.0, 0.25), 355.0);
/// assert_eq!(Angle::per_turn(24.0).between(&23.0_f64, &1.0, 0.5), 24.0); // midnight
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Angle {
    turn: f64,
}

impl Angle {
    /// Angles in degrees.
    pub const DEGREES: Self = Self::per_turn(360.0);
    /// Angles in radians.
    pub const RADIANS: Self = Self::per_turn(core::f64::consts::TAU);

    /// Angles of which so many make a full turn.
    pub const fn per_turn(turn: f64) -> Self {
        Self { turn }
    }
}

impl Interpolator<f64> for Angle {
    #[inline]
    fn between(&self, from: &f64, to: &f64, t: f32) -> f64 {
        let way = to - from;
        from + (way - self.turn * (way / self.turn).round()) * f64::from(t)
    }
}

impl Interpolator<f32> for Angle {
    #[inline]
    fn between(&self, from: &f32, to: &f32, t: f32) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "as near as an `f32` comes")]
        {
            self.between(&f64::from(*from), &f64::from(*to), t) as f32
        }
    }
}

/// The shorter way between two rotations, at a steady speed.
///
/// ```
/// use glam::Quat;
/// use gridmate_runtime::chunk::{Interpolator, Slerp};
///
/// // `#[dataset(with = SmallestThree::<10>, interpolate = Slerp)] rotation: Quat`
/// let shown = Slerp.between(&Quat::IDENTITY, &Quat::from_rotation_y(1.0), 0.25);
/// assert!(shown.angle_between(Quat::from_rotation_y(0.25)) < 1e-3);
/// ```
#[cfg(feature = "glam")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slerp;

#[cfg(feature = "glam")]
#[diagnostic::do_not_recommend]
impl Interpolator<glam::Quat> for Slerp {
    #[inline]
    fn between(&self, from: &glam::Quat, to: &glam::Quat, t: f32) -> glam::Quat {
        from.slerp(*to, t)
    }
}

#[cfg(feature = "glam")]
#[diagnostic::do_not_recommend]
impl Interpolator<glam::DQuat> for Slerp {
    #[inline]
    fn between(&self, from: &glam::DQuat, to: &glam::DQuat, t: f32) -> glam::DQuat {
        from.slerp(*to, t.into())
    }
}

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
    received: &'a History<S>,
    /// The last that is not after the moment shown.
    at: usize,
    /// The moment shown, in ticks of the sender.
    tick: f64,
    /// How far that is behind the present.
    behind: f64,
}

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
        let at = received.count_until(tick).saturating_sub(1);
        (received.len() > 0).then_some(Self { received, at, tick, behind: behind.max(0.0) })
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
        let tick = |i: usize| f64::from(self.received.entry(i).0);
        let from = repr(self.at);
        let still = Between { from, to: from, t: 0.0 };
        let Some(next) = (self.at + 1..self.received.len()).find(|i| repr(*i) != from) else { return still };
        let mut start = tick(next) - self.behind;
        // Since when has it been as it is? That matters only if it is later than `start`.
        let mut since = self.at;
        while since > 0 && tick(since) > start && repr(since - 1) == from {
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

impl<T, C: Codec<T>> Field<T, C> {
    /// Stores in `value` what `by` shows at a `moment` of the dataset whose repr `of` picks.
    #[inline]
    pub fn interpolate<'a, S, I: Interpolator<T>>(
        &self,
        by: &I,
        moment: &Moment<'a, S>,
        of: impl Fn(&'a S) -> &'a C::Repr,
        value: &mut T,
    ) {
        if I::LOOKS_AROUND {
            let way = moment.way(of);
            let from = way.from.value;
            match by.along(&way.map(|repr| self.from_repr(repr))) {
                Some(shown) => *value = shown,
                None => self.assign(value, from),
            }
            return;
        }
        let Between { from, to, t } = moment.between(of);
        if t > 0.0 {
            *value = by.between(&self.from_repr(from), &self.from_repr(to), t);
        } else {
            self.assign(value, from);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(entries: &[(u32, (i32, i32))]) -> History<(i32, i32)> {
        let mut past = History::new();
        entries.iter().for_each(|(version, snapshot)| past.push(*version, snapshot));
        past
    }

    fn way(entries: &History<(i32, i32)>, tick: f64, behind: f64) -> (i32, i32, f32) {
        let past = Moment::new(entries, tick, behind).unwrap();
        let Between { from, to, t } = past.between(|s| &s.0);
        (*from, *to, t)
    }

    #[test]
    fn a_moment_lies_between_the_changes_around_it() {
        let entries = past(&[(10, (1, 0)), (12, (2, 0)), (13, (3, 0))]);
        assert_eq!(way(&entries, 3.0, 9.0), (1, 1, 0.0), "before all that is known");
        assert_eq!(way(&entries, 10.0, 9.0), (1, 1, 0.0));
        assert_eq!(way(&entries, 10.5, 9.0), (1, 2, 0.25));
        assert_eq!(way(&entries, 12.0, 9.0), (2, 2, 0.0));
        assert_eq!(way(&entries, 12.5, 9.0), (2, 3, 0.5));
        assert_eq!(way(&entries, 13.0, 9.0), (3, 3, 0.0));
        assert_eq!(way(&entries, 99.0, 9.0), (3, 3, 0.0), "nothing newer is known");
        assert!(Moment::new(&past(&[]), 1.0, 0.0).is_none());
    }

    #[test]
    fn a_leap_after_a_rest_takes_as_long_as_the_display_is_behind() {
        let entries = past(&[(10, (1, 0)), (110, (2, 0))]);
        assert_eq!(way(&entries, 106.0, 4.0), (1, 1, 0.0));
        assert_eq!(way(&entries, 107.0, 4.0), (1, 2, 0.25));
        assert_eq!(way(&entries, 109.0, 0.0), (1, 1, 0.0), "shown as it comes");
        assert_eq!(way(&entries, 109.0, -7.0), (1, 1, 0.0));
        assert_eq!(way(&entries, 110.0, 4.0), (2, 2, 0.0));
    }

    #[test]
    fn changes_of_other_datasets_do_not_divide_the_way() {
        let entries = past(&[(10, (1, 0)), (11, (1, 1)), (12, (1, 2)), (13, (1, 3)), (14, (2, 4)), (15, (2, 5))]);
        assert_eq!(way(&entries, 11.0, 9.0), (1, 2, 0.25));
        assert_eq!(way(&entries, 13.0, 9.0), (1, 2, 0.75));
        assert_eq!(way(&entries, 13.0, 2.0), (1, 2, 0.5));
        assert_eq!(way(&entries, 14.5, 2.0), (2, 2, 0.0));
    }

    #[test]
    fn a_way_never_reaches_its_end_before_its_time() {
        let entries = past(&[(1, (1, 0)), (2, (2, 0))]);
        let (.., t) = way(&entries, 2.0 - f64::EPSILON, 9.0);
        assert!(t < 1.0);
    }

    #[test]
    fn lines_are_straight_and_angles_take_the_shorter_way() {
        assert_eq!([0.0_f32, 8.0].lerp(&[4.0, 0.0], 0.25).map(f32::to_bits), [1.0_f32, 6.0].map(f32::to_bits));
        assert_eq!(Linear.between(&0.0, &1e9_f64, 0.25).to_bits(), 2.5e8_f64.to_bits());
        assert_eq!(Point.between(&1, &2, 0.9), 1);
        let degrees = |from: f32, to: f32, t| Angle::DEGREES.between(&from, &to, t).to_bits();
        assert_eq!(degrees(350.0, 10.0, 0.25), 355.0_f32.to_bits());
        assert_eq!(degrees(10.0, 350.0, 0.75), (-5.0_f32).to_bits());
        assert_eq!(degrees(0.0, 90.0, 0.5), 45.0_f32.to_bits());
        assert_eq!(degrees(-170.0, 550.0, 0.5), (-170.0_f32).to_bits(), "once around and back is no way");
        assert!((Angle::RADIANS.between(&3.0, &-3.0_f64, 0.5) - core::f64::consts::PI).abs() < 1e-12);
        assert_eq!(Angle::per_turn(1.0).between(&0.9, &0.1_f64, 0.5).to_bits(), 1.0_f64.to_bits());
    }

    #[cfg(feature = "glam")]
    #[test]
    fn vectors_and_rotations() {
        use glam::{DVec2, Quat, Vec3};

        assert_eq!(Linear.between(&Vec3::ZERO, &Vec3::new(4.0, 8.0, 0.0), 0.25), Vec3::new(1.0, 2.0, 0.0));
        assert_eq!(Linear.between(&DVec2::ZERO, &DVec2::new(4.0, 8.0), 0.25), DVec2::new(1.0, 2.0));
        let (from, to) = (Quat::from_rotation_z(0.2), Quat::from_rotation_z(1.2));
        for to in [to, -to] {
            let shown = Slerp.between(&from, &to, 0.25);
            assert!(shown.angle_between(Quat::from_rotation_z(0.45)) < 1e-3, "{shown}");
        }
    }

    #[cfg(feature = "glam")]
    #[test]
    fn transforms_and_colours() {
        use glam::{Quat, Vec3};

        let from = Transform { rotation: Quat::from_rotation_z(0.2), ..Transform::at(Vec3::X) };
        let to = Transform {
            translation: Vec3::new(5.0, 4.0, 0.0),
            // The same rotation, and the longer way if it is taken for numbers.
            rotation: -Quat::from_rotation_z(1.2),
            scale: Vec3::splat(3.0),
        };
        let shown = Linear.between(&from, &to, 0.25);
        assert_eq!((shown.translation, shown.scale), (Vec3::new(2.0, 1.0, 0.0), Vec3::splat(1.5)));
        assert!(shown.rotation.angle_between(Quat::from_rotation_z(0.45)) < 1e-3, "{}", shown.rotation);
        assert!(shown.rotation.is_normalized());

        let (red, clear) = (Color::rgb(1.0, 0.0, 0.5), Color::default());
        assert_eq!(Linear.between(&red, &clear, 0.75), Color { r: 0.25, g: 0.0, b: 0.125, a: 0.25 });
    }
}
