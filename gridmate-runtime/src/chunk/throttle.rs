//! Throttles: when a change of a dataset is worth sending.
//!
//! A throttle only *delays*. A change that it withholds is looked at again in every tick, and the value that a dataset comes to
//! rest at arrives exactly, whatever was withheld on the way. Proxies, those who join later included, hold what was last let
//! through; the primary's own struct holds what the program wrote.
//!
//! Types without a throttle keep nothing for it and check nothing.

use core::time::Duration;

use crate::chunk::ReplicaChunk;
use crate::chunk::field::Field;
use crate::time::Instant;
use crate::wire::Codec;

/// Decides when a change of a dataset of type `T` is sent: what `throttle = …` names.
///
/// ```
/// use gridmate_runtime::chunk::{Pace, Throttle};
/// use gridmate_runtime::prelude::*;
///
/// /// Sends a full magazine at once, and other counts when the shooting stops.
/// struct Ammo;
///
/// impl Throttle<u8> for Ammo {
///     fn passes(&self, now: &u8, _sent: &u8, pace: Pace) -> bool {
///         *now == 30 || pace.still >= 5
///     }
/// }
///
/// #[derive(Default, ReplicaChunk)]
/// struct Rifle {
///     #[dataset(throttle = Ammo)]
///     ammo: u8,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a throttle for `{T}`",
    label = "cannot throttle a `{T}`",
    note = "throttles are `Exact`, `AtMost(ticks)`, for numbers and vectors `Epsilon(distance)`, and what implements `Throttle`"
)]
pub trait Throttle<T> {
    /// Whether `now` is sent in this tick. Asked only while its repr differs from that of `sent`, the value that proxies have.
    ///
    /// It must pass in the end when a value stays as it is (`pace.still` grows by one each tick), or proxies never get it and
    /// the chunk is looked at in every tick for as long as it lives.
    fn passes(&self, now: &T, sent: &T, pace: Pace) -> bool;
}

/// How long ago things happened to a dataset, in ticks.
///
/// ```
/// use gridmate_runtime::chunk::{Field, Pace, Throttle, ThrottleMark};
///
/// /// At most three changes a second at 30 ticks, and what has come to rest.
/// struct Seldom;
///
/// impl<T> Throttle<T> for Seldom {
///     fn passes(&self, _now: &T, _sent: &T, pace: Pace) -> bool {
///         pace.unsent >= 10 || pace.still > 0
///     }
/// }
///
/// // A change so soon after the last one waits.
/// assert!(Field::<u8>::NATIVE.throttle(&Seldom, (&mut 8, &7, &7), &mut ThrottleMark::default()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pace {
    /// Since its value was last found different from the tick before; 0 when it is in this tick.
    pub still: u32,
    /// Since a change of it was last sent; at least 1.
    pub unsent: u32,
}

/// Every change, in the tick it is found in: as a dataset without a throttle, which costs less.
///
/// ```
/// use gridmate_runtime::chunk::{Exact, Field, ThrottleMark};
///
/// const SCORE: Field<u32> = Field::NATIVE;
///
/// // `#[dataset(throttle = Exact)] score: u32`
/// let (mut now, before, sent) = (8, 7, 7);
/// let withheld = SCORE.throttle(&Exact, (&mut now, &before, &sent), &mut ThrottleMark::default());
/// assert_eq!((withheld, now), (false, 8));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exact;

impl<T> Throttle<T> for Exact {
    #[inline]
    fn passes(&self, _now: &T, _sent: &T, _pace: Pace) -> bool {
        true
    }
}

/// At most one change in so many ticks, the newest value. `AtMost(1)` is [`Exact`].
///
/// ```
/// use core::time::Duration;
/// use gridmate_runtime::prelude::*;
/// use gridmate_runtime::sim::{LinkConfig, World};
///
/// #[derive(Default, ReplicaChunk)]
/// struct Meter {
///     #[dataset(throttle = AtMost(30))]
///     reading: u32,
/// }
///
/// # let registry = Registry::builder().chunk::<Meter>().build()?;
/// let mut world = World::new(7, 30, LinkConfig::perfect())?; // 30 ticks a second
/// # let host = world.host(NodeConfig::new(registry.clone()))?;
/// # let client = world.join(host, NodeConfig::new(registry))?;
/// let id = world.replicas(host).add(Meter::default())?;
/// world.run_for(Duration::from_secs(2));
/// let mut seen = std::collections::BTreeSet::new();
/// for _ in 0..90 {
///     world.replicas(host).primary_mut::<Meter>(id)?.reading += 1;
///     world.step();
///     seen.insert(world.replicas(client).get::<Meter>(id)?.reading);
/// }
/// assert!(seen.len() <= 5, "one a second, not one a tick: {seen:?}");
/// # assert!(seen.len() >= 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AtMost(pub u32);

impl<T> Throttle<T> for AtMost {
    #[inline]
    fn passes(&self, _now: &T, _sent: &T, pace: Pace) -> bool {
        pace.unsent >= self.0
    }
}

/// Changes of at least this distance from the value sent last. A smaller one waits until the value has not moved for
/// [`SETTLE`](Self::SETTLE) ticks, and is sent then: what comes to rest is exact everywhere, what trembles costs nothing.
///
/// ```
/// use gridmate_runtime::chunk::{Epsilon, Field, ThrottleMark};
///
/// const HEAT: Field<i16> = Field::NATIVE;
///
/// // `#[dataset(throttle = Epsilon(5.0))] heat: i16`, of which proxies have 200
/// let passes = |mut now: i16| {
///     let mark = &mut ThrottleMark::default();
///     !HEAT.throttle(&Epsilon(5.0), (&mut now, &0, &200), mark)
/// };
/// assert!(!passes(204)); // waits until it stays there
/// assert!(passes(205) && passes(195));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Epsilon(pub f64);

impl Epsilon {
    /// Ticks without movement after which a value counts as settled.
    pub const SETTLE: u32 = 8;

    /// The same with another number of ticks.
    pub const fn settle(self, ticks: u32) -> SettledEpsilon {
        SettledEpsilon { epsilon: self, ticks }
    }
}

impl<T: Distance> Throttle<T> for Epsilon {
    #[inline]
    fn passes(&self, now: &T, sent: &T, pace: Pace) -> bool {
        self.settle(Self::SETTLE).passes(now, sent, pace)
    }
}

/// An [`Epsilon`] with its own number of ticks to settle; made by [`Epsilon::settle`].
///
/// ```
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Oven {
///     /// What trembles by less than half a degree is sent once it has been still for a second, at 30 ticks.
///     #[dataset(throttle = Epsilon(0.5).settle(30))]
///     heat: f32,
/// }
///
/// assert_eq!(Oven::THROTTLES, 1);
/// assert_ne!(Epsilon(0.5).settle(30), Epsilon(0.5).settle(Epsilon::SETTLE));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SettledEpsilon {
    epsilon: Epsilon,
    ticks: u32,
}

impl<T: Distance> Throttle<T> for SettledEpsilon {
    #[inline]
    fn passes(&self, now: &T, sent: &T, pace: Pace) -> bool {
        // Infinities and NaN are no distance to be below of.
        pace.still >= self.ticks
            || !matches!(now.distance(sent).partial_cmp(&self.epsilon.0), Some(core::cmp::Ordering::Less))
    }
}

/// How far apart two values are, for [`Epsilon`].
///
/// ```
/// use gridmate_runtime::chunk::Distance;
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Clone, Default, PartialEq, Marshal)]
/// struct Tile {
///     column: u16,
///     row: u16,
/// }
///
/// impl Distance for Tile {
///     fn distance(&self, other: &Self) -> f64 {
///         self.column.distance(&other.column).max(self.row.distance(&other.row)) // as the king walks
///     }
/// }
///
/// #[derive(Default, ReplicaChunk)]
/// struct King {
///     #[dataset(throttle = Epsilon(2.0))]
///     at: Tile,
/// }
///
/// assert_eq!(Tile { column: 3, row: 4 }.distance(&Tile { column: 1, row: 9 }), 5.0);
/// ```
#[diagnostic::on_unimplemented(
    message = "`Epsilon` needs a distance between two `{Self}`",
    note = "numbers and vectors have one; implement `Distance` for `{Self}`, or use `AtMost(ticks)`"
)]
pub trait Distance {
    /// Zero for equal values, never negative.
    fn distance(&self, other: &Self) -> f64;
}

macro_rules! exact_in_f64 {
    ($($number:ident)*) => {$(
        impl Distance for $number {
            #[inline]
            fn distance(&self, other: &Self) -> f64 {
                (f64::from(*self) - f64::from(*other)).abs()
            }
        }
    )*};
}
exact_in_f64!(f32 f64 u8 u16 u32 i8 i16 i32);

macro_rules! wide {
    ($($number:ident)*) => {$(
        impl Distance for $number {
            #[inline]
            fn distance(&self, other: &Self) -> f64 {
                self.abs_diff(*other) as f64
            }
        }
    )*};
}
wide!(u64 i64 usize isize);

#[cfg(feature = "glam")]
macro_rules! vectors {
    ($($vector:ident)*) => {$(
        impl Distance for glam::$vector {
            #[inline]
            fn distance(&self, other: &Self) -> f64 {
                f64::from((*self - *other).length())
            }
        }
    )*};
}
#[cfg(feature = "glam")]
vectors!(Vec2 Vec3 Vec3A Vec4 DVec2 DVec3 DVec4);

/// The angle between two rotations, radians.
#[cfg(feature = "glam")]
impl Distance for glam::Quat {
    fn distance(&self, other: &Self) -> f64 {
        f64::from(self.angle_between(*other))
    }
}

/// Ticks in which something happened to one dataset. Kept by the store, read and written by [`Field::throttle`].
///
/// [`Field::throttle`]: crate::chunk::Field::throttle
///
/// ```
/// use gridmate_runtime::chunk::{Epsilon, Field, ThrottleMark};
///
/// const HEAT: Field<i16> = Field::NATIVE;
///
/// // One for each dataset with a throttle: `ReplicaChunk::THROTTLES` of them.
/// let (mut mark, mut now, before, sent) = (ThrottleMark::default(), 204, 200, 200);
/// assert!(HEAT.throttle(&Epsilon(5.0), (&mut now, &before, &sent), &mut mark));
/// assert_eq!(now, 200); // what proxies have, until more has changed
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ThrottleMark {
    /// This one.
    tick: u32,
    moved: u32,
    sent: u32,
    /// Whatever has changed goes out.
    passes: bool,
}

impl ThrottleMark {
    /// Lets every change through the next time it is asked about.
    pub fn pass(marks: &mut [Self]) {
        marks.iter_mut().for_each(|mark| mark.passes = true);
    }
}

impl<T, C: Codec<T>> Field<T, C> {
    /// Withholds a change that `throttle` does not let through: puts `sent` back in its place. True if it did.
    ///
    /// `now` is what was captured in this tick, `before` what was in the tick before, `sent` what proxies have.
    #[inline]
    pub fn throttle(
        &self,
        throttle: &impl Throttle<T>,
        (now, before, sent): (&mut C::Repr, &C::Repr, &C::Repr),
        mark: &mut ThrottleMark,
    ) -> bool {
        if now != before {
            mark.moved = mark.tick;
        }
        let passes = core::mem::take(&mut mark.passes);
        if now == sent {
            return false;
        }
        let pace =
            Pace { still: mark.tick.saturating_sub(mark.moved), unsent: mark.tick.saturating_sub(mark.sent).max(1) };
        if passes || throttle.passes(&self.from_repr(now), &self.from_repr(sent), pace) {
            mark.sent = mark.tick;
            return false;
        }
        now.clone_from(sent);
        true
    }
}

/// What is remembered of each chunk of a type for its throttles, by slot of the store. Types that have none pay nothing, and
/// nothing is compiled for them: so it is behind a pointer, and made in code that only types with throttles reach.
pub(crate) struct Throttles<T: ReplicaChunk> {
    slots: Option<Box<dyn Withhold<T::Snapshot>>>,
}

trait Withhold<S>: Send + Sync {
    fn reset(&mut self, slot: u32, snapshot: &S);
    fn captured(&self, slot: u32) -> Option<&S>;
    fn hold(&mut self, slot: u32, now: &mut S, sent: Option<&S>, at: (u32, Instant)) -> bool;
}

struct Slots<T: ReplicaChunk>(Vec<Throttled<T::Snapshot>>);

struct Throttled<S> {
    /// What the last tick captured, with nothing withheld.
    captured: S,
    /// The same of the tick before.
    before: S,
    marks: Box<[ThrottleMark]>,
    /// When the next change may go, of a type with a rate.
    next: Instant,
}

impl<T: ReplicaChunk> Throttles<T> {
    pub(crate) fn new() -> Self {
        Self {
            slots: if const { T::THROTTLES > 0 || T::DESCRIPTOR.rate.is_some() } {
                Some(Box::new(Slots::<T>(Vec::new())))
            } else {
                None
            },
        }
    }

    /// A slot that is new, next to the last, or starts again: it holds `snapshot`, and so do all proxies.
    pub(crate) fn reset(&mut self, slot: u32, snapshot: &T::Snapshot) {
        if let Some(slots) = &mut self.slots {
            slots.reset(slot, snapshot);
        }
    }

    /// What the last tick captured; where nothing can be withheld that is what it sent, and not kept here.
    pub(crate) fn captured(&self, slot: u32) -> Option<&T::Snapshot> {
        match &self.slots {
            Some(slots) => slots.captured(slot),
            None => None,
        }
    }

    /// Puts back in `now` what is withheld in this tick; true if anything is. Nothing is while there are no proxies: then
    /// `sent` is none.
    #[inline]
    pub(crate) fn hold(
        &mut self,
        slot: u32,
        now: &mut T::Snapshot,
        sent: Option<&T::Snapshot>,
        at: (u32, Instant),
    ) -> bool {
        match &mut self.slots {
            Some(slots) => slots.hold(slot, now, sent, at),
            None => false,
        }
    }
}

impl<T: ReplicaChunk> Withhold<T::Snapshot> for Slots<T> {
    fn reset(&mut self, slot: u32, snapshot: &T::Snapshot) {
        match self.0.get_mut(slot as usize) {
            Some(known) => {
                known.captured.clone_from(snapshot);
                known.marks.fill(ThrottleMark::default());
                known.next = Instant::ZERO;
            }
            None => self.0.push(Throttled {
                captured: snapshot.clone(),
                before: snapshot.clone(),
                marks: vec![ThrottleMark::default(); T::THROTTLES].into(),
                next: Instant::ZERO,
            }),
        }
    }

    fn captured(&self, slot: u32) -> Option<&T::Snapshot> {
        self.0.get(slot as usize).map(|known| &known.captured)
    }

    fn hold(
        &mut self,
        slot: u32,
        now: &mut T::Snapshot,
        sent: Option<&T::Snapshot>,
        (tick, time): (u32, Instant),
    ) -> bool {
        let Some(Throttled { captured, before, marks, next }) = self.0.get_mut(slot as usize) else { return false };
        core::mem::swap(before, captured);
        captured.clone_from(now);
        let Some(sent) = sent else {
            marks.fill(ThrottleMark { tick, moved: tick, sent: tick, passes: false });
            *next = time + interval::<T>();
            return false;
        };
        for mark in &mut *marks {
            mark.tick = tick;
        }
        if now == sent {
            return false;
        }
        if time < *next {
            // Which of them moved nobody looks at before the whole may go.
            let moved = now != before;
            marks.iter_mut().for_each(|mark| mark.moved = if moved { tick } else { mark.moved });
            now.clone_from(sent);
            return true;
        }
        let withheld = T::throttle(now, before, sent, marks);
        if now != sent {
            // On the average as often as it says, whatever the ticks.
            let due = *next + interval::<T>();
            *next = if due > time { due } else { time + interval::<T>() };
        }
        withheld
    }
}

/// The least time from one change to the next, of a type with a rate.
const fn interval<T: ReplicaChunk>() -> Duration {
    match T::DESCRIPTOR.rate {
        Some(rate) => Duration::from_micros(1_000_000 / rate as u64),
        None => Duration::ZERO,
    }
}
