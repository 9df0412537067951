//! Leaps that are not ways: what was put somewhere else is not shown in between.

use super::{Beside, Interpolator, Way};
#[cfg(feature = "glam")]
use crate::wire::types::Transform;

/// An interpolator that shows no way between two values that are further [`Apart`] than so much: the earlier is held, and then the
/// later is there.
///
/// The rule is the display's alone. It costs no bits, and holds over losses, behind relays and for who joins late, because it
/// judges the values themselves. The distance is to be more than what moves covers between two changes that arrive, losses included.
///
/// ```
/// use gridmate_runtime::chunk::{History, Moment};
/// use gridmate_runtime::prelude::*;
///
/// #[derive(Default, ReplicaChunk)]
/// struct Wizard {
///     #[dataset(interpolate = Snap(Linear, 5.0))]
///     at: [f32; 2],
/// }
///
/// let mut received = History::new();
/// for (tick, at) in [(10, [0.0, 0.0]), (14, [4.0, 0.0]), (18, [4.0, 80.0])] {
///     received.push(tick, &Wizard { at }.snapshot());
/// }
/// let shown = |tick| {
///     let mut wizard = Wizard::default();
///     wizard.interpolate(&Moment::new(&received, tick, 8.0).expect("something was received"));
///     wizard.at
/// };
/// assert_eq!([shown(12.0), shown(17.9), shown(18.0)], [[2.0, 0.0], [4.0, 0.0], [4.0, 80.0]]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Snap<I>(
    /// What shows the ways that are.
    pub I,
    /// How far a way can be.
    pub f64,
);

/// What has a distance, for [`Snap`].
///
/// ```
/// use gridmate_runtime::chunk::Apart;
///
/// struct Floor(f32);
///
/// impl Apart for Floor {
///     fn apart(&self, other: &Self) -> f64 {
///         self.0.apart(&other.0)
///     }
/// }
///
/// assert_eq!(Floor(1.0).apart(&Floor(3.5)), 2.5);
/// assert_eq!([0.0_f32, 0.0].apart(&[3.0, 4.0]), 5.0);
/// ```
#[diagnostic::on_unimplemented(
    message = "`Snap` knows no distance between two `{Self}`",
    note = "there is one between floats, arrays of them, vectors and transforms; implement `Apart` for `{Self}`"
)]
pub trait Apart {
    /// How far it is to `other`.
    fn apart(&self, other: &Self) -> f64;
}

impl Apart for f32 {
    fn apart(&self, other: &Self) -> f64 {
        (f64::from(*self) - f64::from(*other)).abs()
    }
}

impl Apart for f64 {
    fn apart(&self, other: &Self) -> f64 {
        (self - other).abs()
    }
}

/// As the crow flies.
impl<T: Apart, const N: usize> Apart for [T; N] {
    fn apart(&self, other: &Self) -> f64 {
        self.iter().zip(other).map(|(a, b)| a.apart(b).powi(2)).sum::<f64>().sqrt()
    }
}

#[cfg(feature = "glam")]
macro_rules! vectors {
    ($($vector:ident)*) => {$(
        #[diagnostic::do_not_recommend]
        impl Apart for glam::$vector {
            fn apart(&self, other: &Self) -> f64 {
                self.distance(*other).into()
            }
        }
    )*};
}
#[cfg(feature = "glam")]
vectors!(Vec2 Vec3 Vec3A Vec4 DVec2 DVec3 DVec4);

/// That of the places.
#[cfg(feature = "glam")]
#[diagnostic::do_not_recommend]
impl Apart for Transform {
    fn apart(&self, other: &Self) -> f64 {
        self.translation.apart(&other.translation)
    }
}

impl<I> Snap<I> {
    fn leaps<T: Apart>(&self, from: &T, to: &T) -> bool {
        from.apart(to) > self.1
    }
}

impl<T: Apart + Clone, I: Interpolator<T>> Interpolator<T> for Snap<I> {
    const LOOKS_AROUND: bool = I::LOOKS_AROUND;

    fn between(&self, from: &T, to: &T, t: f32) -> T {
        if self.leaps(from, to) {
            return if t < 1.0 { from.clone() } else { to.clone() };
        }
        self.0.between(from, to, t)
    }

    fn along(&self, way: &Way<T>) -> Option<T> {
        let end = way.to.as_ref().unwrap_or(&way.from);
        if self.leaps(&way.from.value, &end.value) {
            return None;
        }
        // Neither does a leap beside it bend the way.
        let beside = |end: &T, beside: &Beside<T>| match beside {
            Beside::Change(change) if self.leaps(end, &change.value) => Beside::Unknown,
            beside => beside.clone(),
        };
        let (before, after) = (beside(&way.from.value, &way.before), beside(&end.value, &way.after));
        self.0.along(&Way { before, after, ..way.clone() })
    }
}
